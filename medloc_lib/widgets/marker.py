"""`mark`: seeds and strokes under the hand, and what a segmenter makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_label_map
from medloc_lib.plot import marked, pictures
from medloc_lib.plot.pictures import Outcome
from medloc_lib.sample import Sample
from medloc_lib.widgets.base import pack_mask
from medloc_lib.widgets.explorer import Explorer

KEPT = 50
"""How many strokes can be undone."""
LARGEST = 25
"""Pixels across of the largest brush."""


def mark(
    function: Callable[..., Any],
    image: Sample | ArrayLike,
    *,
    labels: Sequence[str] = ("object", "rest"),
    brush: int = 3,
    marks: ArrayLike | None = None,
    score: Callable[[Any], Any] | None = None,
    **ranges: Any,
) -> Marker:
    """Click seeds or paint strokes into a picture, and see at once what a function makes of them.

    The function is called with every mark, also while a stroke is being drawn; one at a time. Beside the mouse, the
    keys do all of it: with the left picture in focus the arrows move the cursor (with Shift by ten pixels), Space
    marks, P lets the pen down and lifts it, digits choose the label (0 erases), and U undoes.

    Parameters
    ----------
    function : (plane, marks) -> label map, and the values of the controls by name: such as `segmentation.grow`. The
        marks are an int32 label map of the plane, 0 where nothing is marked. It is not called before there are any.
    image : Sample, or array (rows, cols), (planes, rows, cols) or (rows, cols, 3).
    labels : names of the labels 1, 2 …; at most 7, which colours tell apart.
    brush : pixels across, odd, 1 to 25.
    marks : label map to begin with, of the picture's spatial shape.
    score, **ranges : as in `explore`.

    Returns
    -------
    A widget whose `marks`, `label`, `brush`, `values`, `plane` and `channel` can be read and set; `paint`, `undo` and
    `clear` do what the hand does; `result`, `score`, `error` and `seconds` tell what came of it.

    Raises
    ------
    InputError
        If the array is no picture, marks or a range are malformed, or the function has no such parameter.

    Examples
    --------
    >>> from medloc_lib.segmentation import grow
    >>> w = mark(grow, np.array([[1.0, 2, 9, 1, 8]]), brush=1, tolerance=(0.0, 4.0))
    >>> w.paint([(0, 0)])
    >>> w.result
    array([[1, 1, 0, 0, 0]], dtype=int32)
    >>> w
    Marker: grow(tolerance=2), 1 pixel marked object
    """
    return Marker(function, pictures.as_sample(image), ranges, score, labels=labels, brush=brush, marks=marks)


class Marker(Explorer):
    """The widget that `mark` gives.

    Parameters
    ----------
    function, sample, ranges, score, labels, brush, marks : as in `mark`.
    """

    label = traitlets.Int(1, help="What the brush marks; 0 erases.").tag(sync=True)
    brush = traitlets.Int(3, help="Pixels across.").tag(sync=True)

    def __init__(
        self,
        function: Callable[..., Any],
        sample: Sample,
        ranges: Mapping[str, Any],
        score: Callable[[Any], Any] | None = None,
        *,
        labels: Sequence[str] = ("object", "rest"),
        brush: int = 3,
        marks: ArrayLike | None = None,
    ) -> None:
        if isinstance(labels, str) or not 1 <= len(labels) <= len(pictures.COLORS):
            raise InputError(f"needs 1 to {len(pictures.COLORS)} names of labels; got {labels!r}")
        self.labels = tuple(labels)
        self._marks = self._as_marks(marks, sample.shape)
        self._before: list[tuple[int, NDArray[np.int32]]] = []
        super().__init__(function, sample, ranges, score, labels=list(self.labels))
        self.brush = brush

    @property
    def marks(self) -> NDArray[np.int32]:
        """int32 label map of the picture's spatial shape, 0 where nothing is marked. Assign another one."""
        return self._marks.copy()

    @marks.setter
    def marks(self, labels: ArrayLike) -> None:
        self._marks = self._as_marks(labels, self.sample.shape)
        self._before.clear()
        self._again()

    def paint(self, points: ArrayLike, label: int | None = None, *, brush: int | None = None) -> None:
        """Draw a line with the brush through points, as the hand does.

        Parameters
        ----------
        points : (n, 2), row and column of each; one is a click. What lies beside the picture is left out.
        label, brush : default those of the widget.

        Raises
        ------
        InputError
            If the points are malformed, or there is no such label or brush.
        """
        self._stroke(points, self.label if label is None else label, self.brush if brush is None else brush)
        self._again()

    def undo(self) -> None:
        """Take the last stroke back."""
        if self._before:
            plane, marks = self._before.pop()
            self._of(plane)[...] = marks
        self._again()

    def clear(self) -> None:
        """Take all marks of the plane away."""
        self._remember()
        self._of(self.plane)[...] = 0
        self._again()

    def still(self) -> Figure:
        """The present state as a figure: `plot.marked`."""
        figure = Figure(figsize=(8.4, 5.0), layout="constrained")
        axes = list(figure.subplots(1, 2))
        told = "\n".join(part for part in (self._call(), self._scored()) if part)
        marked(
            self.sample,
            self._of(self.plane),
            self._outcome.mask,
            names=self.labels,
            axes=axes,
            channel=self.channel,
            plane=self.plane,
            title=told,
        )
        if self.error:
            figure.supxlabel(self.error, fontsize=9, parse_math=False)
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        counts = np.bincount(self._marks.ravel(), minlength=len(self.labels) + 1)[1:]
        pairs = [(n, name) for n, name in zip(counts, self.labels, strict=True) if n]
        told = [f"{n} pixel{'s' if n > 1 else ''} marked {name}" for n, name in pairs] or ["nothing marked"]
        return "Marker: " + ", ".join(part for part in (self._call(), *told, self.error or self._scored()) if part)

    @traitlets.validate("label")
    def _known_label(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] <= len(self.labels):
            raise InputError(f"label must be 0 (erase) to {len(self.labels)}; got {proposal['value']}")
        return int(proposal["value"])

    @traitlets.validate("brush")
    def _known_brush(self, proposal: Any) -> int:
        if not (1 <= proposal["value"] <= LARGEST and proposal["value"] % 2 == 1):
            raise InputError(f"brush must be odd, 1 to {LARGEST} pixels; got {proposal['value']}")
        return int(proposal["value"])

    def _as_marks(self, marks: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.int32]:
        if marks is None:
            return np.zeros(shape, dtype=np.int32)
        array = as_label_map(marks)
        if array.shape != shape or array.min() < 0 or array.max() > len(self.labels):
            raise InputError(
                f"marks must have the picture's shape {shape} and labels from 0 to {len(self.labels)}; got shape "
                f"{array.shape}, {array.min()} to {array.max()}"
            )
        return array.astype(np.int32)

    def _of(self, plane: int) -> NDArray[np.int32]:
        """The marks of a plane, to be drawn into."""
        return self._marks if self.sample.ndim == 2 else self._marks[plane]

    def _remember(self) -> None:
        self._before = [*self._before, (self.plane, self._of(self.plane).copy())][-KEPT:]

    def _stroke(self, points: ArrayLike, label: int, brush: int, *, first: bool = True) -> None:
        at = np.asarray(points, dtype=np.float64)
        if at.ndim != 2 or at.shape[1:] != (2,) or not np.isfinite(at).all():
            raise InputError(f"points must be (n, 2), row and column; got shape {at.shape}")
        value = self._known_label({"value": label})
        size = self._known_brush({"value": brush})
        if first:
            self._remember()
        marks = self._of(self.plane)
        rows, cols = np.indices(marks.shape)
        for row, col in _between(at):
            marks[np.hypot(rows - row, cols - col) < size / 2] = value

    def _again(self) -> None:
        self._run()
        self._tell(before=False)

    def _call_function(self, picture: Any) -> Any:
        return self.function(picture, self._of(self.plane).copy(), **self.values)

    def _run(self) -> None:
        if self._of(self.plane).any():
            super()._run()
        else:  # nothing to make anything of
            self.result, self.score, self.error, self.seconds, self._outcome = None, None, "", 0.0, Outcome()

    def _more(self, put: Callable[[tuple[dict[str, Any], bytes]], dict[str, Any]]) -> dict[str, Any]:
        return {"marks": put(pack_mask(self._of(self.plane)))}

    def _answer(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        asked = content.get("mark")
        if asked is None:
            super()._answer(widget, content, buffers)
        elif "points" in asked:
            self._stroke(asked["points"], asked["label"], asked["brush"], first=asked["first"])
            self._again()
        elif "undo" in asked:
            self.undo()
        else:
            self.clear()


def _between(points: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Every pixel on the way from point to point.

    >>> _between(np.array([[0.0, 0], [1, 2]]))
    [(0, 0), (1, 1), (1, 2)]
    """
    way = [points[:1]]
    for start, stop in pairwise(points):
        steps = max(int(np.abs(stop - start).max()), 1)
        way.append(start + (stop - start) * np.arange(1, steps + 1)[:, None] / steps)
    return [(int(np.floor(row + 0.5)), int(np.floor(col + 0.5))) for row, col in np.concatenate(way)]
