"""From stored numbers to measured ones, and from those to what a screen shows.

Formulas: DICOM PS3.3 C.11.1 (rescale and modality LUT) and C.11.2.1 (window and VOI LUT).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset

from medloc_lib.data.dicom.frames import Groups, items, real
from medloc_lib.data.dicom.opening import value
from medloc_lib.errors import InputError

Array = NDArray[Any]


def float_type(stored: Array) -> np.dtype[Any]:
    """The float that rescaled values are kept in: float32 for up to 16 bits, which it holds exactly, else float64."""
    small = stored.itemsize <= 2 or stored.dtype == np.float32
    return np.dtype(np.float32 if small else np.float64)


def rescale_into(stored: Array, out: Array, slope: float, intercept: float) -> None:
    """Write ``stored * slope + intercept``, computed in double precision, into the float array `out`."""
    with np.errstate(over="ignore", invalid="ignore"):
        if slope == 1 and float(intercept).is_integer() and abs(intercept) < 2**23 and stored.itemsize <= 2:
            np.add(stored, np.float32(intercept), out=out)  # exact: all values are whole and below 2**24
        else:
            np.add(stored * np.float64(slope), intercept, out=out, casting="same_kind")


def apply_window(image: ArrayLike, center: float, width: float, *, function: str = "LINEAR") -> NDArray[np.float32]:
    """Map intensities to 0 (black) to 1 (white) with a window.

    Parameters
    ----------
    image : numeric array of any shape.
    center, width : in the image's unit, for CT in HU.
    function : "LINEAR" (from ``center - 0.5 - (width - 1) / 2`` up, PS3.3 C.11.2.1.2), "LINEAR_EXACT" (from
        ``center - width / 2`` up) or "SIGMOID".

    Raises
    ------
    InputError
        If the width is not positive (for "LINEAR" not at least 1), or the function is unknown.

    Examples
    --------
    >>> apply_window([-200, 40, 280], 40, 400, function="LINEAR_EXACT")
    array([0. , 0.5, 1. ], dtype=float32)
    """
    least = 1 if function == "LINEAR" else 0
    if not (np.isfinite([center, width]).all() and width >= least and width > 0):
        raise InputError(f"a window needs a finite center and a width over {least}; got {center} and {width}")
    values = np.asarray(image)
    out = np.empty(values.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        if function == "SIGMOID":
            out[...] = 1 / (1 + np.exp(-4 * (values.astype(np.float64) - center) / width))
            return out
        if function not in ("LINEAR", "LINEAR_EXACT"):
            raise InputError(f"window function {function!r} is unknown; known: LINEAR, LINEAR_EXACT, SIGMOID")
        if function == "LINEAR":
            center, width = center - 0.5, width - 1
        if width == 0:
            out[...] = values > center
            return out
        np.subtract(values, center - width / 2, out=out, casting="unsafe")
        out /= np.float32(width)
    return np.clip(out, 0, 1, out=out)


@dataclass(frozen=True)
class Lut:
    """A lookup table: value `first` and all below give ``table[0]``; `bits` is the depth of its entries."""

    first: int
    bits: int
    table: Array

    def __call__(self, values: Array) -> NDArray[np.float32]:
        """The table's entry for each value."""
        index = np.clip(values.astype(np.int64) - self.first, 0, len(self.table) - 1)
        return np.asarray(self.table, dtype=np.float32)[index]


def lut_of(ds: Dataset, keyword: str, *, little: bool) -> Lut | None:
    """The first table of a modality or VOI LUT sequence, or None if there is none that is sound."""
    for item in items(ds, keyword)[:1]:
        form, data = real(item, "LUTDescriptor", 3), value(item, "LUTData")
        if form is None or data is None:
            continue
        if isinstance(data, bytes):
            table = np.frombuffer(data[: len(data) // 2 * 2], dtype="<u2" if little else ">u2").astype(np.uint16)
        else:
            table = np.asarray(list(data), dtype=np.int64)
        count, first, bits = int(form[0]) or 2**16, int(form[1]), int(form[2])
        if len(table) >= count and 0 < bits <= 16:
            return Lut(first, bits, table[:count])
    return None


@dataclass(frozen=True)
class Display:
    """How the file asks to be shown: windows, their names, the function, and a VOI LUT or None."""

    centers: tuple[float, ...]
    widths: tuple[float, ...]
    names: tuple[str, ...]
    function: str
    lut: Lut | None


def display_of(ds: Dataset, groups: Groups, *, little: bool) -> Display:
    """Windows of the file, for an enhanced one those of its first frame; unusable ones are left out."""
    holder = groups.get(0, "FrameVOILUTSequence") or ds
    function = str(value(holder, "VOILUTFunction") or "LINEAR").strip().upper()
    function = function if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else "LINEAR"
    centers, widths = real(holder, "WindowCenter") or (), real(holder, "WindowWidth") or ()
    named = value(holder, "WindowCenterWidthExplanation") or ()
    names = [named] if isinstance(named, str) else [str(name) for name in named]
    names += [""] * (len(centers) - len(names))
    sound = [
        (center, width, name)
        for center, width, name in zip(centers, widths, names, strict=False)
        if width >= 1 or (width > 0 and function != "LINEAR")
    ]
    return Display(
        tuple(center for center, _, _ in sound),
        tuple(width for _, width, _ in sound),
        tuple(name for _, _, name in sound),
        function,
        lut_of(holder, "VOILUTSequence", little=little),
    )


def show(values: Array, display: Display, *, inverse: bool, notes: list[str]) -> NDArray[np.float32]:
    """Values as a screen shows them, 0 black to 1 white: through the VOI LUT, else the first window, else all there is.

    `inverse` is for MONOCHROME1, where small values are white.
    """
    if display.lut is not None:
        shown = display.lut(values) / np.float32(2**display.lut.bits - 1)
    elif display.centers:
        shown = apply_window(values, display.centers[0], display.widths[0], function=display.function)
    else:
        notes.append("no window in the header: the whole range of values is shown")
        low, high = float(values.min()), float(values.max())
        shown = apply_window(values, (low + high) / 2, (high - low) or 1.0, function="LINEAR_EXACT")
    return 1 - shown if inverse else shown
