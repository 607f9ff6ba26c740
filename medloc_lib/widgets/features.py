"""`explore_features`: candidates as points, beside their patch, their picture, and what a threshold makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from medloc_lib.classical.features import described
from medloc_lib.classical.space import GRID, Space
from medloc_lib.classical.supervised import SupervisedLocalizer
from medloc_lib.errors import InputError
from medloc_lib.localizer.function import main_channel
from medloc_lib.plot import feature_space, pictures
from medloc_lib.plot.spaces import TRUTH_COLORS, candidate_mark, patch_of
from medloc_lib.sample import Sample
from medloc_lib.widgets.base import Parcel, Widget, mark_facts, pack, script

SIZE = 300
"""Longer side of each picture on the screen, in CSS pixels."""
COLORINGS = ("truth", "score")


def explore_features(
    localizer: SupervisedLocalizer | Space, samples: Sequence[Sample], *, x: str = "", y: str = ""
) -> FeatureExplorer:
    """Look at the candidates of some pictures as points in feature space.

    Each point is a candidate; click it, or move with the arrow keys through the candidates from the surest on, and see
    its patch and its place in the picture. The threshold goes over the localizer's scores: what lies below it grows
    pale, and sensitivity and false positives per image follow. The line is the boundary that the two axes alone would
    draw while they let as many candidates through; see `classical.space.Space.boundary`.

    Parameters
    ----------
    localizer : fitted; or points that are ready, such as `multimodal.FindSpace`, with its own axes and kinds.
    samples : with known boxes; forty or so. They are described anew unless the localizer is `cached`.
    x, y : axes to begin with: a feature's name, "component 1" or "component 2" (the first two, by default).

    Returns
    -------
    A widget whose `x`, `y`, `color`, `threshold` and `selected` can be read and set; `operating` tells what the
    threshold does, `space` holds the points.

    Raises
    ------
    InputError
        If the localizer is not fitted, a picture's boxes are unknown, or there is no such axis.
    """
    return FeatureExplorer(localizer, samples, x, y)


class FeatureExplorer(Widget):
    """The widget that `explore_features` gives.

    Parameters
    ----------
    localizer, samples, x, y : as in `explore_features`.
    """

    _esm = script("ramp", "features")
    x = traitlets.Unicode(help="Name of the axis to the right.").tag(sync=True)
    y = traitlets.Unicode(help="Name of the axis upwards.").tag(sync=True)
    color = traitlets.Unicode("truth", help="What colours the points: truth or score.").tag(sync=True)
    threshold = traitlets.Float(0.0, help="Score from which on a candidate counts as found.").tag(sync=True)
    selected = traitlets.Int(0, help="Which candidate is shown.").tag(sync=True)

    def __init__(self, localizer: SupervisedLocalizer | Space, samples: Sequence[Sample], x: str, y: str) -> None:
        self.samples = list(samples)
        if isinstance(localizer, Space):
            self.space = localizer
        else:
            self.space = Space(localizer, described(self.samples, n=localizer.candidates))
        if len(self.samples) != self.space.pictures or len(self.space) == 0:
            raise InputError(f"needs points, and the {self.space.pictures} pictures they lie in; got {len(samples)}")
        order = np.argsort(-self.space.scores, kind="stable")
        scores = self.space.scores
        facts = {
            "title": f"{len(scores)} candidates of {len(self.samples)} pictures",
            "size": SIZE,
            "names": list(self.space.names),
            "truths": list(self.space.kinds),
            "truthColors": list(TRUTH_COLORS),
            "truth": self.space.truth.tolist(),
            "scores": np.round(scores, 6).tolist(),
            "order": order.tolist(),
            "curve": [
                np.round(part, 6).tolist()
                for part in (self.space.thresholds, self.space.sensitivity, self.space.false_positives)
            ],
            "grid": GRID,
            "palette": list(pictures.COLORS),
            "colors": dict(pictures.KINDS),
            "spacing": list(self.samples[0].spacing),
            "negative": False,
        }
        super().__init__(
            _facts=facts,
            x=x or self.space.names[0],
            y=y or self.space.names[1],
            threshold=self._start(),
            selected=int(order[0]),
        )
        self.observe(lambda _: self._tell("points"), names=["x", "y"])
        self.observe(lambda _: self._tell("place"), names=["selected"])
        self.on_msg(self._answer)

    def _start(self) -> float:
        """The threshold at about one false positive a picture."""
        rates = self.space.false_positives
        passed = self.space.thresholds[rates <= 1.0]
        return float(passed[-1]) if len(passed) else float(self.space.scores.max())

    @property
    def operating(self) -> dict[str, float]:
        """Sensitivity and false positives per image at the present threshold."""
        return self.space.operating(self.threshold)._asdict()

    @traitlets.validate("x", "y")
    def _an_axis(self, proposal: Any) -> str:
        if proposal["value"] not in self.space.names:
            raise InputError(f"there is no axis {proposal['value']!r}; there are {', '.join(self.space.names[:4])}, …")
        return str(proposal["value"])

    @traitlets.validate("color")
    def _a_coloring(self, proposal: Any) -> str:
        if proposal["value"] not in COLORINGS:
            raise InputError(f"color must be one of {', '.join(COLORINGS)}; got {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.validate("selected")
    def _a_candidate(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] < len(self.space):
            raise InputError(f"selected must be 0 to {len(self.space) - 1}; got {proposal['value']}")
        return int(proposal["value"])

    def still(self) -> Figure:
        """The present state as a figure: `plot.feature_space`."""
        figure = Figure(figsize=(11, 4), layout="constrained")
        axes = list(figure.subplots(1, 3, width_ratios=(1.5, 1, 1)))
        feature_space(
            self.space,
            self.samples,
            x=self.x,
            y=self.y,
            color=self.color,
            threshold=self.threshold,
            selected=self.selected,
            axes=axes,
        )
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        found = self.space.operating(self.threshold)
        return (
            f"FeatureExplorer: {len(self.space)} candidates of {len(self.samples)} pictures by {self.x} and {self.y}; "
            f"sensitivity {found.sensitivity:.2f} at {found.false_positives:.2f} false positives per image"
        )

    def _answer(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if content.get("ready"):
            self._tell("points", "place")

    def _tell(self, *what: str) -> None:
        """Points of new axes, or the picture of a newly selected candidate, for the front end."""
        parcel = Parcel()
        put = parcel.put
        state: dict[str, Any] = {}
        if "points" in what:
            points = np.stack([self.space.axis(self.x), self.space.axis(self.y)]).astype(np.float32)
            shares, edges = self.space.boundary(self.x, self.y)
            state["points"] = {"xy": put(pack(points)), "shares": put(pack(shares.astype(np.float32))), "edges": edges}
        if "place" in what:
            k = self.selected
            sample = self.samples[int(self.space.image[k])]
            channel = main_channel(sample)
            box = self.space.boxes[k]
            window = list(pictures.default_window(sample, channel))
            truth = pictures.truth_marks(sample)
            patch, shifted = patch_of(sample[channel], box)
            state["place"] = {
                "candidate": k,
                "picture": put(pack(sample[channel])),
                "patch": put(pack(patch)),
                "window": window,
                "marks": mark_facts([*truth, candidate_mark(box)]),
                "patchMarks": mark_facts([candidate_mark(shifted)]),
                "name": f"{sample.id or 'picture'}, {channel}",
            }
        self.send({"state": state}, parcel.buffers)
