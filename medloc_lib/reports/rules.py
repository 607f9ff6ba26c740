"""Reading by rules, after NegEx: a cue that denies or doubts rules over the words around it, up to a turn."""

from __future__ import annotations

from collections.abc import Sequence

from medloc_lib.reports.reading import Reading
from medloc_lib.reports.statements import KINDS, REGIONS, SIDES
from medloc_lib.reports.terms import tags
from medloc_lib.reports.tokens import sentences, tokens

WINDOW = 6
"""Words before or behind a cue that it rules over at most; NegEx takes five."""

BACKWARD = (
    "excluded",
    "ruled",
    "out",
    "absent",
    "unlikely",
    "seen",
    "demonstrated",
    "suspected",
    "possible",
    "none",
    "?",
)
"""Words that also rule over what stands before them."""


def scope(kinds: Sequence[str], words: Sequence[str], at: int) -> str:
    """Whether the words around position `at` deny or doubt it: "deny", "doubt" or "".

    A cue in front rules forward up to the next turn or `WINDOW` words; one behind rules backward. Doubt goes before
    denial, as "cannot be excluded" doubts.

    >>> words = "no mass , but a stroke cannot be excluded".split()
    >>> scope(tags(words), words, 1), scope(tags(words), words, 5)
    ('deny', 'doubt')
    """
    found = set()
    for i in range(at - 1, max(-1, at - 1 - WINDOW), -1):
        if kinds[i] == "turn" or words[i] in ";.":
            break
        found.add(kinds[i])
    for i in range(at + 1, min(len(words), at + 1 + WINDOW)):
        if kinds[i] == "turn" or words[i] in ";.,":
            break
        if kinds[i] in ("deny", "doubt") and any(w in BACKWARD for w in words[i : i + 3]):
            found.add(kinds[i])
    return "doubt" if "doubt" in found else "deny" if "deny" in found else ""


class RuleReader:
    """The baseline: names from the vocabulary, NegEx for whether, and for where the nearest side and region.

    >>> reading = RuleReader().read(["A left frontal mass. No infarct."])[0]
    >>> reading.whether["mass"], reading.sides["mass"], reading.whether["infarct"]
    ('present', frozenset({'left'}), 'denied')
    """

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """What each report says."""
        return [Reading.merged([self._sentence(tokens(part)) for part in sentences(text)]) for text in texts]

    def _sentence(self, words: Sequence[str]) -> Reading:
        kinds = tags(words)
        whether: dict[str, str] = {}
        sides: dict[str, set[str]] = {}
        regions: dict[str, set[str]] = {}
        for at, kind in enumerate(kinds):
            if kind not in KINDS or (at and kinds[at - 1] == kind):
                continue
            ruled = scope(kinds, words, at)
            told = {"deny": "denied", "doubt": "possible", "": "present"}[ruled]
            if told == "denied" and whether.get(kind) in ("present", "possible"):
                continue
            whether[kind] = told
            if told != "denied":
                sides.setdefault(kind, set()).update(_nearest(kinds, at, SIDES))
                regions.setdefault(kind, set()).update(_nearest(kinds, at, REGIONS))
        return Reading.of(whether, sides, regions)


def _nearest(kinds: Sequence[str], at: int, wanted: Sequence[str]) -> set[str]:
    """The nearest of the wanted concepts, if there is one."""
    places = [i for i, kind in enumerate(kinds) if kind in wanted]
    return {kinds[min(places, key=lambda i: abs(i - at))]} if places else set()
