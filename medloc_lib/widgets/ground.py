"""`ground`: type a sentence, and see where in the picture it is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import traitlets
from matplotlib.figure import Figure

from medloc_lib.errors import InputError, MedlocError
from medloc_lib.localizer.function import main_channel
from medloc_lib.plot import grounded, pictures
from medloc_lib.plot.grounding import found_mark, overlay, verdict
from medloc_lib.sample import Sample
from medloc_lib.widgets.base import Parcel, Widget, error_line, mark_facts, pack, script

if TYPE_CHECKING:  # it needs PyTorch, which the widgets do not
    from medloc_lib.reports.grounding import Cells, Grounder, Grounding

SIZE = 340
"""Longer side of a picture on the screen, in CSS pixels."""

LONGEST = 300
"""Characters of a sentence that are taken."""


def ground(grounder: Grounder, samples: Sequence[Sample], sentence: str) -> GroundWidget:
    """Choose a picture, type a sentence, press Enter: where it is true is hot, and if it is true enough it finds a box.

    Parameters
    ----------
    grounder : trained, such as `medloc_lib.reports.stored.load_grounder()`.
    samples : pictures to choose from.
    sentence : to begin with; English or Chinese.

    Returns
    -------
    A widget whose `case` and `sentence` can be read and set; `answer` holds score, box and heat.

    Raises
    ------
    InputError
        If there is no sample, or the sentence has no words.
    """
    return GroundWidget(grounder, samples, sentence)


class GroundWidget(Widget):
    """The widget that `ground` gives.

    Parameters
    ----------
    grounder, samples, sentence : as in `ground`.
    """

    _esm = script("ground")
    case = traitlets.Int(0, help="Which of the samples.").tag(sync=True)
    sentence = traitlets.Unicode("", help="What is looked for.").tag(sync=True)

    def __init__(self, grounder: Grounder, samples: Sequence[Sample], sentence: str) -> None:
        if not len(samples):
            raise InputError("needs samples to look at; got none")
        self.grounder, self.samples = grounder, list(samples)
        self._seen: dict[int, Cells] = {}
        self.error = ""
        self.answer = self._ask(0, sentence)
        facts = {
            "title": f"a sentence on {len(self.samples)} pictures",
            "size": SIZE,
            "cases": len(self.samples),
            "longest": LONGEST,
            "palette": list(pictures.COLORS),
            "colors": dict(pictures.KINDS),
            "spacing": list(self.samples[0].spacing),
            "negative": False,
        }
        super().__init__(_facts=facts, sentence=sentence)
        self.observe(lambda _: self._changed(), names=["case", "sentence"])
        self.on_msg(self._answer)

    @traitlets.validate("case")
    def _a_case(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] < len(self.samples):
            raise InputError(f"case must be 0 to {len(self.samples) - 1}; got {proposal['value']}")
        return int(proposal["value"])

    @property
    def sample(self) -> Sample:
        """The picture that is looked at."""
        return self.samples[self.case]

    def still(self) -> Figure:
        """The present state as a figure: `plot.grounded`."""
        figure = Figure(figsize=(9, 4.8), layout="constrained")
        axes = list(figure.subplots(1, 2))
        grounded(self.sample, self.answer, threshold=self.grounder.threshold, text=self.sentence, axes=axes)
        if self.error:
            figure.supxlabel(self.error, fontsize=9, parse_math=False)
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        return f"Ground: {self.sentence!r} on picture {self.case}, {self.error or self._verdict()}"

    def _verdict(self) -> str:
        return verdict(self.answer, self.grounder.threshold)

    def _ask(self, case: int, sentence: str) -> Grounding:
        sample = self.samples[case]
        if case not in self._seen:
            self._seen[case] = self.grounder.look(sample)
        return self.grounder.on(self._seen[case], sample.shape, sentence[:LONGEST])

    def _changed(self) -> None:
        try:
            self.answer, self.error = self._ask(self.case, self.sentence), ""
        except MedlocError as error:
            self.error = error_line(error)
        self._tell()

    def _answer(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if content.get("ready"):
            self._tell()

    def _tell(self) -> None:
        """The pictures and what was found, for the front end."""
        parcel, sample = Parcel(), self.sample
        channel = main_channel(sample)
        state = {
            "picture": parcel.put(pack(sample[channel])),
            "window": list(pictures.default_window(sample, channel)),
            "heat": parcel.put(pack(overlay(sample, self.answer))),
            "marks": mark_facts([*pictures.truth_marks(sample), *found_mark(self.answer, self.grounder.threshold)]),
            "name": f"{sample.id or 'picture'}, {channel}",
            "score": "" if self.error else self._verdict(),
            "error": self.error,
        }
        self.send({"state": state}, parcel.buffers)
