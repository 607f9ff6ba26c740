"""Tests of many columns against SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.model_selection import StratifiedKFold, cross_val_score, permutation_test_score
from sklearn.neighbors import KNeighborsClassifier

from medloc_lib.errors import InputError
from medloc_lib.multimodal import PolygenicScore, association, benjamini_hochberg, permutation_test


def test_association_is_the_squared_correlation():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (40, 6)), rng.integers(0, 2, 40)
    chi2, p = association(x, y)
    r = [stats.pearsonr(column, y).statistic for column in x.T]
    np.testing.assert_allclose(chi2, 40 * np.square(r), rtol=1e-10)
    np.testing.assert_allclose(p, stats.chi2.sf(chi2, 1))


def test_association_of_two_groups_is_the_chi_square_of_the_table():
    x = np.repeat([0, 1, 0, 1], [12, 5, 6, 11])
    y = np.repeat([0, 0, 1, 1], [12, 5, 6, 11])
    expected = stats.chi2_contingency([[12, 5], [6, 11]], correction=False).statistic
    assert association(x[:, None], y)[0][0] == pytest.approx(expected)


def test_a_constant_column_tells_nothing_and_one_outcome_is_refused():
    chi2, p = association(np.ones((4, 1)), [0, 1, 0, 1])
    assert (chi2[0], p[0]) == (0, 1)
    with pytest.raises(InputError, match="both kinds"):
        association(np.ones((4, 1)), [1, 1, 1, 1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.sampled_from([0.01, 0.05, 0.2]))
def test_benjamini_hochberg_as_in_scipy(p, level):
    np.testing.assert_array_equal(benjamini_hochberg(p, level=level), stats.false_discovery_control(p) <= level)


def test_p_out_of_range_is_refused():
    with pytest.raises(InputError, match="from 0 to 1"):
        benjamini_hochberg([0.1, 1.2])


def test_without_a_link_false_discoveries_are_rare():
    rng = np.random.default_rng(1)
    found = [benjamini_hochberg(rng.random(500)).any() for _ in range(300)]
    assert np.mean(found) < 0.1  # with no link anywhere, the rate is that of any find: 0.05


def test_permutation_test_as_in_scikit_learn():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), np.arange(40) % 2
    x[:, 0] += 2 * y
    model, folds = KNeighborsClassifier(5), StratifiedKFold(4)
    value, dealt, p = permutation_test(lambda o: cross_val_score(model, x, o, cv=folds).mean(), y, n=60)
    theirs, scores, p_theirs = permutation_test_score(model, x, y, cv=folds, n_permutations=60, random_state=0)
    assert value == pytest.approx(theirs)
    assert dealt.mean() == pytest.approx(scores.mean(), abs=0.05)
    assert p == pytest.approx(p_theirs, abs=0.05)
    assert p == (1 + (dealt >= value).sum()) / 61


def test_polygenic_score_keeps_what_matters():
    rng = np.random.default_rng(0)
    genes = rng.integers(0, 3, (1500, 200))
    y = rng.random(1500) < 1 / (1 + np.exp(-(genes[:, 3] - genes[:, 50].astype(float))))
    score = PolygenicScore().fit(genes, y)
    assert {3, 50} <= set(score.kept_) and len(score.kept_) < 6
    said = score.transform(genes)
    assert said.shape == (1500, 1) and said[y].mean() > said[~y].mean() + 0.3


def test_polygenic_score_of_chance_is_nothing():
    rng = np.random.default_rng(3)
    genes = rng.integers(0, 3, (60, 30))
    score = PolygenicScore(level=1e-4).fit(genes, np.arange(60) % 2)
    assert len(score.kept_) == 0
    np.testing.assert_array_equal(score.transform(genes), np.zeros((60, 1)))
