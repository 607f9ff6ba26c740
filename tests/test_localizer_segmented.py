"""Segmenters as localizers: what counts as evidence, what is learned, and that the contract is kept."""

from __future__ import annotations

import numpy as np
import pytest

from medloc_lib import segmentation as sg
from medloc_lib.bench.named import segmentation as named
from medloc_lib.data.lesions import simulate
from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.localizer import PixelLocalizer, SegmentedLocalizer, check_localizer
from medloc_lib.sample import Sample

RNG = np.random.default_rng(0)


def spotted(seed, ndim=2):
    rng = np.random.default_rng(seed)
    shape = (30, 32) if ndim == 2 else (6, 20, 22)
    image = rng.normal(100, 2, (2, *shape))
    start = rng.integers(3, 10, ndim) if ndim == 2 else np.array([1, *rng.integers(3, 10, 2)])
    stop = start + (5 if ndim == 2 else 4)
    where = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    image[(1, *where)] += 30
    image[(1, *(slice(-4, None),) * ndim)] += 60  # brighter still, but outside
    mask = np.zeros(shape, int)
    mask[where] = 1
    return Sample(image, ("T1", "FLAIR"), boxes=[[*start, *stop]], mask=mask, id=str(seed))


def inside(sample):
    mask = np.ones(sample.shape, bool)
    mask[(slice(-5, None),) * sample.ndim] = False
    return mask


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    "segment",
    [sg.multi_otsu, sg.watershed, lambda z: np.nan_to_num(z, nan=-9.0)],
    ids=["Otsu", "watershed", "evidence"],
)
def test_the_region_that_stands_out_inside_is_found(segment, ndim):
    train, test = [spotted(k, ndim) for k in range(4)], [spotted(9, ndim)]
    found = SegmentedLocalizer(segment, within=inside).fit(train).predict(test)[0]
    np.testing.assert_array_equal(found.boxes[0], test[0].boxes[0])


def test_evidence_of_a_label_map_is_the_mean_z_of_its_regions():
    sample = spotted(3)
    labels = np.zeros(sample.shape, int)
    labels[2:20, 2:20], labels[25:28, 3:6] = 2, 2
    localizer = SegmentedLocalizer(lambda z: labels, within=inside)
    flair = sample["FLAIR"]
    here = flair[inside(sample)]
    z = (flair - np.median(here)) / (1.4826 * np.median(np.abs(here - np.median(here))))
    evidence = localizer.evidence(sample)
    np.testing.assert_allclose(evidence[5, 5], z[2:20, 2:20].mean(), rtol=1e-4)
    np.testing.assert_allclose(evidence[26, 4], z[25:28, 3:6].mean(), rtol=1e-4)
    assert np.isneginf(evidence[0, 0])


def test_the_segmenter_sees_nan_outside_and_all_channels_if_asked():
    seen = {}

    def segment(given):
        seen["given"] = given
        return np.ones(given.shape[-2:], int)

    sample = spotted(1)
    SegmentedLocalizer(segment, within=inside, channels=("FLAIR", "T1")).evidence(sample)
    assert seen["given"].shape == (2, *sample.shape)
    np.testing.assert_array_equal(np.isfinite(seen["given"][0]), inside(sample))
    SegmentedLocalizer(segment, channel="T1").evidence(sample)
    assert seen["given"].shape == sample.shape and np.isfinite(seen["given"]).all()


def test_a_mask_of_nothing_means_everywhere_and_a_flat_picture_has_no_evidence():
    localizer = SegmentedLocalizer(sg.multi_otsu, within=lambda s: np.zeros(s.shape), threshold=1.0, min_size=0.0)
    assert len(localizer.fit([spotted(1)]).predict([spotted(1)])[0]) > 0
    flat = Sample(np.ones((1, 9, 9)), boxes=[[1, 1, 3, 3]])
    assert (localizer.evidence(flat) == 0).all()


@pytest.mark.parametrize(
    "localizer",
    [
        SegmentedLocalizer(sg.multi_otsu),
        SegmentedLocalizer(sg.kmeans, channels=("T1", "FLAIR")),
        SegmentedLocalizer(sg.chan_vese, threshold=1.0),
        PixelLocalizer(trees=4),
    ],
)
def test_the_contract(localizer):
    check_localizer(localizer)


def test_a_classifier_of_pixels_learns_from_masks_or_boxes():
    train = [spotted(k) for k in range(6)]
    test = [spotted(9)]
    for samples in (train, [s.replace(mask=None) for s in train]):
        localizer = PixelLocalizer(within=inside).fit(samples)
        np.testing.assert_allclose(localizer.predict(test)[0].boxes[0], test[0].boxes[0], atol=1)
        evidence = localizer.evidence(test[0])
        assert np.isneginf(evidence[~inside(test[0])]).all() and evidence.max() <= 1


def test_refusals():
    healthy = [s.replace(boxes=[], labels=None, ignore=None, mask=None) for s in (spotted(1), spotted(2))]
    with pytest.raises(InputError, match="not fitted"):
        SegmentedLocalizer(sg.multi_otsu).predict([spotted(1)])
    with pytest.raises(InputError, match="not fitted"):
        PixelLocalizer().evidence(spotted(1))
    with pytest.raises(InputError, match="must give an array of the image's shape"):
        SegmentedLocalizer(lambda z: z[:3]).fit([spotted(1)])
    with pytest.raises(InputError, match="needs samples with lesions"):
        PixelLocalizer().fit(healthy)
    with pytest.warns(MedlocWarning, match="is a guess"):
        SegmentedLocalizer(sg.multi_otsu).fit(healthy)


class TestRows:
    @pytest.fixture(scope="class")
    @classmethod
    def sample(cls):
        return simulate(0, kind="mass")

    @pytest.mark.parametrize("name", named.ROWS)
    def test_each_finds_or_finds_not_but_answers(self, name, sample):
        localizer = named.ROWS[name]()
        if name == "segmented_pixels":
            localizer.set_params(trees=3)
        localizer.fit([sample])
        found = localizer.predict([sample.only(("image",))])
        assert len(found) == 1 and found[0].boxes.shape[1] == 4

    def test_seeds_by_code(self):
        np.testing.assert_array_equal(named.seeds(np.array([[0.0, 1.0, 3.0, np.nan]])), [[1, 0, 2, 0]])
        none = named.from_seeds(np.zeros((4, 4)), sg.watershed)
        assert none.shape == (4, 4) and not none.any()
