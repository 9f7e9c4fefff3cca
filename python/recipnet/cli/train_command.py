"""``recipnet-train``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from recipnet.cli.guard import exit_codes, new_app
from recipnet.errors import ConfigError

app = new_app("")

_HELP = """Train a model and write a run folder.

Without arguments: the default model on the data that ship with recipnet.

\b
Examples:
  recipnet-train
  recipnet-train my.toml --set training.epochs=50
  recipnet-train --set data.path=my_cifs/ --set data.targets=id_prop.csv
  recipnet-train --resume runs/latest
"""


@app.command(help=_HELP)
def main(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG.toml", help="A TOML file; see --print-config.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=C", help="One key of the configuration; may be repeated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that gets the run folder and the link 'latest'.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a stopped run, such as runs/latest.")
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the whole configuration and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    with exit_codes(debug):
        if resume is not None:
            if config is not None or overrides or output is not None or print_config:
                message = "--resume goes on with the configuration of the run; give it alone, or start a new run"
                raise ConfigError(message, key="resume", value=str(resume))
            _run(lambda training: training.resume(resume))
            return
        from recipnet._optional import require

        configs = require("recipnet.training.config", "recipnet-train")
        changes = list(overrides or [])
        loaded = configs.load_config(config, changes)
        if output is not None:
            loaded.output.dir = str(output)
        if print_config:
            from recipnet.training.config_toml import dump_config

            print(dump_config(loaded), end="")
            return
        _run(lambda training: training.train(loaded))


def _training() -> Any:
    from recipnet._optional import require

    module = require("recipnet.training.runner", "recipnet-train")
    import torch

    # before the first parallel operation, so that all threads of this process have it
    torch.set_flush_denormal(True)
    return module


def _run(start: Callable[[Any], Any]) -> None:
    """Call ``start`` with the runner module; report how it ended."""
    training = _training()
    try:
        result = start(training)
    except training.Interrupted as stop:
        _explain_stop(stop)
        raise
    report(result)


def _explain_stop(stop: Any) -> None:
    print(
        f"stopped; the state is saved. Go on with: recipnet-train --resume {stop.folder}", file=sys.stderr, flush=True
    )


def report(result: Any) -> None:
    """Print what came out, the time, and where the files are."""
    print("\n".join(result.lines()), flush=True)
