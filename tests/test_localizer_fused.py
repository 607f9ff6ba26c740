"""Fusion as localizers: pixels, features, and the finds of several."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from medloc_lib.errors import InputError
from medloc_lib.fusion import RULES, common_scale, weighted
from medloc_lib.geometry import boxes_to_mask, iou
from medloc_lib.localizer import (
    FusedLocalizer,
    MeanBoxLocalizer,
    MergedLocalizer,
    StackedLocalizer,
    ThresholdLocalizer,
    any_class,
    check_localizer,
    fused,
    weighted_box_fusion,
)
from medloc_lib.metrics import match
from medloc_lib.sample import Detections, Sample

CHANNELS = ("T1", "FLAIR", "PET")


def heads(n=16, *, ndim=2, seed=0, masks=True):
    """A body with fat, bright in T1 and FLAIR, and a lesion: dark in T1, bright in FLAIR, nothing in PET."""
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(n):
        shape = (40,) * ndim if ndim == 2 else (20,) * 3
        image = np.zeros((3, *shape))
        body = (slice(None), *(slice(3, -3),) * ndim)
        image[body] = np.array([5.0, 3.0, 4.0]).reshape(3, *[1] * ndim)
        fat = tuple(slice(k, k + 4) for k in rng.integers(4, shape[0] - 10, ndim))
        image[(slice(0, 2), *fat)] = np.array([9.0, 8.0]).reshape(2, *[1] * ndim)
        boxes = []
        if i % 4:
            start = rng.integers(5, shape[0] - 11, ndim)
            stop = start + rng.integers(4, 6, ndim)
            image[(0, *map(slice, start, stop))] = 2
            image[(1, *map(slice, start, stop))] = 7
            boxes.append([*start, *stop])
        image += rng.normal(0, 0.25, image.shape)
        mask = boxes_to_mask(boxes, shape) if boxes and masks else None
        boxes = np.reshape(boxes, (-1, 2 * ndim))
        samples.append(
            Sample(image.astype(np.float32), CHANNELS, boxes=boxes, classes=("lesion",), mask=mask, id=f"{i}")
        )
    return samples


class TestFused:
    @pytest.mark.parametrize("rule", [*RULES, "weighted"])
    def test_every_rule_keeps_the_contract(self, rule):
        check_localizer(FusedLocalizer(rule))

    def test_it_learns_where_lesions_are_dark(self):
        assert fused.polarity(heads(), CHANNELS)[:2].tolist() == [-1, 1]
        assert fused.polarity(heads(masks=False), CHANNELS)[:2].tolist() == [-1, 1]

    @pytest.mark.parametrize("ndim", [2, 3])
    def test_a_product_finds_what_neither_channel_tells_from_fat(self, ndim):
        train, test = heads(ndim=ndim), heads(seed=1, ndim=ndim)
        alone = ThresholdLocalizer("FLAIR").fit(train).score(test)
        both = FusedLocalizer("product", ("T1", "FLAIR")).fit(train)
        assert both.score(test) > 0.9 > alone + 0.2
        scaled = common_scale(test[1].image[:2])
        np.testing.assert_allclose(both.fuse(test[1]), (1 - scaled[0]) * scaled[1], rtol=1e-6)

    def test_weights_are_searched_on_the_training_samples(self):
        train, test = heads(), heads(seed=1)
        found = FusedLocalizer(channels=("T1", "FLAIR")).fit(train, validation=heads(4, seed=2))
        assert found.weights_[0] < 0 < found.weights_[1]
        assert np.abs(found.weights_).sum() == pytest.approx(1, abs=1e-5)
        assert found.score(test) > 0.9
        np.testing.assert_allclose(found.fuse(test[0]), weighted(common_scale(test[0].image[:2]), found.weights_))
        again = FusedLocalizer(channels=("T1", "FLAIR")).fit(train, validation=heads(4, seed=9))
        np.testing.assert_array_equal(again.weights_, found.weights_)  # validation has no say in them

    def test_given_weights_are_used(self):
        given_ = FusedLocalizer(weights=(-1, 1, 0)).fit(heads())
        np.testing.assert_array_equal(given_.weights_, [-1, 1, 0])
        assert given_.n_parameters_ == 2  # the threshold's

    def test_the_search_looks_at_so_many_at_most(self, monkeypatch):
        monkeypatch.setattr(fused, "SEARCHED", 5)
        seen = []

        class Spy(ThresholdLocalizer):
            def fit(self, samples, y=None, *, validation=None):
                seen.append(len(samples))
                return super().fit(samples, validation=validation)

        FusedLocalizer(channels=("T1", "FLAIR"), localizer=Spy()).fit(heads(16))
        assert seen[-1] == 16
        assert max(seen[:-1]) <= 5

    def test_the_inner_localizer_is_a_copy_and_hears_of_validation(self):
        inner = ThresholdLocalizer(min_size=0)
        outer = FusedLocalizer("average", localizer=inner).fit(heads(), validation=heads(4, seed=3))
        assert not hasattr(inner, "threshold_")
        assert outer.localizer_.min_size == 0
        assert clone(outer).set_params(localizer__min_size=2).localizer.min_size == 2

    def test_refusals(self):
        with pytest.raises(InputError, match="rule must be weighted or one of average"):
            FusedLocalizer("median").fit(heads())
        with pytest.raises(InputError, match="weights must be 3 finite numbers"):
            FusedLocalizer(weights=(1, 1)).fit(heads())
        with pytest.raises(InputError, match="no channel 'CT'"):
            FusedLocalizer("average", ("CT",)).fit(heads())
        with pytest.raises(InputError, match="not fitted"):
            FusedLocalizer("average").predict(heads())
        with pytest.raises(InputError, match="needs samples"):
            FusedLocalizer("average").fit([])


class TestStacked:
    def test_it_keeps_the_contract(self):
        check_localizer(StackedLocalizer())

    @pytest.mark.parametrize("ndim", [2, 3])
    def test_the_map_is_that_of_quadratic_discriminant_analysis(self, ndim):
        train = heads(ndim=ndim)
        found = StackedLocalizer().fit(train)
        vectors, labels = [], []
        for sample in train:
            if sample.mask is not None:
                scaled = common_scale(sample.image).astype(float)
                seen = scaled.max(axis=0) > 0.1
                vectors.append(scaled[:, seen].T)
                labels.append(sample.mask[seen] > 0)
        peer = QuadraticDiscriminantAnalysis(priors=(0.5, 0.5)).fit(np.concatenate(vectors), np.concatenate(labels))
        sample = heads(2, seed=1, ndim=ndim)[1]
        scaled = common_scale(sample.image).astype(float)
        seen = scaled.max(axis=0) > 0.1
        expected = np.maximum(peer.decision_function(scaled[:, seen].T), fused.LOWEST)
        ours = found.fuse(sample)
        assert (ours[~seen] == fused.LOWEST).all()
        # A little of the identity is in our covariances, and theirs are divided by n - 1.
        assert np.abs(ours[seen] - expected).mean() < 0.05 * np.abs(expected).mean()

    def test_it_finds_a_combination_that_no_weighted_mean_singles_out(self):
        """Lesions are where both channels are in the middle: the mean of both is ordinary there."""
        rng = np.random.default_rng(0)
        samples = []
        for i in range(12):
            side = rng.random((2, 40, 40)) < 0.5
            image = np.where(side[:1], [[[9.0]], [[1.0]]], [[[1.0]], [[9.0]]])
            start = rng.integers(4, 28, 2)
            box = [*start, *(start + 7)]
            image[(slice(None), slice(box[0], box[2]), slice(box[1], box[3]))] = 5
            samples.append(Sample(image + rng.normal(0, 0.2, image.shape), boxes=[box], id=f"{i}"))
        train, test = samples[:6], samples[6:]
        assert StackedLocalizer().fit(train).score(test) > 0.9
        assert FusedLocalizer().fit(train).score(test) < 0.5

    def test_refusals(self):
        with pytest.raises(InputError, match="needs pixels of lesions and of the rest; got 0 and 0"):
            StackedLocalizer().fit([s.replace(boxes=[], mask=None) for s in heads(4)])


def boxes_of(n, ndim=2):
    """Strategy for one model's finds."""
    edge = st.tuples(*[st.integers(0, 20)] * ndim, *[st.integers(2, 12)] * ndim)
    one = st.tuples(edge, st.integers(0, 100), st.integers(0, 1))
    return st.lists(one, max_size=n).map(
        lambda rows: Detections(
            np.array([[*e[:ndim], *np.add(e[:ndim], e[ndim:])] for e, _, _ in rows]).reshape(-1, 2 * ndim),
            np.array([s / 100 for _, s, _ in rows]),
            np.array([k for _, _, k in rows], dtype=int),
        )
    )


def by_the_paper(found, thr):
    """The seven steps of section 3, one after another, on plain lists."""
    b = [(s, k, list(x)) for d in found for x, s, k in zip(d.boxes, d.scores, d.labels, strict=True)]
    b.sort(key=lambda row: -row[0])
    lists, f = [], []
    for c, k, box in b:
        overlaps = [iou([box], [g[2]])[0, 0] if g[1] == k else 0.0 for g in f]
        pos = int(np.argmax(overlaps)) if overlaps and max(overlaps) > thr else None
        if pos is None:
            lists.append([(c, box)])
            f.append([c, k, box])
            continue
        lists[pos].append((c, box))
        cs = np.array([c for c, _ in lists[pos]])
        xs = np.array([x for _, x in lists[pos]])
        mean = (cs[:, None] * xs).sum(axis=0) / cs.sum() if cs.sum() else xs.mean(axis=0)
        f[pos] = [cs.sum() / len(cs), k, list(mean)]
    n = len(found)
    rows = [(c * min(len(members), n) / n, k, box) for members, (c, k, box) in zip(lists, f, strict=True)]
    return sorted(rows, key=lambda row: -row[0])


class TestWeightedBoxFusion:
    def test_by_hand(self):
        """Three models; one cluster of three, one of two, one lone box, and another class on the same place."""
        a = Detections([[0, 0, 10, 10], [50, 50, 60, 60]], [0.9, 0.6])
        b = Detections([[0, 2, 10, 12], [50, 51, 60, 61]], [0.6, 0.3])
        c = Detections([[2, 0, 12, 10], [0, 0, 10, 10]], [0.3, 0.5], [0, 1])
        merged = weighted_box_fusion([a, b, c])
        first = (0.9 * np.array([0, 0, 10, 10]) + 0.6 * np.array([0, 2, 10, 12]) + 0.3 * np.array([2, 0, 12, 10])) / 1.8
        second = (0.6 * np.array([50, 50, 60, 60]) + 0.3 * np.array([50, 51, 60, 61])) / 0.9
        np.testing.assert_allclose(merged.boxes, [first, second, [0, 0, 10, 10]])
        np.testing.assert_allclose(merged.scores, [0.6 * 3 / 3, 0.45 * 2 / 3, 0.5 * 1 / 3])
        assert merged.labels.tolist() == [0, 0, 1]

    @given(st.lists(boxes_of(6), min_size=1, max_size=4), st.sampled_from([0.3, 0.55, 0.8]))
    def test_as_the_paper_has_it(self, found, thr):
        merged = weighted_box_fusion(found, iou=thr)
        expected = by_the_paper(found, thr)
        assert len(merged) == len(expected)
        for (score, label, box), ours in zip(expected, range(len(merged)), strict=True):
            np.testing.assert_allclose(merged.scores[ours], score, atol=1e-12)
            same = np.isclose(merged.scores, score) & (merged.labels == label)  # equal scores may change places
            assert np.isclose(merged.boxes[same], box).all(axis=1).any()

    @given(st.lists(boxes_of(5, ndim=3), min_size=1, max_size=3))
    def test_volumes_too(self, found):
        merged, expected = weighted_box_fusion(found), by_the_paper(found, 0.55)
        np.testing.assert_allclose(merged.scores, [score for score, _, _ in expected], atol=1e-12)
        assert merged.boxes.shape[1] == (6 if any(len(d) for d in found) else found[0].boxes.shape[1])

    @given(boxes_of(1), st.integers(1, 4))
    def test_models_that_agree_keep_their_score_and_a_lone_one_loses(self, found, n):
        np.testing.assert_allclose(weighted_box_fusion([found] * n).scores, found.scores)
        lone = weighted_box_fusion([found] + [Detections.none()] * (n - 1))
        np.testing.assert_allclose(lone.scores, np.asarray(found.scores) / n)

    def test_a_flat_slice_of_a_volume_is_merged_as_a_slice_is(self):
        flat = Detections([[0, 0, 10, 10], [0, 2, 10, 12]], [0.8, 0.4])
        deep = Detections([[3, 0, 0, 4, 10, 10], [3, 0, 2, 4, 10, 12]], [0.8, 0.4])
        two, three = weighted_box_fusion([flat]), weighted_box_fusion([deep])
        np.testing.assert_allclose(three.boxes[:, [1, 2, 4, 5]], two.boxes)
        np.testing.assert_allclose(three.scores, two.scores)

    def test_more_boxes_than_models_count_as_so_many(self):
        one = Detections([[0, 0, 10, 10]] * 3, [0.9, 0.6, 0.3])
        assert weighted_box_fusion([one, Detections.none()]).scores == pytest.approx([0.6 * 2 / 2])

    def test_nothing_and_zeros(self):
        assert len(weighted_box_fusion([Detections.none(3)] * 2)) == 0
        zero = Detections([[0, 0, 4, 4], [0, 0, 4, 5]], [0, 0])
        assert weighted_box_fusion([zero]).boxes.tolist() == [[0, 0, 4, 4.5]]

    @pytest.mark.parametrize(
        ("found", "iou", "says"),
        [
            ([], 0.5, "at least one model"),
            ([Detections([[0, 0, 1, 1]], [-1])], 0.5, "the lowest is -1"),
            ([Detections([[0, 0, 1, 1]]), Detections([[0, 0, 0, 1, 1, 1]])], 0.5, "got both"),
            ([Detections([[0, 0, 1, 1]])], 2, "between 0 and 1"),
        ],
    )
    def test_refusals(self, found, iou, says):
        with pytest.raises(InputError, match=says):
            weighted_box_fusion(found, iou=iou)


class TestMerged:
    def test_it_keeps_the_contract(self):
        check_localizer(MergedLocalizer([ThresholdLocalizer(), ThresholdLocalizer("T1"), MeanBoxLocalizer()]))

    def test_scores_become_probabilities_by_a_logistic_curve_through_the_finds(self):
        train = heads()
        merged = MergedLocalizer([ThresholdLocalizer("FLAIR")]).fit(train)
        alone = ThresholdLocalizer("FLAIR").fit(train)
        finds = alone.predict(train)
        matches = match(*any_class(train, finds), iou=0.3)
        assert 0 < matches.hit.mean() < 1
        scale = matches.score.std()
        peer = LogisticRegression().fit(matches.score[:, None] / scale, matches.hit)
        for one, found in zip(merged.predict(train), finds, strict=True):
            if len(found) == len(one) > 0:  # none of its own finds overlap
                expected = peer.predict_proba(np.asarray(found.scores)[:, None] / scale)[:, 1]
                np.testing.assert_allclose(one.scores, np.sort(expected)[::-1], atol=1e-4)

    def test_two_that_know_different_things_are_better_than_either(self):
        """One kind of lesion shows in one channel, the other in the other."""
        rng = np.random.default_rng(0)
        samples = []
        for i in range(24):
            image = rng.normal(10, 0.3, (2, 40, 40))
            image[:, :2] = 0
            start = rng.integers(4, 34, 2)
            box = [*start, *(start + 6)]
            image[(i % 2, slice(box[0], box[2]), slice(box[1], box[3]))] += 8
            samples.append(Sample(image, ("a", "b"), boxes=[box], classes=("lesion",), id=f"{i}"))
        train, test = samples[:12], samples[12:]
        parts = [ThresholdLocalizer(c) for c in "ab"]
        merged = MergedLocalizer(parts).fit(train)
        assert merged.score(test) > 0.9 > 0.6 > max(clone(p).fit(train).score(test) for p in parts)
        assert not hasattr(parts[0], "threshold_")

    def test_one_that_never_hits_is_heard_softly(self):
        train = heads()
        never = MeanBoxLocalizer()
        merged = MergedLocalizer([ThresholdLocalizer("FLAIR"), never]).fit(train)
        assert merged.curves_.shape == (2, 2)
        assert merged.n_parameters_ == 2 + 4 + merged.localizers_[1].n_parameters_

    def test_refusals(self):
        with pytest.raises(InputError, match="needs localizers to merge"):
            MergedLocalizer([]).fit(heads())
        with pytest.raises(InputError, match="not fitted"):
            MergedLocalizer([ThresholdLocalizer()]).predict(heads())
