"""What a GPU gives: samples a second of two networks, step by step faster, and what the input pipeline costs.

`python benchmarks/gpu.py` measures on the GPU that is there and writes benchmarks/gpu.md, with the device's name and
the date. Without a GPU it runs small on the CPU, says so, and writes nothing. Each row is measured in a process of its
own, by the training engine: the first epoch, in which PyTorch compiles and tunes, does not count.

The rate of a network is a share of the rate at which the same device multiplies large square matrices, in the
precision of the row; its operations are counted by PyTorch, forward and backward.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medloc_lib.bench.table import write_whole
from medloc_lib.bench.worker import peak_mib
from medloc_lib.data import registry
from medloc_lib.deep.localizers.detector import HEADS, HeatmapLocalizer
from medloc_lib.deep.nets import TextbookCNN
from medloc_lib.deep.settings import Settings
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.deep.training import train
from medloc_lib.errors import MedlocError
from medloc_lib.sample import Sample

PLACE = Path(__file__).resolve().parent / "gpu.md"
GPU = torch.cuda.is_available()
SIDE = 8192 if GPU else 1024
"""Of the matrices that are multiplied."""
BATCHES, EPOCHS = (40, 6) if GPU else (2, 2)
TEXTBOOK = {
    "eager float32": Settings(batch=32, precision="32-true", channels_last=False, compile=False, on_device=True),
    "+ mixed precision": Settings(batch=32, channels_last=False, compile=False, on_device=True),
    "+ channels last": Settings(batch=32, compile=False, on_device=True),
    "+ compiled": Settings(batch=32, compile=GPU, on_device=True),
}
if GPU:
    TEXTBOOK["+ batch of 256"] = Settings(batch=256, compile=True, on_device=True)
DETECTOR = {
    "data on the device": Settings(batch=16, compile=False, on_device=True),
    "real input pipeline": Settings(batch=16, compile=False, on_device=False),
}
TARGET = 0.93
"""AP at IoU 0.5, mean of the classes, on the validation split of BCCD."""


def matrix_rate(precision: str) -> float:
    """Operations a second of a large matrix product."""
    kind = torch.float32 if precision == "32-true" or not GPU else torch.bfloat16
    a = torch.randn(SIDE, SIDE, device="cuda" if GPU else "cpu", dtype=kind)
    repeats = 20 if GPU else 3
    for _ in range(3):
        a @ a
    _wait()
    start = time.perf_counter()
    for _ in range(repeats):
        a @ a
    _wait()
    return 2 * SIDE**3 * repeats / (time.perf_counter() - start)


def operations(net: nn.Module, loss: Callable[[Any, Batch], dict[str, torch.Tensor]], batch: Batch) -> float:
    """Operations of a step, for one item."""
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(torch.stack(list(loss(net, batch).values())).sum())
    return float(counter.get_total_flops()) / len(next(iter(batch.values())))


def textbook(settings: Settings) -> tuple[nn.Module, Data, Any, Any]:
    """The CNN of lesson 08, on noise of the pictures' size."""
    n = BATCHES * settings.batch
    data = Data(
        {"images": torch.randn(n, 3, 224, 224).half(), "wanted": torch.randint(2, (n,)).float()},
        tuple(map(str, range(n))),
    )

    def loss(net: Any, batch: Batch) -> dict[str, torch.Tensor]:
        logits = net(batch["images"].float()).squeeze(-1).float()
        return {"entropy": nn.functional.binary_cross_entropy_with_logits(logits, batch["wanted"])}

    return TextbookCNN(), data, loss, None


def detector(settings: Settings) -> tuple[nn.Module, Data, Any, Any]:
    """The heat-map detector as it is trained, with its own loss and augmentation, on noise with boxes."""
    gen = torch.Generator().manual_seed(0)
    samples = []
    for k in range(BATCHES * settings.batch):
        start = torch.randint(0, 120, (2, 2), generator=gen).double()
        boxes = torch.cat([start, start + 4 + 30 * torch.rand(2, 2, generator=gen)], dim=1).numpy()
        image = torch.randn(4, 160, 160, generator=gen).numpy()
        samples.append(Sample(image, boxes=boxes, classes=("a",), id=str(k)))
    localizer = HeatmapLocalizer()
    localizer.channels_, localizer.classes_, localizer.ndim_ = samples[0].channels, ("a",), 2
    return localizer._build(), localizer._data(samples), localizer._loss, HEADS


MAKERS = {"textbook": (textbook, TEXTBOOK), "detector": (detector, DETECTOR)}


def measure(name: str, way: str) -> dict[str, float]:
    """Samples a second, share of the matrix rate, and peak memory in MiB."""
    make, ways = MAKERS[name]
    settings = dataclasses.replace(ways[way], epochs=EPOCHS)
    torch.manual_seed(0)
    net, data, loss, augment = make(settings)
    few = {
        key: tensor[:2].float() if tensor.dtype == torch.float16 else tensor[:2] for key, tensor in data.tensors.items()
    }
    flops = operations(net, loss, few)
    history = train(net, data, loss, settings=settings, augment=augment)
    first, last = history.epochs[0], history.epochs[-1]
    rate = (EPOCHS - 1) * BATCHES * settings.batch / (last.seconds - first.seconds)
    memory = torch.cuda.max_memory_allocated() / 2**20 if GPU else peak_mib()
    return {"samples": rate, "share": rate * flops / matrix_rate(settings.precision), "memory": memory}


def blood_cells() -> dict[str, float]:
    """Seconds until the detector of case study 20 reaches the target on the validation split, and its best score."""
    from medloc_lib.bench.named import find

    HeatmapLocalizer.iou = 0.5  # of the score on validation, in this process alone
    (localizer,) = (make() for make in find("blood_cells_heatmap").values())
    train_split, val = (registry.load("bccd", split=split) for split in ("train", "val"))
    reached: list[float] = []

    def watch(progress: Any) -> bool:
        if progress.history and progress.history[-1].score is not None and not reached:
            reached.extend([progress.history[-1].seconds] * (progress.history[-1].score >= TARGET))
        return False

    localizer.fit(train_split, validation=val, watch=watch)
    return {"seconds": reached[0] if reached else float("nan"), "best": localizer.history_.best.score}


def table() -> list[str]:
    """The rows as Markdown."""
    lines = ["| network | how | samples a second | of the matrix rate | peak memory |", "|---|---|---|---|---|"]
    found: dict[str, dict[str, float]] = {}
    for name, (_, ways) in MAKERS.items():
        for way in ways:
            row = found[f"{name} {way}"] = _apart(name, way)
            lines.append(f"| {name} | {way} | {row['samples']:.0f} | {row['share']:.0%} | {row['memory']:.0f} MiB |")
            print(lines[-1], flush=True)
    if not GPU:
        return [*lines, "", "- The bars are for a GPU."]
    eager, full = (found[f"textbook {way}"]["samples"] for way in ("eager float32", "+ compiled"))
    device, host = (found[f"detector {way}"]["samples"] for way in DETECTOR)
    lines += [
        "",
        f"- Textbook CNN, compiled over eager float32, both with 32 pictures a step: {full / eager:.1f} (bar 5).",
    ]
    lines += [f"- The input pipeline costs {1 - host / device:.0%} of the detector's samples a second (bar 10 %)."]
    return lines


def cells() -> str:
    """What the blood cells say, as a line."""
    if not GPU:
        return "- Time to AP 0.93 on the blood cells: measured on a GPU only."
    try:
        row = _apart("bccd", "")
    except MedlocError as error:
        return f"- Blood cells: not measured ({error})."
    told = f"{row['seconds']:.0f} s" if row["seconds"] == row["seconds"] else "not reached"
    return f"- Blood cells, AP at IoU 0.5 of {TARGET} on validation: {told}; best {row['best']:.3f}."


def _apart(*words: str) -> dict[str, float]:
    """A row, measured in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MedlocError(f"{' '.join(words)}: {(done.stderr.strip().splitlines() or ['stopped'])[-1]}")
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def _wait() -> None:
    if GPU:
        torch.cuda.synchronize()


def main() -> int:
    """Measure everything, or, with arguments, one row."""
    if len(sys.argv) > 1:
        print(json.dumps(blood_cells() if sys.argv[1] == "bccd" else measure(*sys.argv[1:])))
        return 0
    name = torch.cuda.get_device_name() if GPU else f"no GPU at hand: small runs on {os.cpu_count()} CPU cores"
    head = [
        "# Networks on a GPU" if GPU else "# Networks without a GPU",
        "",
        f"{name}; {datetime.date.today()}; PyTorch {torch.__version__}, Python {platform.python_version()}; "
        "`python benchmarks/gpu.py`.",
        "",
    ]
    print("\n".join(head), flush=True)
    rows = table()
    print("\n".join(rows[rows.index("") :]))
    print(last := cells())
    if GPU:
        write_whole(PLACE, "\n".join([*head, *rows, last, ""]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
