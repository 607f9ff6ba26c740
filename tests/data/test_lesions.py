"""The simulator: equations against closed forms, truth against the pictures, and the same bytes every time."""

from __future__ import annotations

import filecmp
import json
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medloc_lib.data import lesions
from medloc_lib.data.lesions import cases, dataset, evidence, signal, streams
from medloc_lib.data.lesions.cases import Options
from medloc_lib.data.lesions.scanner import acquire
from medloc_lib.data.lesions.template import region, template
from medloc_lib.errors import DatasetError, InputError
from medloc_lib.geometry import boxes_to_mm, mask_to_boxes, spacing_of
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Detections

N = 120


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of this module's own; the packed template in it is made once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDLOC_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def test_set(cache):
    return lesions.load("test", n=N)


# Equations


@pytest.mark.parametrize("tissue", [signal.WHITE, signal.CSF, signal.FAT])
def test_inversion_recovery_is_the_steady_state_of_its_pulses(tissue):
    tr, te, ti, tesla = 6000.0, 90.0, 2000.0, 3.0
    t1, before = tissue.t1_at(tesla), 1.0
    for _ in range(50):  # invert, wait TI, excite (nothing is left along z), wait for the rest of TR
        at_ti = 1 - (1 + before) * np.exp(-ti / t1)
        before = 1 - np.exp(-(tr - ti) / t1)
    expected = tissue.pd * abs(at_ti) * np.exp(-te / tissue.t2)
    assert signal.inversion_recovery(tissue, tesla=tesla, tr=tr, te=te, ti=ti) == pytest.approx(expected, rel=1e-9)


def test_relaxation_follows_the_published_power_law():
    for tissue, factor, power in ((signal.WHITE, 0.71, 0.382), (signal.GREY, 1.16, 0.376)):
        for tesla in (1.5, 3.0):
            assert tissue.t1_at(tesla) == pytest.approx(factor * (42.577e6 * tesla) ** power, rel=0.01)


def test_contrast_uptake_is_the_convolution_of_its_definition():
    tissue = signal.Tissue(1, 1000, 100, ktrans=0.2, ve=0.35, vp=0.05)
    t = np.linspace(0, 6, 6001)
    plasma = 0.1 * (3.99 * np.exp(-0.144 * t) + 4.78 * np.exp(-0.0111 * t))
    leak = np.convolve(plasma, 0.2 * np.exp(-0.2 / 0.35 * t))[: len(t)] * (t[1] - t[0])
    expected = (0.05 * plasma + leak) * (1 - np.exp(-t / 0.12))
    np.testing.assert_allclose(signal.concentration(tissue, t * 60), expected, atol=1e-3)


def test_every_scanner_shows_tissues_as_radiologists_know_them():
    for split in cases.SPLITS:
        for site in cases.SITES:
            for k in range(lesions.MACHINES[split]):
                s = lesions.machine(split, site, k)
                grey, white, csf, fat = (s.signal(t) for t in (signal.GREY, signal.WHITE, signal.CSF, signal.FAT))
                assert csf[0] < grey[0] < white[0] < fat[0]  # T1
                assert white[1] < grey[1] < csf[1]  # T2
                assert 1.0 < grey[2] / white[2] < 1.3  # FLAIR: grey is only slightly brighter
                assert csf[2] < 0.35
                assert 2.5 < grey[3] / white[3] < 4.5  # FDG


def test_splits_have_scanners_of_their_own():
    machines = [lesions.machine(s, site, k) for s in cases.SPLITS for site in cases.SITES for k in range(2)]
    assert len({m.noise for m in machines}) == len(machines)


def test_lattice_is_a_cubic_b_spline_of_unit_deviation():
    lattice = streams.Lattice.sample(streams.stream("a test"), 11.0, 2)
    axes = [np.linspace(-50, 60, n, dtype=np.float32) for n in (5, 30, 40)]
    field = lattice.at(*axes)
    assert field.shape == (2, 5, 30, 40)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    index = (grid - np.reshape(streams.LOW, (3, 1, 1, 1))) / 11.0 + 1
    expected = ndimage.map_coordinates(lattice.values[1], index, order=3, prefilter=False)
    np.testing.assert_allclose(field[1], expected, atol=1e-4)
    points = grid.reshape(3, -1).T[::37]
    np.testing.assert_allclose(lattice.at_points(points), field.reshape(2, -1)[:, ::37], atol=1e-4)
    wide = streams.Lattice.sample(streams.stream("another"), 5.0)
    assert wide.at(*[np.arange(-50, 50, 3.0, dtype=np.float32)] * 3).std() == pytest.approx(1, abs=0.1)


def test_noise_is_rician():
    scanner = replace(lesions.machine("train", "A", 0), matrix=(1.0, 1.0), window=1e-3, bias=0, shine=0, ghost=0)
    flat = np.zeros((3, 1, 101, 101), dtype=np.float32)
    flat[..., 50:, :] = 1
    axis = np.arange(101, dtype=np.float32)
    image, ideal = acquire(flat, scanner, ("a test",), (axis[:1], axis, axis))
    sigma = scanner.noise[2] * scanner.gain[2]
    assert image[2, 0, :40].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.05)  # Rayleigh where nothing is
    assert image[2, 0, 60:].std() == pytest.approx(sigma, rel=0.05)
    assert image[2, 0, 60:].mean() == pytest.approx(ideal[2, 0, 60:].mean(), rel=0.02)


# The samples


def test_sample_is_complete_and_says_that_it_is_simulated(test_set):
    for s in test_set[::7]:
        assert s.image.shape == (4, 160, 160)
        assert s.image.dtype == np.float32
        assert s.channels == ("T1", "T2", "FLAIR", "PET")
        assert s.classes == ("mass", "plaque", "infarct")
        assert s.layers["clean"].shape == s.image.shape
        assert s.layers["tissue"].max() < len(lesions.TISSUES)
        assert s.meta["simulator"] == lesions.VERSION
        assert s.meta["simulated"] is True
        assert "Simulated" in s.report
        assert s.outcome in (0, 1)
        assert {"age", "sex", "nfl_pg_ml", "snp_0000", f"snp_{evidence.SNPS - 1:04d}"} <= s.tabular.keys()
        assert spacing_of(s.affine) == pytest.approx((s.meta["thickness_mm"], *s.spacing))
        json.dumps({**s.meta, **s.tabular})
    assert len({s.id for s in test_set}) == N
    assert len({s.group for s in test_set}) == N // 4


def test_boxes_are_the_components_of_the_mask(test_set):
    found = 0
    for s in test_set:
        boxes, values = mask_to_boxes(s.mask)
        np.testing.assert_array_equal(s.boxes, boxes)
        np.testing.assert_array_equal(s.labels, values - 1)
        for box, value, ignore in zip(boxes.astype(int), values, s.ignore, strict=True):
            inside = s.mask[box[0] : box[2], box[1] : box[3]] == value
            if np.prod(inside.shape) < 3:
                assert ignore
            if ndimage.label(inside, np.ones((3, 3)))[1] == 1:
                assert ignore == (inside.sum() < 3)
        found += len(boxes)
    assert found > 60


def test_half_are_healthy_and_every_size_and_class_is_there(test_set):
    healthy = np.mean([len(s.boxes) == 0 for s in test_set])
    assert 0.35 < healthy < 0.65
    sizes = np.concatenate([_sizes(s) for s in test_set])
    counts = np.histogram(sizes, [0, 5, 15, 999])[0]
    assert (counts > 0.1 * counts.sum()).all()
    labels = np.concatenate([s.labels for s in test_set])
    assert (np.bincount(labels, minlength=3) > 0.1 * len(labels)).all()


def _sizes(s):
    boxes = s.boxes[~s.ignore]
    return np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) * s.spacing[0]


def test_lesions_can_be_seen_in_some_channel(test_set):
    """In the noise-free pictures, what the mask holds differs from the brain around it."""
    seen = []
    for s in test_set:
        brain = np.isin(s.layers["tissue"], (2, 3, 4)) & (s.mask == 0)
        labels, n = ndimage.label(s.mask, np.ones((3, 3)))
        for i in range(1, n + 1):
            mine = labels == i
            ring = ndimage.binary_dilation(mine, iterations=5) & ~ndimage.binary_dilation(mine, iterations=2) & brain
            if mine.sum() >= 3 and ring.sum() >= 10:
                gap = [abs(c[mine].mean() - np.median(c[ring])) / np.median(c[ring]) for c in s.layers["clean"]]
                seen.append(max(gap) > 0.1)
    assert len(seen) > 60
    assert np.mean(seen) > 0.95


def test_threshold_on_flair_fails(test_set):
    """The bar of the data set: class left aside, IoU 0.3, brightest parts of the head."""
    truth = [s.replace(labels=np.zeros(len(s.boxes), dtype=int)) for s in test_set]
    best = 0.0
    for share in (90, 95, 98, 99):
        best = max(best, average_precision(truth, [_bright(s, share) for s in truth], iou=0.3).mean)
    assert best < 0.25


def _bright(s, share):
    flair = ndimage.gaussian_filter(s["FLAIR"], 0.8)
    labels, n = ndimage.label(flair > np.percentile(flair[flair > flair.max() / 20], share), np.ones((3, 3)))
    area = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    boxes = [[w[0].start, w[1].start, w[0].stop, w[1].stop] for w in ndimage.find_objects(labels)]
    keep = area >= 6
    return Detections(np.array(boxes)[keep], area[keep] * 1.0) if keep.any() else Detections.none()


def test_left_in_the_report_is_left_in_the_patient(test_set):
    checked = 0
    for s in test_set:
        if len(s.boxes) != 1 or s.ignore.any():
            continue
        x = boxes_to_mm(s.boxes, s.affine)[0, [0, 3]].mean()
        if abs(x) > 12:
            side, other = ("left", "right") if x > 0 else ("right", "left")
            assert f" {side} " in s.report, s.report
            assert f" {other} " not in s.report, s.report
            checked += 1
    assert checked > 10


def test_regions_by_known_coordinates():
    # MNI, front positive: (x right, y front, z up) of textbook places, turned to (z, y, x) in LPS.
    places = {
        (0, 50, 30): "frontal lobe",
        (-52, -20, -12): "temporal lobe",
        (40, -50, 50): "parietal lobe",
        (10, -90, 0): "occipital lobe",
        (12, -18, 8): "thalamus",
        (-26, 4, 2): "basal ganglia",
        (38, 4, 2): "insula",
        (20, -60, -30): "cerebellum",
        (0, -28, -30): "brainstem",
    }
    for (x, y, z), name in places.items():
        assert region(z, -y, -x) == name


def test_healthy_slice_has_no_boxes_and_says_so(cache):
    s = lesions.simulate(2, kind="healthy", z=20)
    assert s.boxes is not None
    assert len(s.boxes) == 0
    assert not s.mask.any()
    assert "mpression: " in s.report


@pytest.mark.parametrize("kind", lesions.CLASSES)
def test_each_kind_is_drawn_on_request(cache, kind):
    found = [lesions.simulate(i, kind=kind) for i in range(4)]
    names = [s.classes[label] for s in found for label in s.labels]
    assert names
    assert set(names) == {kind}


# Options


def test_skull_changes_nothing_of_the_brain(cache):
    with_skull, without = (lesions.simulate(5, kind="mass", skull=skull) for skull in (True, False))
    np.testing.assert_array_equal(with_skull.mask, without.mask)
    tissue, bare = with_skull.layers["tissue"], without.layers["tissue"]
    fat = lesions.TISSUES.index("fat")
    assert (tissue == fat).sum() > 300
    assert not (bare == fat).any()
    inner = ndimage.binary_erosion(bare > 0, iterations=8)
    difference = np.abs(with_skull.layers["clean"] - without.layers["clean"])[:3, inner]
    assert np.median(difference) < 5


def test_sites_scan_the_same_patients(cache):
    a, b = (lesions.load("val", n=4, site=site) for site in "AB")
    for one, other in zip(a, b, strict=True):
        assert one.group == other.group
        assert one.tabular == other.tabular
        assert (one.meta["tesla"], other.meta["tesla"]) == (1.5, 3.0)
        assert not np.array_equal(one.image, other.image)
    both = lesions.load("val", n=8)
    assert [s.meta["site"] for s in both] == ["A"] * 4 + ["B"] * 4
    np.testing.assert_array_equal(both[1].image, a[1].image)


def test_misalignment_is_where_the_shift_layer_says(cache):
    true, moved = (lesions.simulate(3, kind="healthy", misalignment_mm=mm) for mm in (0.0, 6.0))
    shift = moved.layers["shift"]
    assert shift.shape == (4, 2, 160, 160)
    assert not shift[0].any()
    assert 1 < np.abs(shift[1:]).mean() < 15
    np.testing.assert_array_equal(true.image[0], moved.image[0])
    for c in range(1, 4):
        at = np.mgrid[:160, :160] + shift[c] / moved.spacing[0]
        back = ndimage.map_coordinates(moved.layers["clean"][c], at, order=1)
        same = np.corrcoef(back.ravel(), true.layers["clean"][c].ravel())[0, 1]
        before = np.corrcoef(moved.layers["clean"][c].ravel(), true.layers["clean"][c].ravel())[0, 1]
        assert same > 0.985
        assert same > before


def test_missing_channels_are_zero_and_named(cache, test_set):
    s = lesions.load("test", n=N, missing=0.5)
    gone = 0
    for part, whole in zip(s[:40], test_set[:40], strict=True):
        names = part.meta.get("missing", ())
        for name in part.channels:
            np.testing.assert_array_equal(part[name], 0 * whole[name] if name in names else whole[name])
        assert len(names) < 4
        gone += len(names)
    assert 30 < gone < 90
    assert all("missing" not in part.meta for part in test_set)


def test_contrast_series_takes_up_and_washes_out(cache):
    s = lesions.simulate(6, kind="mass", series=True)
    assert len(s.channels) == len(s.meta["seconds"]) == 12
    blood = s.layers["tissue"] == lesions.TISSUES.index("blood")
    white = (s.layers["tissue"] == lesions.TISSUES.index("white matter")) & (s.mask == 0)
    curve, still = (s.layers["clean"][:, where].mean(axis=1) for where in (blood, white))
    assert curve[4:].min() > 1.2 * curve[0]  # the agent arrives at 30 s
    assert curve[-1] < curve.max()
    assert np.ptp(still) < 0.1 * still[0]


def test_volume(cache):
    s = lesions.simulate(1, kind="plaque", dims=3)
    assert s.shape == (64, 112, 96)
    assert s.spacing == (2.0, 2.0, 2.0)
    boxes, values = mask_to_boxes(s.mask)
    np.testing.assert_array_equal(s.boxes, boxes)
    assert set(values) == {2}
    assert s.boxes.shape[1] == 6


def test_wrong_options_are_named(cache):
    for options, word in (
        ({"split": "dev"}, "dev"),
        ({"dims": 4}, "dims"),
        ({"site": "C"}, "'C'"),
        ({"n": 0}, "n must"),
        ({"n": 2.5}, "n must"),
        ({"missing": 2}, "missing"),
        ({"misalignment_mm": -1}, "misalignment_mm"),
        ({"n": float("nan")}, "n must"),
        ({"n": "4"}, "n must"),
        ({"n": True}, "n must"),
        ({"seed": "a"}, "seed must"),
        ({"seed": 1.5}, "seed must"),
        ({"seed": -1}, "seed must"),
        ({"missing": "half"}, "missing"),
        ({"misalignment_mm": "4"}, "misalignment_mm"),
        ({"skull": "no"}, "skull must"),
        ({"series": 1}, "series must"),
    ):
        with pytest.raises(InputError, match=word):
            lesions.load(**options)
    for options, word in (({"kind": "stroke"}, "stroke"), ({"z": 200}, "200"), ({"subject": -1}, "-1")):
        with pytest.raises(InputError, match=word):
            lesions.simulate(**options)


def test_numbers_of_numpy_s_are_as_good(cache):
    plain = lesions.load("val", n=3, seed=2, missing=0.5)
    counted = lesions.load("val", n=np.int64(3), seed=np.arange(3)[2], dims=np.int32(2), missing=np.float32(0.5))
    assert counted.folder == plain.folder
    assert [s.meta for s in counted] == [s.meta for s in plain]
    np.testing.assert_array_equal(lesions.simulate(np.int64(1)).image, lesions.simulate(1).image)


# Evidence


def test_genotypes_are_many_and_a_few_decide():
    many = np.stack([evidence.genotypes((0, "train", i)) for i in range(300)])
    assert many.shape == (300, 1000)
    assert set(np.unique(many)) == {0, 1, 2}
    frequency, causal, _ = evidence._genome()
    np.testing.assert_allclose(many.mean(axis=0) / 2, frequency, atol=0.12)
    near = [abs(np.corrcoef(many[:, i], many[:, i + 1])[0, 1]) for i in (0, 10, 20, 30)]
    assert min(near) > 0.1  # neighbours are inherited together
    assert len(causal) < 10


def test_outcome_depends_on_causal_genotypes(cache):
    _, causal, effect = evidence._genome()
    good, bad = np.ones(1000, dtype=np.int8), np.ones(1000, dtype=np.int8)
    good[causal], bad[causal] = 1 - np.sign(effect), 1 + np.sign(effect)
    worse = 0
    for i in range(12):
        patient = cases.patient_of(0, "train", i, None, dataset.cache_folder())
        markers = evidence.measurements(patient)
        low, high = (evidence.outcome(patient, markers, genes) for genes in (good, bad))
        assert low <= high
        worse += high - low
    assert worse > 3


def test_subtype_is_named_nowhere(test_set):
    kinds = {}
    for s in test_set[::4]:
        kind = dataset._subtype(s)
        kinds.setdefault(kind, []).append(s)
        text = json.dumps([list(s.tabular), list(s.meta), list(s.layers), s.report])
        assert "quiet" not in text
        assert "subtype" not in text
    assert {None, 0, 1} == set(kinds)
    quiet, loud = (np.mean([s.tabular["hydroxyglutarate_umol_l"] for s in kinds[k]]) for k in (1, 0))
    assert quiet > loud


# Bytes, the cache, and the sequence


def test_first_samples_do_not_depend_on_n(cache, test_set):
    few = lesions.load("test", n=2, seed=0, site=None)
    for one, other in zip(few, test_set, strict=False):
        np.testing.assert_array_equal(one.image, other.image)
        assert one.report == other.report
    assert not np.array_equal(lesions.load("test", n=1, seed=1)[0].image, test_set[0].image)


def test_same_bytes_from_two_workers_in_a_script_without_main_guard(cache, tmp_path):
    options = Options("val", 2, None, 3, True, 0.0, False)
    dataset._make(options, 22, tmp_path / "alone", workers=1)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from medloc_lib.data.lesions import dataset\n"
        "from medloc_lib.data.lesions.cases import Options\n"
        "options = Options('val', 2, None, 3, True, 0.0, False)\n"
        f"dataset._make(options, 22, Path({str(tmp_path / 'pair')!r}), workers=2)\n"
        "print('once')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "once\n"
    names = sorted(f.name for f in (tmp_path / "alone").iterdir())
    assert names == ["clean.npy", "genotypes.npy", "image.npy", "mask.npy", "records.json", "tissue.npy"]
    same, different, errors = filecmp.cmpfiles(tmp_path / "alone", tmp_path / "pair", names, shallow=False)
    assert (same, different, errors) == (names, [], [])
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith(".")] == []


def test_second_to_finish_keeps_the_first_one_s_folder(cache, tmp_path):
    options = Options("val", 2, None, 3, True, 0.0, False)
    folder = tmp_path / "set"
    dataset._make(options, 2, folder)
    before = (folder / "image.npy").stat().st_ino
    dataset._make(options, 2, folder)
    assert (folder / "image.npy").stat().st_ino == before
    assert len(list(tmp_path.iterdir())) == 1


def test_set_is_a_sequence_that_can_be_pickled(test_set):
    assert len(test_set) == N
    assert test_set[-1].id == test_set[N - 1].id
    part = test_set[10:20:3]
    assert [s.id for s in part] == [test_set[i].id for i in (10, 13, 16, 19)]
    with pytest.raises(IndexError):
        test_set[N]
    assert len(pickle.dumps(test_set)) < 2000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(part))[1].image, test_set[13].image)
    assert "simulated" in repr(test_set)


def test_damaged_cache_is_named(cache):
    made = lesions.load("val", n=3)
    (made.folder / "mask.npy").write_bytes(b"not an array")
    with pytest.raises(DatasetError, match="delete this folder"):
        made[0]
    again = lesions.load("val", n=3)
    with pytest.raises(DatasetError, match="damaged"):
        again[0]


def test_records_that_do_not_fit_the_pictures_are_named(cache):
    made = lesions.load("val", n=5)
    (made.folder / "records.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"damaged .5 pictures, 0 records"):
        made[0]


def test_damaged_template_is_named(cache, tmp_path):
    (tmp_path / "template-1.npy").write_bytes((cache / "brain_lesions" / "template-1.npy").read_bytes()[:1000])
    with pytest.raises(DatasetError, match=r"template-1\.npy is damaged .*delete this file"):
        template.__wrapped__(tmp_path)


def test_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("MEDLOC_CACHE", str(file))
    with pytest.raises(DatasetError, match="MEDLOC_CACHE"):
        lesions.load("val", n=3)
