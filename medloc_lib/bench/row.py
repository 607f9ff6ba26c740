"""A row of the leaderboard: what one localizer reached, and how that was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.metrics import Interval, Matches

Weights = NDArray[np.int64]

DIGITS = 5
"""After the point, of the figures in a leaderboard's file."""


class Score(NamedTuple):
    """A score of the table: how detections are matched for it, and how it is read off the matches."""

    key: str
    title: str
    explanation: str
    iou: float
    size_mm: tuple[float, float] | None
    read: Callable[[Matches, Weights], float]
    lower_is_better: bool = False


def _ap(matches: Matches, weights: Weights) -> float:
    return matches.average_precision(weights).mean


def _ap_score(iou: float, title: str, key: str, explanation: str, size: tuple[float, float] | None = None) -> Score:
    return Score(key, title, explanation, iou, size, _ap)


SCORES = (
    _ap_score(0.3, "AP 0.3", "ap_0.3", "average precision; a hit overlaps the truth by an IoU of 0.3"),
    _ap_score(0.1, "AP 0.1", "ap_0.1", "the same at IoU 0.1"),
    _ap_score(0.5, "AP 0.5", "ap_0.5", "the same at IoU 0.5"),
    _ap_score(0.3, "< 5 mm", "ap_0.3_under_5_mm", "AP 0.3 for truth under 5 mm", (0, 5)),
    _ap_score(0.3, "5–15 mm", "ap_0.3_5_to_15_mm", "AP 0.3 for truth from 5 mm to under 15 mm", (5, 15)),
    _ap_score(0.3, "≥ 15 mm", "ap_0.3_from_15_mm", "AP 0.3 for truth of 15 mm and more", (15, math.inf)),
    Score(
        "froc",
        "FROC",
        "mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per image, a hit from IoU 0.1",
        0.1,
        None,
        lambda matches, weights: matches.froc(weights).mean,
    ),
    Score(
        "center_mm",
        "Centre mm",
        "mean distance between the centres of truth and of its hit (IoU 0.1); what is missed does not count",
        0.1,
        None,
        Matches.center_error,
        lower_is_better=True,
    ),
)
"""The scores of every row. A size is the side of the square (cube) of the same area (volume) as the truth box."""

SCORE = {score.key: score for score in SCORES}

PER_ROW = {
    "fit_seconds": ("Fit s", "seconds to fit; mean over seeds"),
    "predict_seconds": ("Predict s", "seconds to predict the whole test set; mean over seeds"),
    "memory_mib": ("MiB", "highest resident memory of the row's own process, interpreter included"),
    "parameters": ("Learned", "how many numbers were learned"),
}
"""Numbers of a row that are no scores: key -> title and explanation."""


@dataclass(frozen=True, eq=False, repr=False)
class Row:
    """One localizer on one data set.

    Parameters
    ----------
    name, data, simulator : the localizer, the data set, and the simulator's version where the data are simulated.
    scores : by the keys of `SCORES`, each with its 95 % bootstrap interval over patients (over images where patients
        are not known). NaN where there is nothing to score, such as no truth of that size.
    classes, classes_half : AP at IoU 0.3, and at 0.5, by class and their "mean"; empty for a localizer that tells no
        classes, the second also in files that were written before it was there.
    fit_seconds, predict_seconds, memory_mib, parameters : see `PER_ROW`; None if not known.
    seeds : the seeds whose mean the scores are; empty if the localizer takes none.
    images, groups : how many test images, of how many patients; 0 patients: not known.
    better_than : rows run with it that it beats: the paired difference in AP at IoU 0.3 lies wholly above zero.
    date, command, version : when and how the row was made, by which version of medloc.
    reason : why there are no scores, in one line; "" if all went well.
    note : what else must be said beside the scores.
    trace : the whole of what the process said as it failed; not stored in files.
    matches, group_of : for comparing rows; not stored in files.
    """

    name: str
    data: str = ""
    simulator: str = ""
    scores: Mapping[str, Interval] = field(default_factory=dict)
    classes: Mapping[str, Interval] = field(default_factory=dict)
    classes_half: Mapping[str, Interval] = field(default_factory=dict)
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    memory_mib: float | None = None
    parameters: int | None = None
    seeds: tuple[int, ...] = ()
    images: int = 0
    groups: int = 0
    better_than: tuple[str, ...] = ()
    date: str = ""
    command: str = ""
    version: str = ""
    reason: str = ""
    note: str = ""
    trace: str = ""
    matches: tuple[Mapping[tuple[float, tuple[float, float] | None], Matches], ...] = ()
    group_of: tuple[str, ...] = ()
    _known: dict[tuple[str, int], float] = field(default_factory=dict)

    def statistic(self, key: str) -> Callable[[Weights], float]:
        """The score `key` of a resampled test set, mean over seeds, for `bootstrap` and `paired_difference`.

        Raises
        ------
        InputError
            If the row was read from a file, or failed: then its matches are not there.
        """
        if not self.matches:
            why = (
                f"failed ({self.reason})"
                if self.reason
                else "was read from a file, which holds no matches: run it again"
            )
            raise InputError(f"{self.name!r} cannot be compared: it {why}")
        score = SCORE[key]

        def compute(weights: Weights) -> float:
            at = key, hash(weights.tobytes())
            if at not in self._known:  # the same draws come again for every row that this one is compared with
                self._known[at] = float(
                    np.mean([score.read(m[score.iou, score.size_mm], weights) for m in self.matches])
                )
            return self._known[at]

        return compute

    def to_dict(self) -> dict[str, Any]:
        """What is stored in files: plain numbers, text and lists; NaN is None."""
        return {
            **{name: getattr(self, name) for name in TEXTS if getattr(self, name) or name in ("name", "data")},
            "images": self.images,
            "groups": self.groups,
            "seeds": list(self.seeds),
            "better_than": list(self.better_than),
            **{key: _rounded(getattr(self, key)) for key in PER_ROW},
            "scores": {key: _to_dict(value) for key, value in self.scores.items()},
            "classes": {name: _to_dict(value) for name, value in self.classes.items()},
            **({"classes_half": {k: _to_dict(v) for k, v in self.classes_half.items()}} if self.classes_half else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Row:
        """The inverse of `to_dict`.

        Raises
        ------
        InputError
            If something is missing, of the wrong type, or a figure that cannot be.
        """
        try:
            return cls(
                name=_text(values["name"]),
                data=_text(values["data"]),
                simulator=_text(values.get("simulator", "")),
                date=_text(values.get("date", "")),
                version=_text(values.get("version", "")),
                command=_text(values.get("command", "")),
                note=_text(values.get("note", "")),
                reason=_text(values.get("reason", "")),
                images=_count(values["images"]),
                groups=_count(values["groups"]),
                seeds=tuple(int(s) for s in values["seeds"]),
                better_than=tuple(_text(n) for n in values["better_than"]),
                fit_seconds=_number(values["fit_seconds"]),
                predict_seconds=_number(values["predict_seconds"]),
                memory_mib=_number(values["memory_mib"]),
                parameters=None if values["parameters"] is None else _count(values["parameters"]),
                scores={_text(k): _score(k, v) for k, v in values["scores"].items()},
                classes={_text(k): _interval(v) for k, v in values["classes"].items()},
                classes_half={_text(k): _interval(v) for k, v in values.get("classes_half", {}).items()},
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise InputError(f"not a row of a leaderboard: {type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        head = f"Row {self.name!r}" + (f" on {self.data}" if self.data else "")
        if self.reason:
            return f"{head}: failed: {self.reason}"
        return f"{head}: AP 0.3 {self.scores.get('ap_0.3')}, FROC {self.scores.get('froc')}"


TEXTS = ("name", "data", "simulator", "date", "version", "command", "note", "reason")


def _rounded(value: float | None) -> float | int | None:
    """Four significant digits, so that a stored table changes only where a figure does."""
    return value if value is None or isinstance(value, int) else float(f"{value:.4g}")


def _to_dict(interval: Interval) -> dict[str, float | None]:
    ends = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {name: None if math.isnan(end) else round(end, DIGITS) for name, end in ends.items()}


def _interval(values: Mapping[str, float | None]) -> Interval:
    low, value, high = (values[name] for name in ("low", "value", "high"))
    return Interval(*(math.nan if x is None else _finite(x) for x in (value, low, high)))


def _score(key: str, values: Mapping[str, float | None]) -> Interval:
    """The interval of a score, between 0 and 1 where higher is better, else only over 0."""
    interval = _interval(values)
    most = 1 if key in SCORE and not SCORE[key].lower_is_better else math.inf
    if any(not 0 <= end <= most for end in (interval.value, interval.low, interval.high) if not math.isnan(end)):
        raise ValueError(f"{key} cannot be {interval}")
    return interval


def _count(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"needed a number of things, got {value!r}")
    return number


def _number(value: Any) -> float | None:
    return None if value is None else _finite(value)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"needed a finite number, got {value!r}")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"needed text, got {value!r}")
    return value
