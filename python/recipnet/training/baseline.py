"""What the composition alone would give: fitted beside every structure model, so that its error can be read."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from recipnet.data import CrystalDataset, Loader
from recipnet.models.composition import Composition
from recipnet.training.metrics import Metrics
from recipnet.training.schedule import lr_factor
from recipnet.training.standard import Standard
from recipnet.training.tasks import Task, all_metrics

EPOCHS = 30
BATCH_SIZE = 64
LR = 2e-3


def composition_baseline(data: CrystalDataset, standard: Standard, seed: int, task: Task) -> Metrics:
    """Test errors of the composition network, trained on the same rows for a fixed number of epochs.

    Its inputs are computed once, so that 10,000 crystals take some ten seconds on a CPU. The weights of the last epoch
    are taken: nothing is chosen by validation, and the global random generators are left as they were.

    Parameters
    ----------
    data
        With a training and a test split.
    standard
        Mean and deviation of the targets over the training split.
    seed
        Of the weights and of the order of the crystals.
    task
        What the targets are.

    Returns
    -------
    dict
        By target, as `recipnet.training.tasks.all_metrics`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Composition(len(data.target_names))
    fit, test = data.subset("train"), data.subset("test")
    inputs, targets = _inputs(model, fit), torch.from_numpy((fit.targets - standard.mean) / standard.std).float()
    mask = torch.from_numpy(fit.mask)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=1e-4, fused=True)
    order = np.random.default_rng(seed)
    steps = -(-len(inputs) // BATCH_SIZE)
    for epoch in range(EPOCHS):
        rows = torch.from_numpy(order.permutation(len(inputs)))
        for step, chosen in enumerate(rows.split(BATCH_SIZE)):
            optimizer.param_groups[0]["lr"] = LR * lr_factor("onecycle", epoch * steps + step, EPOCHS * steps)
            loss = task.loss("l1", model.network(inputs[chosen]), targets[chosen], mask[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        predicted = task.values(model.network(_inputs(model, test)), standard)
    return all_metrics(task, test.targets, predicted, test.mask, data.target_names, data.units)


def _inputs(model: Composition, data: CrystalDataset) -> torch.Tensor:
    with torch.inference_mode():
        blocks = [model.features(batch) for batch in Loader(data, model.spec, 256, shuffle=False, workers=0)]
    # a clone made outside of inference mode may be used in a training step
    return torch.cat(blocks).clone()
