"""A small training; as a program of its own, `python -m tests.deep.runs FOLDER [MOMENT]`, one that can be killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from medloc_lib.deep import resuming, storage
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.settings import Settings
from medloc_lib.deep.tensors import Data
from medloc_lib.deep.training import train

SETTINGS = Settings(epochs=5, batch=4, rate=0.01, weight_decay=0.1, ema=0.9, device="cpu")


def data(n=20):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(n, 2, 12, 12, generator=generator).half()
    return Data({"images": images, "sick": images[:, 0].float().mean((1, 2)) > 0}, tuple(f"s{i}" for i in range(n)))


def net():
    """Everything that has a state: batch statistics, dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(
            *(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)),
            nn.Flatten(),
            nn.Linear(400, 1),
        )


def loss(net, batch):
    return {
        "cross-entropy": functional.binary_cross_entropy_with_logits(net(batch["images"])[:, 0], batch["sick"] * 1.0)
    }


def right(model):
    told = data()
    return float(((model(told.tensors["images"].float())[:, 0] > 0) == told.tensors["sick"]).float().mean())


def run(folder=None, **options):
    """Train; the network's state afterwards, and the history."""
    model = net()
    options = {"settings": SETTINGS, "augment": Augment(crop=None), "validate": right, **options}
    history = train(model, data(), loss, folder=folder, **options)
    return model.state_dict(), history


def main(folder, moment):
    """Train until the moment comes, and be killed there without warning."""

    def kill(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    watch = None
    what, _, number = moment.partition(":")
    if what == "step":
        watch = lambda progress: kill() if progress.step == int(number) else None  # noqa: E731
    if what == "writing":  # the draft of the third checkpoint is there, half of it
        whole, count = storage.save_file, [0]

        def half(tensors, path, metadata):
            whole(tensors, path, metadata=metadata)
            count[0] += 1
            if count[0] == int(number):
                content = Path(path).read_bytes()
                Path(path).write_bytes(content[: len(content) // 2])
                kill()

        storage.save_file = half
    state, history = run(Path(folder), watch=watch)
    storage.write_tensors(Path(folder) / "final.safetensors", state, {"best": history.best.epoch})


if __name__ == "__main__":
    assert resuming.NAME
    main(*sys.argv[1:])
