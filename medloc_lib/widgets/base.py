"""What the widgets share: the front end's files, pixels on their way to it, and the still that is stored beside it."""

from __future__ import annotations

import base64
import io
from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from importlib import resources
from typing import Any

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

from medloc_lib.errors import InputError
from medloc_lib.plot import pictures
from medloc_lib.plot.pictures import COLORS, KINDS, Array, Mark
from medloc_lib.sample import Sample

FILES = resources.files("medloc_lib.widgets") / "js"


def script(*names: str) -> str:
    """A front end as one ES module: what all share, then its own."""
    return "\n".join((FILES / f"{part}.js").read_text(encoding="utf-8") for part in ("picture", *names))


class _AbstractTraits(ABCMeta, type(anywidget.AnyWidget)):  # type: ignore[misc]
    """Traits and abstract methods together."""


class Widget(anywidget.AnyWidget, metaclass=_AbstractTraits):
    """A widget whose stored output also carries a picture and a sentence, for readers who have no kernel."""

    _css = (FILES / "style.css").read_text(encoding="utf-8")
    _facts = traitlets.Dict().tag(sync=True)
    _poster = traitlets.Bytes(b"").tag(sync=True)
    _alt = traitlets.Unicode("").tag(sync=True)

    @abstractmethod
    def still(self) -> Figure:
        """The present state as a figure."""

    @abstractmethod
    def words(self) -> str:
        """The present state as a sentence."""

    def __repr__(self) -> str:
        return self.words()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self._poster, self._alt = to_png(self.still()), self.words()
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture = {"image/png": base64.b64encode(self._poster).decode(), "text/plain": self._alt}
        return {**data, **picture}, {**metadata, "image/png": {"alt": self._alt}}


class SampleWidget(Widget):
    """A widget that shows one plane of one channel of a sample.

    Parameters
    ----------
    sample : what is shown; it begins with its middle plane and its first channel, or all three of a colour picture.
    facts : what its front end must know beside what all do.
    **traits : the rest of the state.
    """

    plane = traitlets.Int(0, help="Index of the plane.").tag(sync=True)
    channel = traitlets.Unicode("", help="Name of the channel, or RGB.").tag(sync=True)

    def __init__(self, sample: Sample, facts: dict[str, Any], **traits: Any) -> None:
        self.sample = sample
        known = {
            "palette": list(COLORS),
            "colors": dict(KINDS),
            "spacing": list(sample.spacing[-2:]),
            "planes": sample.shape[0] if sample.ndim == 3 else 1,
            "negative": pictures.is_negative(sample),
        }
        plane = pictures.check_plane(sample, None) if sample.ndim == 3 else 0
        super().__init__(_facts=known | facts, plane=plane, channel=pictures.views(sample)[0], **traits)

    @traitlets.validate("plane")
    def _inside(self, proposal: Any) -> int:
        return pictures.check_plane(self.sample, proposal["value"])

    @traitlets.validate("channel")
    def _present(self, proposal: Any) -> str:
        name, names = str(proposal["value"]), pictures.views(self.sample)
        if name not in names:
            raise InputError(f"there is no channel {name!r}; this sample has {', '.join(names)}")
        return name


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file, on white, so that it is readable on a dark page too."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=72, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def wire_type(array: Array) -> np.dtype[Any]:
    """The smallest type that holds an array's values and that a browser has: whole numbers exactly, others as float32.

    >>> wire_type(np.array([0, 300])), wire_type(np.array([0.5])), wire_type(np.array([True]))
    (dtype('int16'), dtype('float32'), dtype('uint8'))
    """
    if array.dtype.kind == "b":
        return np.dtype(np.uint8)
    if array.dtype.kind in "iu":
        for kind in (np.uint8, np.int16, np.uint16, np.int32):
            if np.iinfo(kind).min <= array.min() and array.max() <= np.iinfo(kind).max:
                return np.dtype(kind)
    return np.dtype(np.float32)


def pack(picture: Array, dtype: np.dtype[Any] | None = None) -> tuple[dict[str, Any], bytes]:
    """Pixels for the front end: what they are, and their bytes, colour by colour.

    Parameters
    ----------
    picture : (rows, cols) or (rows, cols, 3).
    dtype : default `wire_type` of the picture. What float32 cannot hold becomes its largest number.
    """
    planes = picture[None] if picture.ndim == 2 else np.moveaxis(picture, -1, 0)
    kind = wire_type(planes) if dtype is None else dtype
    if kind == np.float32 and planes.dtype.itemsize > 4:
        largest = np.finfo(np.float32).max
        planes = np.clip(planes, -largest, largest)
    return {"dtype": kind.name, "shape": list(planes.shape)}, np.ascontiguousarray(planes, dtype=kind).tobytes()


def pack_mask(mask: Array) -> tuple[dict[str, Any], bytes]:
    """A label map for the front end: labels 1 to 255 as they are, higher and negative ones wrapped into that range.

    >>> pack_mask(np.array([[0, 1, 255, 256]]))[1]
    b'\\x00\\x01\\xff\\x01'
    """
    labels = mask.astype(np.int64)
    return pack(np.where(labels == 0, 0, (labels - 1) % 255 + 1), np.dtype(np.uint8))


class Parcel:
    """Pixels that go to the front end with one message."""

    def __init__(self) -> None:
        self.buffers: list[bytes] = []

    def put(self, packed: tuple[dict[str, Any], bytes]) -> dict[str, Any]:
        """Take what `pack` made along; what the message says of it, with the number of its buffer."""
        self.buffers.append(packed[1])
        return {**packed[0], "buffer": len(self.buffers) - 1}


def took(seconds: float) -> str:
    """A time as people read it.

    >>> took(0.0123), took(2.5)
    ('12.3 ms', '2.5 s')
    """
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def told(score: Any) -> str:
    """A score, or several by name, as text."""
    if score is None:
        return ""
    if isinstance(score, Mapping):
        return ", ".join(f"{name} {_rounded(value)}" for name, value in score.items())
    return f"score {_rounded(score)}"


def _rounded(value: Any) -> str:
    """A score in a few characters: a fraction with three decimals."""
    if isinstance(value, float | np.floating):
        return f"{value:.3f}" if value == 0 or 0.001 <= abs(float(value)) < 1e5 else f"{value:.3g}"
    return str(value)


def error_line(error: Exception) -> str:
    """An error as one line."""
    words = " ".join(str(error).split())
    words = words if len(words) <= 200 else words[:199] + "…"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def mark_facts(marks: list[Mark]) -> list[dict[str, Any]]:
    """Boxes as the front end takes them."""
    return [{"box": list(m.box), "text": m.text, "kind": m.kind} for m in marks]
