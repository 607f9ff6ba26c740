"""What the localizers share that judge candidates: describing samples, checking them, scoring."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from medloc_lib.classical.features.store import kept
from medloc_lib.classical.features.tables import Described, described
from medloc_lib.errors import InputError
from medloc_lib.localizer import Localizer, any_class
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Detections, Sample


class CandidateLocalizer(Localizer):
    """A localizer that proposes candidates, describes them, and judges each.

    Samples may be given as `Sample` or as `Described`, to save the describing. A subclass has the parameters
    `candidates` and `cached`, sets `columns_` when it is fitted, and says in `_judged` what it finds.

    Attributes
    ----------
    columns_ : names of the features.
    """

    candidates: int
    cached: bool
    columns_: tuple[str, ...]

    @abstractmethod
    def _judged(self, item: Described) -> Detections:
        """What it finds among the candidates of a picture with its own columns."""

    def predict(self, samples: Sequence[Sample | Described]) -> list[Detections]:
        """Scored boxes of each sample, the surest first.

        Raises
        ------
        InputError
            If it is not fitted, or a sample has other channels than those it was fitted on.
        """
        if not hasattr(self, "columns_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit(samples) first")
        items = self._described(samples)
        for item in items:
            if item.columns != self.columns_:
                raise InputError(
                    f"{item.sample.id!r} has the channels {', '.join(item.sample.channels)}; it was fitted on pictures "
                    "with others, or in another order"
                )
        return [self._judged(item) for item in items]

    def score(self, samples: Sequence[Sample | Described], y: None = None) -> float:
        """As every localizer's; samples may be described already."""
        items = self._described(samples)
        truth = [item.sample for item in items]
        return average_precision(*any_class(truth, self.predict(items)), iou=0.3).mean

    def _described(self, samples: Sequence[Sample | Described]) -> list[Described]:
        asked = self.cached and any(isinstance(s, Sample) for s in samples)  # what is described needs no cache
        return described(samples, n=self.candidates, kept=kept(n=self.candidates) if asked else None)


def sample_of(item: Sample | Described) -> Sample:
    """The sample, described or not."""
    return item.sample if isinstance(item, Described) else item
