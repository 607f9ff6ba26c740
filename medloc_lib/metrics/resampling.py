"""How sure a score is: the bootstrap over patients."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.metrics.curves import Floats, Ints

Statistic = Callable[[Ints], float]


@dataclass(frozen=True, repr=False)
class Interval:
    """A value and the interval around it.

    >>> Interval(0.512, 0.48, 0.541)
    0.512 [0.480, 0.541]
    """

    value: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """Whether the whole interval lies above zero: for a difference, that the first is better than the second."""
        return self.low > 0

    def __repr__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(
    statistic: Statistic | ArrayLike,
    groups: Sequence[Hashable],
    *,
    n: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic, over groups.

    Groups (patients) are drawn with replacement, as many as there are, and all items (images) of a group come with it:
    images of one patient are alike, and drawing them singly would make the interval too narrow.

    Parameters
    ----------
    statistic : callable that takes int weights (items,), how often each item was drawn, and gives a number: such as
        ``lambda w: matches.average_precision(w).mean``. Or an array (items,) whose mean is meant; NaN in it does not
        count.
    groups : (items,), the group of each item. An item whose group is "" (unknown) is a group of its own.
    n : number of draws.
    level : share of the draws that lies within the interval.
    seed : same seed, same draws: two calls with the same groups are paired.

    Returns
    -------
    `Interval`. Draws in which the statistic is NaN (no truth among them, say) are left out. Both ends are NaN if there
    are fewer than two groups or no draw is left.

    References
    ----------
    B. Efron and R. Tibshirani, "An introduction to the bootstrap" (1993), chapters 8 and 13.

    Examples
    --------
    >>> bootstrap([0.0, 1.0, 1.0, 1.0], ["ann", "bob", "bob", "eve"])
    0.750 [0.000, 1.000]
    >>> bootstrap([0.5, 0.5], ["", ""])
    0.500 [0.500, 0.500]
    """
    if n < 1 or not 0 < level < 1:
        raise InputError(f"n must be 1 or more and level between 0 and 1; got {n} and {level}")
    compute = _as_statistic(statistic, len(groups))
    # An unknown group is marked by its own position.
    keys = [("", i) if group == "" else (group, -1) for i, group in enumerate(groups)]
    number = {key: k for k, key in enumerate(dict.fromkeys(keys))}
    group_of = np.asarray([number[key] for key in keys], dtype=np.int64)
    value = float(compute(np.ones(len(keys), dtype=np.int64)))
    draws = np.full(n, np.nan)
    if len(number) > 1:
        rng = np.random.default_rng(seed)
        for i in range(n):
            times = np.bincount(rng.integers(len(number), size=len(number)), minlength=len(number))
            draws[i] = compute(times[group_of])
    defined = draws[~np.isnan(draws)]
    if len(defined) == 0:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def paired_difference(
    first: Statistic | ArrayLike,
    second: Statistic | ArrayLike,
    groups: Sequence[Hashable],
    *,
    n: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of `first` minus `second`, both over the same draws.

    What makes a draw easy or hard is the same for both, so this is far sharper than to compare two intervals.
    `Interval.better` says whether `first` is the higher one.

    Parameters
    ----------
    first, second : as `bootstrap` takes them.
    groups, n, level, seed : as in `bootstrap`. Draws in which either is NaN are left out.

    Examples
    --------
    >>> difference = paired_difference([0.3, 0.9, 0.6], [0.2, 0.8, 0.4], ["ann", "bob", "eve"])
    >>> difference, difference.better
    (0.133 [0.100, 0.200], True)
    """
    one, other = _as_statistic(first, len(groups)), _as_statistic(second, len(groups))
    return bootstrap(lambda weights: one(weights) - other(weights), groups, n=n, level=level, seed=seed)


def _as_statistic(statistic: Statistic | ArrayLike, items: int) -> Statistic:
    if callable(statistic):
        return statistic
    values = np.asarray(statistic, dtype=np.float64)
    if values.shape != (items,):
        raise InputError(f"{items} groups need as many values; got shape {values.shape}")
    if np.isinf(values).any():
        raise InputError("values must not be infinite, as their mean would be: say what a failed case costs instead")
    counted = ~np.isnan(values)

    def mean(weights: Ints) -> float:
        return _weighted_mean(values[counted], weights[counted])

    return mean


def _weighted_mean(values: Floats, weights: Ints) -> float:
    total = weights.sum()
    return float(weights @ values / total) if total else float("nan")
