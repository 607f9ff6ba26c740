"""Organs, and parts of organs: each is there once. An atlas of them, and boxes from a map of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.localizer.contract import Localizer
from medloc_lib.localizer.first import looked_at
from medloc_lib.sample import Detections, Sample


class AtlasLocalizer(Localizer):
    """The atlas: where the classes lie in most of the training samples. It looks at no picture: the floor for organs.

    Masks are brought to one size, as shares of their picture, so that pictures may differ in size; each place then
    belongs to what most of them have there, the background included.

    Attributes
    ----------
    probability_ : float32 (1 + classes, *spatial), the share of the training samples with that class at that place.
    classes_ : their names.

    References
    ----------
    T. Rohlfing et al., "Evaluation of atlas selection strategies for atlas-based image segmentation", NeuroImage 21
    (2004).

    Examples
    --------
    >>> mask = np.zeros((4, 6), dtype=int)
    >>> mask[1:3, 2:5] = 1
    >>> masks = (mask, mask, mask, 0 * mask)
    >>> train = [Sample(np.zeros((1, 4, 6)), mask=m, boxes=[], classes=("organ",)) for m in masks]
    >>> AtlasLocalizer().fit(train).predict([Sample(np.zeros((1, 8, 6)))])[0].boxes
    array([[2., 2., 6., 5.]])
    """

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Count. `validation` is not used.

        Raises
        ------
        InputError
            If a sample has no mask, or some are 2-D and some 3-D.
        """
        known = list(looked_at(samples))
        for sample in known:
            if sample.mask is None:
                raise InputError(f"an atlas is made of masks; sample {sample.id!r} has none")
        if len({sample.ndim for sample in known}) > 1:
            raise InputError("samples must all be 2-D or all 3-D; got both")
        highest = max(int(sample.mask.max()) for sample in known)
        self.classes_ = known[0].classes or tuple(map(str, range(highest)))
        shape = tuple(int(n) for n in np.median([sample.shape for sample in known], axis=0))
        self.probability_ = np.zeros((1 + max(highest, len(self.classes_)), *shape), dtype=np.float32)
        for sample in known:
            for k, share in enumerate(self.probability_):
                share += resized(sample.mask == k, shape) / len(known)
        self.n_parameters_ = self.probability_.size
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The atlas at each sample's size.

        Raises
        ------
        InputError
            If it is not fitted, or a sample has other dimensions than those it was fitted on.
        """
        if not hasattr(self, "probability_"):
            raise InputError("this AtlasLocalizer is not fitted: call fit(samples) first")
        for sample in samples:
            if sample.ndim + 1 != self.probability_.ndim:
                raise InputError(
                    f"it was fitted on {self.probability_.ndim - 1}-D samples; {sample.id!r} is {sample.ndim}-D"
                )
        return [organs(np.stack([resized(p, s.shape) for p in self.probability_])) for s in samples]


def organs(probability: NDArray[Any]) -> Detections:
    """Each class once: of the pixels where it is the likeliest, the largest part that hangs together, and its box.

    Unlike `medloc_lib.deep.localizers.segmenter.mask_to_detections` it parts classes that touch, and gives no class
    twice.

    Parameters
    ----------
    probability : (1 + classes, *spatial), the background's first.

    Returns
    -------
    Detections with masks; the score is the class's mean probability over its mask, the heat map the probability that
    there is any of them. A class that is nowhere the likeliest is left out.

    Examples
    --------
    >>> p = np.zeros((3, 4, 6))
    >>> p[1, 1:3, 1:3], p[2, 1:3, 3:5], p[2, 0, 0] = 0.8, 0.9, 0.6
    >>> p[0] = 1 - p[1:].sum(0)
    >>> found = organs(p)
    >>> found.boxes, found.labels, found.scores
    (array([[1., 1., 3., 3.],
           [1., 3., 3., 5.]]), array([0, 1]), array([0.8, 0.9]))
    """
    from scipy import ndimage

    likeliest, ndim = probability.argmax(0), probability.ndim - 1
    boxes, scores, labels, masks = [], [], [], []
    for k in range(1, len(probability)):
        parts, n = ndimage.label(likeliest == k, structure=np.ones((3,) * ndim))
        if n:
            mask = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
            (place,) = ndimage.find_objects(mask.astype(np.uint8))
            boxes.append([s.start for s in place] + [s.stop for s in place])
            scores.append(float(probability[k][mask].mean(dtype=np.float64)))
            labels.append(k - 1)
            masks.append(mask)
    return Detections(
        np.asarray(boxes, dtype=np.float64).reshape(-1, 2 * ndim),
        np.asarray(scores, dtype=np.float64),
        np.asarray(labels, dtype=np.int64),
        masks=np.asarray(masks, dtype=bool).reshape(len(masks), *likeliest.shape),
        heatmap=1 - probability[0],
    )


def resized(picture: NDArray[Any], shape: Sequence[int]) -> NDArray[np.float32]:
    """A picture at another size, linear between pixel centres."""
    from scipy import ndimage

    steps = [old / new for old, new in zip(picture.shape, shape, strict=True)]
    shift = [(step - 1) / 2 for step in steps]
    made = ndimage.affine_transform(
        picture.astype(np.float32), steps, shift, output_shape=tuple(shape), order=1, mode="nearest"
    )
    return np.asarray(made, dtype=np.float32)
