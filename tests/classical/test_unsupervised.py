"""Eigen-brains, the self-organizing map and clusters: against scikit-learn and MiniSom, and what bad input is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minisom import MiniSom
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from medloc_lib.classical import ClusterLocalizer, EigenbrainLocalizer, SomLocalizer, describe, prepare
from medloc_lib.classical.unsupervised import (
    SomAtlas,
    from_frame,
    healthy,
    nearest,
    pixel_vectors,
    rarity,
    to_frame,
    trained_map,
    u_matrix,
    usual_part,
)
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou
from medloc_lib.localizer import check_localizer
from medloc_lib.sample import Sample
from tests.classical import scenes

MAKERS = {
    "eigenbrains": lambda **o: EigenbrainLocalizer(2, **o),
    "som": lambda **o: SomLocalizer(6, iterations=3000, **o),
}


@pytest.fixture(scope="module")
def train():
    return scenes.many(16)


@pytest.fixture(scope="module")
def sick():
    return scenes.head([(44.0, 40.0, 6.0, 60.0)], seed=99, group="new")


@pytest.fixture(scope="module")
def fitted(train):
    return ClusterLocalizer(12, components=6, runs=3, candidates=15).fit(train)


@pytest.mark.parametrize("name", MAKERS)
class TestAnomaly:
    def test_a_lesion_is_found_by_who_has_never_seen_one(self, name, train, sick):
        free = [sample for sample in train if len(sample.boxes) == 0]
        found = MAKERS[name](level=0.995).fit(free).predict([sick])[0]
        assert iou(found.boxes[:1], sick.boxes).max() > 0.3

    def test_slices_with_lesions_change_nothing(self, name, train, sick):
        free = [sample for sample in train if len(sample.boxes) == 0]
        one, other = (MAKERS[name]().fit(some).anomaly(sick) for some in (free, train))
        np.testing.assert_array_equal(one, other)

    def test_the_level_is_a_quantile_of_healthy_pixels(self, name, train):
        fitted = MAKERS[name](level=0.9).fit(train)
        free = [sample for sample in train if len(sample.boxes) == 0]
        values = np.concatenate([a[np.isfinite(a)] for a in map(fitted.anomaly, free)])
        assert (values > fitted.threshold_).mean() == pytest.approx(0.1, abs=1e-3)

    def test_the_level_is_set_on_validation_where_there_is_one(self, name, train):
        noisy = [s.replace(image=s.image + np.random.default_rng(0).normal(0, 9, s.image.shape)) for s in train]
        assert MAKERS[name]().fit(train, validation=noisy).threshold_ != MAKERS[name]().fit(train).threshold_

    def test_the_error_has_no_sign(self, name, train, sick):
        fitted = MAKERS[name](signed=False).fit(train)
        anomaly = fitted.anomaly(sick)
        left = fitted.unexplained(prepare(sick))
        seen = np.isfinite(anomaly)
        np.testing.assert_allclose(anomaly[seen], np.sqrt((left**2).mean(axis=0))[seen], rtol=1e-5)

    def test_it_keeps_the_contract(self, name, train):
        check_localizer(MAKERS[name](), [train[k] for k in (0, 1, 2, 6, 4, 8, 5, 3)])

    def test_bad_input_is_told(self, name, train, sick):
        make = MAKERS[name]
        with pytest.raises(InputError, match="needs healthy slices"):
            make().fit([sick, sick.replace(boxes=None, labels=None, ignore=None)])
        with pytest.raises(InputError, match="of one patient, 'p0'"):
            make().fit([scenes.head(seed=k, group="p0") for k in range(5)])
        blank = [s.replace(image=np.ones_like(s.image)) for s in train]
        with pytest.raises(InputError, match="constant"):
            make().fit(blank)
        with pytest.raises(InputError, match="between 0 and 1"):
            make(level=1.0).fit(train)
        with pytest.raises(InputError, match="not fitted"):
            make().predict([sick])
        other = sick.replace(image=sick.image[:2], channels=("T1", "T2"))
        with pytest.raises(InputError, match="has the channels T1, T2"):
            make().fit(train).predict([other])
        with pytest.raises(InputError, match="give all the same"):
            make().fit([*train, scenes.head(seed=5, group="q").replace(image=sick.image[:2], channels=("T1", "T2"))])
        volume = Sample(np.zeros((1, 4, 40, 40)), boxes=np.zeros((0, 6)))
        with pytest.raises(InputError, match="volume"):
            make().fit([volume])

    def test_a_constant_channel_is_borne(self, name, train, sick):
        def flat(sample):
            image = sample.image.copy()
            image[3] = 7
            return sample.replace(image=image)

        anomaly = MAKERS[name]().fit([flat(s) for s in train]).anomaly(flat(sick))
        assert np.isfinite(anomaly).any() and not np.isnan(anomaly).any()


class TestEigenbrains:
    def test_components_are_those_of_scikit_learn(self, train):
        fitted = EigenbrainLocalizer(2).fit(train)
        free = healthy(train)
        vectors = np.stack([fitted.framed(prepare(s))[:, fitted.where_].ravel() for s in free])
        theirs = PCA(2, svd_solver="arpack", random_state=0).fit(vectors)
        agree = np.abs((fitted.components_ * theirs.components_).sum(axis=1))
        np.testing.assert_allclose(agree, 1, atol=1e-3)
        np.testing.assert_allclose(fitted.mean_, vectors.mean(axis=0), atol=1e-4)

    def test_more_components_than_slices_is_refused(self, train):
        with pytest.raises(InputError, match="fewer than the healthy slices; got 8 and 8 slices"):
            EigenbrainLocalizer(8).fit(train)

    @given(st.integers(0, 10_000))
    @settings(max_examples=30, deadline=None)
    def test_what_components_say_wholly_is_rebuilt_and_the_input_stays(self, seed):
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.normal(size=(12, 3)))[0].T
        mean, shares = rng.normal(size=12), rng.uniform(-0.4, 0.4, 3)
        vector = mean + shares @ axes
        before = vector.copy()
        rebuilt = usual_part(vector, mean, axes, np.ones(3), np.ones(12))
        np.testing.assert_allclose(rebuilt, vector, atol=1e-5)
        np.testing.assert_array_equal(vector, before)

    def test_an_outlier_bends_it_less_than_plain_projection(self):
        axes = np.full((1, 100), 0.1)
        vector = np.ones(100)
        vector[:10] = 30
        plain = axes.T @ (axes @ vector)
        robust = usual_part(vector, np.zeros(100), axes, [50.0], np.ones(100))
        assert np.abs(robust - 1).max() < 0.3 * np.abs(plain - 1).max()

    def test_a_turned_and_smaller_head_lies_alike_in_the_frame(self):
        rows, cols = np.mgrid[:120, :120] - 60.0

        def head(angle, size):
            down, right = rows * np.cos(angle) + cols * np.sin(angle), cols * np.cos(angle) - rows * np.sin(angle)
            return np.hypot(down / 50, right / 40) < size, np.hypot(down / size - 20, right / size - 10) < 8

        framed = [to_frame(spot[None], inside)[0] for inside, spot in (head(0, 1), head(0.3, 0.8))]
        both = np.minimum(*framed).sum() / np.maximum(*framed).sum()
        assert both > 0.85
        inside, spot = head(0.3, 0.8)
        again = from_frame(to_frame(spot[None], inside), inside)[0]
        assert np.abs(again - spot).sum() < 0.25 * spot.sum()


class TestSom:
    def test_the_map_is_minisoms(self):
        points = np.random.default_rng(0).normal(size=(200, 3))
        som = MiniSom(5, 5, 3, sigma=5 / 3, learning_rate=0.5, random_seed=3)
        som.random_weights_init(points)
        som.train(points, 500, random_order=True)
        units = trained_map(points, side=5, iterations=500, seed=3)
        np.testing.assert_array_equal(units, som.get_weights())
        rows = [som.winner(p) for p in points]
        unit, distance = nearest(points, units)
        assert unit.tolist() == [5 * r + c for r, c in rows]
        np.testing.assert_allclose(distance, cdist(points, units.reshape(-1, 3)).min(axis=1))
        ours = u_matrix(units)
        np.testing.assert_allclose(ours / ours.max(), som.distance_map(scaling="mean"), atol=1e-12)

    @pytest.mark.parametrize(
        ("points", "options", "says"),
        [
            (np.zeros((8, 2)), {"side": 3}, "needs at least 9 finite vectors; got 8"),
            (np.full((9, 2), np.nan), {"side": 3}, "some that are not finite"),
            (np.zeros((9, 2)), {"side": 1}, "side 2 or more"),
            (np.zeros((9, 2)), {"side": 2, "iterations": 0}, "iterations 1 or more"),
        ],
    )
    def test_what_cannot_be_trained_is_told(self, points, options, says):
        with pytest.raises(InputError, match=says):
            trained_map(points, **options)

    def test_one_unit_has_no_neighbours(self):
        with pytest.raises(InputError, match="two at least"):
            u_matrix(np.zeros((1, 1, 3)))

    def test_the_atlas_counts_every_pixel_at_its_unit(self, train, sick):
        fitted = SomLocalizer(4, iterations=2000).fit(train)
        masked = sick.replace(
            mask=(np.hypot(*(np.mgrid[:96, :96] - np.array([44, 40])[:, None, None])) < 6).astype(int)
        )
        atlas = SomAtlas(fitted, [masked, train[0]])
        scene = prepare(sick)
        unit, _ = fitted.best(pixel_vectors(scene)[scene.inside])
        np.testing.assert_array_equal(atlas.units[0][scene.inside], unit)
        assert atlas.counts.sum() == sum((u >= 0).sum() for u in atlas.units)
        shares, seen = atlas.plane("in lesions").ravel(), np.bincount(unit, minlength=16)
        inside = np.bincount(unit, weights=(masked.mask > 0)[scene.inside], minlength=16)
        np.testing.assert_allclose(shares * seen, inside, atol=1e-9)
        place = atlas.places(int(np.argmax(atlas.counts)))[0]
        assert atlas.units[place.image][place.row, place.col] == np.argmax(atlas.counts)
        with pytest.raises(InputError, match="no plane 'PD'"):
            atlas.plane("PD")


class TestClusters:
    def test_it_finds_what_healthy_slices_lack(self, fitted, sick):
        found = fitted.predict([sick])[0]
        assert iou(found.boxes[:1], sick.boxes).max() > 0.3

    def test_it_keeps_the_contract(self, train):
        check_localizer(
            ClusterLocalizer(6, components=4, runs=2, candidates=10), [train[k] for k in (0, 1, 2, 6, 4, 8, 5, 3)]
        )

    def test_boxes_say_nothing_but_healthy_or_not(self, train, fitted, sick):
        moved = [s if len(s.boxes) == 0 else s.replace(boxes=s.boxes + 5) for s in train]
        again = ClusterLocalizer(12, components=6, runs=3, candidates=15).fit(moved)
        values = describe(sick, n=15).values
        np.testing.assert_allclose(again.scores(values), fitted.scores(values))

    def test_described_pictures_are_taken_and_scored(self, fitted, sick):
        assert fitted.score([describe(sick, n=15)]) == fitted.score([sick])
        assert fitted.scores(np.zeros((0, 3))).shape == (0,)

    def test_bad_input_is_told(self, train, sick, fitted):
        free = healthy(train)
        with pytest.raises(InputError, match="got 8 healthy and 0 others"):
            ClusterLocalizer().fit(free)
        with pytest.raises(InputError, match="got 0 healthy and 1 others"):
            ClusterLocalizer().fit([sick])
        with pytest.raises(InputError, match="need as many candidates; got"):
            ClusterLocalizer(5000, candidates=5).fit(train[:4])
        with pytest.raises(InputError, match="must be 1 or more"):
            ClusterLocalizer(0).fit(train)
        with pytest.raises(InputError, match="not fitted"):
            ClusterLocalizer().predict([sick])
        with pytest.raises(InputError, match="has the channels T1, FLAIR"):
            fitted.predict([sick.replace(image=sick.image[[0, 2]], channels=("T1", "FLAIR"))])

    def test_rarity_is_the_log_ratio_of_counts_that_begin_at_one(self):
        got = rarity([2, 2, 0, 2], [True, False, True, False], clusters=4)
        np.testing.assert_allclose(got, np.log([1 / 2, 1, 3 / 2, 1]))
