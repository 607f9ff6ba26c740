"""`view`: look through a sample, plane by plane, with the window under the mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.plot import pictures, show
from medloc_lib.sample import Detections, Sample
from medloc_lib.widgets.base import SampleWidget, mark_facts, pack, pack_mask, script, wire_type

SIZE = 480
"""Longer side of the picture on the screen, in CSS pixels."""


def view(image: Sample | ArrayLike, *, detections: Detections | None = None) -> Viewer:
    """Look at a sample: planes, channels, window and level, boxes, mask, and the value and place under the cursor.

    Drag on the picture: sideways changes the window's width, up and down its level; a double-click resets both. With
    the picture in focus, arrow up and down (or the wheel) change the plane, arrow left and right the width, and with
    Shift up and down the level. CT has presets.

    Parameters
    ----------
    image : Sample, or array (rows, cols), (planes, rows, cols) or (rows, cols, 3).
    detections : boxes to draw beside the truth.

    Returns
    -------
    A widget whose `plane`, `channel`, `window`, `boxes` and `opacity` can be read and set.

    Raises
    ------
    InputError
        If the array is no picture.

    Examples
    --------
    >>> view(Sample(np.zeros((2, 8, 16, 16)), channels=("T1", "FLAIR"), id="a"))
    Viewer of 'a': T1, plane 4 of 8, 16×16, window 0 to 1, boxes unknown
    """
    return Viewer(pictures.as_sample(image), detections)


class Viewer(SampleWidget):
    """The widget that `view` gives.

    Parameters
    ----------
    sample : what is shown.
    detections : boxes beside the truth.
    """

    _esm = script("viewer")
    windows = traitlets.Dict(help="Channel to [lowest, highest] value shown.").tag(sync=True)
    boxes = traitlets.Bool(True, help="Whether boxes are drawn.").tag(sync=True)
    opacity = traitlets.Float(0.4, min=0, max=1, help="Of the mask.").tag(sync=True)

    def __init__(self, sample: Sample, detections: Detections | None = None) -> None:
        self.detections = detections
        names = pictures.views(sample)
        self._types = {name: wire_type(pictures.volume_of(sample, name)) for name in names}
        ranges = {name: _range(sample, name) for name in names}
        bytes_a_plane = max(np.dtype(kind).itemsize for kind in self._types.values()) * int(np.prod(sample.shape[-2:]))
        facts = {
            **_known(sample, detections),
            "ranges": ranges,
            "bytes": bytes_a_plane * len(pictures.volume_of(sample)),
        }
        windows = {name: list(known["window"]) for name, known in ranges.items()}
        super().__init__(sample, facts, windows=windows)
        self.on_msg(self._answer)

    @property
    def window(self) -> tuple[float, float]:
        """(lowest, highest) value shown of the present channel."""
        low, high = self.windows[self.channel]
        return float(low), float(high)

    @window.setter
    def window(self, edges: tuple[float, float]) -> None:
        low, high = (float(x) for x in edges)
        if not (np.isfinite([low, high]).all() and high > low):
            raise InputError(f"a window must rise, (lowest, highest) value; got {edges}")
        self.windows = {**self.windows, self.channel: [low, high]}

    def still(self) -> Figure:
        """The present state as a figure: `plot.show`."""
        figure = Figure(figsize=(5.2, 5.4), layout="constrained")
        show(
            self.sample,
            ax=figure.subplots(),
            channel=self.channel,
            plane=self.plane,
            window=self.window,
            boxes=self.boxes,
            mask=self.opacity > 0,
            detections=self.detections if self.boxes else None,
        )
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        sample = self.sample
        size = "×".join(map(str, sample.shape[-2:]))
        plane = f"plane {self.plane} of {sample.shape[0]}, " if sample.ndim == 3 else ""
        low, high = self.window
        known = "boxes unknown" if sample.boxes is None else f"{_many(len(sample.boxes), 'truth box', 'es')}"
        found = "" if self.detections is None else f", {_many(len(self.detections), 'detection', 's')}"
        name = f" of {sample.id!r}" if sample.id else ""
        return f"Viewer{name}: {self.channel}, {plane}{size}, window {low:.4g} to {high:.4g}, {known}{found}"

    def _answer(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Send the slices that the front end asks for: all pictures, then all masks."""
        want = content.get("want")
        if want is None:
            return
        channel, planes = want["channel"], want["planes"]
        images = [pack(pictures.plane_of(self.sample, channel, plane), self._types[channel]) for plane in planes]
        labels = [pictures.mask_of(self.sample, plane) for plane in planes]
        masks = [pack_mask(mask) for mask in labels if mask is not None]
        reply = {"got": want, "images": [facts for facts, _ in images], "masks": [facts for facts, _ in masks]}
        self.send(reply, [data for _, data in images + masks])


def _known(sample: Sample, detections: Detections | None) -> dict[str, Any]:
    """What the front end must know of the sample and its boxes."""
    marks = pictures.truth_marks(sample) + pictures.found_marks(detections, sample.classes, sample.ndim)
    return {
        "title": sample.id or "picture",
        "size": SIZE,
        "known": any(x != 1 for x in sample.spacing),
        "affine": None if sample.affine is None else sample.affine.tolist(),
        "volume": sample.ndim == 3,
        "presets": {name: list(edges) for name, edges in pictures.presets(sample).items()},
        "marks": mark_facts(marks),
        "mask": sample.mask is not None,
    }


def _range(sample: Sample, channel: str) -> dict[str, Any]:
    """Lowest and highest value of a channel, the window it begins with, and a slider's step."""
    volume = pictures.volume_of(sample, channel)
    low, high = float(volume.min()), float(volume.max())
    high = high if high > low else low + 1
    step = 1.0 if volume.dtype.kind in "iu" else (high - low) / 500
    window = pictures.default_window(sample, channel)
    return {"lowest": low, "highest": high, "step": step, "window": list(window)}


def _many(n: int, one: str, plural: str) -> str:
    return f"{n} {one}{'' if n == 1 else plural}"
