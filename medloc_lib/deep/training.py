"""Training: one loop for every network of the course, on a laptop or on several GPUs.

`train` does what the plain loop of lesson 08 does, and what that lacks: it picks device and precision (Lightning
Fabric), keeps the data on the device, shows a bar, validates, averages the weights, keeps the best ones, can be
stopped, killed and resumed, and says what went wrong.

Nothing in it depends on when it runs: order, augmentation and dropout of step k are drawn from the seed and k alone.
That is why a run that was killed and resumed ends, on the CPU, with the same weights, bit for bit, as one that was not.
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from tqdm.auto import tqdm

from medloc_lib.deep import resuming
from medloc_lib.deep.feeding import Feed
from medloc_lib.deep.settings import Epoch, History, Progress, Settings, TrainingError, Watch, fabric_for
from medloc_lib.deep.storage import restore
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.errors import InputError

Loss = Callable[[Callable[[Tensor], Any], Batch], Mapping[str, Tensor]]
"""Network and batch -> parts of the loss by name; what is trained is their sum."""

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Convolutions work faster on pictures whose channels lie beside each other; by the number of axes of the tensor."""

LOOK = 20
"""On a GPU the losses are looked at every so many steps, as each look waits for the device."""


def train(
    model: nn.Module,
    data: Data,
    loss: Loss,
    *,
    settings: Settings,
    augment: Callable[[Batch, Generator], Batch] | None = None,
    validate: Callable[[nn.Module], float] | None = None,
    metric: str = "AP",
    watch: Watch | None = None,
    folder: Path | None = None,
) -> History:
    """Train a network. It ends with its best weights: those of the best validation, or without one the last.

    Parameters
    ----------
    model : changed in place; left in eval mode, on its device.
    data : what is learned from, on the CPU.
    loss : parts of the loss for a batch; it calls the network that it is given.
    settings : how.
    augment : changes each batch, on its device.
    validate : score of a network, higher is better, called in eval mode without gradients. NaN counts as no score.
    metric : what the score is called.
    watch : sees the progress and may end it. Where one is there, an interrupt (Ctrl-C, or the kernel's stop button)
        ends training as it does; without one an interrupt is raised.
    folder : where a checkpoint is kept after each epoch. If there is one of the same run it goes on from there.

    Raises
    ------
    TrainingError
        If the loss is not finite (with the ids of the batch), or memory runs out (with what to lower).
    InputError
        If the folder holds a checkpoint of another run.

    Examples
    --------
    >>> data = Data({"x": torch.linspace(-1, 1, 64)[:, None]}, ids=tuple(map(str, range(64))))
    >>> model = nn.Linear(1, 1)
    >>> def loss(net, batch):
    ...     return {"square": (net(batch["x"]) - 3 * batch["x"] - 1).square().mean()}
    >>> history = train(model, data, loss, settings=Settings(epochs=60, batch=16, rate=0.1))
    >>> [round(p.item(), 1) for p in model.parameters()], history.stopped
    ([3.0, 1.0], False)
    """
    tuned = torch.backends.cudnn.flags(enabled=True, benchmark=True)
    with torch.random.fork_rng(), tuned, _explained(settings):
        return _Run(model, data, loss, settings, augment, validate, metric, watch, folder).to_the_end()


@dataclass
class _Run:
    """One call of `train`; its fields are what that takes."""

    model: nn.Module
    data: Data
    loss: Loss
    settings: Settings
    augment: Callable[[Batch, Generator], Batch] | None
    validate: Callable[[nn.Module], float] | None
    metric: str
    watch: Watch | None
    folder: Path | None

    def __post_init__(self) -> None:
        settings = self.settings
        self.batch = min(settings.batch, len(self.data))
        if self.batch % settings.devices:  # before Fabric starts the other processes
            raise InputError(f"a batch of {self.batch} cannot be shared evenly by {settings.devices} devices")
        self.fabric = fabric_for(settings)
        device = self.fabric.device
        self.per_epoch = len(self.data) // self.batch
        self.steps = self.per_epoch * settings.epochs
        self.layouts = LAYOUTS if settings.channels_last else {}
        for ndim in {t.ndim for t in self.data.tensors.values() if _is_picture(t)} & self.layouts.keys():
            self.model.to(memory_format=self.layouts[ndim])  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.model).requires_grad_(False).to(device) if settings.ema else self.model
        fused = device.type in ("cpu", "cuda") and settings.clip is None
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings.rate, weight_decay=settings.weight_decay, fused=fused
        )
        compiles = device.type == "cuda" and self.steps >= 500 if settings.compile is None else settings.compile
        net: Any = torch.compile(self.model) if compiles else self.model
        self.net, self.stepper = self.fabric.setup(net, self.optimizer)
        pairs = list(zip(_weights(self.average).values(), _weights(self.model).values(), strict=True))
        self.floats, self.counts = ([p for p in pairs if p[0].is_floating_point() == kind] for kind in (True, False))
        self.feed = Feed(self.data, device, on_device=settings.on_device)
        self.generator = Generator(device)
        self.state = resuming.State(step=0, history=[], best=None, kept={})
        self.began = time.perf_counter()

    def to_the_end(self) -> History:
        settings, state = self.settings, self._resumed()
        hidden = None if self.fabric.is_global_zero else True
        with tqdm(total=self.steps, initial=state.step, unit="step", disable=hidden) as self.bar:
            over = False
            while not over and len(state.history) < settings.epochs:
                over = self._epoch(len(state.history)) or self._out_of_patience()
        if state.best is None:
            state.best, state.kept = state.history[-1], _weights(self.average)
        restore(self.model.state_dict(), state.kept, Path("best"))
        self.model.eval()
        return History(tuple(state.history), state.best, stopped=over and len(state.history) < settings.epochs)

    def _epoch(self, epoch: int) -> bool:
        """One pass; whether somebody ended it."""
        losses: list[dict[str, float]] = []
        stopped = False
        try:
            for looked in self._steps(epoch):
                losses += looked
                stopped = self._show(losses[-1])
                if stopped:
                    break
        except KeyboardInterrupt:
            if self.watch is None or not losses:
                raise
            stopped = True
        last = stopped or epoch + 1 == self.settings.epochs
        score = self._score() if last or (epoch + 1) % self.settings.validate_every == 0 else None
        parts = {name: float(np.mean([one[name] for one in losses])) for name in losses[0]}
        rate = float(self.optimizer.param_groups[0]["lr"])
        record = Epoch(epoch + 1, sum(parts.values()), parts, score, rate, time.perf_counter() - self.began)
        state = self.state
        state.history.append(record)
        best = None if state.best is None else state.best.score
        if score is not None and (not best or score > best):  # as long as nothing is found, the latest is the best
            state.best, state.kept = record, {name: weight.clone() for name, weight in _weights(self.average).items()}
        if not stopped:
            self._save()
        return self._show(losses[-1]) or stopped

    def _steps(self, epoch: int) -> Iterator[list[dict[str, float]]]:
        """The losses step by step; on a GPU those of some steps together."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        order = torch.randperm(len(self.data), generator=Generator().manual_seed(self._seed("order", epoch)))
        batches = order[: self.per_epoch * self.batch].reshape(self.per_epoch, self.batch)
        every = 1 if self.fabric.device.type == "cpu" else LOOK
        self.net.train()
        waiting: list[tuple[Tensor, dict[str, Tensor]]] = []
        for index, batch in self.feed.batches([one[rank::world] for one in batches]):
            waiting.append((index, self._step(batch)))
            if len(waiting) == every or self.state.step % self.per_epoch == 0:
                yield [self._finite(*one) for one in waiting]
                waiting = []

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        settings, step, rank = self.settings, self.state.step, self.fabric.global_rank
        torch.manual_seed(self._seed("dropout", step, rank))
        if self.augment is not None:
            batch = self.augment(batch, self.generator.manual_seed(self._seed("augment", step, rank)))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate_at(step, self.steps)
        self.stepper.zero_grad()
        parts = self.loss(self.net, {name: self._laid_out(tensor) for name, tensor in batch.items()})
        self.fabric.backward(torch.stack(list(parts.values())).sum())
        if settings.clip is not None:
            self.fabric.clip_gradients(self.net, self.stepper, max_norm=settings.clip, error_if_nonfinite=False)
        self.stepper.step()
        self.state.step += 1
        if settings.ema:
            self._follow()
        return {name: part.detach() for name, part in parts.items()}

    def _laid_out(self, tensor: Tensor) -> Tensor:
        """Pictures in single precision, channels last; the rest as it is."""
        if not _is_picture(tensor):
            return tensor
        return tensor.float().contiguous(memory_format=self.layouts.get(tensor.ndim, torch.contiguous_format))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights; fast at first, as it has little to remember yet."""
        share = 1 - min(self.settings.ema, (1 + self.state.step) / (10 + self.state.step))
        torch._foreach_lerp_([into for into, _ in self.floats], [now for _, now in self.floats], share)  # all at once
        for into, now in self.counts:
            into.copy_(now)

    def _finite(self, index: Tensor, parts: Mapping[str, Tensor]) -> dict[str, float]:
        values = {name: float(part) for name, part in parts.items()}
        if not all(map(math.isfinite, values.values())):
            said = ", ".join(f"{name} {value}" for name, value in values.items())
            raise TrainingError(
                f"the loss is not finite ({said}) in epoch {len(self.state.history) + 1}, in the batch of samples "
                f"{', '.join(self.data.ids[i] for i in index.tolist())}. Look at these samples; else lower rate "
                f"({self.settings.rate:g}) or set clip"
            )
        return values

    def _score(self) -> float | None:
        """Score of the average on validation; None where there is none."""
        if self.validate is None:
            return None
        score = math.nan
        if self.fabric.is_global_zero:
            self.average.eval()
            with torch.no_grad(), self.fabric.autocast():
                score = float(self.validate(self.average))
        score = float(self.fabric.broadcast(score))
        return None if math.isnan(score) else score

    def _show(self, parts: Mapping[str, float]) -> bool:
        """Tell the bar and who watches; whether to stop."""
        state, loss = self.state, sum(parts.values())
        scores = [epoch.score for epoch in state.history if epoch.score is not None]
        words = {"loss": f"{loss:.3f}"} | ({self.metric: f"{scores[-1]:.3f}"} if scores else {})
        self.bar.set_postfix(words, refresh=False)
        self.bar.update(state.step - self.bar.n)
        if self.watch is None:
            return False
        seen = Progress(state.step, self.steps, self.settings.epochs, loss, tuple(state.history), self.metric)
        return bool(self.fabric.broadcast(self.fabric.is_global_zero and bool(self.watch(seen))))

    def _out_of_patience(self) -> bool:
        state, patience = self.state, self.settings.patience
        return patience is not None and state.best is not None and len(state.history) - state.best.epoch >= patience

    def _seed(self, *what: str | int) -> int:
        """One of 2^63 seeds for what these words and numbers name."""
        text = "/".join(map(str, (self.settings.seed, *what))).encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1

    def _nets(self) -> dict[str, nn.Module]:
        return {"model": self.model} | ({"average": self.average} if self.settings.ema else {})

    def _save(self) -> None:
        if self.folder is not None and self.fabric.is_global_zero:
            run = resuming.identity(self.settings, self.data.ids)
            scaler = self.fabric.strategy.precision.state_dict()
            resuming.save(self.folder, self.state, self._nets(), self.optimizer, run=run, scaler=scaler)

    def _resumed(self) -> resuming.State:
        if self.folder is not None:
            run = resuming.identity(self.settings, self.data.ids)
            found = resuming.resume(self.folder, self._nets(), self.optimizer, run=run)
            if found is not None:
                self.state, scaler = found
                self.fabric.strategy.precision.load_state_dict(scaler)
                self.began -= self.state.history[-1].seconds
        return self.state


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers."""
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def _is_picture(tensor: Tensor) -> bool:
    return tensor.ndim in LAYOUTS and tensor.is_floating_point()


@contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    """Want of memory, in words that help."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = str(error).lower()
        if not isinstance(error, MemoryError) and "out of memory" not in said and "can't allocate memory" not in said:
            raise
        raise TrainingError(
            f"memory ran out with a batch of {settings.batch}: lower batch (say to {max(1, settings.batch // 2)}), "
            f"then the size of the pictures (crop, scale) or the network's widths. {str(error)[:200]}"
        ) from error
