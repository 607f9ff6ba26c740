"""Co-occurrence: which grey levels lie beside each other in a region. Names and definitions are the IBSI's."""

from __future__ import annotations

import numpy as np

from medloc_lib.classical.features.regions import Array, Floats, Ints, Regions
from medloc_lib.errors import InputError

NAMES = (
    "cm_joint_max",
    "cm_joint_avg",
    "cm_joint_var",
    "cm_joint_entr",
    "cm_diff_avg",
    "cm_diff_var",
    "cm_diff_entr",
    "cm_sum_avg",
    "cm_sum_var",
    "cm_sum_entr",
    "cm_energy",
    "cm_contrast",
    "cm_dissimilarity",
    "cm_inv_diff",
    "cm_inv_diff_norm",
    "cm_inv_diff_mom",
    "cm_inv_diff_mom_norm",
    "cm_inv_var",
    "cm_corr",
    "cm_auto_corr",
    "cm_clust_tend",
    "cm_clust_shade",
    "cm_clust_prom",
    "cm_info_corr1",
    "cm_info_corr2",
)
"""The 25 measures, by their tags."""

STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""To the right, down, and down along both diagonals; the other four neighbours come in by symmetry."""

Pairs = tuple[Ints, Ints]


def grey_levels(z: Array, *, levels: int = 16, lowest: float = -4.0, step: float = 0.75) -> Ints:
    """Values as whole numbers from 1 to `levels`, in bins of a fixed width; what lies outside goes to the end bins.

    >>> grey_levels(np.array([-9.0, -4.0, -3.2, 0.0, 99.0]))
    array([ 1,  1,  2,  6, 16])
    """
    return np.asarray(np.clip(np.floor((z - lowest) / step), 0, levels - 1).astype(np.int64) + 1)


def neighbours(regions: Regions) -> Pairs:
    """All pairs of neighbouring pixels of the same region, once each: two arrays of positions in `Regions`."""
    rows, cols = regions.shape
    key = (regions.owner * rows + regions.rows) * cols + regions.cols
    first, second = [], []
    for down, right in STEPS:
        row, col = regions.rows + down, regions.cols + right
        possible = np.flatnonzero((row < rows) & (col >= 0) & (col < cols))
        wanted = key[possible] + down * cols + right
        place = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
        there = key[place] == wanted
        first.append(possible[there])
        second.append(place[there])
    return np.concatenate(first), np.concatenate(second)


def cooccurrence_matrices(levels_of: Array, regions: Regions, *, levels: int, pairs: Pairs | None = None) -> Floats:
    """Grey level co-occurrence matrix of each region, symmetric, of all four directions together: (n, levels, levels).

    Each sums to 1; that of a region without neighbours is 0 throughout.

    Parameters
    ----------
    levels_of : int (rows, cols), grey levels from 1 to `levels`.
    pairs : what `neighbours` gives, where it is known already.

    Raises
    ------
    InputError
        If a grey level is out of range.

    References
    ----------
    R. Haralick, K. Shanmugam and I. Dinstein, "Textural features for image classification", IEEE Trans. Syst. Man
    Cybern. 3 (1973).

    Examples
    --------
    >>> from medloc_lib.classical.features.regions import from_masks
    >>> row = from_masks([[0, 0, 1, 3]], [np.ones((1, 3), dtype=bool)], (1, 3))
    >>> cooccurrence_matrices(np.array([[1, 1, 2]]), row, levels=2)
    array([[[0.5 , 0.25],
            [0.25, 0.  ]]])
    """
    grey = regions.values(levels_of).astype(np.int64) - 1
    if grey.size and not 0 <= grey.min() <= grey.max() < levels:
        raise InputError(f"grey levels must be 1 to {levels}; got {grey.min() + 1} to {grey.max() + 1}")
    a, b = neighbours(regions) if pairs is None else pairs
    code = (regions.owner[a] * levels + grey[a]) * levels + grey[b]
    size = len(regions) * levels * levels
    counts = np.bincount(code, minlength=size).reshape(-1, levels, levels).astype(np.float64)
    counts += counts.transpose(0, 2, 1)
    total = counts.sum(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.zeros_like(counts), where=total > 0))


def cooccurrence(matrices: Floats) -> Floats:
    """The measures of co-occurrence matrices, in the order of `NAMES`: float64 (n, 25).

    Where a measure divides by 0: the correlation of a region with a single grey level is 1, its first measure of
    information 0. Of a region without neighbours all measures are 0.

    Parameters
    ----------
    matrices : (n, levels, levels), as `cooccurrence_matrices` gives them.

    References
    ----------
    A. Zwanenburg et al., "The image biomarker standardization initiative", Radiology 295 (2020), and its reference
    manual, section 3.6.
    """
    n, levels, _ = matrices.shape
    i = np.arange(1, levels + 1, dtype=np.float64)
    both, apart = np.add.outer(i, i), np.abs(np.subtract.outer(i, i))
    flat = matrices.reshape(n, levels * levels)
    k, s = np.arange(levels, dtype=np.float64), np.arange(2, 2 * levels + 1, dtype=np.float64)
    difference = flat @ (apart.reshape(-1, 1) == k)  # share of the pairs whose levels differ by k
    total = flat @ (both.reshape(-1, 1) == s)  # … whose levels add up to s
    side = matrices.sum(axis=2)  # the same for rows and columns, as the matrices are symmetric
    mean = side @ i
    var = side @ (i * i) - mean**2
    product = flat @ np.outer(i, i).ravel()
    centred = both.ravel() - 2 * mean[:, None]
    square = flat * centred**2
    joint_entropy, side_entropy = _entropy(flat), _entropy(side)
    # Entropies of the pair as if its two pixels had nothing to do with each other: here the same number twice over.
    independent = 2 * side_entropy
    shared = np.maximum(independent - joint_entropy, 0)
    single = var <= 1e-12
    measures = {
        "cm_joint_max": flat.max(axis=1, initial=0),
        "cm_joint_avg": mean,
        "cm_joint_var": var,
        "cm_joint_entr": joint_entropy,
        "cm_diff_avg": difference @ k,
        "cm_diff_var": difference @ k**2 - (difference @ k) ** 2,
        "cm_diff_entr": _entropy(difference),
        "cm_sum_avg": total @ s,
        "cm_sum_var": total @ s**2 - (total @ s) ** 2,
        "cm_sum_entr": _entropy(total),
        "cm_energy": (flat**2).sum(axis=1),
        "cm_contrast": difference @ k**2,
        "cm_dissimilarity": difference @ k,
        "cm_inv_diff": difference @ (1 / (1 + k)),
        "cm_inv_diff_norm": difference @ (1 / (1 + k / levels)),
        "cm_inv_diff_mom": difference @ (1 / (1 + k**2)),
        "cm_inv_diff_mom_norm": difference @ (1 / (1 + (k / levels) ** 2)),
        "cm_inv_var": difference[:, 1:] @ (1 / k[1:] ** 2),
        "cm_corr": np.where(single, 1, (product - mean**2) / np.where(single, 1, var)),
        "cm_auto_corr": product,
        "cm_clust_tend": square.sum(axis=1),
        "cm_clust_shade": (square * centred).sum(axis=1),
        "cm_clust_prom": (square * centred**2).sum(axis=1),
        "cm_info_corr1": np.where(single, 0, -shared / np.where(side_entropy > 1e-12, side_entropy, 1)),
        "cm_info_corr2": np.sqrt(1 - np.exp(-2 * shared)),
    }
    found = np.stack([measures[name] for name in NAMES], axis=1)
    found[flat.sum(axis=1) == 0] = 0
    return found


def _entropy(shares: Floats) -> Floats:
    """In bits, along the last axis."""
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=-1))
