"""``recipnet experts``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recipnet.cli.guard import exit_codes

HELP = """Which experts a trained mixture (regnet_mt) uses for which target.

SOURCE is a folder, glob or table of crystals; without it, the test crystals of the run.

\b
Example:
  recipnet experts runs/latest --plot experts.png
"""


def experts(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/latest.")],
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", help="Crystals to look at.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="How often each is picked, and how alike the targets are, as a picture."),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Shares and mean gates as a table.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    with exit_codes(debug):
        from recipnet._optional import require

        training = require("recipnet.training.experts", "recipnet experts")
        use = training.expert_use(require("recipnet.training.predictor", "recipnet experts").load(run), source)
        print("\n".join(use.lines()))
        if output is not None:
            use.write(output)
        if plot is not None:
            draw = require("recipnet.plot.experts", "recipnet experts --plot").experts
            draw(use.picked, use.similarity, use.targets, plot)
