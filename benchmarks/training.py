"""The training engine beside the plain PyTorch loop, on this machine's CPU, in turn.

The same network, batch and steps. What differs: the engine keeps freed memory and puts channels last. Each is run in a
process of its own, as how memory is kept is a matter of the whole process.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

import torch
from torch import nn

from medloc_lib.deep.nets import HeatmapNet, TextbookCNN
from medloc_lib.deep.settings import Settings
from medloc_lib.deep.tensors import Data
from medloc_lib.deep.training import train

STEPS = 4
NETS: dict[str, Any] = {
    "textbook": (TextbookCNN, (32, 3, 224, 224)),
    "heatmap": (lambda: HeatmapNet(4, 3), (16, 4, 128, 128)),
}


def loss_of(net: Any, batch: Any) -> dict[str, torch.Tensor]:
    """Something to descend."""
    answer = net(batch["images"])
    parts = answer if isinstance(answer, tuple) else (answer,)
    return {"square": torch.stack([part.square().mean() for part in parts]).sum()}


def plain(net: nn.Module, images: torch.Tensor) -> None:
    """The loop of lesson 08."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(STEPS):
        loss = loss_of(net, {"images": images})["square"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def engine(net: nn.Module, images: torch.Tensor) -> None:
    """The same steps by `train`."""
    data = Data({"images": images}, tuple(map(str, range(len(images)))))
    train(net, data, loss_of, settings=Settings(epochs=STEPS, batch=len(images), device="cpu"))


def seconds(way: str, name: str) -> float:
    """Seconds a step, in a new process."""
    done = subprocess.run([sys.executable, __file__, way, name], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> int:
    """Print the table."""
    if len(sys.argv) > 1:
        way, name = sys.argv[1:]
        make, shape = NETS[name]
        run = {"plain": plain, "engine": engine}[way]
        images = torch.randn(shape)
        run(make(), images)  # warm
        start = time.perf_counter()
        run(make(), images)
        print((time.perf_counter() - start) / STEPS)
        return 0
    for name in NETS:
        pairs = [(seconds("engine", name), seconds("plain", name)) for _ in range(3)]
        ours, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name:9s} a step: engine {ours:.2f} s, plain loop {peer:.2f} s, ratio {ours / peer:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
