"""Scores and what they are worth, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from medloc_lib.errors import InputError
from medloc_lib.metrics import find_temperature, reliability, rescale


def drawn(n=4000, seed=0, *, slope=1.0, offset=0.0):
    """Scores, and hits whose log odds are the score's times `slope` plus `offset`."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, n)
    return scores, rng.random(n) < rescale(scores, 1 / slope, offset)


def test_bins_are_scikit_learns():
    scores, hits = drawn()
    made = reliability(scores, hits, bins=8)
    kept, promised = calibration_curve(hits, scores, n_bins=8)
    np.testing.assert_allclose(made.kept, kept)
    np.testing.assert_allclose(made.promised, promised)
    assert made.brier == pytest.approx(brier_score_loss(hits, scores))
    assert made.error == pytest.approx((made.count * abs(kept - promised)).sum() / len(scores))


def test_empty_bins_and_the_last_edge():
    made = reliability([1.0, 0.0, 0.5], [True, False, True], bins=4)
    assert made.count.tolist() == [1, 0, 1, 1]
    assert np.isnan(made.kept[1])
    assert made.error == pytest.approx(0.5 / 3)


def test_weights_are_repetitions():
    scores, hits = np.array([0.2, 0.7, 0.9]), np.array([False, True, False])
    counts = np.array([3, 1, 2])
    repeated = reliability(np.repeat(scores, counts), np.repeat(hits, counts))
    weighted = reliability(scores, hits, weights=counts)
    assert weighted.error == pytest.approx(repeated.error)
    assert weighted.brier == pytest.approx(repeated.brier)


def test_scores_that_mean_what_they_say_have_a_small_error():
    assert reliability(*drawn(40_000)).error < 0.01
    scores, hits = drawn(40_000, slope=0.3)
    assert reliability(scores, hits).error > 0.1
    temperature, _ = find_temperature(scores, hits)
    assert reliability(rescale(scores, temperature), hits).error < 0.01


@pytest.mark.parametrize("offset", [False, True])
def test_the_temperature_is_a_logistic_regression(offset):
    scores, hits = drawn(2000, slope=0.4, offset=-0.8)
    odds = np.log(scores / (1 - scores))[:, None]
    fitted = LogisticRegression(C=1e12, fit_intercept=offset, tol=1e-10).fit(odds, hits)
    temperature, shift = find_temperature(scores, hits, offset=offset)
    assert 1 / temperature == pytest.approx(fitted.coef_[0, 0], rel=1e-3)
    assert shift == pytest.approx(fitted.intercept_[0] if offset else 0.0, rel=1e-3, abs=1e-6)


def test_rescaling_keeps_the_order_and_takes_the_ends():
    scores = np.linspace(0, 1, 50)
    made = rescale(scores, 3.0, -1.0)
    assert (np.diff(made) >= 0).all() and made.min() > 0 and made.max() < 1
    np.testing.assert_allclose(rescale(scores[1:-1], 1.0), scores[1:-1])


@pytest.mark.parametrize(("scores", "hits"), [([0.2, 1.2], [True, False]), ([0.2], [True, False]), ([], [])])
def test_what_is_no_score_is_refused(scores, hits):
    with pytest.raises(InputError, match="needs scores from 0 to 1"):
        reliability(scores, hits)


def test_hits_alone_teach_nothing():
    with pytest.raises(InputError, match="2 hits of 2"):
        find_temperature([0.2, 0.8], [True, True])
    with pytest.raises(InputError, match="one weight per score"):
        reliability([0.2, 0.8], [True, False], weights=[1])
