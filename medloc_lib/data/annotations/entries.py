"""What an annotation file says of one box, and what becomes of those that cannot be right."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from medloc_lib.data.images import find_image, image_shape
from medloc_lib.data.lazy import Truth
from medloc_lib.errors import InputError, MedlocWarning, ReadError
from medloc_lib.geometry import boxes_from_coco, boxes_from_voc, boxes_from_xyxy, clip
from medloc_lib.geometry.boxes import Floats, as_boxes

OnBad = Literal["raise", "drop", "clip"]
Source = str | PathLike[str]

ROUNDING = 1e-2
"""A box that is outside by less, in pixels, was only rounded when written: it is cut without a word."""

SHOWN = 5
"""So many bad entries are spelled out in one message."""

TRUE, FALSE = {"1", "true", "yes"}, {"", "0", "false", "no", "0.0"}


class Form(NamedTuple):
    """A box format: to half-open boxes in array order, and the extent along both axes of the numbers as written."""

    convert: Callable[[Any], Floats]
    extent: Callable[[Floats], Floats]


def _difference(numbers: Floats) -> Floats:
    return np.asarray(numbers[:, 2:] - numbers[:, :2])


COCO = Form(boxes_from_coco, lambda numbers: np.asarray(numbers[:, 2:]))
# VOC's last pixel is included, so that equal corners could mean one pixel; its writers mean a click that drew nothing.
VOC = Form(boxes_from_voc, _difference)
XYXY = Form(boxes_from_xyxy, _difference)
ROWS_COLS = Form(lambda numbers: as_boxes(numbers, ndim=2), _difference)


class Entry(NamedTuple):
    """One box as a file says it: where it stands, four numbers (NaN if not readable), class name; a known `fault`."""

    where: str
    numbers: tuple[float, ...]
    kind: str
    ignore: bool = False
    fault: str = ""


class Ledger:
    """Checks boxes and remembers what was wrong, to say it once.

    Parameters
    ----------
    source : file or folder that messages are about.
    on_bad : "raise" refuses all if any is bad; "drop" leaves bad entries out; "clip" cuts boxes that reach outside to
        their image and leaves the rest out.
    """

    def __init__(self, source: Source, on_bad: OnBad) -> None:
        if on_bad not in ("raise", "drop", "clip"):
            raise InputError(f'on_bad must be "raise", "drop" or "clip"; got {on_bad!r}')
        self.source = source
        self.on_bad = on_bad
        self.faults: list[str] = []
        self.cut = 0
        self.seen: dict[Path, str] = {}

    def fault(self, text: str) -> None:
        """Remember an entry that cannot be used."""
        self.faults.append(text)

    def picture(
        self, where: str, name: str, folders: Sequence[Path], said: tuple[float, float] | None = None
    ) -> tuple[Path, tuple[int, ...]] | None:
        """The 2-D picture that an entry names, and its shape; None, and a fault, if it cannot be used.

        `said` is the (rows, cols) that the annotation gives it, if it does: truth for another size is no truth.
        """
        path = find_image(name, folders)
        if path is None:
            looked = ", ".join(str(folder) for folder in folders)
            self.fault(f"{where}: {name[:200]!r} is not in {looked} (images=FOLDER says where)")
            return None
        try:
            shape = image_shape(path)
        except ReadError as error:
            self.fault(f"{where}: {error}")
            return None
        if len(shape) != 2:
            self.fault(f"{where}: {name!r} is a volume; these boxes are for 2-D pictures")
            return None
        if said and all(x > 0 for x in said) and said != shape:
            real = f"{shape[0]}×{shape[1]} (rows × cols)"
            self.fault(f"{where}: {name!r} is {real}, but the annotation says {said[0]:g}×{said[1]:g}")
            return None
        file = path.resolve()
        if file in self.seen:  # as two samples it could be learned from and tested on
            self.fault(f"{where}: {name!r} is the picture of {self.seen[file]} again; name it in one way, and once")
            return None
        self.seen[file] = where
        return path, shape

    def boxes(self, entries: Sequence[Entry], form: Form, shape: tuple[int, ...], classes: Sequence[str]) -> Truth:
        """The truth of one image: those of its entries that can be used."""
        index = {name: i for i, name in enumerate(classes)}
        size = "×".join(str(n) for n in shape)
        numbers = np.array([entry.numbers for entry in entries], dtype=np.float64).reshape(-1, 4)
        finite = np.asarray(np.isfinite(numbers).all(axis=1))
        numbers = np.clip(np.where(finite[:, None], numbers, 0), -1e12, 1e12)
        extended = np.asarray(finite & (form.extent(numbers) > 0).all(axis=1))
        boxes = np.zeros((len(entries), 4))
        boxes[extended] = form.convert(numbers[extended])
        inner = clip(boxes, shape)
        over = np.asarray(np.abs(boxes - inner).max(axis=1, initial=0))
        gone = np.asarray((inner[:, 2:] <= inner[:, :2]).any(axis=1))
        kept = []
        for i, entry in enumerate(entries):
            box = f"box ({', '.join(_number(x) for x in entry.numbers)}) of {entry.kind!r}"
            if entry.fault:
                self.fault(f"{entry.where}: {entry.fault}")
            elif not finite[i]:
                self.fault(f"{entry.where}: {box} holds NaN or infinity")
            elif entry.kind not in index:
                self.fault(f"{entry.where}: {box} has an unknown class; known: {', '.join(classes) or 'none'}")
            elif not extended[i]:
                self.fault(f"{entry.where}: {box} has no area")
            elif gone[i] or (over[i] > ROUNDING and self.on_bad != "clip"):
                how = "lies outside" if gone[i] else "reaches outside"
                self.fault(f"{entry.where}: {box} {how} its image of {size} (rows × cols)")
            else:
                self.cut += int(over[i] > ROUNDING)
                kept.append(i)
        labels = np.array([index[entries[i].kind] for i in kept], dtype=np.int64)
        return Truth(inner[kept], labels, np.array([entries[i].ignore for i in kept], dtype=bool))

    def close(self) -> None:
        """Raise, or warn once, if anything was wrong.

        Raises
        ------
        ReadError
            Under "raise", if an entry was bad: the first few by name, and how many.
        """
        if not self.faults and not self.cut:
            return
        more = len(self.faults) - SHOWN
        listed = "; ".join(self.faults[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
        if self.on_bad == "raise":
            count = f"{len(self.faults)} bad entr{'y' if len(self.faults) == 1 else 'ies'}"
            advice = 'on_bad="drop" leaves them out, on_bad="clip" also cuts boxes to their image'
            raise ReadError(self.source, f"{count}: {listed}. {advice}")
        what = [f"{len(self.faults)} dropped"] if self.faults else []
        what += [f"{self.cut} cut to their image"] if self.cut else []
        text = f"{Path(self.source)}: {' and '.join(what)}" + (f": {listed}" if listed else "")
        warnings.warn(text, MedlocWarning, stacklevel=3)


def to_float(text: object) -> float:
    """The number, or NaN if it is none."""
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        return math.nan
    try:
        return float(text)
    except (ValueError, OverflowError):
        return math.nan


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value}"


def read_text(path: Path) -> str:
    """A UTF-8 text file.

    Raises
    ------
    ReadError
        If there is no such file, or it is no text.
    """
    if path.is_fifo():  # reading would wait for ever
        raise ReadError(path, "is a pipe, not a file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReadError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ReadError(path, f"is no UTF-8 text: {error.reason} at byte {error.start}") from error


def picture_folders(annotations: Path, images: Source | None) -> list[Path]:
    """Where the pictures of an annotation file or folder may be, the likeliest first.

    Raises
    ------
    ReadError
        If `images` is no folder.
    """
    if images is not None:
        folder = Path(images)
        if not folder.is_dir():
            raise ReadError(folder, "there is no such folder of images")
        return [folder]
    home = annotations if annotations.is_dir() else annotations.parent
    near = [base / name for base in (home, home.parent) for name in ("images", "JPEGImages", "imagesTr")]
    return [folder for folder in near if folder.is_dir()] + [home]
