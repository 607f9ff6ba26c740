"""How to train, and the records of how it went."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning_fabric import Fabric

from medloc_lib.deep.memory import keep_freed_memory
from medloc_lib.errors import InputError, MedlocError


class TrainingError(MedlocError):
    """Training cannot go on; the text says on what it failed and what to change."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    epochs : passes over the data.
    batch : items a step, over all devices; what is left at the end of an epoch waits for the next.
    rate : highest learning rate of Adam.
    weight_decay : of AdamW (I. Loshchilov and F. Hutter, ICLR 2019); 0: plain Adam.
    schedule : "cosine": up over the first tenth of the steps, then down along a cosine to 0; or "constant".
    clip : largest norm of the gradient; None: any.
    ema : decay of the average of the weights over steps, which is what is validated and kept; 0: no average.
    patience : epochs without a better score after which it ends; None: never.
    validate_every : epochs from one validation to the next; the last epoch always has one.
    seed : of order, augmentation and dropout.
    device : "auto", "cpu", "cuda" or "mps".
    devices : how many of them, by distributed data parallel training where there are several.
    precision : "auto" ("bf16-mixed" or "16-mixed" on a GPU, "32-true" elsewhere); "fast", the same but "bf16-mixed" on
        a CPU that computes with it too, while it trains; or what Fabric takes.
    compile : whether `torch.compile` is used; None: on a GPU if there are 500 steps or more, as compiling takes a
        minute.
    channels_last : whether the channels of a pixel lie beside each other in memory, which convolutions like.
    on_device : whether all data lie on the device; None: where they fit.
    """

    epochs: int = 10
    batch: int = 32
    rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: float | None = None
    ema: float = 0.0
    patience: int | None = None
    validate_every: int = 1
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    compile: bool | None = None
    channels_last: bool = True
    on_device: bool | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "validate_every", "devices"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more; got {getattr(self, name)}")
        if not (self.rate > 0 and 0 <= self.ema < 1 and self.weight_decay >= 0):
            raise InputError(
                "rate must be positive, ema from 0 to below 1, weight_decay 0 or more; "
                f"got {self.rate}, {self.ema}, {self.weight_decay}"
            )

    def rate_at(self, step: int, steps: int) -> float:
        """Learning rate of a step.

        >>> [round(Settings(rate=1.0).rate_at(k, 100), 2) for k in (0, 9, 10, 55, 99)]
        [0.1, 1.0, 1.0, 0.5, 0.0]
        """
        if self.schedule == "constant":
            return self.rate
        rise = max(1, steps // 10)
        if step < rise:
            return self.rate * (step + 1) / rise
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: mean loss and its parts, score on validation or None, learning rate, seconds so far."""

    epoch: int
    loss: float
    parts: dict[str, float]
    score: float | None
    rate: float
    seconds: float


@dataclass(frozen=True)
class Progress:
    """Where training is, for those who watch.

    Parameters
    ----------
    step, steps : steps done, and how many there will be.
    epochs : how many there will be.
    loss : of the last step.
    history : the epochs that are over.
    metric : what their score is called.
    """

    step: int
    steps: int
    epochs: int
    loss: float
    history: tuple[Epoch, ...]
    metric: str


@dataclass(frozen=True)
class History:
    """How a training went.

    Parameters
    ----------
    epochs : one record each.
    best : the epoch whose weights were kept.
    stopped : whether it ended before its last epoch.
    """

    epochs: tuple[Epoch, ...]
    best: Epoch
    stopped: bool


Watch = Callable[[Progress], bool | None]
"""Called after steps and epochs; True ends the training, with the best weights so far."""


def fabric_for(settings: Settings) -> Fabric:
    """Fabric on the device of the settings, with their precision; on the CPU with memory that is kept.

    Raises
    ------
    InputError
        If there is no such device here.
    """
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, False):
        raise InputError(f"there is no device {device!r} here; there is {', '.join(k for k, v in there.items() if v)}")
    precision: Any = settings.precision
    if precision in ("auto", "fast"):
        mixed = "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "16-mixed"
        plain = "bf16-mixed" if precision == "fast" and device == "cpu" and _cpu_takes_bf16() else "32-true"
        precision = mixed if device == "cuda" else plain
    if device == "cpu":
        keep_freed_memory()
    fabric = Fabric(accelerator=device, devices=settings.devices, precision=precision)
    if settings.devices > 1:
        fabric.launch()
    return fabric


def _cpu_takes_bf16() -> bool:
    """Whether this CPU has instructions for bfloat16; without them it would be slower than single precision."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
