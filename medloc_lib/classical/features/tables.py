"""From a sample to its candidates and their features, and from many of these to one table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from medloc_lib.classical.candidates import propose
from medloc_lib.classical.features import context, firstorder, glcm, shapes, texture
from medloc_lib.classical.features.regions import Regions, from_masks
from medloc_lib.classical.proposals import METHODS
from medloc_lib.classical.scene import Scene, prepare
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.localizer.function import main_channel
from medloc_lib.sample import Sample

Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]
Measured = tuple[Numbers, NDArray[np.float32]]
"""Boxes and features of one picture's candidates."""

SUSPICION = "suspicion"
LEVELS = 16
RELATIVE = ("stat_cov", "stat_qcod", "stat_energy")
"""Left out of the table: the first two divide by a mean that is 0 by construction, the third is area times rms²."""

_FIRST = tuple(name for name in firstorder.NAMES if name not in RELATIVE)


@dataclass(frozen=True, eq=False)
class Described:
    """The candidates of one picture and their features.

    Parameters
    ----------
    sample : what is known of the picture, without its pixels.
    boxes : (n, 4), the most promising first, as `propose` gives them.
    values : float32 (n, columns).
    columns : names of the features; see `columns_of`.
    """

    sample: Sample
    boxes: Numbers
    values: NDArray[np.float32]
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        return f"Described {self.sample.id!r}: {len(self)} candidates, {len(self.columns)} features"


def columns_of(channels: Sequence[str], main: str) -> tuple[str, ...]:
    """Names of the features of a picture with these channels, in the order of the table.

    ``CHANNEL/stat_…`` first-order and ``CHANNEL/cm_…`` co-occurrence measures by their IBSI tags, ``CHANNEL/near_…``
    and ``far_…`` the rings around, ``CHANNEL/mirror_…`` the other side of the head; ``suspicion/…`` the same of the
    suspicion (`scene.suspicion`); ``shape_…``, ``morph_…`` and ``place_…``; ``MAIN/lbp_…`` and ``MAIN/hog_…`` of the
    main channel; ``from_METHOD``, and ``rank``, the place in the list of candidates from 1.
    """
    names: list[str] = []
    for name in (*channels, SUSPICION):
        names += [f"{name}/{one}" for one in _FIRST + context.RING_NAMES]
    for name in channels:
        names += [f"{name}/{one}" for one in glcm.NAMES + context.MIRROR_NAMES]
    names += [f"{main}/{one}" for one in texture.PATTERN_NAMES + texture.GRADIENT_NAMES]
    names += [*shapes.NAMES, *context.PLACE_NAMES, *(f"from_{method}" for method in METHODS), "rank"]
    return tuple(names)


def features(scene: Scene, regions: Regions, methods: Ints) -> NDArray[np.float32]:
    """The features of regions of a scene, in the order of `columns_of`: float32 (n, columns).

    Intensities are in the scene's deviations, lengths in mm.

    Parameters
    ----------
    methods : index of the method that proposed each region, int (n,).
    """
    parts: list[NDArray[Any]] = []
    kept = [firstorder.NAMES.index(name) for name in _FIRST]
    for picture in (*scene.z, scene.suspicion):
        parts += [firstorder.first_order(picture, regions)[:, kept], context.rings(picture, scene.inside, regions)]
    pairs = glcm.neighbours(regions)
    grey = [glcm.grey_levels(picture, levels=LEVELS) for picture in scene.z]
    matrices = [glcm.cooccurrence_matrices(g, regions, levels=LEVELS, pairs=pairs) for g in grey]
    measures = glcm.cooccurrence(np.concatenate(matrices)).reshape(len(grey), len(regions), -1)
    for picture, other, measure in zip(scene.z, scene.mirrored, measures, strict=True):
        parts += [measure, context.mirrored(picture, other, regions)]
    main = scene.z[scene.main]
    parts += [texture.local_patterns(main, regions), texture.oriented_gradients(main, regions.boxes)]
    parts += [shapes.shape(regions, scene.spacing), context.place(scene, regions)]
    parts += [np.eye(len(METHODS))[methods], np.arange(1, len(regions) + 1)[:, None]]
    return np.concatenate(parts, axis=1).astype(np.float32)


def describe(sample: Sample, *, n: int = 50) -> Described:
    """The candidates of a 2-D sample and their features.

    Parameters
    ----------
    n : how many candidates, at most.

    Raises
    ------
    InputError
        If the sample is a volume.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100, 1, (1, 60, 60))
    >>> image[0, 20:26, 30:40] += 8
    >>> describe(Sample(image, channels=("FLAIR",), id="a"), n=5)
    Described 'a': 5 candidates, 137 features
    """
    scene = prepare(sample)
    found = propose(scene, n=n)
    regions = from_masks(found.boxes, found.masks, scene.inside.shape)
    columns = columns_of(scene.channels, scene.channels[scene.main])
    return Described(without_pixels(sample), found.boxes, features(scene, regions, found.methods), columns)


def described(
    items: Iterable[Sample | Described],
    *,
    n: int = 50,
    kept: Mapping[bytes, Measured] | None = None,
    progress: bool = False,
) -> list[Described]:
    """`describe` of each sample; what is described already stays as it is.

    Parameters
    ----------
    n : how many candidates a picture, at most.
    kept : what is known of some pictures, by their `digest`: what `features.kept` gives.
    progress : show a progress bar.
    """
    bar = tqdm(items, unit="picture", desc="features", disable=not progress)
    return [item if isinstance(item, Described) else _describe_or_take(item, n, kept or {}) for item in bar]


def digest(sample: Sample) -> bytes:
    """What stands for a picture: a hash of its pixels, channels and spacing, 16 bytes."""
    image = sample.image
    made = hashlib.blake2b(
        repr((sample.channels, sample.spacing, image.shape, image.dtype.str)).encode(), digest_size=16
    )
    made.update(np.ascontiguousarray(image).tobytes())
    return made.digest()


def _describe_or_take(sample: Sample, n: int, kept: Mapping[bytes, Measured]) -> Described:
    if not kept or (known := kept.get(digest(sample))) is None:
        return describe(sample, n=n)
    return Described(without_pixels(sample), *known, columns_of(sample.channels, main_channel(sample)))


@dataclass(frozen=True, eq=False)
class Table:
    """The candidates of many pictures as one table: what scikit-learn learns from.

    Parameters
    ----------
    values : float32 (n, columns). columns : their names.
    boxes : (n, 4). spacing : mm, (n, 2).
    image : int (n,), which picture each is of. group : (n,), its patient.
    overlap : (n,), the highest IoU with a truth box that counts; NaN where nobody looked.
    truth : (n, 4), that truth box; NaN where `overlap` is 0 or NaN.
    target : int (n,), its position in the sample; -1 where `overlap` is 0 or NaN.
    label : int (n,), its class, or -1.
    ignored : bool (n,), whether the best fit is an ignored box: neither hit nor miss.
    """

    values: NDArray[np.float32]
    columns: tuple[str, ...]
    boxes: Numbers
    spacing: Numbers
    image: Ints
    group: NDArray[np.str_]
    overlap: Numbers
    truth: Numbers
    target: Ints
    label: Ints
    ignored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str) -> NDArray[np.float32]:
        """One feature by name, (n,).

        Raises
        ------
        InputError
            If there is no such column.
        """
        if name not in self.columns:
            raise InputError(
                f"there is no feature {name!r}; columns_of names those there are, such as {self.columns[0]!r}"
            )
        return np.asarray(self.values[:, self.columns.index(name)])


def stack(items: Sequence[Described]) -> Table:
    """One table of all candidates, each with the truth box that it fits best.

    Raises
    ------
    InputError
        If there is nothing to stack, or pictures have different channels.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100, 1, (1, 60, 60))
    >>> image[0, 20:26, 30:40] += 8
    >>> sample = Sample(image, boxes=[[20, 30, 26, 40]], group="ann")
    >>> table = stack([describe(sample, n=5)])
    >>> len(table), bool(table.overlap.max() > 0.6), table.label[table.overlap.argmax()], table.group[0]
    (5, True, np.int64(0), np.str_('ann'))
    """
    if not items:
        raise InputError("needs at least one picture to make a table of; got none")
    columns = items[0].columns
    for item in items:
        if item.columns != columns:
            raise InputError(
                f"all pictures must have the same channels, in the same order: {items[0].sample.channels} in "
                f"{items[0].sample.id!r}, {item.sample.channels} in {item.sample.id!r}"
            )
    counts = [len(item) for item in items]
    fits = [_fit(item) for item in items]
    overlap, truth, target, label, ignored = (np.concatenate(part) for part in zip(*fits, strict=True))
    return Table(
        values=np.concatenate([item.values for item in items]),
        columns=columns,
        boxes=np.concatenate([item.boxes for item in items]),
        spacing=np.repeat([item.sample.spacing for item in items], counts, axis=0),
        image=np.repeat(np.arange(len(items)), counts),
        group=np.repeat([item.sample.group for item in items], counts),
        overlap=overlap,
        truth=truth,
        target=target,
        label=label,
        ignored=ignored,
    )


def _fit(item: Described) -> tuple[NDArray[Any], ...]:
    """Overlap, truth box, its position and label of each candidate, and whether an ignored box fits best."""
    n, sample = len(item), item.sample
    nothing = (np.full((n, 4), np.nan), np.full(n, -1), np.full(n, -1), np.zeros(n, dtype=bool))
    if sample.boxes is None or sample.ignore is None or sample.labels is None:
        return (np.full(n, np.nan), *nothing)
    if n == 0 or len(sample.boxes) == 0:
        return (np.zeros(n), *nothing)
    overlap = iou(item.boxes, sample.boxes)
    counted = np.where(sample.ignore, 0, overlap)
    best = counted.argmax(axis=1)
    height = counted.max(axis=1)
    some = height > 0
    return (
        height,
        np.where(some[:, None], sample.boxes[best], np.nan),
        np.where(some, best, -1),
        np.where(some, sample.labels[best], -1),
        np.where(sample.ignore, overlap, 0).max(axis=1) > height,
    )
