"""Finds measured: patches, places, patients, files; and the widget's points."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import medloc_lib as ml
from medloc_lib import Sample, multimodal
from medloc_lib.deep.localizers import HeatmapLocalizer, load_model
from medloc_lib.errors import InputError, ReadError
from medloc_lib.multimodal import Finds, FindSpace, image_source, mass_source, masses, patients, read_finds, save_finds
from medloc_lib.multimodal.finds import grid, measured, patch
from medloc_lib.multimodal.patients import markers, read_cohort
from medloc_lib.plot import feature_space
from medloc_lib.widgets import explore_features
from tests.widgets.front import Front, unpacked


@pytest.fixture(scope="module")
def samples():
    return [ml.data.lesions.simulate(k, kind=kind) for k, kind in ((2, "mass"), (4, "plaque"), (6, "healthy"))]


@pytest.fixture(scope="module")
def detector():
    return load_model("brain_lesions_heatmap")


@pytest.fixture(scope="module")
def finds(detector, samples):
    return multimodal.find(detector, samples, lowest=0.1)


def some(picture, patient, label, score, side=10.0, measures=None):
    n = len(picture)
    box = np.tile([5.0, 5.0, 5.0 + side, 5.0 + side], (n, 1))
    values = np.zeros((n, 4)) if measures is None else np.array(measures, dtype=float)
    parts = (picture, patient, box, score, label, np.full(n, -1), values, np.zeros((n, 2)))
    return Finds(*map(np.asarray, parts))


def test_finds_are_the_detectors_own(detector, samples, finds):
    for i, found in enumerate(detector.predict(samples)):
        strong = found.scores >= 0.1
        mine = finds[finds.picture == i]
        np.testing.assert_allclose(mine.box, found.boxes[strong], atol=1e-3)
        np.testing.assert_allclose(mine.score, found.scores[strong], atol=1e-4)
        np.testing.assert_array_equal(mine.label, found.labels[strong])
    assert finds.features.shape == (len(finds), 96)
    assert (finds.truth[finds.picture == 2] == -1).all() and (finds.truth == 0).any()


def test_the_detector_is_left_as_it_was(detector, finds):
    assert not any(module._forward_hooks for module in detector.net_.modules())


def test_a_detector_of_mixed_precision_finds_the_same(detector, samples, finds):
    mixed = multimodal.find(copy.copy(detector).set_params(precision="bf16-mixed"), samples[:1], lowest=0.1)
    np.testing.assert_allclose(mixed.box[0], finds.box[0], atol=2)


def test_a_patch_follows_a_slope():
    rows, cols = np.mgrid[:40, :50].astype(float)
    box = np.array([10.0, 20.0, 18.0, 28.0])
    got = patch(np.stack([rows, cols]), box)
    np.testing.assert_allclose(got, grid(box), atol=1e-9)
    assert got[0].mean() == pytest.approx(13.5) and got[1].mean() == pytest.approx(23.5)
    assert got[0, -1, 0] - got[0, 0, 0] == pytest.approx(12 * 23 / 24)


def test_measures_of_a_known_patch():
    one = np.zeros((4, 24, 24))
    one[0, :, ::2] = 2  # half of T1's columns
    one[2, :12] = 5  # upper half of FLAIR
    one[3, 12, 12], one[3, 0, 0] = 7, 99  # the corner is outside of the disc
    assert measured(one) == pytest.approx([0, 7, 1, 0.5])


def test_files_there_and_back(finds, tmp_path):
    save_finds(tmp_path / "f.npz", {"a": finds}, {"cohort/outcome": np.array([1, 0]), "cohort/seed": np.array(3)})
    back = read_finds(tmp_path / "f.npz", "a")
    np.testing.assert_array_equal(back.picture, finds.picture)
    np.testing.assert_allclose(back.features, finds.features, rtol=1e-3, atol=1e-3)
    genes, outcome = read_cohort(tmp_path / "f.npz")
    assert genes.shape == (2, 1000) and outcome.tolist() == [1, 0]
    with pytest.raises(ReadError, match="holds no finds of 'b'"):
        read_finds(tmp_path / "f.npz", "b")
    with pytest.raises(ReadError, match="holds no study"):
        read_cohort(tmp_path / "none.npz")


def test_image_source_of_known_finds():
    finds = some([0, 0, 5], [0, 0, 1], [0, 1, 2], [0.5, 0.25, 1.0])
    got = image_source(finds, 3, pixel_mm=1.0)
    np.testing.assert_allclose(got[0], [*np.log1p([0.75 / 4, 0.75, 0.75 / 4]), 2 / 3, 1 / 3, 0, 0.5])
    np.testing.assert_allclose(got[1, 3:], [0, 0, 1, 0.25])
    assert (got[2] == 0).all()


def test_masses_are_patients_whose_scores_say_so():
    finds = some([0, 0, 1, 2, 3], [0, 0, 1, 2, 2], [0, 1, 0, 0, 1], [0.5, 0.4, 0.25, 0.4, 0.6])
    assert masses(finds).tolist() == [0]


def test_what_a_patients_masses_look_like():
    measures = [[0.25, 2.0, 1.0, 0.0], [0.04, 0.1, 3.0, 0.0], [0.0, 0.0, 9.0, 0.0]]
    finds = some([0, 0, 0], [0, 0, 0], [0, 0, 0], [0.5, 0.4, 0.25], measures=measures)
    np.testing.assert_allclose(mass_source(finds, np.array([0])), [[0.5, np.log(2.5), 2.0]])
    assert mass_source(finds, np.array([], dtype=int)).shape == (0, 3)
    np.testing.assert_array_equal(multimodal.mass_embedding(finds, np.array([0])), [[0, 0]])


def test_patients_of_samples(samples):
    who = patients(samples)
    assert len(who) == 3 and who.genes.shape == (3, 1000) and who.blood.shape == (3, 12)
    assert who.blood[0, who.columns.index("age")] == samples[0].tabular["age"]
    assert who.genes[1, 7] == samples[1].tabular["snp_0007"]
    assert who.outcome.tolist() == [s.outcome for s in samples]
    assert "snp_0000" not in markers(samples[0])
    with pytest.raises(InputError, match="table of measurements"):
        patients([Sample(np.zeros((1, 4, 4)))])


def test_another_detector_is_refused(samples):
    plain = HeatmapLocalizer()
    plain.channels_, plain.ndim_ = ("T1",), 2
    with pytest.raises(InputError, match="T1, T2, FLAIR, PET"):
        multimodal.find(plain, samples)


@pytest.fixture
def space(finds, samples):
    return FindSpace(finds, samples, {"one": finds.measure("uptake"), "two": finds.features[:, 0]})


def test_points_for_the_explorer(space, finds, samples, monkeypatch):
    wanted = {-1: "no lesion", 0: "mass", 1: "plaque", 2: "infarct"}
    assert [space.kinds[k] for k in space.truth] == [wanted[k] for k in finds.truth]
    assert space.operating(0.0).sensitivity > 0
    assert space.operating(2.0) == (0, 0)
    widget = explore_features(space, samples)
    assert (widget.x, widget.y) == ("one", "two")
    front = Front(widget, monkeypatch)
    front.say(ready=True)
    message, buffers = front.got[0]
    xy = message["state"]["points"]["xy"]
    np.testing.assert_allclose(unpacked(xy, buffers[xy["buffer"]])[0][0], space.axis("one"), rtol=1e-5)
    axes = feature_space(space, samples)
    assert axes[0].get_xlabel() == "one"
    low, high = axes[0].get_xlim()
    assert low < space.axis("one").min() and high > space.axis("one").max()


def test_points_that_do_not_fit_are_refused(finds, samples, space):
    with pytest.raises(InputError, match="at least two axes"):
        FindSpace(finds, samples, {"one": finds.score})
    with pytest.raises(InputError, match="no axis 'three'"):
        space.axis("three")
    with pytest.raises(InputError, match="3 pictures"):
        explore_features(space, samples[:2])
    nobody = [s.replace(boxes=None, labels=None, ignore=None) for s in samples]
    with pytest.raises(InputError, match="boxes=None"):
        FindSpace(finds, nobody, {"one": finds.score, "two": finds.score})


def test_no_find_is_no_trouble(detector):
    empty = multimodal.find(
        detector, [Sample(np.zeros((4, 64, 64)), channels=("T1", "T2", "FLAIR", "PET"))], lowest=0.99
    )
    assert len(empty) == 0 and isinstance(empty, Finds)
