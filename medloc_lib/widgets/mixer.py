"""`mix`: channels of one patient under one cursor, and what they are fused to by weights under the hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.fusion import RULES, combine, common_scale
from medloc_lib.plot import mixture, pictures
from medloc_lib.plot.pictures import Outcome
from medloc_lib.sample import Sample
from medloc_lib.widgets.base import Parcel, SampleWidget, error_line, mark_facts, pack, pack_mask, script, told, took

SIZE = 250
"""Longer side of each picture on the screen, in CSS pixels."""


def mix(
    sample: Sample,
    weights: Mapping[str, float] | Sequence[str] | None = None,
    *,
    rule: str = "weighted",
    find: Callable[[NDArray[Any]], Any] | None = None,
    score: Callable[[Any], Any] | None = None,
) -> Mixer:
    """Fuse channels by hand: a slider for the weight of each, a list of rules, and one cursor in all pictures.

    Channels are brought to a common scale first, over the whole volume. The weights mean what they mean to
    `fusion.combine`: for rules other than "weighted" only their signs count, 0 leaves a channel out, and a negative one
    turns it over. With a picture in focus the arrow keys move the cursor in all of them, with Shift by ten pixels;
    dragging changes that picture's window, and a double-click resets it.

    Parameters
    ----------
    sample : with two channels or more, 2-D or 3-D; its truth boxes are drawn in all pictures.
    weights : name of each channel that is shown to its weight, from -1 to 1; or their names alone, all 1; default all
        channels.
    rule : "weighted" or a name of `fusion.RULES`.
    find : what is looked for in the fused plane, (rows, cols): array -> boxes (n, 4), Detections or a mask, drawn in
        the fused picture.
    score : what `find` gives, or the fused plane where there is none -> number, text, or several by name.

    Returns
    -------
    A widget whose `weights`, `rule` and `plane` can be read and set; `fused`, `result`, `score`, `error` and `seconds`
    tell what came of it.

    Raises
    ------
    InputError
        If there are fewer than two channels, one is not there, a weight is not in -1 to 1, or there is no such rule.

    Examples
    --------
    >>> sample = Sample(np.stack([np.eye(8), 1 - np.eye(8)]), channels=("T1", "FLAIR"))
    >>> w = mix(sample, {"T1": -0.5, "FLAIR": 1}, score=np.ptp)
    >>> w
    Mixer: weighted of T1 −0.5, FLAIR 1, score 1.000
    >>> w.weights = {"FLAIR": 0}
    >>> w
    Mixer: weighted of T1 −0.5, FLAIR 0, score 1.000
    """
    names = sample.channels if weights is None else tuple(weights)
    given = weights if isinstance(weights, Mapping) else dict.fromkeys(names, 1.0)
    return Mixer(sample, {name: float(w) for name, w in given.items()}, rule, find, score)


class Mixer(SampleWidget):
    """The widget that `mix` gives.

    Parameters
    ----------
    sample, weights, rule, find, score : as in `mix`.
    """

    _esm = script("mixer")
    rule = traitlets.Unicode("weighted", help="How the channels are fused.").tag(sync=True)
    _weights = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        sample: Sample,
        weights: dict[str, float],
        rule: str = "weighted",
        find: Callable[[NDArray[Any]], Any] | None = None,
        score: Callable[[Any], Any] | None = None,
    ) -> None:
        if len(weights) < 2:
            raise InputError(f"needs two channels or more to mix; got {', '.join(weights) or 'none'}")
        self._scaled = common_scale(np.stack([sample[name] for name in weights]))
        self.find, self._rate = find, score
        self.fused: NDArray[Any] = np.zeros(sample.shape[-2:])
        self.result: Any = None
        self.score: Any = None
        self.error = ""
        self.seconds = 0.0
        self._outcome = Outcome()
        facts = {
            "title": f"mixture of {', '.join(weights)}" + (f" of {sample.id}" if sample.id else ""),
            "size": SIZE,
            "rules": ["weighted", *RULES],
            "affine": None if sample.affine is None else sample.affine.tolist(),
        }
        super().__init__(sample, facts, rule=rule, _weights=weights)
        self._run()
        self.observe(self._changed, names=["_weights", "rule", "plane"])
        self.on_msg(self._answer)

    @property
    def weights(self) -> dict[str, float]:
        """Name of each channel to its weight. Assign some or all of them."""
        return dict(self._weights)

    @weights.setter
    def weights(self, changes: Mapping[str, float]) -> None:
        unknown = sorted(set(changes) - set(self._weights))
        if unknown:
            raise InputError(f"there is no weight of {unknown[0]!r}; there are {', '.join(self._weights)}")
        self._weights = {**self._weights, **{name: float(w) for name, w in changes.items()}}

    @traitlets.validate("_weights")
    def _in_range(self, proposal: Any) -> dict[str, float]:
        values = dict(proposal["value"])
        for name, weight in values.items():
            if not -1 <= weight <= 1:
                raise InputError(f"the weight of {name} must be between -1 and 1; got {weight}")
        return values

    @traitlets.validate("rule")
    def _known_rule(self, proposal: Any) -> str:
        if proposal["value"] not in ("weighted", *RULES):
            raise InputError(f"rule must be weighted or one of {', '.join(RULES)}; got {proposal['value']!r}")
        return str(proposal["value"])

    def still(self) -> Figure:
        """The present state as a figure: `plot.mixture`."""
        figure = Figure(figsize=(2.2 * (len(self._weights) + 1), 2.7), layout="constrained")
        axes = list(figure.subplots(1, len(self._weights) + 1))
        if self.error:
            figure.supxlabel(self.error, fontsize=9)
        if any(self._weights.values()):
            found = self._outcome.detections
            mixture(self.sample, self.weights, rule=self.rule, plane=self.plane, detections=found, axes=axes)
            axes[-1].set_title("\n".join(filter(None, (axes[-1].get_title(), self._scored()))), fontsize=10)
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        parts = ", ".join(f"{name} {w:.3g}".replace("-", "−") for name, w in self._weights.items())
        plane = f", plane {self.plane} of {self.sample.shape[0]}" if self.sample.ndim == 3 else ""
        told = self.error or self._scored()
        return f"Mixer: {self.rule} of {parts}{plane}" + (f", {told}" if told else "")

    def _scored(self) -> str:
        return told(self.score)

    def _run(self) -> None:
        """Fuse the plane and look at it; what goes wrong is told, not raised."""
        flat = self._scaled if self.sample.ndim == 2 else self._scaled[:, self.plane]
        start = time.perf_counter()
        try:
            self.fused = combine(flat, self.rule, weights=list(self._weights.values()))
            self.result = self.fused if self.find is None else self.find(self.fused.copy())
            self._outcome = Outcome() if self.find is None else pictures.outcome(self.result, self.fused)
            self.seconds = time.perf_counter() - start
            self.score, self.error = (None if self._rate is None else self._rate(self.result)), ""
        except Exception as error:  # weights that are all 0, and whatever the user's own functions raise
            self.score, self.error = None, error_line(error)

    def _changed(self, change: Any) -> None:
        self._run()
        self._tell(sources=change["name"] == "plane")

    def _answer(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if content.get("ready"):
            self._tell(sources=True)

    def _tell(self, *, sources: bool) -> None:
        """The present state for the front end; the channels only where their plane is new."""
        parcel = Parcel()
        put = parcel.put
        truth = pictures.cut(pictures.truth_marks(self.sample), self.plane)
        found = pictures.found_marks(self._outcome.detections, self.sample.classes, 2)
        state: dict[str, Any] = {"score": self._scored(), "error": self.error, "seconds": took(self.seconds)}
        state["fused"] = {
            "image": put(pack(self.fused)),
            "window": list(pictures.default_window(Sample(self.fused[None]))),
            "mask": None if self._outcome.mask is None else put(pack_mask(self._outcome.mask)),
            "marks": mark_facts(truth + found),
        }
        if sources:
            state["sources"] = {
                name: {
                    "image": put(pack(pictures.plane_of(self.sample, name, self.plane))),
                    "window": list(pictures.default_window(self.sample, name)),
                    "marks": mark_facts(truth),
                }
                for name in self._weights
            }
        self.send({"state": state}, parcel.buffers)
