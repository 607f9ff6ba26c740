"""More columns than patients: a test for each column, how many hits chance alone makes, and a score of many genes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression

from medloc_lib.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def association(columns: ArrayLike, outcome: ArrayLike) -> tuple[Floats, Floats]:
    """Whether each column goes with a yes or no: the trend test, one column at a time.

    z² is n times the squared correlation of the column with the outcome, and follows χ² with one degree of freedom
    where there is no link (the Cochran-Armitage test for genotypes coded 0, 1, 2).

    Parameters
    ----------
    columns : (n, k). outcome : (n,), of 0 and 1.

    Returns
    -------
    z² and p of each column, (k,) each; a constant column has z² 0 and p 1. What `sklearn.feature_selection` takes as
    `score_func`.

    Raises
    ------
    InputError
        If lengths differ or the outcome is the same for all.

    References
    ----------
    P. Armitage, "Tests for linear trends in proportions and frequencies", Biometrics 11 (1955).

    Examples
    --------
    >>> chi2, p = association([[0, 1], [1, 0], [1, 1], [2, 0]], [0, 0, 1, 1])
    >>> chi2.round(3), p.round(3)
    (array([2., 0.]), array([0.157, 1.   ]))
    """
    x, y = np.asarray(columns, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or np.ptp(y) == 0:
        raise InputError(f"needs (n, k) columns and (n,) outcomes of both kinds; got {x.shape} and {y.shape}")
    x, y = x - x.mean(axis=0), y - y.mean()
    spread = (x**2).sum(axis=0) * (y @ y)
    chi2 = len(y) * (y @ x) ** 2 / np.where(spread > 0, spread, 1.0)
    return chi2, np.asarray(stats.chi2.sf(chi2, 1))


def benjamini_hochberg(p: ArrayLike, *, level: float = 0.05) -> Bools:
    """Which tests count as found, so that of all that are found a share of `level` at most is chance, on average.

    The largest rank k whose p is at most level · k / m is looked for, and all ranks up to it are found.

    Parameters
    ----------
    p : (m,), one a test. level : the false discovery rate that is let through.

    Raises
    ------
    InputError
        If a p is not between 0 and 1.

    References
    ----------
    Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57 (1995).

    Examples
    --------
    At its own rank 0.03 would not pass (it is over 0.05 · 2/4), but 0.035 passes at the next and takes it along.

    >>> benjamini_hochberg([0.001, 0.6, 0.035, 0.03])
    array([ True, False,  True,  True])
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"needs p values (m,) from 0 to 1; got shape {values.shape}")
    m = len(values)
    order = np.argsort(values, kind="stable")
    passed = np.flatnonzero(values[order] <= level * np.arange(1, m + 1) / m)
    found = np.zeros(m, dtype=bool)
    found[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return found


def permutation_test(
    statistic: Callable[[NDArray[Any]], float], outcome: ArrayLike, *, n: int = 200, seed: int = 0
) -> tuple[float, Floats, float]:
    """How often chance alone does as well: the statistic with the outcomes dealt out anew among the patients.

    Parameters
    ----------
    statistic : outcomes (n,) -> a number, higher for a stronger link. It must do *everything* anew that looked at the
        outcomes, choosing columns included.
    outcome : (n,), as they are. n : how often they are shuffled.

    Returns
    -------
    The statistic as it is, those of the shuffled outcomes (n,), and p = (1 + as high or higher) / (1 + n).

    References
    ----------
    M. Ojala and G. C. Garriga, "Permutation tests for studying classifier performance", JMLR 11 (2010).

    Examples
    --------
    >>> x = np.arange(20.0)
    >>> value, _, p = permutation_test(lambda y: float(np.corrcoef(x, y)[0, 1]), x > 9.5, n=99)
    >>> round(value, 2), round(p, 2)
    (0.87, 0.01)
    """
    values, rng = np.asarray(outcome), np.random.default_rng(seed)
    observed = float(statistic(values))
    dealt = np.array([statistic(rng.permutation(values)) for _ in range(n)], dtype=np.float64)
    return observed, dealt, float((1 + (dealt >= observed).sum()) / (1 + n))


class PolygenicScore(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One number for many genes: the columns that a study found, weighed by a ridge-penalized logistic regression.

    Parameters
    ----------
    level : false discovery rate of the columns that are kept (`benjamini_hochberg`).
    C : inverse strength of the penalty.

    Attributes
    ----------
    kept_ : positions of the columns, int (k,); with none the score is 0 for everybody.

    References
    ----------
    S. M. Purcell et al., "Common polygenic variation contributes to risk of schizophrenia and bipolar disorder",
    Nature 460 (2009).
    """

    def __init__(self, level: float = 0.05, C: float = 0.01) -> None:  # noqa: N803 - scikit-learn's name
        self.level = level
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Find the columns and weigh them: genotypes (n, k), outcomes (n,)."""
        genes = np.asarray(X, dtype=np.float64)
        self.kept_ = np.flatnonzero(benjamini_hochberg(association(genes, y)[1], level=self.level))
        self.model_ = None
        if len(self.kept_):
            self.model_ = LogisticRegression(C=self.C, max_iter=1000).fit(genes[:, self.kept_], np.asarray(y))
        return self

    def transform(self, X: ArrayLike) -> Floats:  # noqa: N803
        """The score of each patient, (n, 1), in log-odds."""
        genes = np.asarray(X, dtype=np.float64)
        if self.model_ is None:
            return np.zeros((len(genes), 1))
        return np.asarray(self.model_.decision_function(genes[:, self.kept_]))[:, None]
