"""Yes or no for a whole image, against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from medloc_lib.errors import InputError
from medloc_lib.metrics import auroc, balanced_accuracy

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=30)


@given(cases)
def test_they_are_scikit_learns(rows):
    sick, steps, weights = (np.array(column) for column in zip(*rows, strict=True))
    sick, probability = sick.astype(bool), steps / 6
    both = weights[sick].sum() > 0 and weights[~sick].sum() > 0
    if not both:
        assert math.isnan(auroc(sick, probability, weights=weights))
        assert math.isnan(balanced_accuracy(sick, probability, weights=weights))
        return
    expected = roc_auc_score(sick, probability, sample_weight=weights)
    assert auroc(sick, probability, weights=weights) == pytest.approx(expected)
    expected = balanced_accuracy_score(sick, probability >= 0.5, sample_weight=weights)
    assert balanced_accuracy(sick, probability, weights=weights) == pytest.approx(expected)


def test_weights_are_repetitions():
    sick, probability = np.array([True, False, True]), np.array([0.2, 0.3, 0.9])
    counts = np.array([3, 2, 1])
    for score in (auroc, balanced_accuracy):
        drawn = score(np.repeat(sick, counts), np.repeat(probability, counts))
        assert score(sick, probability, weights=counts) == pytest.approx(drawn)


@pytest.mark.parametrize(
    ("sick", "probability", "weights"),
    [([True], [0.5, 0.5], None), ([True], [np.nan], None), ([[True]], [[0.5]], None), ([True], [0.5], [1, 2])],
)
def test_what_does_not_fit(sick, probability, weights):
    for score in (auroc, balanced_accuracy):
        with pytest.raises(InputError, match="one truth, one probability"):
            score(sick, probability, weights=weights)
