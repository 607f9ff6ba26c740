"""The pixel rules: by hand, by their definitions, and on pictures that are no ordinary pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.decomposition import PCA

from medloc_lib import fusion
from medloc_lib.errors import InputError
from medloc_lib.fusion.multiscale import _enlarge, _halve

RNG = np.random.default_rng(0)
FLAT = RNG.random((3, 21, 34))
SOLID = RNG.random((4, 9, 16, 13))
STACKS = pytest.mark.parametrize("image", [FLAT, SOLID], ids=["2-D", "3-D"])
RULES = pytest.mark.parametrize("rule", fusion.RULES.values(), ids=fusion.RULES)
EVERY = {**fusion.RULES, "weighted": lambda image: fusion.weighted(image, np.arange(1, len(image) + 1))}
ALL = pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY)

stacks = hnp.arrays(np.float64, st.tuples(*[st.integers(1, 4)] * 3), elements=st.floats(0, 1))


@STACKS
def test_rules_are_what_their_names_say(image):
    np.testing.assert_allclose(fusion.average(image), np.mean(image, axis=0))
    np.testing.assert_allclose(fusion.product(image), np.prod(image, axis=0))
    np.testing.assert_allclose(fusion.geometric_mean(image), np.exp(np.mean(np.log(image), axis=0)))
    np.testing.assert_array_equal(fusion.maximum(image), np.max(image, axis=0))
    np.testing.assert_array_equal(fusion.minimum(image), np.min(image, axis=0))
    weights = np.arange(len(image)) - 1.5
    by_hand = sum(w * x for w, x in zip(weights, image, strict=True)) / np.abs(weights).sum()
    np.testing.assert_allclose(fusion.weighted(image, weights), by_hand)


@ALL
@STACKS
def test_every_rule_gives_one_picture_and_leaves_its_input_alone(image, rule):
    before = image.copy()
    fused = rule(image)
    assert fused.shape == image.shape[1:]
    assert fused.dtype == np.float64
    np.testing.assert_array_equal(image, before)
    single = rule(image.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, fused, atol=1e-4)


@ALL
def test_one_picture_in_many_channels_comes_back(rule):
    copies = np.repeat(FLAT[:1], 3, axis=0)
    fused = rule(copies)
    np.testing.assert_allclose(fused, FLAT[0] ** 3 if rule is fusion.product else FLAT[0], atol=1e-12)


@ALL
@pytest.mark.parametrize(
    "image",
    [
        np.full((2, 1, 1), 3),
        np.zeros((2, 5, 4)),
        np.full((3, 8, 8), 7, np.uint8),
        np.ones((1, 1, 9, 9), bool),
        np.arange(2 * 3 * 40).reshape(2, 3, 40),
    ],
    ids=["one pixel", "zeros", "constant", "one plane of bool", "integers"],
)
def test_unusual_pictures_have_a_finite_answer(image, rule):
    fused = rule(image)
    assert fused.shape == image.shape[1:]
    assert fused.dtype == np.float64
    assert np.isfinite(fused).all()
    if image.max() == image.min():
        np.testing.assert_allclose(fused, fused.flat[0], atol=1e-12)


@ALL
@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 4)), "channels, rows, cols"),
        (np.zeros((0, 4, 4)), "channels, rows, cols"),
        (np.array([[["a"]]]), "of numbers"),
        ([np.zeros((4, 4)), np.zeros((3, 4))], "one grid"),
        (np.full((2, 3, 3), np.nan), "18 of 18 values are NaN"),
        (np.full((1, 2, 2), np.inf), "infinite"),
    ],
)
def test_what_is_no_stack_of_pictures_is_refused(image, says, rule):
    with pytest.raises(InputError, match=says):
        rule(image)


@given(stacks)
def test_the_means_lie_between_minimum_and_maximum(image):
    low, high = fusion.minimum(image), fusion.maximum(image)
    for fused in (fusion.average(image), fusion.geometric_mean(image)):
        assert (fused >= low - 1e-12).all() and (fused <= high + 1e-12).all()
    assert (fusion.geometric_mean(image) <= fusion.average(image) + 1e-12).all()
    assert ((fusion.product(image) == 0) >= (image == 0).any(axis=0)).all()  # one zero is enough


@pytest.mark.parametrize("rule", [fusion.product, fusion.geometric_mean])
def test_products_refuse_what_has_no_meaning(rule):
    with pytest.raises(InputError, match=r"the lowest is -1: take common_scale first"):
        rule([[[1.0, -1.0]], [[2.0, 2.0]]])


@pytest.mark.parametrize("weights", [(1,), (1, 2, 3, 4), (0, 0, 0), (1, np.nan, 1), ((1, 2, 3),)])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(InputError, match="weights must be 3 finite numbers"):
        fusion.weighted(FLAT, weights)


def test_only_the_ratios_of_weights_matter():
    for factor in (1e-300, 7, 1e300):
        np.testing.assert_allclose(
            fusion.weighted(FLAT, np.array([1, -2, 0.5]) * factor), fusion.weighted(FLAT, [1, -2, 0.5])
        )


class TestCommonScale:
    def test_every_channel_is_between_0_and_1_by_its_own_percentiles(self):
        image = FLAT * np.array([1, 1000, 5]).reshape(3, 1, 1) - 3
        scaled = fusion.common_scale(image, percentiles=(10, 90))
        for before, after in zip(image, scaled, strict=True):
            low, high = np.percentile(before, (10, 90))
            np.testing.assert_allclose(after, np.clip((before - low) / (high - low), 0, 1))

    def test_units_do_not_matter(self):
        image = FLAT * np.array([3.0, 1e6, 1e-6]).reshape(3, 1, 1) + 17
        np.testing.assert_allclose(fusion.common_scale(image), fusion.common_scale(FLAT), atol=1e-6)

    def test_a_channel_without_contrast_is_0(self):
        image = np.stack([FLAT[0], np.full(FLAT[0].shape, 9)])
        assert not fusion.common_scale(image)[1].any()
        assert fusion.common_scale(np.ones((2, 1, 1))).tolist() == [[[0]], [[0]]]

    @pytest.mark.parametrize("percentiles", [(50, 50), (-1, 99), (1, 101)])
    def test_percentiles_that_do_not_rise_are_refused(self, percentiles):
        with pytest.raises(InputError, match="percentiles must rise"):
            fusion.common_scale(FLAT, percentiles=percentiles)


class TestCombine:
    def test_weighted_takes_weights_as_they_are(self):
        np.testing.assert_array_equal(fusion.combine(FLAT, weights=(3, -1, 0.5)), fusion.weighted(FLAT, (3, -1, 0.5)))
        np.testing.assert_allclose(fusion.combine(FLAT), fusion.average(FLAT))

    @pytest.mark.parametrize("name", fusion.RULES)
    def test_other_rules_turn_channels_over_and_leave_them_out(self, name):
        fused = fusion.combine(FLAT, name, weights=(-0.2, 0, 7))
        np.testing.assert_array_equal(fused, fusion.RULES[name](np.stack([1 - FLAT[0], FLAT[2]])))
        np.testing.assert_array_equal(fusion.combine(FLAT, name), fusion.RULES[name](FLAT))

    @pytest.mark.parametrize("name", ["weighted", *fusion.RULES])
    def test_a_missing_channel_hides_nothing(self, name):
        missing = np.stack([FLAT[0], np.zeros_like(FLAT[1]), FLAT[2]])
        for sign in (1, -1):
            fused = fusion.combine(missing, name, weights=(1, sign, 1))
            np.testing.assert_array_equal(fused, fusion.combine(FLAT[[0, 2]], name))
        assert not fusion.combine(np.zeros((2, 3, 3)), name).any()

    def test_refusals(self):
        with pytest.raises(InputError, match="rule must be weighted or one of average"):
            fusion.combine(FLAT, "median")
        with pytest.raises(InputError, match="weights must be 3 finite numbers, not all 0"):
            fusion.combine(FLAT, "product", weights=(0, 0, 0))


class TestPca:
    @STACKS
    def test_weights_are_the_first_component_that_scikit_learn_finds(self, image):
        mixed = np.einsum("cd,d...->c...", RNG.random((len(image), len(image))) + np.eye(len(image)), image)
        first = PCA(1).fit(mixed.reshape(len(mixed), -1).T).components_[0]
        np.testing.assert_allclose(fusion.pca_weights(mixed), first / first.sum(), atol=1e-9)

    def test_a_channel_that_runs_against_the_others_has_a_negative_weight(self):
        image = np.stack([FLAT[0], 2 * FLAT[0], -0.5 * FLAT[0]])
        np.testing.assert_allclose(fusion.pca_weights(image), np.array([1, 2, -0.5]) / 3.5, atol=1e-9)

    def test_channels_in_balance_have_weights_too(self):
        weights = fusion.pca_weights([[[0.0, 1.0]], [[0.0, -1.0]]])
        assert sorted(weights.tolist()) == [-0.5, 0.5]

    def test_channels_without_contrast_are_weighted_equally(self):
        np.testing.assert_array_equal(fusion.pca_weights(np.ones((4, 3, 3))), np.full(4, 0.25))


class TestPyramid:
    def test_halving_is_what_opencv_does(self):
        picture = FLAT[0].astype(np.float32)
        halved = _halve(_halve(picture[None], 1), 2)[0]
        np.testing.assert_allclose(halved, cv2.pyrDown(picture), atol=1e-6)

    def test_enlarging_is_what_opencv_does_inside(self):
        small = FLAT[0].astype(np.float32)
        large = _enlarge(small[None], (1, 42, 68))[0]
        np.testing.assert_allclose(large[2:-2, 2:-2], cv2.pyrUp(small)[2:-2, 2:-2], atol=1e-6)

    def test_of_two_edges_both_are_kept_whole(self):
        first, second = np.zeros((2, 32, 32))
        first[:, 16:], second[16:] = 1, 1
        fused = fusion.laplacian_pyramid([first, second])
        half = fusion.average([first, second])
        assert (fused[4:12, 16] - fused[4:12, 15]).min() > 0.85
        assert (half[4:12, 16] - half[4:12, 15]).max() == 0.5

    def test_no_level_is_the_mean(self):
        for rule in (fusion.laplacian_pyramid, fusion.wavelet):
            np.testing.assert_allclose(rule(FLAT, levels=0), FLAT.mean(axis=0))
            with pytest.raises(InputError, match="levels must be 0 or more"):
                rule(FLAT, levels=-1)


class TestWavelet:
    def test_one_level_of_haar_by_hand(self):
        """Of [[a, b], [c, d]]: mean of the sums, and of each of the three differences the larger."""
        first, second = np.array([[9.0, 1.0], [1.0, 1.0]]), np.array([[2.0, 2.0], [2.0, 10.0]])
        signs = np.array([[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]])
        one, other = (np.einsum("krc,rc->k", signs, x) / 4 for x in (first, second))
        kept = np.where(np.abs(one) >= np.abs(other), one, other)
        kept[0] = (one[0] + other[0]) / 2
        by_hand = np.einsum("k,krc->rc", kept, signs)
        np.testing.assert_allclose(fusion.wavelet([first, second], name="haar", levels=1), by_hand)

    def test_any_discrete_wavelet_and_no_other(self):
        assert fusion.wavelet(FLAT, name="bior2.2").shape == FLAT.shape[1:]
        with pytest.raises(InputError, match="no discrete wavelet 'morl'"):
            fusion.wavelet(FLAT, name="morl")


class TestFindWeights:
    def test_it_finds_the_best_mixture_and_tells_what_it_tried(self):
        image = RNG.normal(size=(3, 40, 40))
        target = fusion.weighted(image, [-0.5, 0.25, 0.25])

        def score(weights):
            return float(np.corrcoef(fusion.weighted(image, weights).ravel(), target.ravel())[0, 1])

        found = fusion.find_weights(score, 3, progress=False)
        assert found.score > 0.99
        np.testing.assert_allclose(found.weights, [-0.5, 0.25, 0.25], atol=0.06)
        assert np.abs(found.tried).sum(axis=1) == pytest.approx(np.ones(len(found.tried)), abs=1e-5)
        assert len({tuple(w) for w in found.tried}) == len(found.tried) == len(found.scores) <= 60
        assert found.scores.max() == found.score == score(found.weights)
        again = fusion.find_weights(score, 3, progress=False)
        np.testing.assert_array_equal(again.tried, found.tried)

    def test_it_stops_after_so_many_tries(self):
        calls = []
        found = fusion.find_weights(lambda w: calls.append(1) or -abs(w[0]), 2, tries=5, progress=False)
        assert len(calls) == len(found.scores) == 5

    def test_nan_is_worst(self):
        found = fusion.find_weights(lambda w: np.nan if w[0] > 0 else -abs(w[1] + 0.5), 2, progress=False)
        assert found.weights[0] <= 0 and np.isfinite(found.score)
        assert np.isnan(found.scores).any()
        nothing = fusion.find_weights(lambda w: np.nan, 2, progress=False)
        assert nothing.weights.tolist() == [1, 0]

    @pytest.mark.parametrize(("channels", "tries"), [(0, 10), (3, 3)])
    def test_too_little_to_search(self, channels, tries):
        with pytest.raises(InputError, match="needs a channel, and a try for each"):
            fusion.find_weights(lambda w: 0.0, channels, tries=tries, progress=False)
