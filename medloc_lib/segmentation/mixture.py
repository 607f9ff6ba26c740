"""Mixtures of Gaussians across channels: partial volume, an uneven field, neighbours, and what fits nothing.

What a pixel at place p shows in the channels is taken to be

    y(p) = field(p) · (sum over k of share_k(p) · mean_k) + noise,    noise ~ N(0, S)

where a pixel holds one class or, with partial volume, two that follow each other in order of brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.segmentation.checks import Bools, Floats, Labels, as_channels, as_mask, check_number

STEPS = 5
"""Shares at which a blend of two classes is looked at: 0.1, 0.3 … 0.9."""
ENOUGH = 20_000
"""Pixels from which the parameters are found; the labels are of all."""
SETTLED = 1e-3
"""Means that move by less than this, in standard deviations of the channel, have been found."""
ROUNDS = 5
"""How often neighbours tell each other what they are."""
PORTION = 1 << 17
"""Pixels that are labelled at a time, so that memory stays small in a volume."""


@dataclass(frozen=True, eq=False, repr=False)
class Mixture:
    """What `mixture_model` found.

    Parameters
    ----------
    labels : int32 (*spatial), 1, 2 … from darkest to brightest in the first channel; 0 outside.
    shares : float32 (classes, *spatial), expected share of each class in each pixel; 0 outside.
    means : float64 (classes, channels).
    spread : float64 (classes, channels, channels), covariance of each class.
    field : float32 (channels, *spatial), uneven brightness; 1 on average, and outside.
    strange : float32 (*spatial), probability that a pixel is none of the classes; 0 outside.
    """

    labels: Labels
    shares: NDArray[np.float32]
    means: Floats
    spread: Floats
    field: NDArray[np.float32]
    strange: NDArray[np.float32]

    def __repr__(self) -> str:
        return f"Mixture of {len(self.means)} classes, means {np.round(self.means, 3).tolist()}"


def mixture(channels: ArrayLike, **options: object) -> Labels:
    """The label map of `mixture_model`, which see for the options: int32 (*spatial).

    >>> mixture([[0, 1, 0, 1, 9, 8, 9, 8]], classes=2)
    array([[1, 1, 1, 1, 2, 2, 2, 2]], dtype=int32)
    """
    return mixture_model(channels, **options).labels  # type: ignore[arg-type]


def mixture_model(
    channels: ArrayLike,
    *,
    classes: int = 3,
    mask: ArrayLike | None = None,
    partial_volume: bool = False,
    neighbors: float = 0.0,
    bias: int = 0,
    outliers: float = 0.0,
    iterations: int = 60,
    seed: int = 0,
) -> Mixture:
    """Fit a mixture of Gaussians by expectation and maximization.

    It begins with k-means on the *ranks* of the values, among which a few very bright pixels are no class of their own.

    Parameters
    ----------
    channels : (channels, rows, cols) or (channels, planes, rows, cols); (rows, cols) is one channel. One volume is
        ``volume[None]``. The first channel must tell the classes apart in their order.
    classes : from 1. Where fewer pixels differ there are fewer.
    mask : where to look, of the spatial shape; None: everywhere. A pixel that is NaN in any channel is left out.
    partial_volume : a pixel may hold two neighbouring classes in any shares. All classes then have one covariance, that
        of the noise; else each has its own. A pixel is labelled by its largest expected share.
    neighbors : how much a pixel's four (six) neighbours count: a prior weight of exp(neighbors · their mean share).
    bias : degree of the polynomial that stands for the field, one per channel; 0: no field. The values must be
        positive then.
    outliers : Mahalanobis distance from which on a pixel rather fits no class; it then has no say in the parameters.
        0: every pixel fits one.
    iterations : at most so many; it stops where the means do not move any more.
    seed : of the first means, and of the 20,000 pixels from which the parameters of a larger picture are found.

    References
    ----------
    A. Dempster, N. Laird and D. Rubin, J. R. Stat. Soc. B 39 (1977). Partial volume: P. Santago and H. Gage,
    "Quantification of MR brain images by mixture density and partial volume modeling", IEEE TMI 12 (1993). Field and
    neighbours: K. Van Leemput et al., IEEE TMI 18 (1999), two papers from p. 885. Outliers: K. Van Leemput et al.,
    "Automated segmentation of multiple sclerosis lesions by model outlier detection", IEEE TMI 20 (2001).

    Examples
    --------
    Two tissues, 0 and 10; 3 is less than half of the brighter one, 7 is more.

    >>> line = np.repeat([[0.0, 10.0]], 30, axis=1) + np.tile([[-0.5, 0.5]], 30)
    >>> line[0, 28:32] = 3, 7, 3, 7
    >>> found = mixture_model(line, classes=2, partial_volume=True)
    >>> found.labels[0, 28:32], found.shares[1, 0, 28:32].round(1)
    (array([1, 2, 1, 2], dtype=int32), array([0.3, 0.7, 0.3, 0.7], dtype=float32))
    """
    picture, known = as_channels(channels)
    inside = as_mask(mask, known)
    for name, value in (("classes", classes), ("iterations", iterations)):
        check_number(value, name, 1, whole=True)
    check_number(bias, "bias", 0, whole=True)
    check_number(neighbors, "neighbors", 0)
    check_number(outliers, "outliers", 0)
    values = picture[:, inside].T
    if bias and values.min() < 0:
        raise InputError(f"a field needs values from 0, for it multiplies them; got {values.min():g}")
    scale = values.std(axis=0)
    scale[scale == 0] = 1
    values /= scale
    basis = _polynomials(inside, bias)
    few = np.arange(len(values))
    if len(few) > ENOUGH:
        few = np.sort(np.random.default_rng(seed).choice(len(few), ENOUGH, replace=False))
    model = _Model(values[few], classes, partial_volume, outliers, seed)
    model.learn(values[few], basis[few], iterations)
    field = model.field_at(basis)
    shares, strange = model.maps(values / field, inside, neighbors)
    labels = np.zeros(inside.shape, dtype=np.int32)
    labels[inside] = shares[:, inside].argmax(axis=0) + 1
    uneven = np.ones(picture.shape, dtype=np.float32)
    uneven[:, inside] = field.T
    return Mixture(labels, shares, model.means * scale, model.spread * np.outer(scale, scale), uneven, strange)


class _Model:
    """Parameters of a mixture, and the two steps that find them.

    A *blend* is a pure class, or two in fixed shares. Blends of the same two classes are a *kind*, and have one weight.
    """

    def __init__(self, values: Floats, classes: int, partial_volume: bool, outliers: float, seed: int) -> None:
        from scipy.stats import rankdata
        from sklearn.cluster import KMeans

        ranks = rankdata(values, axis=0)
        self.classes = min(classes, len(np.unique(ranks, axis=0)))
        start = KMeans(self.classes, n_init=2, random_state=seed).fit_predict(ranks)
        means = np.stack([values[start == k].mean(axis=0) for k in range(self.classes)])
        order = np.argsort(means[:, 0])
        self.means: Floats = means[order]
        apart = values - means[start]
        self.floor = 1e-6 * np.eye(values.shape[1])
        self.spread: Floats = np.repeat((apart.T @ apart / len(apart) + self.floor)[None], self.classes, axis=0)
        pure = np.eye(self.classes)
        blends, kinds = [*pure], [*range(self.classes)]
        self.pooled = partial_volume
        for k in range(self.classes - 1 if partial_volume else 0):
            shares = (np.arange(STEPS) + 0.5) / STEPS
            blends += [(1 - share) * pure[k] + share * pure[k + 1] for share in shares]
            kinds += [self.classes + k] * STEPS
        self.blends, self.kinds = np.stack(blends), np.asarray(kinds)
        self.per_kind = np.bincount(self.kinds)
        self.weights: Floats = np.full(len(self.per_kind), 1 / len(self.per_kind))
        self.outliers = outliers
        self.coefficients: Floats | None = None

    def belief(self, values: Floats, prior: Floats | None = None) -> Floats:
        """Probability of each blend in each pixel, (n, blends); less than 1 in all where a pixel fits none.

        `prior` is the weight of each kind in each pixel, (n, kinds); None: the same everywhere.
        """
        weights = self.weights if prior is None else prior
        logs = np.log(np.maximum(weights, 1e-12) / self.per_kind)[..., self.kinds] + self._log_density(values)
        top = logs.max(axis=1, keepdims=True)
        likely = np.exp(logs - top)
        total = likely.sum(axis=1, keepdims=True)
        if self.outliers:
            # As likely as a pixel at that distance from its class, wherever it lies.
            even = -0.5 * self.outliers**2 - 0.5 * np.linalg.slogdet(self.spread)[1].mean()
            total += np.exp(np.minimum(even - top, 500))
        return np.asarray(likely / total)

    def _log_density(self, values: Floats) -> Floats:
        centers = self.blends @ self.means
        logs = np.empty((len(values), len(centers)))
        groups = [(0, slice(None))] if self.pooled else [(k, slice(k, k + 1)) for k in range(self.classes)]
        for k, blends in groups:
            root = np.linalg.cholesky(self.spread[k])
            here, there = np.linalg.solve(root, values.T).T, np.linalg.solve(root, centers[blends].T).T
            squared = (here**2).sum(axis=1)[:, None] + (there**2).sum(axis=1) - 2 * here @ there.T
            logs[:, blends] = -0.5 * squared - np.log(np.diag(root)).sum()
        return logs

    def learn(self, values: Floats, basis: Floats, iterations: int) -> None:
        """Change the parameters until they no longer do."""
        flat = values
        for i in range(iterations):
            belief = self.belief(flat)
            before = self.means
            self._maximize(flat, belief)
            if basis.shape[1] > 1 and i >= 2:  # once the classes are roughly where they belong
                self._fit_field(values, basis, belief)
                flat = values / self.field_at(basis)
            elif np.abs(self.means - before).max() < SETTLED:
                break

    def _maximize(self, values: Floats, belief: Floats) -> None:
        mass = belief.sum(axis=0)
        gram = self.blends.T @ (mass[:, None] * self.blends)
        self.means = np.linalg.solve(gram + 1e-9 * np.eye(self.classes), self.blends.T @ (belief.T @ values))
        centers = self.blends @ self.means
        scatter = np.zeros_like(self.spread)
        for blend, center in enumerate(centers):
            apart = values - center
            scatter[0 if self.pooled else blend] += (belief[:, blend, None] * apart).T @ apart
        if self.pooled:
            self.spread = np.repeat((scatter[0] / mass.sum() + self.floor)[None], self.classes, axis=0)
        else:
            self.spread = scatter / (mass[:, None, None] + 1e-9) + self.floor
        kinds = np.bincount(self.kinds, mass)
        self.weights = kinds / kinds.sum()

    def _fit_field(self, values: Floats, basis: Floats, belief: Floats) -> None:
        """Least squares, for values ≈ (basis · coefficients) · expected, each pixel as far as it fits a class."""
        weight = belief.sum(axis=1)
        expected = belief @ self.blends @ self.means / np.maximum(weight, 1e-9)[:, None]
        found = []
        for channel, center in zip(values.T, expected.T, strict=True):
            terms = basis * center[:, None]
            gram = (terms * weight[:, None]).T @ terms
            gram += 1e-9 * np.trace(gram) * np.eye(len(gram))
            found.append(np.linalg.solve(gram, (terms * weight[:, None]).T @ channel))
        self.coefficients = np.stack(found)

    def field_at(self, basis: Floats) -> Floats:
        """The field in each pixel and channel, (n, channels), 1 on average."""
        if self.coefficients is None:
            return np.ones((len(basis), self.means.shape[1]))
        field = np.maximum(basis @ self.coefficients.T, 0.1)
        return np.asarray(field / field.mean(axis=0))

    def maps(self, values: Floats, inside: Bools, neighbors: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Expected shares of all pixels, (classes, *spatial), and the probability that they fit nothing."""
        shares = np.zeros((self.classes, *inside.shape), dtype=np.float32)
        strange = np.zeros(inside.shape, dtype=np.float32)
        typical = np.stack([self.blends[self.kinds == kind].mean(axis=0) for kind in range(len(self.weights))])
        prior = None
        for _ in range(ROUNDS if neighbors else 1):
            parts, odd = [], []
            for i in range(0, len(values), PORTION):
                belief = self.belief(values[i : i + PORTION], None if prior is None else prior[i : i + PORTION])
                fits = belief.sum(axis=1)
                parts.append((belief @ self.blends / np.maximum(fits, 1e-300)[:, None]).astype(np.float32))
                odd.append((1 - fits).astype(np.float32))
            shares[:, inside] = np.concatenate(parts).T
            strange[inside] = np.clip(np.concatenate(odd), 0, 1)
            if neighbors:
                prior = self.weights * np.exp(neighbors * (_around(shares)[:, inside].T @ typical.T))
        return shares, strange


def _around(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over the neighbours along each axis; beyond the border lies nothing."""
    total = np.zeros_like(maps)
    for axis in range(1, maps.ndim):
        one, other = np.moveaxis(maps, axis, 0), np.moveaxis(total, axis, 0)
        other[1:] += one[:-1]
        other[:-1] += one[1:]
    return total / np.float32(2 * (maps.ndim - 1))


def _polynomials(inside: Bools, degree: int) -> Floats:
    """Products of powers of the place, each axis from -1 to 1, up to a degree in all: (n, terms)."""
    place = np.argwhere(inside) / np.maximum(np.asarray(inside.shape) - 1, 1) * 2 - 1
    powers = [p for p in product(range(degree + 1), repeat=inside.ndim) if sum(p) <= degree]
    return np.stack([np.prod(place ** np.asarray(p), axis=1) for p in powers], axis=1)
