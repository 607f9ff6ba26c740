"""Lesson 05: the same candidates and features, told apart by different classifiers.

The features of `brain_lesions` are read from the cache where ``medloc features brain_lesions`` has put them; the
seconds of these rows are then those of the classifier alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from medloc_lib.classical import SupervisedLocalizer, supervised

_MAKERS: dict[str, Callable[[], Any]] = {
    "logistic": supervised.logistic,
    "linear_svm": supervised.linear_svm,
    "rbf_svm": supervised.rbf_svm,
    "random_forest": supervised.forest,
    "boosting": supervised.boosting,
}


def _make(name: str) -> SupervisedLocalizer:
    return SupervisedLocalizer(_MAKERS[name](), cached=True)


ROWS = {name: partial(_make, name) for name in _MAKERS}
