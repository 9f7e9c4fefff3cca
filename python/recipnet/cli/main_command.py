"""``recipnet``: small commands about the installation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from recipnet.cli import experts_command, symmetry_command, xrd_command
from recipnet.cli.guard import USER, exit_codes, new_app, say

app = new_app("Crystals in, numbers out. Training and predicting: recipnet-train, recipnet-predict.")

_Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.callback()
def commands() -> None:
    """Crystals in, numbers out. Training and predicting have commands of their own: recipnet-train and -predict."""


@app.command(help="Versions and devices, for bug reports.\n\nExample:\n  recipnet info")
def info(debug: _Debug = False) -> None:
    with exit_codes(debug):
        import recipnet
        from recipnet import _core

        print(f"recipnet {recipnet.__version__}")
        print(f"python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs")
        print(f"numpy {importlib.metadata.version('numpy')}")
        print(f"core threads {_core.num_threads()}")
        if find_spec("torch") is None:
            print('torch not installed: pip install "recipnet[train]"')
        else:
            import torch

            print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
            from recipnet.ops.devices import describe

            for line in describe():
                print(line)
        for package in ("lightning", "cupy-cuda12x", "cupy-cuda13x"):
            try:
                print(f"{package} {importlib.metadata.version(package)}")
            except importlib.metadata.PackageNotFoundError:
                print(f"{package} not installed")


_CONVERT = """Write structures in another format; what cannot be read is listed at the end.

IN is a file, folder, glob, archive or table; the suffix of OUT says the format: .cif, .vasp, .extxyz, .parquet.

\b
Examples:
  recipnet convert quartz.cif POSCAR
  recipnet convert my_cifs/ all.parquet
"""


@app.command(help=_CONVERT)
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="What to read.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    from_format: Annotated[str | None, typer.Option("--from", metavar="FORMAT", help="Format of IN.")] = None,
    to_format: Annotated[str | None, typer.Option("--to", metavar="FORMAT", help="Format of OUT.")] = None,
    p1: Annotated[bool, typer.Option("--p1", help="Write every atom, without symmetry.")] = False,
    precision: Annotated[int, typer.Option(help="Significant digits; 17 is exact.")] = 15,
    recursive: Annotated[bool, typer.Option("--recursive", help="Look into the folders of a folder.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse structures that would be repaired; exit with 2 if any fails.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Do not replace OUT if it exists.")] = False,
    debug: _Debug = False,
) -> None:
    with exit_codes(debug):
        import warnings

        from recipnet.io.convert import convert as convert_files

        with warnings.catch_warnings(record=True) as lost:
            warnings.simplefilter("always")
            report = convert_files(
                source,
                output,
                format=from_format,
                output_format=to_format,
                symmetry=not p1,
                precision=precision,
                overwrite=not keep,
                recursive=recursive,
                strict=strict,
            )
        for warning in lost:
            say(f"warning: {warning.message}")
        say(f"wrote {report.ok} of {report.given} to {output}")
        if report.failed or report.warnings:
            say(report.summary())
        if strict and report.failed:
            raise typer.Exit(USER)


_MODELS = "Models by name: paper, modes, sizes of both presets, invariances as tested.\n\nExample:\n  recipnet models"


@app.command(help=_MODELS)
def models(debug: _Debug = False) -> None:
    with exit_codes(debug):
        from recipnet._optional import require

        print("\n".join(require("recipnet.training.listing", "recipnet models").listing()))


app.command(name="experts", help=experts_command.HELP)(experts_command.experts)
app.command(name="symmetry", help=symmetry_command.HELP)(symmetry_command.symmetry)
app.command(name="xrd", help=xrd_command.HELP)(xrd_command.xrd)
