"""Intervals as the JSON files of the benchmarks hold them."""

from __future__ import annotations

from medloc_lib.metrics import Interval


def plain(interval: Interval, digits: int = 4) -> list[float]:
    """Value, low and high end."""
    return [round(x, digits) for x in (interval.value, interval.low, interval.high)]


def numbers(interval: Interval, digits: int = 4) -> dict[str, float]:
    """The same by name, from which `Interval` makes the interval again."""
    return dict(zip(("value", "low", "high"), plain(interval, digits), strict=True))
