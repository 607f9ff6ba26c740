"""Localizers that learn from labelled candidates: a classifier says which are lesions, a regression mends boxes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from medloc_lib.classical.candidate_localizer import CandidateLocalizer, sample_of
from medloc_lib.classical.features.tables import Described, Table, stack
from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.geometry import as_boxes, clip, nms
from medloc_lib.sample import Detections, Sample

Array = NDArray[Any]
Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HIT, MISS = 0.4, 0.2
"""IoU with a truth box from which on a candidate is taught as a lesion, and under which as background."""

LIMIT = 8.0
"""Deviations at which scaled features are cut: a feature that is constant but for a few can be anything there."""

PER_HIT = 3
"""Misses per hit that the first fit sees, and that each round of mining adds."""


class SupervisedLocalizer(CandidateLocalizer):
    """Candidates, their features, a classifier, and a ridge regression for the boxes.

    `fit` proposes candidates and describes them (`features.describe`); those that fit a lesion are hits, those beside
    all lesions misses, and what lies between is left out, as are ignored boxes. The classifier learns from all hits and
    from the misses that `mine` picks. A ridge regression learns from the hits how far their centre and size are off.
    `predict` scores every candidate, mends its box, and drops boxes that overlap a surer one. With several classes, a
    second copy of the classifier, taught with the hits alone, tells which.

    With `validation`, the scores become probabilities: a logistic curve is fitted to the scores of its candidates
    (Platt's scaling). That changes no order.

    Samples may be given as `Sample` or as `Described`, to save the describing.

    Parameters
    ----------
    classifier : scikit-learn classifier or pipeline with `predict_proba` or `decision_function`; None: `logistic()`.
    alpha : of the ridge; None leaves the boxes as they were proposed.
    mining : rounds of hard-negative mining; 0 is the first fit alone.
    overlap : IoU over which the less sure of two boxes is dropped.
    candidates : a picture.
    cached : take the candidates and features of pictures that `features.load` has described from the cache.
    random_state : seed of the misses that are drawn first.

    Attributes
    ----------
    classifier_, kinds_, refiner_, calibration_ : what was fitted, or None.
    columns_ : names of the features.

    References
    ----------
    R. Girshick et al., "Rich feature hierarchies for accurate object detection", CVPR 2014: classified proposals with
    box regression. J. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers
    (1999).

    Examples
    --------
    >>> from medloc_lib.localizer.check import check_localizer
    >>> check_localizer(SupervisedLocalizer())
    """

    def __init__(
        self,
        classifier: Any = None,
        *,
        alpha: float | None = 100.0,
        mining: int = 2,
        overlap: float = 0.1,
        candidates: int = 50,
        cached: bool = False,
        random_state: int = 0,
    ) -> None:
        self.classifier = classifier
        self.alpha = alpha
        self.mining = mining
        self.overlap = overlap
        self.candidates = candidates
        self.cached = cached
        self.random_state = random_state

    def fit(
        self,
        samples: Sequence[Sample | Described],
        y: None = None,
        *,
        validation: Sequence[Sample | Described] | None = None,
    ) -> Self:
        """Learn from the candidates of the samples whose boxes are known.

        Raises
        ------
        InputError
            If nobody looked at any of the samples, or they are volumes.

        Warns
        -----
        MedlocWarning
            If no candidate fits a lesion, or none lies beside all lesions: then there is nothing to tell apart, and
            nothing will be found.
        """
        table = stack(self._looked_at(samples))
        self.columns_ = table.columns
        self.classifier_: Any = None
        self.kinds_: Any = None
        self.refiner_: Any = None
        self.calibration_: Any = None
        self.n_parameters_ = 0
        hit, miss = taught(table)
        if not hit.any() or not miss.any():
            what = "no candidate fits a lesion" if not hit.any() else "every candidate fits a lesion"
            warnings.warn(f"{what}: there is nothing to tell apart; it will find nothing", MedlocWarning, stacklevel=2)
            return self
        model = clone(self.classifier) if self.classifier is not None else self._default()
        self.classifier_ = self._learn(model, table, samples)
        labels = table.label[hit]
        self.kinds_ = clone(model).fit(table.values[hit], labels) if len(np.unique(labels)) > 1 else int(labels[0])
        if self.alpha is not None:
            self.refiner_ = ridge(self.alpha).fit(table.values[hit], offsets(table.boxes[hit], table.truth[hit]))
        if validation is not None:
            self._calibrate(stack(self._looked_at(validation)))
        fitted = (self.classifier_, self.kinds_, self.refiner_)
        self.n_parameters_ = sum(learned(part) for part in fitted if hasattr(part, "fit"))
        return self

    def scores(self, values: Array) -> Numbers:
        """How sure it is that candidates with these features are lesions: float (n,). Probabilities if calibrated."""
        scores = lesion_scores(self.classifier_, values)
        if self.calibration_ is not None and len(values):
            scores = self.calibration_.predict_proba(scores[:, None])[:, 1]
        return scores

    def _default(self) -> Any:
        return logistic()

    def _learn(self, model: Any, table: Table, samples: Sequence[Sample | Described]) -> Any:
        """What tells hits from misses: a fitted copy of the model. `table` holds the candidates of those labelled."""
        hit, miss = taught(table)
        rows = np.flatnonzero(hit | miss)
        chosen = mine(model, table.values[rows], hit[rows], rounds=self.mining, seed=self.random_state)
        return clone(model).fit(table.values[rows][chosen], hit[rows][chosen])

    def _judged(self, item: Described) -> Detections:
        if self.classifier_ is None or len(item) == 0:
            return Detections.none()
        scores = self.scores(item.values)
        boxes = item.boxes
        if self.refiner_ is not None:
            boxes = moved(boxes, self.refiner_.predict(item.values))
        boxes = clip(boxes, item.sample.shape)
        kept = nms(boxes, scores, threshold=self.overlap)
        one = isinstance(self.kinds_, int)
        labels = np.full(len(kept), self.kinds_) if one else self.kinds_.predict(item.values[kept])
        return Detections(boxes[kept], scores[kept], labels)

    def _looked_at(self, samples: Sequence[Sample | Described]) -> list[Described]:
        known = [s for s in samples if sample_of(s).boxes is not None]
        if not known:
            raise InputError(f"needs samples with boxes to learn from; got {len(samples)}, none with known boxes")
        return self._described(known)

    def _calibrate(self, table: Table) -> None:
        hit, miss = taught(table)
        if hit.any() and miss.any():
            scores = lesion_scores(self.classifier_, table.values)[hit | miss]
            self.calibration_ = LogisticRegression(C=1e6).fit(scores[:, None], hit[hit | miss])


def taught(table: Table) -> tuple[Bools, Bools]:
    """Which candidates are taught as lesions and which as background: two bool (n,).

    Neither are those in between, on an ignored box, or of a picture that nobody looked at.
    """
    known = ~table.ignored & ~np.isnan(table.overlap)
    return known & (table.overlap >= HIT), known & (table.overlap < MISS)


def mine(model: Any, values: Array, hit: Bools, *, rounds: int = 2, per_hit: int = PER_HIT, seed: int = 0) -> Ints:
    """The rows to learn from: all hits, and the misses that are hard to tell from them.

    Misses outnumber hits by fifty to one, and nearly all are easy. A first fit sees `per_hit` misses per hit, drawn at
    random. Each round scores all misses and adds as many again: those that look most like lesions.

    Parameters
    ----------
    model : classifier; copies of it are fitted, it is left as it is.
    values : (n, columns). hit : bool (n,), with some of either.

    Returns
    -------
    Positions of the rows, sorted, int64.

    References
    ----------
    P. Felzenszwalb et al., "Object detection with discriminatively trained part-based models", IEEE Trans. Pattern
    Anal. Mach. Intell. 32 (2010), section 4.4.

    Examples
    --------
    >>> values = np.arange(40.0)[:, None]
    >>> rows = mine(LogisticRegression(), values, values[:, 0] >= 38, rounds=1)
    >>> len(rows), rows[-8:].tolist()
    (14, [32, 33, 34, 35, 36, 37, 38, 39])
    """
    misses = np.flatnonzero(~hit)
    chosen = hit.copy()
    many = max(per_hit * int(hit.sum()), 1)
    chosen[np.random.default_rng(seed).permutation(misses)[:many]] = True
    for _ in range(rounds):
        left = np.flatnonzero(~chosen)
        if len(left) == 0:
            break
        fitted = clone(model).fit(values[chosen], hit[chosen])
        order = np.argsort(-lesion_scores(fitted, values[left]), kind="stable")
        chosen[left[order[:many]]] = True
    return np.flatnonzero(chosen)


def lesion_scores(classifier: Any, values: Array) -> Numbers:
    """How sure a fitted classifier of two classes is of the second: float64 (n,).

    Its log odds where it gives probabilities, so that ties are rare, else its decision function.
    """
    if len(values) == 0:
        return np.zeros(0)
    if hasattr(classifier, "decision_function"):
        return np.asarray(classifier.decision_function(values), dtype=np.float64)
    p = np.clip(np.asarray(classifier.predict_proba(values)[:, 1], dtype=np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def offsets(boxes: ArrayLike, truth: ArrayLike) -> Numbers:
    """How far boxes are off, in shares of their own size: centre down, centre right, log of height and width: (n, 4).

    In millimetres a large lesion's offsets would drown a small one's; as shares of the box they are alike, and the
    logarithm makes "half as high" and "twice as high" equally far.

    Parameters
    ----------
    boxes, truth : (n, 4), coordinates.

    References
    ----------
    R. Girshick et al., CVPR 2014, appendix C.

    Examples
    --------
    >>> offsets([[0, 0, 2, 4]], [[1, 0, 5, 4]]).round(3)
    array([[1.   , 0.   , 0.693, 0.   ]])
    """
    (middle, size), (right_middle, right_size) = (_middle_and_size(as_boxes(b, ndim=2)) for b in (boxes, truth))
    return np.concatenate([(right_middle - middle) / size, np.log(right_size / size)], axis=1)


def moved(boxes: ArrayLike, by: ArrayLike) -> Numbers:
    """Boxes moved and resized by `offsets`, sides by a factor of at most e either way: float64 (n, 4).

    >>> moved([[0, 0, 2, 4]], [[1, 0, np.log(2), 0]])
    array([[1., 0., 5., 4.]])
    """
    middle, size = _middle_and_size(as_boxes(boxes, ndim=2))
    shift = np.asarray(by, dtype=np.float64).reshape(len(middle), 4)
    middle, size = middle + shift[:, :2] * size, size * np.exp(np.clip(shift[:, 2:], -1, 1))
    return np.concatenate([middle - size / 2, middle + size / 2], axis=1)


def errors_mm(boxes: ArrayLike, truth: ArrayLike, spacing: ArrayLike) -> Numbers:
    """How far boxes are off in mm: distance of the centres, and of the sides on average: (n, 2).

    Parameters
    ----------
    boxes, truth : (n, 4), coordinates. spacing : mm, (n, 2) or (2,).

    Examples
    --------
    >>> errors_mm([[0, 0, 2, 2]], [[1, 0, 5, 2]], (0.5, 0.5))
    array([[1. , 0.5]])
    """
    (middle, size), (right_middle, right_size) = (_middle_and_size(as_boxes(b, ndim=2)) for b in (boxes, truth))
    steps = np.broadcast_to(np.asarray(spacing, dtype=np.float64), middle.shape)
    away, larger = (right_middle - middle) * steps, np.abs(right_size - size) * steps
    return np.stack([np.hypot(*away.T), larger.mean(axis=1)], axis=1)


def ridge(alpha: float = 100.0) -> Pipeline:
    """Ridge regression on scaled features."""
    return make_pipeline(scaled(), Ridge(alpha))


def logistic(strength: float = 0.01) -> Pipeline:
    """Logistic regression on scaled features; `strength` is scikit-learn's C, the inverse of the penalty."""
    return make_pipeline(scaled(), LogisticRegression(C=strength, max_iter=1000))


def linear_svm(strength: float = 0.01) -> Pipeline:
    """Linear support vector machine on scaled features."""
    return make_pipeline(scaled(), LinearSVC(C=strength, loss="hinge", max_iter=20000))


def rbf_svm(strength: float = 1.0, gamma: float = 0.002) -> Pipeline:
    """Support vector machine with a Gaussian kernel, exp(-gamma · distance²), on scaled features."""
    return make_pipeline(scaled(), SVC(C=strength, gamma=gamma, cache_size=500))


def forest(trees: int = 100, random_state: int = 0) -> RandomForestClassifier:
    """Random forest; trees need no scaling."""
    return RandomForestClassifier(trees, min_samples_leaf=2, random_state=random_state)


def boosting(rounds: int = 200, random_state: int = 0) -> HistGradientBoostingClassifier:
    """Gradient boosting of histogram trees."""
    return HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=0.06, max_leaf_nodes=15, early_stopping=False, random_state=random_state
    )


def learned(model: Any) -> int:
    """How many numbers a fitted model holds: coefficients, support vectors, or nodes of trees; scaling left aside."""
    last = model[-1] if isinstance(model, Pipeline) else model
    if hasattr(last, "support_vectors_"):
        return int(last.support_vectors_.size + last.dual_coef_.size + np.size(last.intercept_))
    if hasattr(last, "coef_"):
        return int(np.size(last.coef_) + np.size(last.intercept_))
    if hasattr(last, "estimators_"):
        return sum(tree.tree_.node_count for tree in last.estimators_)
    if hasattr(last, "_predictors"):
        return sum(tree.get_n_leaf_nodes() for trees in last._predictors for tree in trees)
    return 0


def scaled() -> Pipeline:
    """Each feature centred on its median in units of its quartiles, long tails pulled in, then to deviation 1.

    Candidates have outliers by the hundred: areas, energies, contrasts of a single pixel. The inverse hyperbolic sine
    is a straight line in the middle and a logarithm far out, so that no outlier can shout.
    """
    return make_pipeline(RobustScaler(), FunctionTransformer(_pulled_in), StandardScaler(), FunctionTransformer(_cut))


def _pulled_in(values: Array) -> Array:
    return np.arcsinh(values)


def _cut(values: Array) -> Array:
    return np.clip(values, -LIMIT, LIMIT)


def _middle_and_size(boxes: Numbers) -> tuple[Numbers, Numbers]:
    start, stop = boxes[:, :2], boxes[:, 2:]
    return (start + stop) / 2, stop - start
