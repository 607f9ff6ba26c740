"""Learning from labelled candidates: the pieces against closed forms, the whole on small heads, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsClassifier

from medloc_lib.classical import SupervisedLocalizer, describe, features, stack, supervised
from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.sample import Sample
from tests.classical import scenes


@pytest.fixture(scope="module")
def items():
    return [describe(sample, n=25) for sample in scenes.many(24)]


@pytest.fixture(scope="module")
def table(items):
    return stack(items)


numbers = st.floats(0, 50)
sides = st.floats(1, 30)
box = st.tuples(numbers, numbers, sides, sides).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])


@given(st.lists(st.tuples(box, box), min_size=1, max_size=5))
def test_moved_undoes_offsets_unless_sides_differ_by_more_than_e(pairs):
    one, other = (np.array(part) for part in zip(*pairs, strict=True))
    by = supervised.offsets(one, other)
    near = np.abs(by[:, 2:]).max(axis=1) <= 1
    np.testing.assert_allclose(supervised.moved(one, by)[near], other[near], atol=1e-6)
    assert (supervised.moved(one, by)[:, 2:] > supervised.moved(one, by)[:, :2]).all()


def test_errors_in_mm_by_hand():
    off = supervised.errors_mm([[0, 0, 10, 4]], [[4, 3, 10, 9]], (0.5, 2.0))
    assert off[0] == pytest.approx([np.hypot(2 * 0.5, 4 * 2.0), (4 * 0.5 + 2 * 2.0) / 2])


def test_taught_leaves_out_what_is_between_ignored_or_unknown(items):
    truth = items[1].sample
    ignored = stack([describe(scenes.head([(45, 45, 5, 45)], ignore=[True]), n=25)])
    hit, miss = supervised.taught(ignored)
    assert not hit.any() and not miss[ignored.ignored].any() and ignored.ignored.any()
    known = stack([items[1]])
    hit, miss = supervised.taught(known)
    assert (known.overlap[hit] >= supervised.HIT).all() and (known.overlap[miss] < supervised.MISS).all()
    nobody = describe(scenes.many(2)[1].replace(boxes=None, labels=None, ignore=None), n=25)
    assert not np.concatenate(supervised.taught(stack([nobody]))).any()
    assert len(truth.boxes) > 0


def test_mining_adds_the_hardest_misses():
    values = np.arange(400.0)[:, None]
    hit = values[:, 0] >= 395
    rows = supervised.mine(LogisticRegression(), values, hit, rounds=2, per_hit=2, seed=3)
    assert set(range(395, 400)) <= set(rows.tolist())
    assert len(rows) == 5 + 10 + 10 + 10
    easy = supervised.mine(LogisticRegression(), values, hit, rounds=0, per_hit=2, seed=3)
    assert {385, 394} <= set(rows.tolist()) and len(easy) == 15 and set(easy) <= set(rows)


def test_scores_are_log_odds_whatever_the_classifier_gives(table):
    hit, miss = supervised.taught(table)
    rows = hit | miss
    model = supervised.logistic().fit(table.values[rows], hit[rows])
    p = model.predict_proba(table.values)[:, 1]
    np.testing.assert_allclose(supervised.lesion_scores(model, table.values), np.log(p / (1 - p)), atol=1e-4)
    near = KNeighborsClassifier(3).fit(table.values[rows], hit[rows])
    assert np.isfinite(supervised.lesion_scores(near, table.values)).all()
    assert len(supervised.lesion_scores(near, table.values[:0])) == 0


def test_scaling_stands_constants_and_outliers():
    values = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    values[:, 1], values[:, 2] = 5, 0
    values[0] = [1e9, 5, 1e6, -1e9]
    scaled = supervised.scaled().fit_transform(values)
    assert np.isfinite(scaled).all() and np.abs(scaled).max() <= supervised.LIMIT
    assert (scaled[:, 1] == 0).all()


@pytest.mark.parametrize("make", ["logistic", "linear_svm", "rbf_svm", "forest", "boosting"])
def test_every_classifier_learns_to_find_the_lesions_of_others(items, make):
    options = {"trees": 20} if make == "forest" else {"rounds": 20} if make == "boosting" else {}
    options |= {"strength": 1.0} if make.endswith("svm") else {}
    localizer = SupervisedLocalizer(getattr(supervised, make)(**options), candidates=25).fit(items[:16])
    assert localizer.score(items[16:]) > 0.6
    assert localizer.n_parameters_ > 0


def test_refined_boxes_fit_better(items):
    plain = SupervisedLocalizer(alpha=None, candidates=25).fit(items)
    mended = SupervisedLocalizer(candidates=25, alpha=1.0).fit(items)
    boxes = {}
    for name, localizer in {"plain": plain, "mended": mended}.items():
        table = stack(items)
        hit, _ = supervised.taught(table)
        at = table.boxes[hit]
        if name == "mended":
            at = supervised.moved(at, localizer.refiner_.predict(table.values[hit]))
        boxes[name] = supervised.errors_mm(at, table.truth[hit], table.spacing[hit]).mean()
    assert boxes["mended"] < boxes["plain"]


def test_pictures_and_described_pictures_give_the_same(items):
    samples = scenes.many(24)
    one = SupervisedLocalizer(candidates=25).fit(samples[:10]).predict(samples[10:14])
    other = SupervisedLocalizer(candidates=25).fit(items[:10]).predict(items[10:14])
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-5)


def test_calibration_gives_probabilities_and_keeps_the_order(items):
    plain = SupervisedLocalizer(candidates=25).fit(items[:12])
    calibrated = clone(plain).fit(items[:12], validation=items[12:])
    values = stack(items).values
    p = calibrated.scores(values)
    assert ((p >= 0) & (p <= 1)).all()
    order = np.argsort(plain.scores(values), kind="stable")
    assert (np.diff(p[order]) >= 0).all()


def test_kinds_are_told_apart():
    samples = scenes.many(16)
    named = [
        s.replace(labels=(s.boxes[:, 2] - s.boxes[:, 0] > 9).astype(int), classes=("small", "large")) for s in samples
    ]
    found = SupervisedLocalizer(candidates=25).fit(named).predict(named)
    assert {int(k) for d in found for k in d.labels} == {0, 1}


def test_it_can_be_searched_by_patient(items):
    search = GridSearchCV(
        SupervisedLocalizer(supervised.logistic(), mining=0, candidates=25),
        {"classifier__logisticregression__C": [0.001, 0.1]},
        cv=GroupKFold(2),
        error_score="raise",
    )
    search.fit(items, groups=[item.sample.group for item in items])
    assert 0 <= search.best_score_ <= 1


def test_nothing_to_tell_apart_is_said():
    healthy = [scenes.head(seed=k, group=str(k)) for k in range(3)]
    with pytest.warns(MedlocWarning, match="no candidate fits a lesion"):
        localizer = SupervisedLocalizer(candidates=10).fit(healthy)
    assert [len(d) for d in localizer.predict(healthy)] == [0, 0, 0]


def test_one_patient_with_a_lesion_is_enough_to_fit():
    one = scenes.head([(45, 45, 5, 45)], group="only")
    assert len(SupervisedLocalizer(candidates=25, mining=1).fit([one]).predict([one])[0]) > 0


def test_what_is_wrong_is_said(items):
    with pytest.raises(InputError, match="is not fitted"):
        SupervisedLocalizer().predict(items)
    with pytest.raises(InputError, match="none with known boxes"):
        SupervisedLocalizer().fit([Sample(np.zeros((1, 8, 8)))])
    with pytest.raises(InputError, match="at least one picture"):
        stack([])
    localizer = SupervisedLocalizer(candidates=25).fit(items[:6])
    other = scenes.head([(45, 45, 5, 45)])
    other = other.replace(image=other.image[1:], channels=other.channels[1:])
    with pytest.raises(InputError, match="fitted on pictures with others"):
        localizer.predict([other])
    with pytest.raises(InputError, match="the same channels"):
        stack([items[0], describe(other, n=25)])
    with pytest.raises(InputError, match="there is no feature"):
        stack(items[:1]).column("nose")


def test_the_columns_are_named_once_and_are_finite(items):
    columns = items[0].columns
    assert len(set(columns)) == len(columns) == items[0].values.shape[1]
    assert all(np.isfinite(item.values).all() for item in items)
    assert features.columns_of(scenes.CHANNELS, "FLAIR") == columns
