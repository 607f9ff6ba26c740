"""First-order measures: what values a region holds, wherever they lie. Names and definitions are the IBSI's."""

from __future__ import annotations

import numpy as np

from medloc_lib.classical.features.regions import Array, Floats, Regions

NAMES = (
    "stat_mean",
    "stat_var",
    "stat_skew",
    "stat_kurt",
    "stat_median",
    "stat_min",
    "stat_p10",
    "stat_p90",
    "stat_max",
    "stat_iqr",
    "stat_range",
    "stat_mad",
    "stat_rmad",
    "stat_medad",
    "stat_cov",
    "stat_qcod",
    "stat_energy",
    "stat_rms",
)
"""The 18 intensity-based statistics, by their tags."""


def first_order(picture: Array, regions: Regions) -> Floats:
    """The intensity-based statistics of each region, in the order of `NAMES`: float64 (n, 18).

    Moments divide by the number of pixels; percentiles are interpolated. Where a measure divides by 0, as the skewness
    of a region without contrast does, it is 0.

    Parameters
    ----------
    picture : (rows, cols).

    References
    ----------
    A. Zwanenburg et al., "The image biomarker standardization initiative", Radiology 295 (2020), and its reference
    manual, section 3.3.

    Examples
    --------
    >>> from medloc_lib.classical.features.regions import from_masks
    >>> row = from_masks([[0, 0, 1, 5]], [np.ones((1, 5), dtype=bool)], (1, 5))
    >>> values = dict(zip(NAMES, first_order(np.array([[1, 1, 4, 4, 10]]), row)[0].round(3).tolist()))
    >>> values["stat_mean"], values["stat_var"], values["stat_median"], values["stat_mad"]
    (4.0, 10.8, 4.0, 2.4)
    """
    n, owner, start = regions.counts, regions.owner, regions.starts
    x = regions.values(picture).astype(np.float64)
    x = x[np.lexsort((x, owner))]
    mean = regions.means(x)
    off = x - mean[owner]
    square = off * off
    var, third, fourth = regions.means(square), regions.means(square * off), regions.means(square * square)
    even = var <= 1e-12 * np.maximum(mean * mean, 1e-12)  # no contrast but rounding
    spread = np.where(even, 1, var)

    def percentile(share: float) -> Floats:
        place = share * (n - 1)
        low = np.floor(place).astype(np.int64)
        part = place - low
        return np.asarray(x[start + low] * (1 - part) + x[start + np.minimum(low + 1, n - 1)] * part)

    p10, p25, median, p75, p90 = (percentile(share) for share in (0.1, 0.25, 0.5, 0.75, 0.9))
    low, high = x[start], x[start + n - 1]
    middle = (x >= p10[owner]) & (x <= p90[owner])
    counted = np.maximum(regions.sums(middle), 1)
    robust = regions.sums(x * middle) / counted
    energy = regions.sums(x * x)
    measures = {
        "stat_mean": mean,
        "stat_var": var,
        "stat_skew": np.where(even, 0, third / spread**1.5),
        "stat_kurt": np.where(even, 0, fourth / spread**2 - 3),
        "stat_median": median,
        "stat_min": low,
        "stat_p10": p10,
        "stat_p90": p90,
        "stat_max": high,
        "stat_iqr": p75 - p25,
        "stat_range": high - low,
        "stat_mad": regions.means(np.abs(off)),
        "stat_rmad": regions.sums(np.abs(x - robust[owner]) * middle) / counted,
        "stat_medad": regions.means(np.abs(x - median[owner])),
        "stat_cov": _ratio(np.sqrt(var), mean),
        "stat_qcod": _ratio(p75 - p25, p75 + p25),
        "stat_energy": energy,
        "stat_rms": np.sqrt(energy / n),
    }
    return np.stack([measures[name] for name in NAMES], axis=1)


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.divide(a, b, out=np.zeros_like(a), where=b != 0))
