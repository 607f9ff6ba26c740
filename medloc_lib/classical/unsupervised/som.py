"""Self-organizing map: prototypes on a grid, neighbours alike; what is far from all of them is unusual."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.classical.scene import Floats, Scene
from medloc_lib.classical.unsupervised.anomaly import AnomalyLocalizer, cut
from medloc_lib.errors import InputError

SMOOTH = 0.8
"""Deviation in pixels of the Gaussian that stands for a pixel's nearest surround."""
EACH = 40
"""Pixels that are drawn from each healthy slice."""
CHUNK = 4096


class SomLocalizer(AnomalyLocalizer):
    """A self-organizing map of healthy tissue; the distance to the best-matching unit says how unusual a pixel is.

    A pixel is the vector of its channels, smoothed a little (`pixel_vectors`), in deviations. `fit` draws 40 from each
    healthy slice and trains the map. What is unexplained of a pixel is its vector less the unit that fits it best.

    Parameters
    ----------
    side : the map has side × side units.
    iterations : of training, one vector each.
    signed : whether only what looks like more water counts; False: the distance itself.
    level : share of healthy pixels that lie under the threshold.
    random_state : seed of what is drawn and of the training.

    Attributes
    ----------
    weights_ : float64 (side, side, channels), the units, in deviations of the scene.
    scale_ : (channels,), of healthy pixels; distances are taken in it.
    channels_, threshold_ : see `AnomalyLocalizer`.

    References
    ----------
    T. Kohonen, "Self-organized formation of topologically correct feature maps", Biological Cybernetics 43 (1982).

    Examples
    --------
    >>> from medloc_lib.sample import Sample
    >>> rng = np.random.default_rng(0)
    >>> slices = [Sample(rng.normal(100, 1, (2, 40, 40)), boxes=[], group=str(k)) for k in range(8)]
    >>> image = rng.normal(100, 1, (2, 40, 40))
    >>> image[0, 20:30, 10:20] += 20
    >>> SomLocalizer(4, level=0.999).fit(slices).predict([Sample(image)])[0].boxes.round()[0]
    array([19.,  8., 31., 22.])
    """

    def __init__(
        self,
        side: int = 14,
        *,
        iterations: int = 40_000,
        signed: bool = True,
        level: float = 0.98,
        random_state: int = 0,
    ) -> None:
        self.side = side
        self.iterations = iterations
        self.signed = signed
        self.level = level
        self.random_state = random_state

    def _learn(self, scenes: Sequence[Scene]) -> None:
        rng = np.random.default_rng(self.random_state)
        drawn = []
        for scene in scenes:
            vectors = pixel_vectors(scene)[scene.inside]
            drawn.append(vectors[rng.choice(len(vectors), min(EACH, len(vectors)), replace=False)])
        points = np.concatenate(drawn).astype(np.float64)
        self.scale_ = np.where(points.std(axis=0) > 1e-6, points.std(axis=0), 1.0)
        units = trained_map(points / self.scale_, side=self.side, iterations=self.iterations, seed=self.random_state)
        self.weights_ = units * self.scale_
        self.n_parameters_ = int(self.weights_.size)

    def unexplained(self, scene: Scene) -> Floats:
        """What is left of each channel beside the best-matching unit, in deviations: (channels, rows, cols)."""
        vectors = pixel_vectors(scene)
        left = np.zeros_like(vectors)
        inside = vectors[scene.inside]
        unit, _ = self.best(inside)
        left[scene.inside] = inside - self.weights_.reshape(-1, vectors.shape[-1])[unit]
        return np.stack([cv2.GaussianBlur(part, (0, 0), SMOOTH) for part in np.moveaxis(left, -1, 0)])

    def best(self, vectors: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The best-matching unit of each vector (n, channels), counted row by row, and the distance to it."""
        return nearest(np.asarray(vectors) / self.scale_, self.weights_ / self.scale_)


def pixel_vectors(scene: Scene) -> Floats:
    """Each pixel as the vector of its channels, smoothed a little inside the skull: float32 (rows, cols, channels)."""
    weight = cv2.GaussianBlur(scene.inside.astype(np.float32), (0, 0), SMOOTH) + np.float32(1e-3)
    return np.stack([cv2.GaussianBlur(channel, (0, 0), SMOOTH) / weight for channel in cut(scene)], axis=-1)


def trained_map(vectors: ArrayLike, *, side: int, iterations: int = 40_000, seed: int = 0) -> NDArray[np.float64]:
    """A map trained by MiniSom: float64 (side, side, features).

    Each step takes one vector, and moves the unit nearest to it and that unit's neighbours on the grid towards it; the
    neighbourhood shrinks from a third of the side on.

    Parameters
    ----------
    vectors : (n, features), finite, on scales that can be compared.

    Raises
    ------
    InputError
        If there are fewer vectors than units, side is under 2, iterations under 1, or a value is not finite.
    """
    points = np.asarray(vectors, dtype=np.float64)
    if points.ndim != 2 or side < 2 or iterations < 1:
        raise InputError(
            "needs vectors (n, features), side 2 or more, iterations 1 or more; got "
            f"{points.shape}, {side}, {iterations}"
        )
    if len(points) < side * side or not np.isfinite(points).all():
        bad = "some that are not finite" if len(points) >= side * side else f"{len(points)}"
        raise InputError(f"a map of {side}×{side} units needs at least {side * side} finite vectors; got {bad}")
    from minisom import MiniSom

    som = MiniSom(side, side, points.shape[1], sigma=side / 3, learning_rate=0.5, random_seed=seed)
    som.random_weights_init(points)
    som.train(points, iterations, random_order=True)
    return np.asarray(som.get_weights(), dtype=np.float64)


def nearest(vectors: ArrayLike, units: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each vector the unit nearest to it, counted row by row, and the distance: int64 (n,), float64 (n,).

    Parameters
    ----------
    vectors : (n, features). units : (..., features).

    Examples
    --------
    >>> unit, distance = nearest([[0, 0], [3, 5]], [[[0, 1], [3, 1]]])
    >>> unit.tolist(), distance.tolist()
    ([0, 1], [1.0, 4.0])
    """
    points = np.asarray(vectors, dtype=np.float64)
    grid = np.asarray(units, dtype=np.float64)
    flat = grid.reshape(-1, grid.shape[-1])
    half = (flat**2).sum(axis=1) / 2
    parts = [np.zeros(0, dtype=np.int64)]
    parts += [np.argmin(half - points[k : k + CHUNK] @ flat.T, axis=1) for k in range(0, len(points), CHUNK)]
    best = np.concatenate(parts)
    return best, np.linalg.norm(points - flat[best], axis=1)


def u_matrix(units: ArrayLike) -> NDArray[np.float64]:
    """How far each unit is, on average, from the up to eight units around it on the grid: float64 (rows, cols).

    Valleys are kinds of tissue, ridges the borders between them.

    Parameters
    ----------
    units : (rows, cols, features).

    References
    ----------
    A. Ultsch and H. Siemon, "Kohonen's self-organizing feature maps for exploratory data analysis", INNC 1990.

    Examples
    --------
    >>> u_matrix([[[0.0], [1.0], [5.0]]])
    array([[1. , 2.5, 4. ]])
    """
    grid = np.asarray(units, dtype=np.float64)
    if grid.ndim != 3 or grid.shape[0] * grid.shape[1] < 2:
        raise InputError(f"needs units (rows, cols, features), two at least; got {grid.shape}")
    rows, cols = grid.shape[:2]
    padded = np.pad(grid, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    around = [(r, c) for r in range(3) for c in range(3) if (r, c) != (1, 1)]
    apart = [np.linalg.norm(padded[r : r + rows, c : c + cols] - grid, axis=-1) for r, c in around]
    return np.asarray(np.nanmean(apart, axis=0))
