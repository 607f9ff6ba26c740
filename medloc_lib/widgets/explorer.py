"""`explore`: a function on a picture, with a control for each of its parameters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.plot import compare, pictures
from medloc_lib.plot.pictures import Outcome
from medloc_lib.sample import Sample
from medloc_lib.widgets.base import Parcel, SampleWidget, error_line, mark_facts, pack, pack_mask, script, told, took
from medloc_lib.widgets.controls import controls_for

SIZE = 340
"""Longer side of each picture on the screen, in CSS pixels."""


def explore(
    function: Callable[..., Any],
    image: Sample | ArrayLike,
    *,
    score: Callable[[Any], Any] | None = None,
    **ranges: Any,
) -> Explorer:
    """See what a function does to a picture while its parameters change.

    Before and after stand side by side, with their histograms, the boxes and the score. The function is given a copy of
    the plane that is shown, (rows, cols) or (rows, cols, 3), and the values of the controls by name. An error in it is
    shown as one line, and the last result stays.

    Parameters
    ----------
    function : array -> picture, mask (bool or labels), boxes (n, 4), Detections, or a tuple of these.
    image : Sample, or array (rows, cols), (planes, rows, cols) or (rows, cols, 3). Channels and planes are chosen in
        the widget; the truth boxes of a Sample are drawn.
    score : the function's result -> number, text, or several by name; shown with the picture.
    **ranges : (low, high) or (low, high, step) for a slider, a list for a choice, a bool for a switch, a 2-D array for
        a table of numbers to edit. They begin with the function's defaults; a table begins as it is.

    Returns
    -------
    A widget whose `values`, `plane` and `channel` can be read and set; `result`, `score`, `error` and `seconds` tell
    what came of it.

    Raises
    ------
    InputError
        If the array is no picture, a range is malformed, or the function has no such parameter.

    Examples
    --------
    >>> def threshold(picture, level=0.5):
    ...     return picture > level
    >>> w = explore(threshold, np.eye(8), score=np.sum, level=(0.0, 1.0))
    >>> w
    Explorer: threshold(level=0.5), score 8
    >>> w.values = {"level": 1.0}
    >>> int(w.score)
    0
    """
    return Explorer(function, pictures.as_sample(image), ranges, score)


class Explorer(SampleWidget):
    """The widget that `explore` gives.

    Parameters
    ----------
    function, sample, ranges, score : as in `explore`.
    **more : what the front end must know beside that.
    """

    _esm = script("marking", "explorer")
    _raw = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        function: Callable[..., Any],
        sample: Sample,
        ranges: Mapping[str, Any],
        score: Callable[[Any], Any] | None = None,
        **more: Any,
    ) -> None:
        self.function = function
        self.result: Any = None
        self.score: Any = None
        self.error = ""
        self.seconds = 0.0
        self._rate = score
        self._name = getattr(function, "__name__", "function").replace("<lambda>", "function")
        self._controls = {c.name: c for c in controls_for(function, ranges)}
        self._outcome = Outcome()
        names = pictures.views(sample)
        self._windows = {name: pictures.default_window(sample, name) for name in names}
        facts = {
            "title": f"{self._name} on {sample.id or 'a picture'}",
            "size": SIZE,
            "channels": list(names),
            "controls": [c.facts() for c in self._controls.values()],
            **more,
        }
        super().__init__(sample, facts, _raw={c.name: c.start for c in self._controls.values()})
        self._run()
        self.observe(self._changed, names=["_raw", "plane", "channel"])
        self.on_msg(self._answer)

    @property
    def values(self) -> dict[str, Any]:
        """What the function is given, by name. Assign some or all of them."""
        return {name: control.value(self._raw[name]) for name, control in self._controls.items()}

    @values.setter
    def values(self, changes: Mapping[str, Any]) -> None:
        unknown = sorted(set(changes) - set(self._controls))
        if unknown:
            raise InputError(f"there is no control {unknown[0]!r}; there are {', '.join(self._controls)}")
        self._raw = {**self._raw, **{name: self._controls[name].raw(value) for name, value in changes.items()}}

    @property
    def picture(self) -> Any:
        """What the function is given: (rows, cols) or (rows, cols, 3)."""
        return pictures.plane_of(self.sample, self.channel, self.plane)

    def still(self) -> Figure:
        """The present state as a figure: `plot.compare`."""
        figure = Figure(figsize=(8.4, 5.2), layout="constrained")
        axes = figure.subplots(2, 2, height_ratios=(4, 1)).ravel()
        after = tuple(x for x in vars(self._outcome).values() if x is not None)
        compare(
            self.sample,
            after,
            axes=axes,
            channel=self.channel,
            plane=self.plane,
            title="\n".join(part for part in (self._call(), self._scored()) if part),
        )
        if self.error:
            figure.supxlabel(self.error, fontsize=9, parse_math=False)
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        return "Explorer: " + ", ".join(part for part in (self._call(), self.error or self._scored()) if part)

    def _call(self) -> str:
        return f"{self._name}({', '.join(f'{k}={_short(v)}' for k, v in self.values.items())})"

    def _scored(self) -> str:
        return told(self.score)

    def _run(self) -> None:
        """Call the function; what goes wrong in it is told, not raised."""
        picture = self.picture
        start = time.perf_counter()
        try:
            result = self._call_function(picture.copy())
            self.seconds = time.perf_counter() - start
            self._outcome = pictures.outcome(result, picture)
            self.result = result
            self.score, self.error = (None if self._rate is None else self._rate(result)), ""
        except Exception as error:  # the user's own code may raise anything, and the widget must live on
            self.score, self.error = None, error_line(error)

    def _call_function(self, picture: Any) -> Any:
        return self.function(picture, **self.values)

    def _changed(self, change: Any) -> None:
        if change["name"] != "_raw":
            self._outcome = Outcome()  # a result of another plane says nothing about this one
        self._run()
        self._tell(before=change["name"] != "_raw")

    def _answer(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if content.get("ready"):
            self._tell(before=True)

    def _more(self, put: Callable[[tuple[dict[str, Any], bytes]], dict[str, Any]]) -> dict[str, Any]:
        """What else the front end is told; `put` takes pixels along."""
        return {}

    def _tell(self, *, before: bool) -> None:
        """The present state for the front end; the picture before only where it is new."""
        picture, found = self.picture, self._outcome
        window = self._windows[self.channel]
        truth = pictures.cut(pictures.truth_marks(self.sample), self.plane)
        parcel = Parcel()
        put = parcel.put
        state: dict[str, Any] = {
            "score": self._scored(),
            "error": self.error,
            "seconds": took(self.seconds),
            **self._more(put),
        }
        if before:
            state["before"] = {"image": put(pack(picture)), "window": list(window), "marks": mark_facts(truth)}
            labels = pictures.mask_of(self.sample, self.plane)
            state["before"]["mask"] = None if labels is None else put(pack_mask(labels))
        after: dict[str, Any] = {"image": None, "mask": None, "window": list(window)}
        shown = picture if found.picture is None else found.picture
        if found.picture is not None:
            after["image"] = put(pack(shown))
            after["window"] = list(pictures.window_after(picture, shown, window))
        if found.mask is not None:
            after["mask"] = put(pack_mask(found.mask))
        drawn = truth if shown.shape[:2] == picture.shape[:2] else []
        after["marks"] = mark_facts(drawn + pictures.found_marks(found.detections, self.sample.classes, 2))
        self.send({"state": {**state, "after": after}}, parcel.buffers)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "; ".join(" ".join(f"{x:.4g}" for x in row) for row in value)
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(getattr(value, "__name__", value))
