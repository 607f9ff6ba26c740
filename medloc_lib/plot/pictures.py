"""What is drawn, before it is drawn: a plane of a channel, its window, its boxes, and what a function made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_boxes
from medloc_lib.sample import Detections, Sample

Array = NDArray[Any]

COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")
"""Okabe and Ito's colours, which colour-blind readers tell apart: one per label of a mask, in turn."""

KINDS = MappingProxyType({"truth": "#56B4E9", "found": "#E69F00", "ignored": "#BBBBBB"})
"""Truth boxes (solid lines), detections (dashed), and boxes that count neither way (dotted)."""

CT_WINDOWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "brain": (40, 80),
        "subdural": (75, 215),
        "bone": (400, 1800),
        "lung": (-600, 1500),
        "mediastinum": (50, 350),
        "soft tissue": (50, 400),
        "liver": (30, 150),
    }
)
"""Level and width in Hounsfield units; values in common use in radiology."""

COLOR = "RGB"
"""The name under which red, green and blue are shown together."""


def as_sample(image: Sample | ArrayLike) -> Sample:
    """A picture as a Sample; a Sample comes back as it is.

    Parameters
    ----------
    image : Sample, or array (rows, cols), (planes, rows, cols), or either with a last axis of 3 for red, green, blue.
        Three axes with a last one of 3 are a colour picture.

    Raises
    ------
    InputError
        If it is no array, has another number of axes, or holds NaN or infinity.

    Examples
    --------
    >>> as_sample(np.zeros((4, 6, 3), np.uint8)).channels
    ('R', 'G', 'B')
    """
    if isinstance(image, Sample):
        return image
    try:
        array = np.asarray(image)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"a picture must be an array of numbers: {error}") from error
    if array.ndim in (3, 4) and array.shape[-1] == 3:
        return Sample(np.moveaxis(array, -1, 0), channels=("R", "G", "B"))
    if array.ndim not in (2, 3):
        raise InputError(
            "a picture must be a Sample or an array (rows, cols), (planes, rows, cols) or (rows, cols, 3); "
            f"got shape {array.shape}"
        )
    return Sample(array[None])


def views(sample: Sample) -> tuple[str, ...]:
    """Names of what can be shown: the channels, and before them "RGB" where they are red, green and blue."""
    color = tuple(name.upper()[:1] for name in sample.channels) == ("R", "G", "B")
    return (COLOR, *sample.channels) if color else sample.channels


def volume_of(sample: Sample, channel: str | None = None) -> Array:
    """One channel, (1, *spatial), or all three of a colour picture, (3, *spatial); None is the first of `views`."""
    name = views(sample)[0] if channel is None else channel
    if name == COLOR and name not in sample.channels:
        return sample.image
    return sample[name][None]


def plane_of(sample: Sample, channel: str | None = None, plane: int | None = None) -> Array:
    """What is on the screen: (rows, cols), or (rows, cols, 3) in colour; `plane` as in `check_plane`."""
    volume = volume_of(sample, channel)
    if sample.ndim == 3:
        volume = volume[:, check_plane(sample, plane)]
    return volume[0] if len(volume) == 1 else np.moveaxis(volume, 0, -1)


def mask_of(sample: Sample, plane: int | None = None) -> Array | None:
    """The label map of a plane, (rows, cols), or None where the sample has none; `plane` as in `check_plane`."""
    if sample.mask is None or sample.ndim == 2:
        return sample.mask
    return np.asarray(sample.mask[check_plane(sample, plane)])


def check_plane(sample: Sample, plane: int | None) -> int:
    """A plane's index; None is the middle one, and always 0 in 2-D.

    Raises
    ------
    InputError
        If there is no such plane.
    """
    planes = sample.shape[0] if sample.ndim == 3 else 1
    if plane is None:
        return planes // 2
    if not 0 <= plane < planes:
        raise InputError(f"plane must be 0 to {planes - 1}; got {plane}")
    return int(plane)


def default_window(sample: Sample, channel: str | None = None) -> tuple[float, float]:
    """Lowest and highest value to show: black and white of the picture.

    The first window that the sample's DICOM file names, else 0 to 255 for uint8, else the 0.5th to the 99.5th
    percentile of the channel in all planes.

    >>> default_window(as_sample(np.arange(1001).reshape(7, 143)))
    (5.0, 995.0)
    """
    return next(iter(named_windows(sample).values()), None) or _window_of(volume_of(sample, channel))


def named_windows(sample: Sample) -> dict[str, tuple[float, float]]:
    """The windows that a DICOM file brings along, lowest and highest value by name; none once one has been applied.

    Windows are in measured values. Where the sample holds stored ones (whole numbers), they are taken back through
    slope and intercept.

    >>> meta = {"window_center": (40, 300), "window_width": (80, 2000), "window_name": ("BRAIN", "")}
    >>> meta |= {"rescale_slope": 1, "rescale_intercept": -1024}
    >>> named_windows(Sample(np.zeros((1, 2, 2), np.int16), meta=meta))
    {'BRAIN': (1024.0, 1104.0), 'window 2 of the file': (324.0, 2324.0)}
    """
    centers, widths = (np.atleast_1d(sample.meta.get(f"window_{k}", ())).tolist() for k in ("center", "width"))
    names = [*np.atleast_1d(sample.meta.get("window_name", ())).tolist(), *[""] * len(centers)]
    rows = enumerate(zip(centers, widths, names, strict=False))
    return _in_values_of(
        sample, {str(name) or f"window {i + 1} of the file": (c, w) for i, (c, w, name) in rows if w > 0}
    )


def presets(sample: Sample) -> dict[str, tuple[float, float]]:
    """The windows to choose from: those of the file, and for CT those in common use."""
    ct = str(sample.meta.get("modality", "")).upper() == "CT"
    return named_windows(sample) | (_in_values_of(sample, CT_WINDOWS) if ct else {})


def _in_values_of(sample: Sample, windows: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Level and width of measured values as lowest and highest value of the sample's own."""
    slope, intercept = (sample.meta.get(f"rescale_{k}", d) for k, d in (("slope", 1.0), ("intercept", 0.0)))
    stored = sample.image.dtype.kind in "iu"
    one = isinstance(slope, int | float) and isinstance(intercept, int | float) and slope > 0  # else one per slice
    if _is_windowed(sample) or (stored and not one):
        return {}
    shift, scale = (float(intercept), float(slope)) if stored else (0.0, 1.0)
    return {name: ((c - w / 2 - shift) / scale, (c + w / 2 - shift) / scale) for name, (c, w) in windows.items()}


def is_negative(sample: Sample) -> bool:
    """Whether low values are the bright ones, as in a film whose DICOM file says MONOCHROME1."""
    return sample.meta.get("photometric") == "MONOCHROME1" and not _is_windowed(sample)


def _is_windowed(sample: Sample) -> bool:
    """Whether the values are fractions of white already, so that the file's window is behind them."""
    image = sample.image
    return image.dtype.kind == "f" and bool(image.min() >= 0 and image.max() <= 1)


def _window_of(array: Array) -> tuple[float, float]:
    if array.dtype in (np.uint8, bool):
        return 0.0, 255.0 if array.dtype == np.uint8 else 1.0
    values = array.ravel()
    values = values[:: max(1, values.size // 200_000)]  # enough for a percentile, and a volume stays quick
    low, high = (float(x) for x in np.percentile(values, (0.5, 99.5)))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + 1.0)


@dataclass(frozen=True)
class Mark:
    """A box to draw: 4 or 6 coordinates, the text beside it, and "truth", "found" or "ignored"."""

    box: tuple[float, ...]
    text: str
    kind: str


def truth_marks(sample: Sample) -> list[Mark]:
    """What the sample knows to be there."""
    if sample.boxes is None or sample.labels is None or sample.ignore is None:
        return []
    rows = zip(sample.boxes, sample.labels, sample.ignore, strict=True)
    return [Mark(_floats(b), _name(sample.classes, k), "ignored" if i else "truth") for b, k, i in rows]


def found_marks(detections: Detections | None, classes: tuple[str, ...], ndim: int) -> list[Mark]:
    """Detections with their scores, and with their classes where the labels tell any apart.

    A localizer that knows no classes labels all its finds 0: the name of class 0 beside them would be a claim that it
    never made.

    Raises
    ------
    InputError
        If the boxes have not the picture's number of axes.
    """
    if detections is None or detections.scores is None or detections.labels is None:
        return []
    if len(detections) and detections.boxes.shape[1] != 2 * ndim:
        raise InputError(f"boxes in this picture have {2 * ndim} numbers; got {detections.boxes.shape[1]}")
    told = classes if len(classes) == 1 or detections.labels.any() else ()
    rows = zip(detections.boxes, detections.labels, detections.scores, strict=True)
    return [Mark(_floats(b), f"{_name(told, k)} {_short(score)}".strip(), "found") for b, k, score in rows]


def cut(marks: list[Mark], index: int, *, axis: int = 0) -> list[Mark]:
    """The marks that reach into the plane `index` across `axis`, which covers [index, index + 1), as 2-D boxes in it.

    >>> cut([Mark((1, 0, 0, 3, 4, 5), "", "truth")], 2)[0].box
    (0, 0, 4, 5)
    """
    flat = []
    for mark in marks:
        box = mark.box
        if len(box) == 4:
            flat.append(mark)
        elif box[axis] < index + 1 and box[axis + 3] > index:
            row, col = (k for k in range(3) if k != axis)
            flat.append(Mark((box[row], box[col], box[row + 3], box[col + 3]), mark.text, mark.kind))
    return flat


def _short(score: float) -> str:
    return f"{score:.2f}" if abs(score) < 100 else f"{score:.0f}"


def _name(classes: tuple[str, ...], label: int) -> str:
    return classes[label] if label < len(classes) else ""


def _floats(box: Array) -> tuple[float, ...]:
    return tuple(float(x) for x in box)


@dataclass(frozen=True)
class Outcome:
    """What a function made of a picture: another picture, a label map, boxes, or several of them."""

    picture: Array | None = None
    mask: Array | None = None
    detections: Detections | None = None


def outcome(result: Any, picture: Array) -> Outcome:
    """Tell what a function's result is.

    Parameters
    ----------
    result : Detections; an (n, 4) array where the picture has not 4 columns: boxes; a bool, int32 or int64 array of the
        picture's rows and columns, unless the picture is of that type too: a label map; any other array of numbers: a
        picture; or a tuple of these.
    picture : what the function was given, (rows, cols) or (rows, cols, 3).

    Raises
    ------
    InputError
        If it is none of these, or holds NaN or infinity.

    Examples
    --------
    >>> grey = np.eye(5)
    >>> outcome(grey > 0.5, grey).mask.sum()
    np.int64(5)
    >>> outcome([[0, 0, 2, 2]], grey).detections
    Detections: 1 box, scores 1 to 1
    """
    if isinstance(result, tuple):
        parts = [outcome(part, picture) for part in result]
        return Outcome(
            picture=next((p.picture for p in parts if p.picture is not None), None),
            mask=next((p.mask for p in parts if p.mask is not None), None),
            detections=next((p.detections for p in parts if p.detections is not None), None),
        )
    if isinstance(result, Detections):
        if result.boxes.shape[1] != 4:
            raise InputError("the function is given one plane, so its boxes must be (row0, col0, row1, col1)")
        return Outcome(detections=result)
    array = np.asarray(result)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"needed a picture, a mask, boxes or Detections from the function; got {type(result).__name__}"
        )
    if array.ndim == 2 and array.shape[1] == 4 and picture.shape[1] != 4:
        return Outcome(detections=Detections(as_boxes(array, ndim=2)))
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] == 3):
        raise InputError(
            f"needed a picture of shape (rows, cols) or (rows, cols, 3) from the function; got {array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise InputError(f"the function's result must be finite; {bad} of {array.size} values are NaN or infinite")
    labels = array.dtype in (bool, np.int32, np.int64) and array.dtype != picture.dtype
    if labels and array.shape == picture.shape[:2]:
        return Outcome(mask=array.astype(np.int64))
    if 0 in array.shape:
        raise InputError(f"needed a picture with pixels in it from the function; got shape {array.shape}")
    return Outcome(picture=array)


def window_after(before: Array, after: Array, window: tuple[float, float]) -> tuple[float, float]:
    """Window for a picture made from another: the same one where the values are in the same range, else its own.

    The same window lets a change of contrast be seen; another range of values needs another window to be seen at all.

    >>> ramp = np.linspace(0, 1, 16).reshape(4, 4)
    >>> window_after(ramp, ramp**2, (0, 1)), window_after(ramp, (255 * ramp).astype(np.uint8), (0, 1))
    ((0, 1), (0.0, 255.0))
    """
    low, high = float(before.min()), float(before.max())
    slack = 0.25 * (high - low)
    span = float(after.max()) - float(after.min())
    alike = low - slack <= after.min() and after.max() <= high + slack and span > 0.1 * (high - low)
    return window if alike else _window_of(after)
