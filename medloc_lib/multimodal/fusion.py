"""Several sources about one patient: fused early, late or by attention (`attention.py`), with what is missing.

All take one table (n, columns) with NaN where something is missing, and `blocks`: the name of each source and the slice
of columns that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from medloc_lib.errors import InputError
from medloc_lib.metrics import auroc

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Blocks = Mapping[str, slice]


def blocks_of(sources: Mapping[str, ArrayLike]) -> tuple[Floats, dict[str, slice]]:
    """Sources side by side as one table, and which columns are whose.

    >>> table, blocks = blocks_of({"image": [[1.0], [2.0]], "blood": [[3.0, 4.0], [5.0, 6.0]]})
    >>> table.shape, blocks
    ((2, 3), {'image': slice(0, 1, None), 'blood': slice(1, 3, None)})
    """
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in sources.items()}
    if not arrays or len({a.shape[0] for a in arrays.values()}) != 1 or any(a.ndim != 2 for a in arrays.values()):
        raise InputError(f"needs sources (n, k) of the same n; got { ({k: a.shape for k, a in arrays.items()}) }")
    ends = np.cumsum([a.shape[1] for a in arrays.values()])
    spans = {name: slice(int(end) - a.shape[1], int(end)) for (name, a), end in zip(arrays.items(), ends, strict=True)}
    return np.concatenate(list(arrays.values()), axis=1), spans


def present(table: Floats, blocks: Blocks) -> Bools:
    """Which sources each patient has: a source is missing where all of its columns are NaN. (n, sources)."""
    return np.stack([~np.isnan(table[:, part]).all(axis=1) for part in blocks.values()], axis=1)


def drop_sources(table: ArrayLike, blocks: Blocks, *, share: float, seed: int = 0) -> Floats:
    """The table with each source missing for a share of the patients, drawn at random; one source at least is left."""
    made, rng = np.array(table, dtype=np.float64), np.random.default_rng(seed)
    gone = rng.random((len(made), len(blocks))) < share
    gone[np.arange(len(made)), rng.integers(len(blocks), size=len(made))] = False
    for k, part in enumerate(blocks.values()):
        made[gone[:, k], part] = np.nan
    return made


def logistic(C: float = 0.1) -> Pipeline:  # noqa: N803 - scikit-learn's name
    """Medians where values are missing, with a column that says so; standardized; a logistic regression."""
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=C, max_iter=2000),
    )


class EarlyFusion(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """All columns of all sources in one model (`logistic`)."""

    def __init__(self, blocks: Blocks, C: float = 0.1) -> None:  # noqa: N803
        self.blocks = blocks
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from a table (n, columns) and outcomes (n,)."""
        self.classes_ = np.unique(np.asarray(y))
        self.model_ = logistic(self.C).fit(np.asarray(X), np.asarray(y))
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Probabilities (n, 2)."""
        return np.asarray(self.model_.predict_proba(np.asarray(X)))

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """The more probable outcome."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class LateFusion(EarlyFusion):
    """A model for each source, whose log-odds are then weighed; a source that is missing says nothing.

    Each source's model learns from those who have it. What it adds to the log-odds of the outcome before anything is
    known is its evidence; a last logistic regression weighs these, learned on answers about patients that the source's
    model had not seen (stacking: D. Wolpert, Neural Networks 5 (1992)). With weights of 1 it would be the naive Bayes
    rule, which counts twice what two sources both know.

    Attributes
    ----------
    weights_ : (sources,), of the evidence of each.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from a table (n, columns) and outcomes (n,)."""
        table, outcome = np.asarray(X, dtype=np.float64), np.asarray(y)
        self.classes_ = np.unique(outcome)
        has = present(table, self.blocks)
        self.models_ = {}
        unseen = np.zeros((len(table), len(self.blocks)))
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        for k, (name, part) in enumerate(self.blocks.items()):
            mine, own = has[:, k], outcome[has[:, k]]
            model = logistic(self.C)
            before = np.log(own.mean() / (1 - own.mean()))
            said = cross_val_predict(model, table[mine, part], own, cv=folds, method="decision_function")
            unseen[mine, k] = said - before
            self.models_[name] = (model.fit(table[mine, part], own), before)
        self.last_ = LogisticRegression(C=1.0).fit(unseen, outcome)
        self.weights_ = self.last_.coef_[0]
        return self

    def evidence(self, X: ArrayLike) -> Floats:  # noqa: N803
        """What each source adds to the log-odds, (n, sources); 0 where it is missing."""
        table = np.asarray(X, dtype=np.float64)
        has, made = present(table, self.blocks), np.zeros((len(table), len(self.blocks)))
        for k, (name, part) in enumerate(self.blocks.items()):
            model, before = self.models_[name]
            if has[:, k].any():
                made[has[:, k], k] = model.decision_function(table[has[:, k], part]) - before
        return made

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Probabilities (n, 2)."""
        return np.asarray(self.last_.predict_proba(self.evidence(X)))


def permutation_by_source(
    probability: Callable[[Floats], ArrayLike],
    table: ArrayLike,
    outcome: ArrayLike,
    blocks: Blocks,
    *,
    repeats: int = 30,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Which source carried the decision: by how much the AUROC falls when patients are given another one's source.

    All columns of a source are shuffled together, so that what belongs together stays together. (L. Breiman, "Random
    forests", Machine Learning 45 (2001), for single columns.) What two sources both know counts for neither.

    Parameters
    ----------
    probability : table -> (n,), such as ``lambda x: model.predict_proba(x)[:, 1]``.
    table, outcome : patients that the model has not learned from.

    Returns
    -------
    For each source the mean fall of the AUROC, and its standard deviation over `repeats`.

    Examples
    --------
    >>> table = np.array([[0.0, 5.0], [1.0, 3.0], [2.0, 4.0], [3.0, 9.0]] * 5)
    >>> fall = permutation_by_source(lambda x: x[:, 0], table, [0, 0, 1, 1] * 5, {"a": slice(0, 1), "b": slice(1, 2)})
    >>> fall["a"][0] > 0.3, fall["b"]
    (True, (0.0, 0.0))
    """
    values, truth, rng = np.asarray(table, dtype=np.float64), np.asarray(outcome), np.random.default_rng(seed)
    whole = auroc(truth, probability(values))
    falls: dict[str, tuple[float, float]] = {}
    for name, part in blocks.items():
        drops = []
        for _ in range(repeats):
            changed = values.copy()
            changed[:, part] = values[rng.permutation(len(values)), part]
            drops.append(whole - auroc(truth, probability(changed)))
        falls[name] = (float(np.mean(drops)), float(np.std(drops)))
    return falls
