"""``recipnet symmetry``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recipnet.cli.guard import exit_codes, printable

HELP = """Space group, Wyckoff positions and standard cell of a structure, and whether they are what the file declares.

\b
Examples:
  recipnet symmetry quartz.cif
  recipnet symmetry quartz.cif --symprec 0.1 --operations --output quartz.json
"""


def symmetry(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A structure file; the first structure is taken.")],
    symprec: Annotated[float, typer.Option(help="Tolerance of positions in angstrom.")] = 0.01,
    operations: Annotated[
        bool, typer.Option("--operations", help="Also list the operations of the standard setting.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Also write all of it, with the standard cell, as JSON.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    with exit_codes(debug):
        import recipnet
        from recipnet.symmetry.report import lines, report

        found = report(recipnet.read(file), symprec)
        if output is not None:
            output.write_text(json.dumps({"file": str(file)} | found, indent=1) + "\n", encoding="utf-8")
        print(*map(printable, lines(found, operations=operations)), sep="\n")
