"""``recipnet-predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recipnet.cli.guard import USER, exit_codes, new_app

app = new_app("")

_HELP = """Predict every structure of a source with a trained run.

SOURCE is a folder of CIF files, a glob or a Parquet file. The table has one row for everything given:
id, value and unit of each target, status, message.

\b
Examples:
  recipnet-predict runs/latest my_cifs/ --output predictions.csv
  recipnet-predict runs/latest "mp/*.cif" > predictions.csv
"""


@app.command(help=_HELP)
def main(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/latest.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder, glob, CIF or Parquet file.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .csv or .parquet file; else CSV on standard output.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse structures that would be repaired; exit with 2 if any fails.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    with exit_codes(debug):
        from recipnet._optional import require

        tables = require("recipnet.training.predict_table", "recipnet-predict")
        if output is not None:
            tables.check_output(output)
        import torch

        # before the first parallel operation, so that all threads of this process have it
        torch.set_flush_denormal(True)
        predictor = require("recipnet.training.predictor", "recipnet-predict").load(run)
        table = tables.predict_source(predictor, source, strict=strict)
        if output is not None:
            tables.write_table(table, output)
        else:
            tables.print_table(table, sys.stdout)
        count = len(table.rows)
        print(f"predicted {count - table.failed} of {count}" + (f" into {output}" if output else ""), file=sys.stderr)
        if table.failed:
            first = next(row for row in table.rows if row[-2] != "ok")
            print(f"{table.failed} failed, such as {first[0]}: {first[-1]}", file=sys.stderr)
            if strict:
                raise typer.Exit(USER)
