"""What a reader takes from a report: per kind of lesion whether it is there, on which sides and in which regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from medloc_lib.reports.statements import KINDS, Statement

ORDER = ("", "denied", "possible", "present")


@dataclass(frozen=True)
class Reading:
    """What a text says of each kind.

    Parameters
    ----------
    whether : kind -> "present", "possible", "denied", or "" where the text does not name it.
    sides, regions : kind -> where, for what is present or possible.
    """

    whether: Mapping[str, str]
    sides: Mapping[str, frozenset[str]]
    regions: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, whether: Mapping[str, str], sides: Mapping[str, Set[str]], regions: Mapping[str, Set[str]]) -> Reading:
        """With an entry for every kind."""
        return cls(
            {kind: whether.get(kind, "") for kind in KINDS},
            {kind: frozenset(sides.get(kind, ())) for kind in KINDS},
            {kind: frozenset(regions.get(kind, ())) for kind in KINDS},
        )

    @classmethod
    def merged(cls, parts: Sequence[Reading]) -> Reading:
        """What several sentences say together: the surest word on each kind, and all places."""
        return cls.of(
            {kind: max((p.whether[kind] for p in parts), key=ORDER.index, default="") for kind in KINDS},
            {kind: frozenset().union(*(p.sides[kind] for p in parts)) for kind in KINDS},
            {kind: frozenset().union(*(p.regions[kind] for p in parts)) for kind in KINDS},
        )

    @classmethod
    def true(cls, statements: Sequence[Statement]) -> Reading:
        """What a text says that was written from these statements.

        >>> Reading.true([Statement("mass", "present", "left", "insula")]).found("sides")
        {('mass', 'left')}
        """
        parts = [
            cls.of(
                {s.kind: s.whether},
                {s.kind: {s.side}} if s.side and s.whether != "denied" else {},
                {s.kind: {s.region}} if s.region and s.whether != "denied" else {},
            )
            for s in statements
        ]
        return cls.merged(parts)

    def found(self, what: str) -> set[tuple[str, str]]:
        """What is asserted, as pairs: "kinds" (present or possible), "whether", "sides" or "regions"."""
        if what == "kinds":
            return {(kind, "") for kind, told in self.whether.items() if told in ("present", "possible")}
        if what == "whether":
            return {(kind, told) for kind, told in self.whether.items() if told}
        places = self.sides if what == "sides" else self.regions
        return {(kind, place) for kind in KINDS for place in places[kind]}


ASKED = ("kinds", "sides", "regions", "whether")


def f1(told: Sequence[Reading], true: Sequence[Reading], what: str) -> float:
    """Micro-averaged F1, 2 TP / (2 TP + FP + FN), over the pairs that `Reading.found` gives; 1 where there is nothing.

    >>> a, b = (Reading.true([Statement("mass", "present", side, "insula")]) for side in ("left", "right"))
    >>> f1([a, a], [a, b], "sides"), f1([a, a], [a, b], "kinds")
    (0.5, 1.0)
    """
    hits = sum(len(t.found(what) & r.found(what)) for t, r in zip(told, true, strict=True))
    both = sum(len(t.found(what)) + len(r.found(what)) for t, r in zip(told, true, strict=True))
    return 2 * hits / both if both else 1.0
