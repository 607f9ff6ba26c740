"""The measures of a fused picture: hand-computed cases, closed forms, and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from medloc_lib import fusion
from medloc_lib.errors import InputError
from medloc_lib.fusion.quality import ORIENTATION, STRENGTH

RNG = np.random.default_rng(0)
FLAT = RNG.random((24, 30))
SOLID = RNG.random((12, 14, 13))
STEP = np.zeros((16, 16))
STEP[:, 8:] = 1
PICTURES = pytest.mark.parametrize("picture", [FLAT, SOLID], ids=["2-D", "3-D"])


def kept(x, gamma, kappa, sigma):
    return gamma / (1 + np.exp(kappa * (x - sigma)))


class TestMutualInformation:
    def test_by_hand(self):
        """Eight pixels: p(0,0) = 3/8, p(0,1) = 1/8, p(1,0) = 1/8, p(1,1) = 3/8, so 2 - H(3, 1, 1, 3 of 8) bits."""
        a, b = [[0, 0, 0, 0, 1, 1, 1, 1]], [[0, 0, 0, 1, 1, 1, 1, 0]]
        by_hand = 2 + 2 * (3 / 8 * np.log2(3 / 8) + 1 / 8 * np.log2(1 / 8))
        assert fusion.mutual_information(a, b, bins=2) == pytest.approx(by_hand)
        assert fusion.mutual_information(a, b) == pytest.approx(by_hand)  # empty bins between add nothing

    @PICTURES
    def test_as_scikit_learn(self, picture):
        other = picture + RNG.normal(0, 0.1, picture.shape)
        cells = [
            np.minimum((20 * (x - x.min()) / np.ptp(x)).astype(int), 19).ravel() for x in (picture, other)
        ]  # equal steps, the last one closed
        expected = mutual_info_score(*cells) / np.log(2)
        assert fusion.mutual_information(picture, other, bins=20) == pytest.approx(expected)
        assert fusion.mutual_information(other, picture, bins=20) == pytest.approx(expected)

    def test_it_does_not_ask_for_the_same_values(self):
        levels = RNG.integers(0, 8, (40, 40))
        entropy = fusion.mutual_information(levels, levels)
        assert fusion.mutual_information(levels, 100 - 5 * levels) == pytest.approx(entropy)
        assert entropy == pytest.approx(3, abs=0.02)

    def test_constant_one_pixel_and_bool(self):
        assert fusion.mutual_information(np.ones((3, 3)), FLAT[:3, :3]) == 0
        assert fusion.mutual_information([[4]], [[9]]) == 0
        assert fusion.mutual_information(STEP > 0, STEP < 1) == pytest.approx(1)

    def test_refusals(self):
        with pytest.raises(InputError, match=r"one shape, 2-D or 3-D; got \(24, 30\) and \(12, 14, 13\)"):
            fusion.mutual_information(FLAT, SOLID)
        with pytest.raises(InputError, match="NaN"):
            fusion.mutual_information(FLAT, FLAT * np.nan)
        with pytest.raises(InputError, match="bins must be 2 or more"):
            fusion.mutual_information(FLAT, FLAT, bins=1)


class TestEdgePreservation:
    @pytest.mark.parametrize("factor", [0.0, 0.25, 0.5, 1.0, 2.0])
    def test_an_edge_that_is_weaker_or_stronger(self, factor):
        """One edge of one direction: G is the ratio of the steps, A is 1 (or 0 where nothing is left)."""
        ratio = min(factor, 1 / factor) if factor else 0
        expected = kept(ratio, *STRENGTH) * kept(1.0 if factor else 0.0, *ORIENTATION)
        assert fusion.edge_preservation([STEP], factor * STEP) == pytest.approx(expected)
        assert fusion.edge_preservation([STEP], -factor * STEP) == pytest.approx(expected)  # an edge is a line

    @pytest.mark.parametrize("degrees", [0, 20, 45, 90])
    def test_an_edge_in_another_direction(self, degrees):
        """Two planes whose gradients are as steep: G is 1, A is 1 - angle / 90° at every pixel inside."""
        rows, cols = np.mgrid[:20, :20]
        angle = np.radians(degrees)
        turned = np.cos(angle) * cols + np.sin(angle) * rows
        expected = kept(1.0, *STRENGTH) * kept(1 - degrees / 90, *ORIENTATION)
        inside = (slice(2, -2),) * 2
        value = fusion.edge_preservation([cols[inside].astype(float)], turned[inside])
        large = fusion.edge_preservation([np.tile(np.arange(400.0), (400, 1))], turn(400, angle))
        assert large == pytest.approx(expected, abs=0.02)  # the border's pixels see half a slope
        assert value == pytest.approx(expected, abs=0.25)

    def test_two_sources_are_weighted_by_their_edges(self):
        """The fused picture is the first source; the second has a step of 1/4 across: kept by nothing of it."""
        second = STEP.T / 4
        whole = kept(1.0, *STRENGTH) * kept(1.0, *ORIENTATION)
        first_only = fusion.edge_preservation([STEP, second], STEP)
        lost = fusion.edge_preservation([second], STEP)
        assert first_only == pytest.approx((4 * whole + lost) / 5)
        assert lost < 0.05

    def test_in_three_dimensions_a_stack_of_slices_is_a_slice(self):
        fused = FLAT + 0.2 * RNG.random(FLAT.shape)
        stacked = fusion.edge_preservation([np.stack([FLAT] * 9)], np.stack([fused] * 9))
        assert stacked == pytest.approx(fusion.edge_preservation([FLAT], fused))

    def test_a_copy_is_best_and_there_is_a_value_between(self):
        other = RNG.random(FLAT.shape)
        whole = fusion.edge_preservation([FLAT], FLAT)
        assert whole == pytest.approx(kept(1.0, *STRENGTH) * kept(1.0, *ORIENTATION))
        assert 0 < fusion.edge_preservation([FLAT, other], (FLAT + other) / 2) < whole

    def test_without_an_edge_there_is_nothing_to_keep(self):
        assert np.isnan(fusion.edge_preservation(np.ones((2, 5, 5)), FLAT[:5, :5]))
        assert np.isnan(fusion.edge_preservation([[[3]]], [[1]]))
        assert fusion.edge_preservation([STEP > 0], STEP.astype(np.uint8)) == pytest.approx(0.9748, abs=1e-4)

    def test_refusals(self):
        with pytest.raises(InputError, match="must share a grid"):
            fusion.edge_preservation([FLAT], FLAT[1:])
        with pytest.raises(InputError, match="NaN"):
            fusion.edge_preservation([FLAT], np.full(FLAT.shape, np.nan))


def turn(n, angle):
    rows, cols = np.mgrid[:n, :n]
    return np.cos(angle) * cols + np.sin(angle) * rows


class TestSsim:
    def test_two_constants_by_hand(self):
        """Of constants only the means differ: (2 a b + C) / (a² + b² + C) with C = (0.01 · range)²."""
        a, b, c = 3.0, 5.0, (0.01 * 10) ** 2
        value = fusion.ssim(np.full((16, 16), a), np.full((16, 16), b), data_range=10)
        assert value == pytest.approx((2 * a * b + c) / (a**2 + b**2 + c))

    def test_a_picture_turned_over_by_hand(self):
        """With b = -a and windows of mean 0, it is (C - 2 var) / (2 var + C): a checkerboard, C = (0.03 · range)²."""
        board = np.indices((40, 40)).sum(axis=0) % 2 * 2.0 - 1
        c = (0.03 * 2) ** 2
        assert fusion.ssim(board, -board) == pytest.approx((c - 2) / (2 + c), abs=1e-3)

    @PICTURES
    def test_the_same_picture_is_1_and_noise_less(self, picture):
        assert fusion.ssim(picture, picture) == pytest.approx(1)
        little, much = (fusion.ssim(picture, picture + RNG.normal(0, s, picture.shape)) for s in (0.05, 0.5))
        assert 1 > little > much

    def test_constants_and_integers(self):
        assert fusion.ssim(np.ones((11, 11)), np.ones((11, 11))) == 1
        levels = (FLAT * 255).astype(np.uint8)
        assert fusion.ssim(levels, levels // 2) == pytest.approx(
            fusion.ssim(levels.astype(float), (levels // 2).astype(float))
        )

    def test_refusals(self):
        with pytest.raises(InputError, match="at least 11 pixels along each axis"):
            fusion.ssim(np.zeros((10, 20)), np.zeros((10, 20)))
        with pytest.raises(InputError, match="data_range must be positive"):
            fusion.ssim(FLAT, FLAT, data_range=0)
        with pytest.raises(InputError, match="one shape"):
            fusion.ssim(FLAT, FLAT.T)
