"""The one list of models. A trainer knows them by name alone."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from recipnet.errors import ArgumentError
from recipnet.models.cgcnn import CGCNN
from recipnet.models.composition import Composition
from recipnet.models.ewald_message import EwaldSchNet
from recipnet.models.matformer import Matformer
from recipnet.models.megnet import MEGNet
from recipnet.models.potnet import PotNet
from recipnet.models.prdnet import PRDNet
from recipnet.models.prdnet_paper import PRDNetPaper, PRDNetPaperFixed
from recipnet.models.regnet import ReGNet
from recipnet.models.regnet_mt import ReGNetMT, ReGNetMTPaper
from recipnet.models.regnet_paper import ReGNetPaper
from recipnet.models.schnet import SchNet, SchNetPaper

#: Changes of description that a prediction may ignore, and the absence of steps in it. "cell" is any unimodular change.
INVARIANCES = ("atom order", "wrapping", "origin", "rotation", "mirror", "cell", "supercell", "continuity")
#: What a graph without a smooth end at its cut-off has.
STEPPED = INVARIANCES[:-1]


@dataclass(frozen=True)
class Entry:
    """A model: what builds each of its modes, where it comes from, and what each mode is invariant to.

    ``invariances`` is what tests/models/test_invariances.py finds, with default options: what is listed holds there and
    what is not listed is seen to fail there. A mode that is not a key has all of :data:`INVARIANCES`.
    """

    modes: dict[str, Callable[..., nn.Module]]
    paper: str
    invariances: dict[str, tuple[str, ...]] = field(default_factory=dict)


_ENTRIES = {
    "cgcnn": Entry(
        {"paper": CGCNN},
        "CGCNN, Phys. Rev. Lett. 120, 145301 (2018), arXiv 1710.10324",
        {"paper": ("wrapping", "origin", "rotation", "mirror", "cell")},
    ),
    "composition": Entry({"exact": Composition}, "none: the control without structure"),
    "ewald": Entry(
        {"paper": EwaldSchNet},
        "Ewald message passing on SchNet, ICML 2023, arXiv 2303.04791",
        {"paper": ("atom order", "wrapping", "origin", "rotation", "mirror")},
    ),
    "matformer": Entry(
        {"paper": Matformer},
        "Matformer, NeurIPS 2022, arXiv 2209.11807",
        {"paper": ("atom order", "wrapping", "origin", "rotation", "mirror")},
    ),
    "megnet": Entry({"paper": MEGNet}, "MEGNet, Chem. Mater. 31, 3564 (2019), arXiv 1812.05055", {"paper": STEPPED}),
    "potnet": Entry({"paper": PotNet}, "PotNet without infinite sums, ICML 2023, arXiv 2306.10045", {"paper": STEPPED}),
    "prdnet": Entry(
        {"exact": PRDNet, "paper": PRDNetPaper, "paper_fixed": PRDNetPaperFixed},
        "Beyond Structure (PRDNet), arXiv 2509.21778",
        {
            "paper": ("atom order", "wrapping", "rotation", "mirror"),
            "paper_fixed": ("atom order", "wrapping", "origin", "rotation", "mirror"),
        },
    ),
    "regnet": Entry(
        {"exact": ReGNet, "paper": ReGNetPaper},
        "ReGNet (ReciNet), arXiv 2502.02748",
        {"paper": ("atom order", "wrapping", "origin", "rotation", "mirror")},
    ),
    "regnet_mt": Entry(
        {"exact": ReGNetMT, "paper": ReGNetMTPaper},
        "ReGNet-MT, arXiv 2502.02748",
        {"paper": ("atom order", "wrapping", "origin", "rotation", "mirror")},
    ),
    "schnet": Entry(
        {"exact": SchNet, "paper": SchNetPaper}, "SchNet, NeurIPS 2017, arXiv 1706.08566", {"paper": STEPPED}
    ),
}


def names() -> list[str]:
    """Names that :func:`build` takes.

    Examples
    --------
    >>> "regnet" in names()
    True
    """
    return sorted(_ENTRIES)


def modes(name: str) -> list[str]:
    """Modes of one model; the first, ``"exact"`` where there is one, is what it is built in unless told otherwise."""
    return list(_entry(name).modes)


def paper(name: str) -> str:
    """Publication that defines one model."""
    return _entry(name).paper


def invariances(name: str, mode: str | None = None) -> tuple[str, ...]:
    """Those of :data:`INVARIANCES` that one mode of a model (None: its first) has, as tested.

    Examples
    --------
    >>> invariances("regnet")
    ('atom order', 'wrapping', 'origin', 'rotation', 'mirror', 'cell', 'supercell', 'continuity')
    """
    entry = _entry(name)
    return entry.invariances.get(_mode(name, entry, mode), INVARIANCES)


def options(name: str, mode: str | None = None) -> dict[str, Any]:
    """Options of one mode of a model (None: its first) with their defaults.

    Examples
    --------
    >>> options("composition")
    {'channels': 256, 'layers': 3, 'dropout': 0.0}
    """
    entry = _entry(name)
    return _defaults(entry.modes[_mode(name, entry, mode)])


def build(name: str, mode: str | None = None, targets: int = 1, **options: Any) -> nn.Module:
    """Build a model by name.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    mode : str, optional
        ``"exact"`` is the variant that is invariant to every choice that is not physics, ``"paper"`` the published one;
        by default the first of :func:`modes`.
    targets : int
        Outputs per crystal, T.
    **options
        Options of that model; its class documents them.

    Returns
    -------
    torch.nn.Module
        With ``.spec`` (what it needs) and ``forward(TensorBatch) -> (B, T)``.

    Raises
    ------
    ArgumentError
        For an unknown name, mode or option, with the nearest known one.
    """
    entry = _entry(name)
    factory = entry.modes[_mode(name, entry, mode)]
    known = list(_defaults(factory))
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"{name} has no option {option!r}{_nearest(option, known)}; it takes {', '.join(known)}",
                name=option,
                value=options[option],
            )
    return factory(targets=targets, **options)


def _entry(name: str) -> Entry:
    if name not in _ENTRIES:
        raise ArgumentError(
            f"no model is called {name!r}{_nearest(name, names())}; there are {', '.join(names())}",
            name="name",
            value=name,
        )
    return _ENTRIES[name]


def _mode(name: str, entry: Entry, mode: str | None) -> str:
    if mode is None:
        return next(iter(entry.modes))
    if mode not in entry.modes:
        raise ArgumentError(f"{name} has no mode {mode!r}: {', '.join(entry.modes)}", name="mode", value=mode)
    return mode


def _defaults(factory: Callable[..., nn.Module]) -> dict[str, Any]:
    """Keyword-only parameters of a model's class, and those of the model inside it that takes its ``**options``."""
    parameters = inspect.signature(factory).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    inner = getattr(factory, "trunk_class", None)
    return own if inner is None else own | _defaults(inner)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
