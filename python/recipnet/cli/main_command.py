"""``recipnet``: small commands about the installation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from importlib.util import find_spec
from typing import Annotated

import typer

from recipnet.cli.guard import exit_codes, new_app

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
            names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
            print(f"CUDA of torch: {torch.version.cuda or 'none'}; devices: {', '.join(names) or 'none'}")
        for package in ("lightning", "cupy-cuda12x", "cupy-cuda13x"):
            try:
                print(f"{package} {importlib.metadata.version(package)}")
            except importlib.metadata.PackageNotFoundError:
                print(f"{package} not installed")


@app.command(help="Models by name, with their size at default options and their modes.\n\nExample:\n  recipnet models")
def models(debug: _Debug = False) -> None:
    with exit_codes(debug):
        from recipnet._optional import require

        registry = require("recipnet.models", "recipnet models")
        for name in registry.names():
            count = sum(p.numel() for p in registry.build(name).parameters())
            modes = ", ".join(registry.modes(name))
            print(f"{name:<12} {count:>10,} parameters  modes: {modes}  [{registry.paper(name)}]")
