"""Training, from a typed configuration to a run folder that gives back its predictions.

>>> from recipnet.training import Config
>>> Config().training.loss
'l1'

``config`` needs pydantic alone; everything else needs torch and Lightning and is imported when first touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipnet.training.config import Config, load_config
    from recipnet.training.predictor import Prediction, Predictor, load
    from recipnet.training.runner import RunResult, resume, train

__all__ = ["Config", "Prediction", "Predictor", "RunResult", "load", "load_config", "resume", "train"]

_WHERE = {
    "Config": "config",
    "load_config": "config",
    "Prediction": "predictor",
    "Predictor": "predictor",
    "load": "predictor",
    "RunResult": "runner",
    "resume": "runner",
    "train": "runner",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from recipnet._optional import require

    return getattr(require(f"recipnet.training.{_WHERE[name]}", f"recipnet.training.{name}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
