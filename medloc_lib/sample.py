"""Sample and Detections: the two records that everything in the kit passes on.

Both are frozen and check themselves when made, so a function that receives one need not check it again.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_affine, as_boxes, as_label_map

Array = NDArray[Any]

TRUTH = frozenset({"boxes", "labels", "ignore", "mask", "layers", "outcome"})
"""Fields that hold the answer. No localizer may ask to see them."""

ALWAYS = frozenset({"image", "channels", "spacing", "affine"})
"""Fields that every localizer sees: the picture, and how large it is."""


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """One image, and what is known about it. Only `image` is required.

    Parameters
    ----------
    image : finite numeric array, (channels, rows, cols) or (channels, planes, rows, cols). Kept as it is, not copied,
        and seen through a read-only view.
    channels : name per channel, such as "T1" or "R"; time points for a series, their seconds in ``meta["seconds"]``.
    spacing : mm per spatial axis, in array-axis order; default 1.
    boxes : (n, 2 * ndim) coordinates, half-open, inside the image. **None: nobody looked. Empty: somebody looked and
        found nothing.**
    labels : int (n,), index into `classes`; default 0.
    ignore : bool (n,); a box that is neither hit nor miss. Default False.
    classes : name per label.
    mask : label map of the image's spatial shape, 0 is background; or None.
    layers : named truth maps whose last axes are the spatial shape, such as "tissue" or "clean".
    affine : 4×4, index (plane, row, col) to patient mm in LPS; or None.
    id, group : this image, and the patient it is from. Splits and intervals are made over groups.
    report, tabular, outcome : text, named measurements, and what became of the patient.
    meta : whatever else is known, by name.

    Raises
    ------
    InputError
        If shapes do not fit each other, a pixel is NaN or infinite, or a box is malformed or outside the image.

    Examples
    --------
    >>> s = Sample(np.zeros((1, 4, 6)), boxes=[[0, 1, 2, 3]], classes=("lesion",), id="a")
    >>> s
    Sample 'a': image 4×6 float64, 1×1 mm, channels image; 1 box: 1 lesion
    >>> s["image"].shape
    (4, 6)
    """

    image: Array
    channels: tuple[str, ...] = ()
    spacing: tuple[float, ...] = ()
    boxes: Array | None = None
    labels: Array | None = None
    ignore: Array | None = None
    classes: tuple[str, ...] = ()
    mask: Array | None = None
    layers: Mapping[str, Array] = field(default_factory=dict)
    affine: Array | None = None
    id: str = ""
    group: str = ""
    report: str | None = None
    tabular: Mapping[str, Any] = field(default_factory=dict)
    outcome: Any = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        image = _finite(self.image, "image")
        if image.ndim not in (3, 4) or 0 in image.shape:
            raise InputError(
                f"image must be (channels, rows, cols) or (channels, planes, rows, cols), none of them 0; "
                f"got shape {image.shape}" + (" (for one grey picture use image[None])" if image.ndim == 2 else "")
            )
        shape = image.shape[1:]
        default = ("image",) if len(image) == 1 else tuple(f"c{i}" for i in range(len(image)))
        channels = _names(self.channels, "channels") or default
        if len(channels) != len(image) or len(set(channels)) != len(channels):
            raise InputError(f"{len(image)} channels need as many different names; got {channels}")
        steps = _finite(self.spacing, "spacing")
        if steps.shape not in ((0,), (len(shape),)) or not (steps > 0).all():
            raise InputError(f"spacing must be {len(shape)} positive numbers in mm; got {self.spacing}")
        spacing = tuple(float(x) for x in steps) or (1.0,) * len(shape)
        mask = None if self.mask is None else _label_map(self.mask)
        if mask is not None and mask.shape != shape:
            raise InputError(f"mask must have the image's spatial shape {shape}; got {mask.shape}")
        layers = {str(name): _finite(layer, f"layer {name!r}") for name, layer in self.layers.items()}
        for name, layer in layers.items():
            if layer.shape[-len(shape) :] != shape:
                raise InputError(f"layer {name!r} must end in the spatial shape {shape}; got {layer.shape}")
        affine = None if self.affine is None else as_affine(self.affine)
        values = {
            "image": _read_only(image),
            "channels": channels,
            "spacing": spacing,
            "classes": _names(self.classes, "classes"),
            "mask": None if mask is None else _read_only(mask),
            "layers": {name: _read_only(layer) for name, layer in layers.items()},
            "affine": None if affine is None else _read_only(affine),
            "id": _text(self.id),
            "group": _text(self.group),
            "report": None if self.report is None else _text(self.report),
            **self._checked_boxes(shape),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _checked_boxes(self, shape: tuple[int, ...]) -> dict[str, Array | None]:
        if self.boxes is None:
            if self.labels is not None or self.ignore is not None:
                raise InputError("labels and ignore belong to boxes; got them without boxes")
            return {"boxes": None, "labels": None, "ignore": None}
        boxes = as_boxes(self.boxes, ndim=len(shape))
        outside = ((boxes < -1e-6) | (boxes > np.tile(shape, 2) + 1e-6)).any(axis=1)
        if outside.any():
            i = int(np.flatnonzero(outside)[0])
            raise InputError(f"box {i}, {boxes[i].tolist()}, is outside its image of {shape}; clip or drop it first")
        labels = np.zeros(len(boxes), dtype=np.int64) if self.labels is None else np.asarray(self.labels)
        ignore = np.zeros(len(boxes), dtype=bool) if self.ignore is None else np.asarray(self.ignore)
        labels = labels.astype(np.int64) if labels.size == 0 else labels
        ignore = ignore.astype(bool) if ignore.size == 0 else ignore
        if labels.shape != (len(boxes),) or ignore.shape != (len(boxes),):
            raise InputError(f"{len(boxes)} boxes need as many labels and ignores: {labels.shape}, {ignore.shape}")
        if labels.dtype.kind not in "iu" or ignore.dtype != bool:
            raise InputError(f"labels must be integers and ignore bool; got {labels.dtype} and {ignore.dtype}")
        if labels.size and (labels.min() < 0 or (self.classes and labels.max() >= len(self.classes))):
            raise InputError(f"labels index classes {self.classes}; got {labels.min()} to {labels.max()}")
        return {
            "boxes": _read_only(boxes),
            "labels": _read_only(labels.astype(np.int64)),
            "ignore": _read_only(ignore),
        }

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape: (rows, cols) or (planes, rows, cols)."""
        return self.image.shape[1:]

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return self.image.ndim - 1

    def __getitem__(self, channel: str) -> Array:
        """One channel as a plain array of the spatial shape."""
        if channel not in self.channels:
            raise InputError(f"there is no channel {channel!r}; this sample has {', '.join(self.channels)}")
        view: Array = self.image[self.channels.index(channel)]
        return view

    def replace(self, **changes: Any) -> Sample:
        """A copy with some fields changed, checked anew. Labels and ignore go with the boxes they belonged to.

        >>> Sample(np.zeros((1, 2, 2)), id="a").replace(id="b").id
        'b'
        """
        boxes = changes.get("boxes", ...)
        empty = boxes.size == 0 if isinstance(boxes, np.ndarray) else boxes in ([], ())
        if boxes is None or empty:
            changes = {"labels": None, "ignore": None, **changes}
        return dataclasses.replace(self, **changes)

    def only(self, inputs: Sequence[str]) -> Sample:
        """What a localizer that declared these `inputs` may see: the image, its channels and size, and no more.

        Raises
        ------
        InputError
            If `inputs` names a field that holds the truth, or none of this record's.
        """
        known = {f.name for f in dataclasses.fields(self)}
        for name in inputs:
            if name in TRUTH or name not in known:
                what = "holds the answer" if name in TRUTH else "is no field of a Sample"
                raise InputError(f"inputs may not name {name!r}: it {what}; allowed: {sorted(known - TRUTH)}")
        return Sample(**{name: getattr(self, name) for name in ALWAYS | set(inputs)})

    def __repr__(self) -> str:
        size = "×".join(map(str, self.shape))
        mm = "×".join(f"{x:.3g}" for x in self.spacing)
        head = f"Sample {self.id!r}: image {size} {self.image.dtype}, {mm} mm, channels {', '.join(self.channels)}"
        return _one_line(f"{head}; {_count(self.boxes, self.labels, self.classes)}")

    def _repr_html_(self) -> str:
        """Thumbnail of the first channel (or of red, green and blue) with the facts beside it; all text escaped."""
        rows = {
            "group": self.group,
            "shape": "×".join(map(str, self.shape)) + f" {self.image.dtype}",
            "spacing": " × ".join(f"{x:.3g}" for x in self.spacing) + " mm",
            "channels": ", ".join(self.channels),
            "boxes": _count(self.boxes, self.labels, self.classes),
            "report": self.report or "",
        }
        table = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in rows.items()
            if text
        )
        name = html.escape(self.id or "sample", quote=True)
        picture = f"<img alt='{name}' style='height:128px' src='data:image/png;base64,{_thumbnail(self.image)}'>"
        return (
            f"<div style='display:flex;gap:1em;align-items:center'>{picture}"
            f"<div><b>{name}</b><table>{table}</table></div></div>"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """What a localizer found in one image.

    Parameters
    ----------
    boxes : (n, 2 * ndim) coordinates, half-open; may reach outside the image.
    scores : finite (n,), higher is surer; default 1.
    labels : int (n,), index into the classes; default 0.
    masks : (n, *spatial) bool or None.
    heatmap : (*spatial) float or None; where the localizer sees something, for display and pointing.

    Raises
    ------
    InputError
        If lengths differ or a number is not finite.

    Examples
    --------
    >>> Detections([[0, 0, 2, 2]], scores=[0.9])
    Detections: 1 box, scores 0.9 to 0.9
    """

    boxes: Array
    scores: Array | None = None
    labels: Array | None = None
    masks: Array | None = None
    heatmap: Array | None = None

    def __post_init__(self) -> None:
        boxes = as_boxes(self.boxes)
        n = len(boxes)
        scores = np.ones(n) if self.scores is None else _finite(self.scores, "scores").astype(np.float64)
        labels = np.zeros(n, dtype=np.int64) if self.labels is None else np.asarray(self.labels)
        labels = labels.astype(np.int64) if labels.size == 0 else labels
        if scores.shape != (n,) or labels.shape != (n,):
            raise InputError(f"{n} boxes need as many scores and labels; got {scores.shape} and {labels.shape}")
        if labels.dtype.kind not in "iu" or (labels < 0).any():
            raise InputError(f"labels must be integers from 0; got {labels.dtype} {labels.tolist()}")
        masks = None if self.masks is None else _finite(self.masks, "masks")
        if masks is not None and (masks.ndim not in (3, 4) or len(masks) != n):
            raise InputError(f"{n} boxes need as many masks, (n, rows, cols) or in 3-D; got shape {masks.shape}")
        heatmap = None if self.heatmap is None else _finite(self.heatmap, "heatmap")
        if heatmap is not None and heatmap.ndim not in (2, 3):
            raise InputError(f"heatmap must be (rows, cols) or (planes, rows, cols); got shape {heatmap.shape}")
        fields = {"boxes": boxes, "scores": scores, "labels": labels.astype(np.int64), "masks": masks}
        for name, value in {**fields, "heatmap": heatmap}.items():
            object.__setattr__(self, name, None if value is None else _read_only(value))

    @classmethod
    def none(cls, ndim: int = 2) -> Detections:
        """Nothing found in an image of `ndim` axes."""
        return cls(np.zeros((0, 2 * ndim)))

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        n = len(self)
        scores = np.zeros(0) if self.scores is None else self.scores
        span = f", scores {scores.min():.3g} to {scores.max():.3g}" if n else ""
        return f"Detections: {n} box{'' if n == 1 else 'es'}{span}"


def _finite(array: Any, name: str) -> Array:
    """A numeric or bool array without NaN or infinity."""
    try:
        values = np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{name} must be an array of numbers: {error}") from error
    if values.dtype.kind not in "biuf":
        raise InputError(f"{name} must be numbers; got {values.dtype}")
    # The sum is finite exactly when no value is NaN or infinite, unless it overflows: only then look at each.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = values.dtype.kind == "f" and not np.isfinite(values.sum())
    if suspicious and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise InputError(f"{name} must be finite; {bad} of {values.size} values are NaN or infinite")
    return values


def _names(names: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InputError(f"{what} must be a sequence of names, such as ({names!r},); got the text {names!r}")
    return tuple(_text(name) for name in names)


def _text(value: Any) -> str:
    """Text that can be stored and sent: names of files need not be Unicode, and what is not becomes its escape."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _label_map(mask: Any) -> Array:
    """Whole numbers, in the integer type they came in."""
    values = np.asarray(mask)
    return values if values.dtype.kind in "iu" else as_label_map(values)


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _count(boxes: Array | None, labels: Array | None, classes: Sequence[str]) -> str:
    if boxes is None or labels is None:
        return "boxes unknown"
    if len(boxes) == 0:
        return "no boxes (looked, found nothing)"
    values, counts = np.unique(labels, return_counts=True)
    names = [classes[v] if classes else f"label {v}" for v in values]
    text = ", ".join(f"{n} {name}" for n, name in zip(counts, names, strict=True))
    return f"{len(boxes)} box{'' if len(boxes) == 1 else 'es'}: {text}"


def _one_line(text: str) -> str:
    """Text from data as one line for a terminal: what cannot be printed, such as a line break, as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _thumbnail(image: Array) -> str:
    """Base64 PNG, at most 128 pixels high, of the first channel's middle plane."""
    picture = image if image.ndim == 3 else image[:, image.shape[1] // 2]
    color = len(picture) == 3 and picture.dtype == np.uint8
    step = max(1, -(-picture.shape[1] // 128))
    small = picture[:, ::step, ::step].astype(np.float64)
    small = np.moveaxis(small, 0, -1) if color else small[0]
    if not color:
        low, high = np.percentile(small, (1, 99))
        small = (small - low) / max(high - low, 1e-12) * 255
    buffer = io.BytesIO()
    Image.fromarray(np.clip(small, 0, 255).astype(np.uint8)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
