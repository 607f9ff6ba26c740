"""A classifier of pixels that learns from a few painted strokes, quickly enough to learn while somebody paints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.segmentation.checks import Labels, as_channels, as_markers

SCALES = (1.0, 2.0, 4.0)
TREES, DEPTH = 12, 8


def pixel_features(channels: ArrayLike, *, scales: Sequence[float] = SCALES) -> NDArray[np.float32]:
    """What is seen at a pixel: its value, and at each scale the mean around it, the edge, and the spot.

    Parameters
    ----------
    channels : (channels, rows, cols) or (channels, planes, rows, cols); (rows, cols) is one channel. NaN takes its
        nearest neighbour's value.
    scales : sigmas of the Gaussians in pixels.

    Returns
    -------
    float32 (features, *spatial): per channel the value, then per scale the Gaussian, the length of its gradient and
        its Laplacian, times the scale and its square so that scales compare.

    References
    ----------
    T. Lindeberg, "Feature detection with automatic scale selection", IJCV 30 (1998), section 2.

    Examples
    --------
    >>> pixel_features(np.eye(8)).shape
    (10, 8, 8)
    """
    picture, _ = as_channels(channels)
    maps = []
    for channel in picture:
        maps.append(channel)
        for scale in scales:
            smooth = ndimage.gaussian_filter(channel, scale, mode="nearest")
            slopes = [_slope(smooth, axis) for axis in range(channel.ndim)]
            bends = [_slope(slope, axis) for axis, slope in enumerate(slopes)]
            maps += [smooth, scale * np.sqrt(sum(s**2 for s in slopes)), scale**2 * sum(bends)]
    return np.stack(maps).astype(np.float32)


class PixelClassifier:
    """A small random forest over the features of single pixels.

    It learns from as few as one pixel of each label, and is retrained from nothing with each stroke.

    Parameters
    ----------
    trees, depth : of the forest. 12 trees of depth 8 answer for 256×256 pixels well under 200 ms.
    seed : of the forest.

    Attributes
    ----------
    labels_ : the labels that were painted, in order.

    References
    ----------
    L. Breiman, "Random forests", Machine Learning 45 (2001). Learning from strokes: C. Sommer et al., "ilastik:
    interactive learning and segmentation toolkit", ISBI 2011.

    Examples
    --------
    >>> image = np.repeat([[0.0, 0, 0, 0, 5, 5, 5, 5]], 4, axis=0)
    >>> strokes = np.zeros(image.shape, int)
    >>> strokes[1, 0:2], strokes[2, 6:8] = 1, 2
    >>> features = pixel_features(image, scales=[0.5])
    >>> PixelClassifier().fit(features, strokes).predict(features)[0]
    array([1, 1, 1, 1, 2, 2, 2, 2], dtype=int32)
    """

    def __init__(self, *, trees: int = TREES, depth: int = DEPTH, seed: int = 0) -> None:
        self.trees = trees
        self.depth = depth
        self.seed = seed

    def fit(self, features: ArrayLike | list[Any], strokes: ArrayLike | list[Any]) -> Self:
        """Learn from the painted pixels.

        Parameters
        ----------
        features : (features, *spatial), as `pixel_features` gives them; or a list of these, one per image.
        strokes : label map, 1, 2 … where somebody has painted, 0 elsewhere; or as many of these.

        Raises
        ------
        InputError
            If shapes do not fit or nothing is painted.
        """
        from sklearn.ensemble import RandomForestClassifier

        images = features if isinstance(features, list) else [features]
        marked = strokes if isinstance(features, list) else [strokes]
        if not isinstance(marked, list) or len(marked) != len(images):
            raise InputError(f"a list of {len(images)} features needs a list of as many strokes")
        rows, kinds = [], []
        for maps, marks in zip(images, marked, strict=True):
            values = _as_features(maps)
            painted = as_markers(marks, values.shape[1:])
            rows.append(values[:, painted > 0].T)
            kinds.append(painted[painted > 0])
        self._forest = RandomForestClassifier(
            self.trees, max_depth=self.depth, random_state=self.seed, class_weight="balanced", n_jobs=1
        )
        self._forest.fit(np.concatenate(rows), np.concatenate(kinds))
        self.labels_ = tuple(int(k) for k in self._forest.classes_)
        return self

    def shares(self, features: ArrayLike) -> NDArray[np.float32]:
        """How sure it is of each label: float32 (labels, *spatial), which add up to 1 in every pixel.

        Raises
        ------
        InputError
            If it has not learned anything, or from other features.
        """
        if not hasattr(self, "_forest"):
            raise InputError("this PixelClassifier has not learned anything: call fit(features, strokes) first")
        values = _as_features(features)
        if len(values) != self._forest.n_features_in_:
            raise InputError(f"it learned from {self._forest.n_features_in_} features; got {len(values)}")
        sure = self._forest.predict_proba(values.reshape(len(values), -1).T)
        return np.asarray(sure.T.reshape(-1, *values.shape[1:]), dtype=np.float32)

    def predict(self, features: ArrayLike) -> Labels:
        """The label of every pixel: int32 (*spatial). Takes and raises what `shares` does."""
        best = self.shares(features).argmax(axis=0)
        found: Labels = np.asarray(self.labels_, dtype=np.int32)[best]
        return found


def _as_features(features: Any) -> NDArray[np.float32]:
    values = np.asarray(features, dtype=np.float32)
    if values.ndim not in (3, 4) or not np.isfinite(values).all():
        raise InputError(
            f"features must be finite, (features, rows, cols) or (features, planes, rows, cols); got {values.shape}"
        )
    return values


def _slope(picture: NDArray[Any], axis: int) -> NDArray[Any]:
    """Central differences; 0 along an axis of one pixel."""
    return np.gradient(picture, axis=axis) if picture.shape[axis] > 1 else np.zeros_like(picture)
