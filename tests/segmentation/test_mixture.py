"""Mixtures against scikit-learn's, and against pictures whose shares, field and strangers are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from medloc_lib.errors import InputError
from medloc_lib.metrics import dice
from medloc_lib.segmentation import mixture, mixture_model

RNG = np.random.default_rng(0)
KIND = np.repeat(RNG.integers(0, 3, (12, 12)), 5, axis=0).repeat(5, axis=1)
MEANS = np.array([[10.0, 50.0], [30.0, 20.0], [60.0, 35.0]])
CLEAN = np.moveaxis(MEANS[KIND], -1, 0)
NOISY = CLEAN + RNG.normal(0, 5, CLEAN.shape)


def test_means_and_covariances_are_those_of_scikit_learn():
    found = mixture_model(NOISY, classes=3, iterations=200)
    reference = GaussianMixture(3, means_init=MEANS, tol=1e-6, max_iter=200).fit(NOISY.reshape(2, -1).T)
    order = np.argsort(reference.means_[:, 0])
    np.testing.assert_allclose(found.means, reference.means_[order], rtol=0.02)
    np.testing.assert_allclose(found.spread, reference.covariances_[order], rtol=0.1, atol=1.5)
    wanted = np.argsort(order)[reference.predict(NOISY.reshape(2, -1).T)].reshape(KIND.shape) + 1
    assert (found.labels == wanted).mean() > 0.995
    np.testing.assert_array_equal(mixture(NOISY, classes=3, iterations=200), found.labels)
    np.testing.assert_allclose(found.shares.sum(axis=0), 1, atol=1e-5)


def test_partial_volume_gives_the_shares_of_two_tissues():
    share = np.clip(np.linspace(-0.5, 1.5, 120), 0, 1)
    picture = np.tile(100 * share, (80, 1)) + np.random.default_rng(1).normal(0, 2, (80, 120))
    found = mixture_model(picture, classes=2, partial_volume=True)
    np.testing.assert_allclose(found.means.ravel(), [0, 100], atol=2)
    assert np.abs(found.shares[1] - share).mean() < 0.05
    plain = mixture_model(picture, classes=2)
    assert np.abs(plain.shares[1] - share).mean() > np.abs(found.shares[1] - share).mean()


def test_the_field_is_found_up_to_its_mean():
    rows, cols = np.indices(KIND.shape) / 59 * 2 - 1
    field = 1 + 0.3 * rows - 0.2 * cols + 0.1 * rows * cols
    field /= field.mean()
    picture = 100 * (KIND + 1) * field + np.random.default_rng(2).normal(0, 5, KIND.shape)
    even, found = mixture_model(picture), mixture_model(picture, bias=2)
    np.testing.assert_allclose(found.field[0], field, rtol=0.03)
    assert (found.labels == KIND + 1).mean() > 0.99 > (even.labels == KIND + 1).mean()
    with pytest.raises(InputError, match="a field needs values from 0"):
        mixture_model(-picture, bias=1)


def test_neighbours_clean_up():
    loud = CLEAN + np.random.default_rng(3).normal(0, 14, CLEAN.shape)
    alone, together = (mixture(loud, neighbors=n) for n in (0.0, 3.0))
    assert (together == KIND + 1).mean() > (alone == KIND + 1).mean() + 0.02


def test_strangers_are_strange_and_have_no_say():
    odd = NOISY.copy()
    odd[:, 20:26, 20:26] = 400
    found = mixture_model(odd, outliers=4.0)
    stranger = np.zeros(KIND.shape, bool)
    stranger[20:26, 20:26] = True
    assert dice(found.strange > 0.5, stranger) > 0.95
    np.testing.assert_allclose(found.means, mixture_model(NOISY).means, rtol=0.05)
    assert mixture_model(odd).strange.max() < 1e-6


def test_a_volume_in_portions_and_a_mask():
    volume = np.repeat(NOISY[:1, None], 4, axis=1)
    mask = np.ones(volume.shape[1:], bool)
    mask[0] = False
    labels = mixture(volume, mask=mask)
    assert (labels[0] == 0).all() and (labels[1:] > 0).all()
    assert (labels[1] == KIND + 1).mean() > 0.95


def test_fewer_values_than_classes():
    assert mixture([[1, 1, 2, 2]], classes=5).max() == 2
    assert "2 classes" in repr(mixture_model([[1, 1, 2, 2]], classes=5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": 0}, "classes"),
        ({"bias": -1}, "bias"),
        ({"neighbors": -1.0}, "neighbors"),
        ({"outliers": "a"}, "outliers"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(InputError, match=words):
        mixture_model(NOISY, **options)
