"""Training throughput: crystals, atoms and edges per second, and how much of a step the model has.

    python benches/python/training_speed.py                                  # small presets, embedded crystals, CPU
    python benches/python/training_speed.py --preset full --models regnet --profile
    python benches/python/training_speed.py --preset full --models regnet --device cuda --tf32 \\
        --data mp2018.parquet --target e_form --max-atoms 20 --draw 44578 --batch-size 64 --steps 0   # one epoch

A step is what `recipnet-train` does: the next batch from a loader that featurizes ahead in --workers threads, loss,
gradient, clipping, optimizer. "model share" is the part of a step that does not wait for the loader. Steps before
--warm are not counted. With --steps 0 the whole epoch is.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import table, versions, write

from recipnet import models
from recipnet.data import Loader, embedded, load_dataset
from recipnet.training.config import TrainingConfig, defaults
from recipnet.training.losses import masked_loss

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--models", nargs="+", default=["regnet", "prdnet"])
parser.add_argument("--mode", help="default: the first of each model")
parser.add_argument("--preset", choices=["small", "full"], default="small")
parser.add_argument("--data", type=Path, help="Parquet file; default: the embedded crystals")
parser.add_argument("--target", default="e_form")
parser.add_argument("--max-atoms", type=int, default=0, help="leave larger cells out; 0: none")
parser.add_argument("--draw", type=int, default=0, help="crystals to draw with replacement, seed 1; 0: each once")
parser.add_argument("--batch-size", type=int, default=0, help="0: that of the preset")
parser.add_argument("--steps", type=int, default=40, help="0: a whole epoch")
parser.add_argument("--warm", type=int, default=5)
parser.add_argument("--workers", type=int, default=1)
parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as it likes")
parser.add_argument("--device", default="cpu")
parser.add_argument("--tf32", action="store_true", help="products of matrices in TF32 on CUDA")
parser.add_argument("--compile", action="store_true", help="torch.compile; more --warm steps are then in place")
parser.add_argument("--profile", action="store_true", help="also print where the time of ten steps goes")
arguments = parser.parse_args()

if arguments.threads:
    torch.set_num_threads(arguments.threads)
torch.set_flush_denormal(True)
torch.backends.cuda.matmul.allow_tf32 = arguments.tf32
device = torch.device(arguments.device)


def dataset() -> Any:
    """Crystals to train on."""
    names = (arguments.target,)
    whole = embedded(names) if arguments.data is None else load_dataset(arguments.data, target_names=names)
    train = whole.subset("train") if arguments.data is None else whole
    rows = np.arange(len(train))
    if arguments.max_atoms:
        sizes = np.diff(train.crystals.offsets)[train.rows]
        rows = rows[sizes <= arguments.max_atoms]
    if arguments.draw:
        rows = np.random.default_rng(1).choice(rows, arguments.draw)
    return train.subset(rows)


def synchronise() -> float:
    """The time, once the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def speed(name: str, data: Any) -> dict[str, object]:
    """One model."""
    preset = defaults(name, arguments.mode, arguments.preset)
    config = TrainingConfig(**preset["training"])
    size = arguments.batch_size or config.batch_size
    torch.manual_seed(0)
    model = models.build(name, preset["model"]["mode"], **preset["model"]["options"]).to(device).train()
    run = torch.compile(model, dynamic=True) if arguments.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, fused=True)
    loader = Loader(data, model.spec, size, shuffle=True, seed=1, workers=arguments.workers)
    steps = min(arguments.steps, len(loader)) if arguments.steps else len(loader)
    count = {"crystals": 0, "atoms": 0, "edges": 0, "reflections": 0}

    def step(batch: Any) -> None:
        batch = batch.to(device, non_blocking=True)
        loss = masked_loss("l1", run(batch), batch.targets, batch.mask)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    batches = iter(loader)
    warm = 0 if not arguments.steps else min(arguments.warm, steps - 1)
    if not arguments.steps:  # a whole epoch: warm up on batches of another
        for batch, _ in zip(loader, range(arguments.warm), strict=False):
            step(batch)
        batches = iter(loader)
    for _ in range(warm):
        step(next(batches))
    began = synchronise()
    waited = 0.0
    for _ in range(steps - warm):
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        step(batch)
        count["crystals"] += len(batch)
        count["atoms"] += batch.num_atoms
        count["edges"] += 0 if batch.edge_distance is None else batch.edge_distance.shape[0]
        count["reflections"] += 0 if batch.hkl is None else batch.hkl.shape[0]
    total = synchronise() - began
    if arguments.profile:
        profile(step, loader)
    return {
        "model": name,
        "mode": preset["model"]["mode"],
        "preset": arguments.preset,
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "arithmetic": "TF32" if arguments.tf32 else "float32",
        "compiled": arguments.compile,
        "torch threads": torch.get_num_threads(),
        "batch": size,
        "steps": steps - warm,
        "seconds": round(total, 3),
        **{f"{what}/s": round(number / total) for what, number in count.items()},
        "model share": round(1.0 - waited / total, 4),
    }


def profile(step: Any, loader: Any) -> None:
    """Print the ten steps' operations by their own time."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with watch(activities=kinds) as found:
        for batch, _ in zip(loader, range(10), strict=False):
            step(batch)
    order = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    print(found.key_averages().table(sort_by=order, row_limit=20, max_name_column_width=45))


data = dataset()
rows = [speed(name, data) for name in arguments.models]
print(table(rows))
print(write("training_speed", rows, versions("torch", "numpy")))
