"""What the simulator's own reports say, read exactly: its sentences are few, and known.

This is the truth that readers are trained on. It works on the reports of `brain_lesions` and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medloc_lib.data.lesions.findings import DENIED, DISEASE, NAMES, NOTHING, UNSURE
from medloc_lib.errors import InputError
from medloc_lib.reports.statements import KINDS, REGIONS, Statement, Whether
from medloc_lib.reports.tokens import sentences
from medloc_lib.sample import Sample

MARK = "(Simulated report.)"
_NAME = {name: KINDS[kind] for kind, names in NAMES.items() for name in names}
_FINDING = re.compile(
    rf"(?P<name>{'|'.join(sorted(_NAME, key=len, reverse=True))}).*?\b(?P<size>\d+(?:\.\d+)?) (?P<unit>mm|cm)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(
    rf"in the (?:(?P<side>left|right) (?P<region>{'|'.join(REGIONS)})|(?P<near>{'|'.join(REGIONS)}), near the midline"
    rf"|midline of the (?P<mid>{'|'.join(REGIONS)}))",
    re.IGNORECASE,
)


def said(report: str) -> list[tuple[str, list[Statement]]]:
    """Each sentence of a simulator's report, and what it states.

    Raises
    ------
    InputError
        If the report is not the simulator's.

    Examples
    --------
    >>> said("There is a mass in the left insula, 12 mm, dark on T1. No plaques are seen. (Simulated report.)")[1]
    ('No plaques are seen.', [Statement(kind='plaque', whether='denied', side='', region='', mm=0.0)])
    """
    if MARK not in report:
        raise InputError(f"needs a report of the simulator, which ends in {MARK}; got {report[-40:]!r}")
    return [(sentence, _statements(sentence)) for sentence in sentences(report.replace(MARK, ""))]


def statements(report: str) -> list[Statement]:
    """All that a simulator's report states, in its order."""
    return [statement for _, stated in said(report) for statement in stated]


def findings(report: str) -> list[tuple[str, Statement]]:
    """The sentences that tell of one lesion each, the largest first, at most four."""
    return [(text, stated[0]) for text, stated in said(report) if stated and stated[0].region]


@dataclass(frozen=True)
class Pair:
    """A sentence and the box that it tells of, one of those of its sample."""

    image: int
    box: int
    text: str
    stated: Statement


def pairs(samples: Sequence[Sample]) -> list[Pair]:
    """The sentences on single lesions in the simulator's reports, each with its box.

    The simulator tells of the four largest lesions, the largest first; so do we order the boxes.
    """
    made = []
    for i, sample in enumerate(samples):
        if sample.boxes is None or sample.ignore is None or not sample.report:
            continue
        kept = np.flatnonzero(~sample.ignore)
        sides = sample.boxes[kept, 2:] - sample.boxes[kept, :2]
        mm = np.sqrt((sides * np.asarray(sample.spacing)).prod(axis=1))
        order = kept[np.argsort(-mm, kind="stable")]
        for box, (text, stated) in zip(order, findings(sample.report), strict=False):
            made.append(Pair(i, int(box), text, stated))
    return made


def _statements(sentence: str) -> list[Statement]:
    found, place = _FINDING.search(sentence), _PLACE.search(sentence)
    if found and place:
        mm = float(found["size"]) * (10 if found["unit"].lower() == "cm" else 1)
        side = place["side"].lower() if place["side"] else "midline"
        region = next(place[key] for key in ("region", "near", "mid") if place[key])
        doubted = re.search(r"\bpossibly\b|\bquestionable\b", sentence)
        return [Statement(_NAME[found["name"].lower()], "possible" if doubted else "present", side, region.lower(), mm)]
    if sentence in NOTHING:
        return [Statement(kind, "denied") for kind in KINDS]
    denied = [kind for kind, texts in DENIED.items() if sentence in texts and sentence != "There is no mass effect."]
    if denied:
        return [Statement(KINDS[denied[0]], "denied")]
    impression = sentence.removeprefix("Impression: ")
    for kind, name in DISEASE.items():
        if sentence != impression and name in impression:
            whether: Whether = "possible" if impression in [text.format(name) for text in UNSURE] else "present"
            return [Statement(KINDS[kind], whether)]
    return []
