"""Eigen-brains: what healthy slices have in common, by principal components, and what a slice has beside that."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.classical.scene import Bools, Floats, Scene, axis_of
from medloc_lib.classical.unsupervised.anomaly import AnomalyLocalizer, cut
from medloc_lib.errors import InputError

FRAME = (96, 80)
"""Rows and columns of the frame in which all heads lie alike."""
FILL = 0.9
"""Share of the frame's height and width that a head takes."""
SMOOTH = 1.3
"""Deviation in pixels of the Gaussian before anything is compared: sulci never lie alike in two heads."""
ROUNDS = 3
"""Of pulling outliers in."""


class EigenbrainLocalizer(AnomalyLocalizer):
    """Principal components of healthy slices; what they cannot rebuild is unusual.

    Each slice is turned upright and scaled so that all heads fill the same frame (`to_frame`), and all its channels
    there are one long vector. `fit` learns the mean of the healthy ones, the `components` directions in which they
    differ most, and how far off the rebuilt healthy slices are at each place. A new slice is rebuilt robustly
    (`usual_part`), so that a lesion has little say in it. What is left is counted in the place's own deviations.

    Parameters
    ----------
    components : how many; 0 is the mean healthy slice alone.
    signed : whether only what looks like more water counts; see `anomaly`.
    level : share of healthy pixels that lie under the threshold.

    Attributes
    ----------
    mean_, components_, deviations_, spread_ : of the frame's vectors: (d,), (k, d), (k,) and (d,).
    where_ : bool `FRAME`, where at least half of the heads are; d is its number of pixels times channels.
    channels_, threshold_ : see `AnomalyLocalizer`.

    References
    ----------
    M. Turk and A. Pentland, "Eigenfaces for recognition", J. Cognitive Neuroscience 3 (1991).

    Examples
    --------
    >>> from medloc_lib.sample import Sample
    >>> rng = np.random.default_rng(0)
    >>> slices = [Sample(rng.normal(100, 1, (1, 60, 60)), boxes=[], group=str(k)) for k in range(8)]
    >>> image = rng.normal(100, 1, (1, 60, 60))
    >>> image[0, 20:30, 30:40] += 20
    >>> anomaly = EigenbrainLocalizer(2).fit(slices).anomaly(Sample(image))
    >>> bool(anomaly[22:28, 32:38].min() > 3 > anomaly[40:50, 10:20].max())
    True
    """

    def __init__(self, components: int = 3, *, signed: bool = True, level: float = 0.98) -> None:
        self.components = components
        self.signed = signed
        self.level = level

    def _learn(self, scenes: Sequence[Scene]) -> None:
        if not 0 <= self.components < len(scenes):
            raise InputError(
                f"components must be 0 or more and fewer than the healthy slices; got {self.components} and "
                f"{len(scenes)} slices"
            )
        from sklearn.decomposition import PCA

        heads = np.mean([to_frame(scene.inside[None], scene.inside)[0] for scene in scenes], axis=0)
        self.where_: Bools = heads > 0.5
        vectors = np.stack([self._vector(scene) for scene in scenes])
        pca = PCA(max(self.components, 1), svd_solver="full").fit(vectors)
        self.mean_ = pca.mean_
        self.components_ = pca.components_[: self.components]
        self.deviations_ = np.sqrt(pca.explained_variance_[: self.components])
        self.spread_ = _spread(vectors - self._plain(vectors))
        # Once more as new slices will be rebuilt, which is not as near.
        self.spread_ = _spread(np.stack([v - self._usual(v) for v in vectors]))
        self.n_parameters_ = int(self.mean_.size + self.components_.size + self.spread_.size)

    def unexplained(self, scene: Scene) -> Floats:
        """What is left of each channel, in deviations of healthy slices at that place: (channels, rows, cols)."""
        vector = self._vector(scene)
        return self._picture((vector - self._usual(vector)) / self.spread_, scene.inside)

    def rebuilt(self, scene: Scene) -> Floats:
        """The slice as eigen-brains show it, in the frame: float32 (channels, *FRAME), 0 where few heads are."""
        return self._framed(self._usual(self._vector(scene)))

    def framed(self, scene: Scene) -> Floats:
        """The slice itself, in the frame: float32 (channels, *FRAME)."""
        return self._framed(self._vector(scene))

    def _usual(self, vector: Floats) -> Floats:
        return usual_part(vector, self.mean_, self.components_, self.deviations_, self.spread_)

    def _plain(self, vectors: Floats) -> Floats:
        return np.asarray(self.mean_ + (vectors - self.mean_) @ self.components_.T @ self.components_)

    def _vector(self, scene: Scene) -> Floats:
        smooth = np.stack([cv2.GaussianBlur(channel, (0, 0), SMOOTH) for channel in cut(scene)])
        return to_frame(smooth, scene.inside)[:, self.where_].ravel()

    def _framed(self, vector: Floats) -> Floats:
        full = np.zeros((len(self.channels_), *FRAME), dtype=np.float32)
        full[:, self.where_] = vector.reshape(len(full), -1)
        return full

    def _picture(self, vector: Floats, inside: Bools) -> Floats:
        return from_frame(self._framed(vector), inside)


def usual_part(
    vector: ArrayLike, mean: ArrayLike, components: ArrayLike, deviations: ArrayLike, spread: ArrayLike
) -> Floats:
    """A vector as the components rebuild it, with little say for what is unusual in it: float32 (d,).

    Plain PCA projects: the mean plus, for each component, its share in the vector. A large lesion then bends the shares
    until it is half explained. Here, what lies further than a deviation from what is rebuilt is pulled in to a
    deviation and the rest projected again, three times; and no share goes beyond a deviation of the healthy ones.

    Parameters
    ----------
    vector, mean : (d,). components : (k, d), orthonormal rows. deviations : (k,), of the shares.
    spread : (d,), positive, by how much healthy vectors are off when they are rebuilt.

    References
    ----------
    P. Huber, Robust Statistics (1981), section 7.8: metrically winsorized residuals. The bound on the shares: T. Cootes
    et al., "Active shape models", Computer Vision and Image Understanding 61 (1995).

    Examples
    --------
    >>> axis = np.array([[1.0, 1, 1, 1]]) / 2
    >>> usual_part([1, 1, 1, 9], np.zeros(4), axis, [4.0], np.ones(4)).round(1)  # plain PCA would say 3
    array([1.3, 1.3, 1.3, 1.3], dtype=float32)
    """
    y = np.asarray(vector, dtype=np.float32) - np.asarray(mean, dtype=np.float32)
    w, most, wide = (np.asarray(a, dtype=np.float32) for a in (components, deviations, spread))
    pulled = np.clip(y, -2 * wide, 2 * wide)
    for _ in range(ROUNDS):
        rebuilt = np.clip(w @ pulled, -most, most) @ w
        pulled = rebuilt + np.clip(y - rebuilt, -wide, wide)
    return np.asarray(rebuilt + np.asarray(mean, dtype=np.float32), dtype=np.float32)


def to_frame(pictures: NDArray[np.generic], inside: Bools) -> Floats:
    """Pictures turned and scaled so that the head is upright and fills the frame: float32 (n, *FRAME).

    The head's middle, its main axis and its extent along and across that axis are those of the pixels `inside`.

    Parameters
    ----------
    pictures : (n, rows, cols). inside : bool (rows, cols).
    """
    matrix, size = _matrix(inside), FRAME[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack([cv2.warpAffine(p.astype(np.float32), matrix, size, flags=flags) for p in pictures])


def from_frame(pictures: Floats, inside: Bools) -> Floats:
    """The way back: pictures (n, *FRAME) laid onto the head, float32 (n, rows, cols), 0 beyond the frame.

    >>> inside = np.zeros((50, 60), bool)
    >>> inside[5:45, 10:50] = True
    >>> there = to_frame(inside[None], inside)
    >>> bool(np.abs(from_frame(there, inside)[0] - inside).mean() < 0.05)
    True
    """
    matrix, size = _matrix(inside), inside.shape[::-1]
    return np.stack([cv2.warpAffine(p.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR) for p in pictures])


def _matrix(inside: Bools) -> NDArray[np.float64]:
    """Frame (x, y) to picture (x, y), 2×3, as OpenCV takes it."""
    middle, along = axis_of(inside)
    across = np.array([-along[1], along[0]])  # to the right: `along` points down
    axes = np.stack([along, across if across[1] >= 0 else -across], axis=1)
    # An ellipse reaches two deviations from its middle.
    reach = np.maximum(2 * ((np.argwhere(inside) - middle) @ axes).std(axis=0), 1.0)
    steps = axes * (reach / (FILL / 2 * np.asarray(FRAME)))
    start = middle - steps @ ((np.asarray(FRAME) - 1) / 2)
    return np.array([[steps[1, 1], steps[1, 0], start[1]], [steps[0, 1], steps[0, 0], start[0]]])


def _spread(left: Floats) -> Floats:
    """Root mean square at each place, at least half of the usual one, so that nothing is divided by nearly nothing."""
    spread = np.sqrt((left**2).mean(axis=0))
    return np.asarray(np.maximum(spread, max(0.5 * float(np.median(spread)), 1e-3)), dtype=np.float32)
