"""Exponential moving average of weights.

After each step ``average += (1 - decay_n) (weights - average)`` with ``decay_n = min(decay, (1 + n) / (10 + n))``, so
the first steps do not hold on to the random start (the warm-up of TensorFlow's ``ExponentialMovingAverage``).
"""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """Averaged copy of a module's floating-point state; integer buffers are taken as they are.

    Parameters
    ----------
    module
        Whose parameters and buffers are averaged.
    decay
        In [0, 1); 0 keeps no average, and `swap` does nothing.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> average = WeightAverage(layer, 0.5)
    >>> _ = nn.init.ones_(layer.weight)
    >>> average.update()
    >>> average.swap(); round(layer.weight.item(), 6)
    0.9
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self._module = module
        state = module.state_dict() if decay else {}
        self._names = [name for name, value in state.items() if value.is_floating_point()]
        self._mean = [state[name].clone() for name in self._names]
        self.bind()

    def bind(self) -> None:
        """Look up the module's tensors again; needed after it has moved to another device."""
        state = self._module.state_dict()
        self._live = [state[name] for name in self._names]
        self._mean = [mean.to(live.device) for mean, live in zip(self._mean, self._live, strict=True)]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the weights; call once after each optimizer step."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        torch._foreach_lerp_(self._mean, self._live, 1.0 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights and the average in place; a second call undoes the first."""
        for live, mean in zip(self._live, self._mean, strict=True):
            kept = live.clone()
            live.copy_(mean)
            mean.copy_(kept)

    def state_dict(self) -> dict[str, object]:
        """Averages by name, and how many steps they have seen."""
        return {"steps": self.steps, "mean": dict(zip(self._names, self._mean, strict=True))}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Take over what `state_dict` gave."""
        mean, steps = state["mean"], state["steps"]
        assert isinstance(mean, dict)
        assert isinstance(steps, int)
        self.steps = steps
        for name, value in zip(self._names, self._mean, strict=True):
            value.copy_(mean[name])
