"""What a detector found, measured: a row for each find, with the patch's brightness and the network's own features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from medloc_lib.deep import tensors
from medloc_lib.deep.localizers import HeatmapLocalizer
from medloc_lib.errors import InputError, ReadError
from medloc_lib.geometry import iou
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOWEST = 0.2
"""Finds under this score are not measured."""

CHANNELS = ("T1", "T2", "FLAIR", "PET")
MEASURES = ("mismatch", "uptake", "t1_spread", "wet")
"""Of the disc that a find's box encloses, in the network's standardized brightness: the share of it that is bright in
T2 and dark in FLAIR; the highest PET; the standard deviation of T1; the share that is bright in FLAIR."""

_CELLS = 24  # of a patch, along each side
_AROUND = 1.5  # sides of the patch, in sides of the box
_BRIGHT = 1.5  # deviations
_DEEP = 2  # the encoder's stage whose features are kept: half way down, 96 of them


@dataclass(frozen=True, eq=False)
class Finds:
    """The finds of many pictures as one table.

    Parameters
    ----------
    picture : int (n,), position of the picture. patient : int (n,), position of its patient, in order of appearance.
    box : (n, 4). score : (n,). label : int (n,), the class that was answered.
    truth : int (n,), the class of the truth box that it overlaps by an IoU of 0.3 or more; -1 without one.
    measures : (n, 4), see `MEASURES`. features : (n, k), the network's, averaged over the box.
    """

    picture: Ints
    patient: Ints
    box: Floats
    score: Floats
    label: Ints
    truth: Ints
    measures: Floats
    features: Floats

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, which: Any) -> Finds:
        return Finds(*(getattr(self, field.name)[which] for field in fields(self)))

    def measure(self, name: str) -> Floats:
        """One of `MEASURES`, (n,)."""
        return np.asarray(self.measures[:, MEASURES.index(name)])


def find(detector: HeatmapLocalizer, samples: Sequence[Sample], *, lowest: float = LOWEST) -> Finds:
    """Ask a detector about samples, and measure what it finds.

    Raises
    ------
    InputError
        If the detector looks at other channels than `CHANNELS`, or the samples are volumes.
    """
    if tuple(detector.channels_) != CHANNELS or detector.ndim_ != 2:
        raise InputError(f"needs a 2-D detector that looks at {', '.join(CHANNELS)}; it looks at {detector.channels_}")
    patients: dict[str, int] = {}
    parts: list[Finds] = []
    with _watched(detector) as (net, seen):
        for i in range(len(samples)):
            sample = samples[i]
            picture = tensors.together(detector._pictures([sample]), net)
            (found,) = detector._detect(net, picture)
            found = _strong(found, lowest)
            patient = patients.setdefault(sample.group, len(patients))
            parts.append(_described(sample, picture, seen[0], found, i, patient))
    return Finds(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Finds)))


class _watched:  # noqa: N801 - used as a function
    """The detector's network in use, and a list whose one item is what its `_DEEP` stage answered last."""

    def __init__(self, detector: HeatmapLocalizer) -> None:
        self.use = detector._in_use()

    def __enter__(self) -> tuple[Any, list[Tensor]]:
        net: Any = self.use.__enter__()
        seen: list[Tensor] = [torch.zeros(0)]
        self.hook = net.down[_DEEP].register_forward_hook(lambda _, __, answer: seen.__setitem__(0, answer))
        return net, seen

    def __exit__(self, *error: Any) -> None:
        self.hook.remove()
        self.use.__exit__(*error)


def _strong(found: Detections, lowest: float) -> Detections:
    keep = np.asarray(found.scores) >= lowest
    return Detections(found.boxes[keep], np.asarray(found.scores)[keep], np.asarray(found.labels)[keep])


def _described(
    sample: Sample, picture: Tensor, features: Tensor, found: Detections, number: int, patient: int
) -> Finds:
    n = len(found)
    boxes = np.asarray(found.boxes, dtype=np.float64).reshape(-1, 4)
    patches = [patch(picture[0].cpu().numpy(), box) for box in boxes]
    return Finds(
        np.full(n, number),
        np.full(n, patient),
        boxes,
        np.asarray(found.scores, dtype=np.float64),
        np.asarray(found.labels, dtype=np.int64),
        _truth(sample, boxes),
        np.array([measured(one) for one in patches]).reshape(n, len(MEASURES)),
        np.array([_pooled(features, box, sample.shape) for box in boxes]).reshape(n, features.shape[1]),
    )


def _truth(sample: Sample, boxes: Floats) -> Ints:
    if sample.boxes is None or sample.labels is None or len(boxes) == 0 or len(sample.boxes) == 0:
        return np.full(len(boxes), -1)
    overlap = iou(boxes, sample.boxes)
    return np.where(overlap.max(axis=1) >= 0.3, np.asarray(sample.labels)[overlap.argmax(axis=1)], -1)


def grid(box: Floats) -> Floats:
    """Where the cells of a find's patch lie: (2, 24, 24), indices of rows and columns. The patch is 1.5 boxes wide."""
    along = ((np.arange(_CELLS) + 0.5) / _CELLS - 0.5) * _AROUND
    start, stop = box[:2], box[2:]
    rows, cols = ((a + b) / 2 - 0.5 + along * max(b - a, 3.0) for a, b in zip(start, stop, strict=True))
    return np.stack(np.meshgrid(rows, cols, indexing="ij"))


def patch(picture: NDArray[Any], box: Floats) -> Floats:
    """A find and some of what is around it, at one size: (channels, 24, 24)."""
    places = grid(box)
    return np.stack([ndimage.map_coordinates(np.float64(p), places, order=1, mode="nearest") for p in picture])


def measured(one: Floats) -> Floats:
    """`MEASURES` of a patch of T1, T2, FLAIR and PET, (4,).

    >>> flat = np.zeros((4, 24, 24))
    >>> flat[1] = 3
    >>> measured(flat)
    array([1., 0., 0., 0.])
    """
    t1, t2, flair, pet = one
    along = ((np.arange(_CELLS) + 0.5) / _CELLS - 0.5) * _AROUND
    disc = along[:, None] ** 2 + along**2 < 0.25
    mismatch = (t2 > _BRIGHT) & (flair < t2 - _BRIGHT)
    return np.array([mismatch[disc].mean(), pet[disc].max(), t1[disc].std(), (flair > _BRIGHT)[disc].mean()])


def _pooled(features: Tensor, box: Floats, shape: tuple[int, ...]) -> Floats:
    """Mean of the network's features over a box, (k,)."""
    places = torch.from_numpy(grid(box)[:, 4:20, 4:20]).to(features.device).float()
    rows, cols = ((places[axis] + 0.5) / shape[axis] * 2 - 1 for axis in (0, 1))
    where = torch.stack([cols, rows], dim=-1)[None]
    sampled = functional.grid_sample(features.float(), where, align_corners=False, padding_mode="border")
    return np.asarray(sampled[0].mean(dim=(1, 2)).cpu().numpy(), dtype=np.float64)


def save_finds(path: Path, splits: dict[str, Finds], more: dict[str, NDArray[Any]]) -> None:
    """Write finds of several splits, in half precision, and further arrays, as one compressed file."""
    arrays: dict[str, Any] = dict(more)
    for split, finds in splits.items():
        for field in fields(finds):
            values = getattr(finds, field.name)
            small = values.astype(np.float16) if values.dtype.kind == "f" else values.astype(np.int16)
            arrays[f"{split}/{field.name}"] = small
    np.savez_compressed(path, **arrays)


def read_finds(path: str | Path, split: str) -> Finds:
    """What `save_finds` wrote of one split.

    Raises
    ------
    ReadError
        If there is no such file or split, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            kinds = {"f": np.float64, "i": np.int64}
            values = [arrays[f"{split}/{field.name}"] for field in fields(Finds)]
            return Finds(*(v.astype(kinds[v.dtype.kind]) for v in values))
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(
            Path(path), f"holds no finds of {split!r} ({error}); make it by `python benchmarks/evidence.py`"
        ) from error
