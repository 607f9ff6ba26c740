"""A training over several processes: `python -m tests.deep.several DEVICES FOLDER`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch import nn

from medloc_lib.deep.settings import Settings
from medloc_lib.deep.storage import write_tensors
from medloc_lib.deep.tensors import Data
from medloc_lib.deep.training import train


def main(devices, folder):
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    y = x @ torch.tensor([1.0, -2.0, 0.5])
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    train(
        model,
        Data({"x": x, "y": y}, tuple(map(str, range(32)))),
        lambda net, batch: {"square": (net(batch["x"])[:, 0] - batch["y"]).square().mean()},
        settings=Settings(epochs=4, batch=8, rate=0.05, ema=0.5, device="cpu", devices=int(devices)),
        validate=lambda net: -float((net(x)[:, 0] - y).square().mean()),
    )
    rank = os.environ.get("LOCAL_RANK", "0")
    write_tensors(Path(folder) / f"{devices}-{rank}.safetensors", model.state_dict(), {})


if __name__ == "__main__":
    main(*sys.argv[1:])
