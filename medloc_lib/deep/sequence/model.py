"""Learning from sequences: a network on features of slices or frames, trained in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from sklearn.base import BaseEstimator
from torch import Generator, Tensor
from torch.nn import functional

from medloc_lib.deep.sequence.nets import SequenceNet
from medloc_lib.deep.settings import Settings, Watch, fabric_for
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.deep.training import train
from medloc_lib.errors import InputError

Values = NDArray[np.float32]


class SequenceModel(BaseEstimator):  # type: ignore[misc]
    """A `SequenceNet` that answers one number at each step: a logit, or a measure.

    Parameters
    ----------
    kind : of the network, see `SequenceNet`.
    answers : "logit" for targets of 0 and 1 (trained by cross-entropy), or "measure" for numbers (by the smooth L1
        distance, in their standard deviations).
    width, dropout : of the network.
    window : in training each sequence is cut to a random piece of so many steps at least; None: it stays whole.
    skip : in training of each piece every k-th step alone is taken, with k drawn from 1 to this.
    epochs, batch, rate, weight_decay, seed, device : see `Settings`.

    Attributes
    ----------
    net_, history_ : the trained network and how training went.

    Examples
    --------
    Running sums, which no step tells alone:

    >>> rng = np.random.default_rng(0)
    >>> steps = [rng.normal(size=(n, 1)) for n in (6, 9, 12) * 20]
    >>> model = SequenceModel("lstm", answers="measure", epochs=60, rate=0.02).fit(steps, [s.cumsum() for s in steps])
    >>> bool(np.abs(model.predict([np.ones((5, 1))])[0] - np.arange(1, 6)).max() < 1)
    True
    """

    def __init__(
        self,
        kind: str = "bilstm",
        *,
        answers: Literal["logit", "measure"] = "logit",
        width: int = 32,
        dropout: float = 0.0,
        window: int | None = None,
        skip: int = 1,
        epochs: int = 40,
        batch: int = 16,
        rate: float = 5e-3,
        weight_decay: float = 0.02,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.kind = kind
        self.answers = answers
        self.width = width
        self.dropout = dropout
        self.window = window
        self.skip = skip
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device

    def fit(self, sequences: Sequence[ArrayLike], targets: Sequence[ArrayLike], *, watch: Watch | None = None) -> Self:
        """Train on sequences (steps, features) of any lengths.

        Parameters
        ----------
        targets : (steps,) each; NaN where nothing is known.

        Raises
        ------
        InputError
            If shapes do not go together.
        """
        x, y = [_sequence(s) for s in sequences], [np.asarray(t, dtype=np.float32) for t in targets]
        if not x or [len(s) for s in x] != [len(t) for t in y] or len({s.shape[1] for s in x}) > 1:
            raise InputError("needs sequences with the same features, and for each a target of its length")
        stacked, known = np.concatenate(x), np.concatenate(y)
        known = known[~np.isnan(known)]
        if not len(known):
            raise InputError("no step of any sequence has a target")
        self.mean_, self.scale_ = stacked.mean(0), stacked.std(0) + 1e-6
        measure = self.answers == "measure"
        self.shift_, self.unit_ = (float(known.mean()), float(known.std()) + 1e-6) if measure else (0.0, 1.0)
        padded, lengths = self._padded(x)
        wanted = torch.full(padded.shape[:2], torch.nan)
        for row, t in zip(wanted, y, strict=True):
            row[: len(t)] = torch.from_numpy((t - self.shift_) / self.unit_)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            net = SequenceNet(padded.shape[2], kind=self.kind, width=self.width, dropout=self.dropout)
        self.history_ = train(
            net,
            Data({"x": padded, "y": wanted, "lengths": lengths}, tuple(map(str, range(len(x))))),
            self._loss,
            settings=self._settings(),
            augment=None if self.window is None and self.skip == 1 else self._cut,
            watch=watch,
        )
        self.net_ = net.cpu().eval()
        return self

    def predict(self, sequences: Sequence[ArrayLike]) -> list[Values]:
        """The answer at each step of each sequence, float32 (steps,): logits, or measures in the targets' unit.

        A step whose features are all NaN is one that is missing: it is taken as the mean of the training steps.

        Raises
        ------
        InputError
            If it is not fitted, or sequences have other features.
        """
        if not hasattr(self, "net_"):
            raise InputError("this SequenceModel is not fitted: call fit(sequences, targets) first")
        x = [_sequence(s) for s in sequences]
        if any(s.shape[1] != len(self.mean_) for s in x):
            raise InputError(f"it was fitted on {len(self.mean_)} features a step")
        if not x:
            return []
        device = fabric_for(self._settings()).device
        self.net_.to(device)
        padded, lengths = self._padded(x)
        with torch.no_grad():
            answer = self.net_(padded.to(device), lengths.to(device)).cpu().numpy() * self.unit_ + self.shift_
        self.net_.cpu()
        return [np.asarray(row[: len(s)], dtype=np.float32) for row, s in zip(answer, x, strict=True)]

    def _settings(self) -> Settings:
        return Settings(
            epochs=self.epochs,
            batch=self.batch,
            rate=self.rate,
            weight_decay=self.weight_decay,
            clip=1.0,
            seed=self.seed,
            device=self.device,
            precision="32-true",
        )

    def _padded(self, x: Sequence[Values]) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor([len(s) for s in x])
        padded = torch.zeros(len(x), int(lengths.max()), x[0].shape[1])
        for row, s in zip(padded, x, strict=True):
            row[: len(s)] = torch.from_numpy(np.nan_to_num((s - self.mean_) / self.scale_))
        return padded, lengths

    def _loss(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        answer, wanted = net(batch["x"], batch["lengths"]), batch["y"]
        known = ~wanted.isnan()
        wanted = torch.where(known, wanted, 0.0)
        apart = functional.binary_cross_entropy_with_logits if self.answers == "logit" else functional.smooth_l1_loss
        each = apart(answer, wanted, reduction="none")
        return {self.answers: (each * known).sum() / known.sum().clamp(min=1)}

    def _cut(self, batch: Batch, generator: Generator) -> Batch:
        """A random piece of each sequence, with steps left out evenly."""
        lengths, most = batch["lengths"], batch["x"].shape[1]
        draw = torch.rand(3, len(lengths), generator=generator, device=generator.device)
        least = torch.minimum(torch.full_like(lengths, self.window or most), lengths)
        long = least + (draw[0] * (lengths - least + 1)).long()
        start = (draw[1] * (lengths - long + 1)).long()
        every = 1 + (draw[2] * self.skip).long()
        count = (long + every - 1) // every
        place = torch.arange(most, device=lengths.device)
        at = (start[:, None] + place * every[:, None]).clamp(max=most - 1)
        gone = place >= count[:, None]
        x = batch["x"].gather(1, at[..., None].expand_as(batch["x"])).masked_fill(gone[..., None], 0.0)
        return {"x": x, "y": batch["y"].gather(1, at).masked_fill(gone, torch.nan), "lengths": count}


def smoothed(values: ArrayLike, width: float) -> Values:
    """A sequence of numbers smoothed along itself by a Gaussian of `width` steps; its ends are continued.

    >>> smoothed([0, 0, 1, 0, 0], 0.5).round(1)
    array([0. , 0.1, 0.8, 0.1, 0. ], dtype=float32)
    """
    array = np.asarray(values, dtype=np.float32)
    return np.asarray(ndimage.gaussian_filter1d(array, width, mode="nearest") if width else array, dtype=np.float32)


def span(scores: ArrayLike, threshold: float) -> tuple[int, int]:
    """First and last step whose score reaches the threshold; where none does, twice the highest.

    >>> span([0.1, 0.7, 0.2, 0.9, 0.1], 0.5), span([0.1, 0.3, 0.2], 0.5)
    ((1, 3), (1, 1))
    """
    array = np.asarray(scores, dtype=np.float64)
    if not array.size:
        raise InputError("needs one score at least")
    reached = np.flatnonzero(array >= threshold)
    best = int(array.argmax())
    return (int(reached[0]), int(reached[-1])) if len(reached) else (best, best)


def _sequence(values: ArrayLike) -> Values:
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or not len(array):
        raise InputError(f"a sequence must have shape (steps, features) with one step at least; got {array.shape}")
    return array
