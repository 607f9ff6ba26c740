"""The bootstrap against SciPy and against the normal distribution."""

import numpy as np
import pytest
from scipy import stats

from medloc_lib import metrics as m
from medloc_lib.errors import InputError
from tests.metrics.cases import random_case


def test_bootstrap_equals_scipy():
    values = np.random.default_rng(5).normal(0.6, 0.2, 150)
    ours = m.bootstrap(values, [""] * 150, n=8000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=8000, rng=1).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)  # the interval is 0.06 wide


def test_bootstrap_interval_shrinks_as_it_should():
    """95 % of a normal mean lie within 1.96 standard errors; 50 % within 0.674."""
    values = np.random.default_rng(6).normal(size=400)
    error = values.std() / 20
    for level, z in ((0.95, 1.96), (0.5, 0.674)):
        interval = m.bootstrap(values, range(400), n=4000, level=level)
        assert (interval.high - interval.low) / 2 == pytest.approx(z * error, rel=0.06)


def test_items_of_a_group_are_drawn_together():
    values = np.random.default_rng(7).random(30)
    patients = [f"p{i}" for i in range(30)]
    single = m.bootstrap(values, patients, seed=3)
    # Three alike images of each patient tell no more than one.
    alike = m.bootstrap(np.repeat(values, 3), np.repeat(patients, 3), seed=3)
    assert (alike.value, alike.low, alike.high) == pytest.approx((single.value, single.low, single.high))
    pretended = m.bootstrap(np.repeat(values, 3), [""] * 90, seed=3)
    assert pretended.high - pretended.low < 0.7 * (single.high - single.low)


def test_an_unknown_group_is_one_of_its_own():
    values = np.random.default_rng(8).random(20)
    assert m.bootstrap(values, [""] * 20) == m.bootstrap(values, list(range(20)))
    assert m.bootstrap(values, ["", *"abcdefghijklmnopqr", ""]) == m.bootstrap(values, list(range(20)))


def test_a_statistic_is_given_whole_weights_that_add_up():
    seen = []

    def statistic(weights):
        seen.append(weights)
        return 1.0

    m.bootstrap(statistic, ["a", "a", "b", "c"], n=50)
    assert seen[0].tolist() == [1, 1, 1, 1] and len(seen) == 51
    for weights in seen:
        assert weights.dtype.kind == "i" and weights[0] == weights[1] and weights[1:].sum() == 3
    assert len({tuple(w) for w in seen}) > 5


def test_draws_without_an_answer_are_left_out():
    def first_only(weights):
        return float(weights[0]) if weights[0] else float("nan")

    interval = m.bootstrap(first_only, range(10))
    assert interval.value == 1 and interval.low == 1 and interval.high > 1
    never = m.bootstrap(lambda weights: float("nan"), range(10))
    assert np.isnan([never.value, never.low, never.high]).all() and not never.better
    assert m.bootstrap([0.5, np.nan, 0.5], range(3)) == m.Interval(0.5, 0.5, 0.5)


def test_one_group_gives_no_interval():
    for values, groups in (([0.2, 0.4], ["ann", "ann"]), ([0.3], [""])):
        interval = m.bootstrap(values, groups)
        assert interval.value == pytest.approx(0.3) and np.isnan([interval.low, interval.high]).all()
    assert np.isnan(m.bootstrap([], []).value)


def test_same_seed_same_interval():
    values = np.random.default_rng(9).random(40)
    assert m.bootstrap(values, range(40), seed=1) == m.bootstrap(values, range(40), seed=1)
    assert m.bootstrap(values, range(40), seed=1) != m.bootstrap(values, range(40), seed=2)


def test_paired_difference_is_the_bootstrap_of_the_difference():
    rng = np.random.default_rng(10)
    second = rng.random(60)
    first = second + rng.normal(0.05, 0.05, 60)
    groups = [f"p{i // 2}" for i in range(60)]
    paired = m.paired_difference(first, second, groups)
    expected = m.bootstrap(first - second, groups)
    assert (paired.value, paired.low, paired.high) == pytest.approx((expected.value, expected.low, expected.high))
    alone = m.bootstrap(first, groups), m.bootstrap(second, groups)
    assert alone[0].low < alone[1].high  # the two intervals overlap, and yet:
    assert paired.better and not m.paired_difference(second, first, groups).better
    assert not m.paired_difference(first, first, groups).better
    mixed = m.paired_difference(lambda w: float(w @ first / w.sum()), second, groups)
    assert mixed.low == pytest.approx(paired.low)


def test_an_interval_around_average_precision():
    truth, detections = random_case(1, images=40)
    matches = m.match(truth, detections, iou=0.3)
    interval = m.bootstrap(lambda w: matches.average_precision(w).mean, [s.group for s in truth], n=200)
    assert interval.value == matches.average_precision().mean
    assert interval.low < interval.value < interval.high
    assert str(m.Interval(0.5119, 0.48, 0.5414)) == "0.512 [0.480, 0.541]"


@pytest.mark.parametrize(
    ("values", "groups", "options"),
    [
        ([1.0, 2.0], ["a"], {}),
        ([1.0, np.inf], ["a", "b"], {}),
        ([1.0], ["a"], {"n": 0}),
        ([1.0], ["a"], {"level": 1}),
        ([1.0], ["a"], {"level": 0}),
    ],
)
def test_bootstrap_refuses_bad_input(values, groups, options):
    with pytest.raises(InputError):
        m.bootstrap(values, groups, **options)
