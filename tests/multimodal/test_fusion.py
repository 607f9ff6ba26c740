"""Early, late and attention fusion on sources whose share in the outcome is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from medloc_lib.errors import InputError
from medloc_lib.metrics import auroc
from medloc_lib.multimodal import (
    AttentionFusion,
    AttentionNet,
    EarlyFusion,
    LateFusion,
    blocks_of,
    drop_sources,
    permutation_by_source,
    present,
)

BLOCKS = {"a": slice(0, 2), "b": slice(2, 3), "noise": slice(3, 6)}


def made(n, seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, 6))
    y = rng.random(n) < 1 / (1 + np.exp(-(1.5 * table[:, 0] - 1.2 * table[:, 2])))
    return table, y.astype(int)


TRAIN, TEST = made(400, 0), made(400, 1)
KINDS = [EarlyFusion, LateFusion, AttentionFusion]


@pytest.mark.parametrize("kind", KINDS)
class TestEach:
    def test_fused_is_better_than_each_source(self, kind):
        p = kind(BLOCKS).fit(*TRAIN).predict_proba(TEST[0])
        np.testing.assert_allclose(p.sum(axis=1), 1)
        fused = auroc(TEST[1], p[:, 1])
        for part in BLOCKS.values():
            alone = EarlyFusion({"": slice(0, None)}).fit(TRAIN[0][:, part], TRAIN[1])
            assert fused > auroc(TEST[1], alone.predict_proba(TEST[0][:, part])[:, 1]) + 0.03

    def test_missing_sources_and_values_are_no_hindrance(self, kind):
        fit, ask = (drop_sources(x, BLOCKS, share=0.4, seed=s) for s, x in enumerate((TRAIN[0], TEST[0])))
        fit[::7, 1] = np.nan
        p = clone(kind(BLOCKS)).fit(fit, TRAIN[1]).predict_proba(ask)
        assert np.isfinite(p).all()
        assert 0.65 < auroc(TEST[1], p[:, 1]) < auroc(TEST[1], kind(BLOCKS).fit(*TRAIN).predict_proba(TEST[0])[:, 1])

    def test_a_patient_without_anything_gets_an_answer(self, kind):
        p = kind(BLOCKS).fit(*TRAIN).predict_proba(np.full((1, 6), np.nan))
        assert 0.3 < p[0, 1] < 0.7

    def test_the_same_seed_gives_the_same(self, kind):
        first, second = (kind(BLOCKS).fit(*TRAIN).predict_proba(TEST[0]) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_early_fusion_without_gaps_is_a_logistic_regression():
    table, y = TRAIN
    mean, spread = table.mean(axis=0), table.std(axis=0)
    plain = LogisticRegression(C=0.1).fit((table - mean) / spread, y)
    expected = plain.predict_proba((TEST[0] - mean) / spread)
    np.testing.assert_allclose(EarlyFusion(BLOCKS).fit(table, y).predict_proba(TEST[0]), expected, atol=1e-4)
    assert (EarlyFusion(BLOCKS).fit(table, y).predict(TEST[0]) == expected.argmax(axis=1)).all()


def test_late_fusion_adds_weighed_evidence():
    late = LateFusion(BLOCKS).fit(*TRAIN)
    evidence = late.evidence(TEST[0])
    logit = late.last_.intercept_ + evidence @ late.weights_
    np.testing.assert_allclose(late.predict_proba(TEST[0])[:, 1], 1 / (1 + np.exp(-logit)))
    gone = TEST[0].copy()
    gone[:, BLOCKS["b"]] = np.nan
    assert (late.evidence(gone)[:, 1] == 0).all()
    np.testing.assert_array_equal(late.evidence(gone)[:, [0, 2]], evidence[:, [0, 2]])


def test_attention_is_scaled_dot_product_attention():
    torch.manual_seed(0)
    net = AttentionNet((2, 1, 3), size=4)
    x, there = torch.randn(5, 6), torch.tensor([[True, True, False]] * 5)
    logit, weights = net(x, there)
    tokens = torch.stack([t(p) for t, p in zip(net.token, x.split((2, 1, 3), dim=1), strict=True)], dim=1)
    ask = net.ask.expand(5, 1, 4)
    pooled = functional.scaled_dot_product_attention(ask, net.key(tokens), net.value(tokens), attn_mask=there[:, None])
    torch.testing.assert_close(logit, net.answer(pooled[:, 0])[:, 0])
    assert (weights[:, 2] == 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(5))


def test_a_masked_source_cannot_be_seen():
    model = AttentionFusion(BLOCKS).fit(*TRAIN)
    gone = TEST[0].copy()
    gone[:, BLOCKS["noise"]] = np.nan
    assert (model.attention(gone)[:, 2] == 0).all()
    np.testing.assert_allclose(model.attention(gone).sum(axis=1), 1, atol=1e-6)


def test_permutation_by_source_is_scikit_learns_for_single_columns():
    table, y = TRAIN[0][:, [0, 2, 3]], TRAIN[1]
    model = LogisticRegression().fit(table, y)
    blocks = {"a": slice(0, 1), "b": slice(1, 2), "noise": slice(2, 3)}
    falls = permutation_by_source(lambda x: model.predict_proba(x)[:, 1], table, y, blocks, repeats=60)
    theirs = permutation_importance(model, table, y, scoring="roc_auc", n_repeats=60, random_state=0).importances_mean
    np.testing.assert_allclose([fall for fall, _ in falls.values()], theirs, atol=0.01)


def test_a_source_is_shuffled_as_one():
    rng = np.random.default_rng(0)
    twin = rng.normal(size=300)
    table = np.stack([twin, twin], axis=1)
    seen = []
    permutation_by_source(lambda x: seen.append(x) or x[:, 0], table, twin > 0, {"both": slice(0, 2)}, repeats=1)
    np.testing.assert_array_equal(seen[-1][:, 0], seen[-1][:, 1])
    assert (seen[-1] != table).any()


def test_dropped_sources():
    gone = drop_sources(np.zeros((2000, 6)), BLOCKS, share=0.5)
    has = present(gone, BLOCKS)
    assert has.any(axis=1).all()
    assert abs(1 - has.mean() - 0.5 * 2 / 3) < 0.03
    assert np.isnan(gone[~has[:, 0]][:, :2]).all() and not np.isnan(gone[has[:, 0]][:, :2]).any()


def test_sources_of_different_lengths_are_refused():
    with pytest.raises(InputError, match="same n"):
        blocks_of({"a": np.zeros((3, 1)), "b": np.zeros((4, 1))})
