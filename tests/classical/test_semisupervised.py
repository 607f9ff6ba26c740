"""Learning from few labels: corrections against closed forms and scikit-learn, the whole on small heads, bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import SelfTrainingClassifier

from medloc_lib.classical import SemiSupervisedLocalizer, describe, stack
from medloc_lib.classical import semisupervised as semi
from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.geometry import iou, nms
from tests.classical import scenes


@pytest.fixture(scope="module")
def items():
    return [describe(sample, n=20) for sample in scenes.many(24)]


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_prior_shift_finds_the_share_of_two_gaussians(share):
    rng = np.random.default_rng(0)
    n = int(50000 * share)
    x = np.r_[rng.normal(1.5, 1, n), rng.normal(-1.5, 1, 50000 - n)]
    density = np.stack([stats.norm.pdf(x, -1.5), stats.norm.pdf(x, 1.5)])
    p = density[1] / density.sum(axis=0)
    corrected, found = semi.prior_shift(p, 0.5)
    assert found == pytest.approx(share, abs=0.01)
    right = share * density[1] / (share * density[1] + (1 - share) * density[0])
    np.testing.assert_allclose(corrected, right, atol=0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.05, 0.95))
def test_prior_shift_is_a_fixed_point_and_align_has_its_mean(p, prior):
    corrected, share = semi.prior_shift(p, prior)
    assert ((corrected >= 0) & (corrected <= 1)).all() and 0 <= share <= 1
    aligned = semi.align(p, prior)
    assert aligned.mean() == pytest.approx(prior, abs=1e-6)
    assert (np.diff(aligned[np.argsort(p, kind="stable")]) >= -1e-12).all()


def test_density_ratio_is_that_of_two_gaussians():
    rng = np.random.default_rng(0)
    x, other = rng.normal(0, 1, (5000, 1)), rng.normal(0.5, 1, (5000, 1))
    weights = semi.density_ratio(x, other, strength=1e3, most=1e9)
    right = stats.norm.pdf(x[:, 0], 0.5) / stats.norm.pdf(x[:, 0])
    np.testing.assert_allclose(weights, right / right.mean(), rtol=0.2)
    np.testing.assert_allclose(semi.density_ratio(np.ones((4, 2)), np.ones((9, 2))), 1)
    assert semi.density_ratio(np.ones((4, 2)), np.zeros((0, 2))).tolist() == [1, 1, 1, 1]


def test_confident_learning_by_its_definition():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 200)
    p = np.clip(0.5 + 0.3 * (2 * labels - 1) + rng.normal(0, 0.3, 200), 0, 1)
    wrong = np.zeros(200, dtype=bool)
    limits = [np.mean([1 - p[i] for i in range(200) if labels[i] == 0]), p[labels == 1].mean()]
    for i in range(200):
        sure = [k for k in (0, 1) if (p[i] if k else 1 - p[i]) >= limits[k]]
        best = max(sure, key=lambda k: p[i] if k else 1 - p[i], default=labels[i])
        wrong[i] = best != labels[i]
    np.testing.assert_array_equal(semi.likely_wrong(labels, p), wrong)
    joint = semi.confident_joint(labels, p)
    assert joint[0, 1] + joint[1, 0] == wrong.sum()
    assert not semi.likely_wrong(np.ones(5), np.full(5, 0.5)).any()


def test_self_training_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    x = rng.normal(0, 1, (300, 2)) + 3 * labels[:, None]
    model = LogisticRegression(tol=1e-8)
    _, ours = semi.self_train(model, x[:20], labels[:20], x[20:], threshold=0.8)
    theirs = SelfTrainingClassifier(model, threshold=0.8).fit(x, np.r_[labels[:20], np.full(280, -1)])
    np.testing.assert_array_equal(ours, theirs.transduction_[20:])


def test_pictures_drop_and_fit_as_geometry_does(items):
    table = stack(items[:6])
    pictures = semi.Pictures(table)
    scores = np.random.default_rng(0).random(len(table))
    kept = pictures.apart(scores, overlap=0.1)
    chosen = scores > 0.8
    for k in range(6):
        rows = np.flatnonzero(table.image == k)
        assert sorted(nms(table.boxes[rows], scores[rows], threshold=0.1)) == np.flatnonzero(kept[rows]).tolist()
        right = iou(table.boxes[rows], table.boxes[rows][chosen[rows]]).max(axis=1, initial=0)
        np.testing.assert_allclose(pictures.fit_to(chosen)[rows], right, atol=1e-6)


@pytest.mark.parametrize("method", semi.METHODS)
def test_every_method_learns_to_find_the_lesions_of_others(items, method):
    some = semi.hide(items[:16], {"p1", "p3", "p4", "p5"})
    found = SemiSupervisedLocalizer(method, candidates=20).fit(some)
    assert found.score(items[16:]) > 0.4


def test_with_all_labels_every_committee_is_the_same(items):
    scores = {
        method: SemiSupervisedLocalizer(method, candidates=20).fit(items[:12]).score(items[12:])
        for method in semi.METHODS
    }
    assert len(set(scores.values())) == 1


def test_hidden_truth_has_no_say(items):
    some = semi.hide(items[:12], {"p1", "p3"})
    assert sum(item.sample.boxes is None for item in some) == 10
    moved = [
        item if item.sample.boxes is None else dataclasses.replace(item, sample=item.sample.replace(id="x"))
        for item in some
    ]
    one, other = (SemiSupervisedLocalizer(candidates=20).fit(part).predict(items[12:14]) for part in (some, moved))
    np.testing.assert_array_equal(one[0].scores, other[0].scores)


def test_patients_are_drawn_in_proportion(items):
    assert semi.draw_patients(items, 24) == sorted(f"p{k}" for k in range(24))
    drawn = semi.draw_patients(items, 6, seed=1)
    assert sum(int(name[1:]) % 2 for name in drawn) == 3 and len(set(drawn)) == 6
    assert int(semi.draw_patients(items, 1)[0][1:]) % 2 == 1
    with pytest.raises(InputError, match="n must be 1 to 24"):
        semi.draw_patients(items, 25)


@pytest.mark.parametrize("method", semi.METHODS)
def test_one_labelled_patient_and_a_constant_feature(items, method):
    flat = [dataclasses.replace(item, values=item.values * (np.arange(item.values.shape[1]) > 0)) for item in items[:8]]
    found = SemiSupervisedLocalizer(method, candidates=20).fit(semi.hide(flat, {"p1"})).predict(flat[:1])
    assert np.isfinite(found[0].scores).all()


def test_what_is_wrong_is_said(items):
    with pytest.raises(InputError, match="method must be one of"):
        SemiSupervisedLocalizer("magic", candidates=20).fit(items)
    with pytest.raises(InputError, match="none with known boxes"):
        SemiSupervisedLocalizer(candidates=20).fit(semi.hide(items, ()))
    with pytest.warns(MedlocWarning, match="no candidate fits a lesion"):
        healthy = SemiSupervisedLocalizer(candidates=20).fit(semi.hide(items, {"p0", "p2"}))
    assert len(healthy.predict(items[:1])[0]) == 0
    with pytest.raises(InputError, match="labels of both classes"):
        semi.self_train(LogisticRegression(), np.zeros((2, 1)), [1, 1], np.zeros((1, 1)))
    with pytest.raises(InputError, match="prior must be"):
        semi.prior_shift([0.5], 1.0)
    with pytest.raises(InputError, match="between 0 and 1"):
        semi.prior_shift([np.nan], 0.5)
    with pytest.raises(InputError, match="share must be"):
        semi.align([0.5], 0.0)
    with pytest.raises(InputError, match="each label needs"):
        semi.likely_wrong([1], [0.5, 0.5])
