"""`medloc predict` as its user sees it: pictures, volumes and DICOM in; COCO, a table, pictures, segmentations out."""

from __future__ import annotations

import csv
import json

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from scipy import ndimage

from medloc_lib import load
from medloc_lib.data.annotations import read_coco
from medloc_lib.deep import localizers
from medloc_lib.deep.localizers import load_model
from medloc_lib.errors import InputError
from medloc_lib.geometry import mask_to_boxes
from medloc_lib.sample import Detections
from tests.data.test_dicom import make_slice
from tests.test_cli import medloc  # noqa: F401 - fixture

SIDE = 48


def scene(seed):
    """A bright square on noise, and its box."""
    rng = np.random.default_rng(seed)
    row, col = rng.integers(6, SIDE - 16, 2)
    image = rng.normal(100, 8, (SIDE, SIDE))
    image[row : row + 10, col : col + 8] += 100
    return image.clip(0, 255).astype(np.uint8), np.array([row, col, row + 10, col + 8.0])


class Squares:
    """Finds bright squares for sure, and their left halves half as sure."""

    channels_, classes_, ndim_ = ("image",), ("square",), 2

    def predict(self, samples):
        (sample,) = samples
        if min(sample.shape) < 8:
            raise InputError("needs 8 pixels")
        boxes, _ = mask_to_boxes(ndimage.binary_opening(sample.image[0] > 150, np.ones((3, 3))))
        halves = boxes * [1, 1, 1, 0] + (boxes[:, [1]] + boxes[:, [3]]) / 2 * [0, 0, 0, 1]
        return [Detections(np.concatenate([halves, boxes]), np.repeat([0.45, 0.9], len(boxes)))]


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(localizers, "load_model", lambda name: load_model(name) if name != "squares" else Squares())
    return "squares"


@pytest.fixture
def places(tmp_path):
    """A folder of two pictures; a volume with a square in planes 2 and 3; a series like it. And the box."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in (100, 101):
        Image.fromarray(scene(seed)[0]).save(pictures / f"p{seed}.png")
    image, box = scene(200)
    volume = np.stack([np.full((SIDE, SIDE), 100, dtype=np.uint8)] * 2 + [image] * 2)
    affine = np.diag([-0.5, -0.75, 2, 1.0])  # RAS: columns to the left, rows to the back
    nib.save(nib.Nifti1Image(volume.transpose(2, 1, 0), affine), tmp_path / "volume.nii.gz")
    for z, plane in enumerate(volume.astype(np.int16)):
        position = (-10, -20, 2.0 * z)
        make_slice(
            tmp_path / "series", f"{9 - z}", position=position, number=z + 1, pixels=plane, FrameOfReferenceUID="1.2.9"
        )
    return tmp_path, box


def lines(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def corners(line, names):
    return np.array([float(line[name]) for name in names])


def test_pictures(medloc, model, places, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    code, told, err = medloc("predict", "--model", model, "--out", out, tmp_path / "pictures")
    assert code == 0, err
    assert "Not for clinical use" in told
    assert sorted(path.name for path in (out / "overlays").iterdir()) == ["p100.png", "p101.png"]
    content = json.loads((out / "detections.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in content["images"]] == ["p100.png", "p101.png"]
    assert content["categories"] == [{"id": 1, "name": "square"}]
    found = lines(out / "detections.csv")
    assert [line["score"] for line in found] == ["0.9000", "0.4500"] * 2
    assert [a["score"] for a in content["annotations"]] == [0.9, 0.45] * 2
    for seed in (100, 101):
        best = next(line for line in found if line["file"] == f"p{seed}")
        np.testing.assert_allclose(corners(best, ("row0", "col0", "row1", "col1")), scene(seed)[1])
        assert (best["frame"], best["x0_mm"], best["plane0"]) == ("", "", "")
    back = read_coco(out / "detections.json", images=tmp_path / "pictures")
    assert [len(sample.boxes) for sample in back] == [2, 2]
    assert not list(out.glob("*.dcm"))


@pytest.mark.parametrize("name", ["volume.nii.gz", "series"])
def test_volumes_plane_by_plane(medloc, model, places, tmp_path, name):  # noqa: F811
    box, out = places[1], tmp_path / "out"
    code, _, err = medloc("predict", "--model", model, "--out", out, tmp_path / name)
    assert code == 0, err
    assert ("its channel CT is taken for the model's image" in err) == (name == "series")
    found = lines(out / "detections.csv")
    assert [line["score"] for line in found] == ["0.9000"] * 2 + ["0.4500"] * 2
    assert [line["plane0"] for line in found] == ["2.00", "3.00"] * 2
    first = found[0]
    row0, col0, row1, col1 = corners(first, ("row0", "col0", "row1", "col1"))
    np.testing.assert_allclose([row0, col0, row1, col1], box)
    assert first["frame"] == "patient"
    rows, cols = (0.75, 0.5) if name == "volume.nii.gz" else (0.5, 0.75)
    x, y = (0, 0) if name == "volume.nii.gz" else (-10, -20)
    z = float(first["plane0"]) * 2
    wanted = [x + (col0 - 0.5) * cols, y + (row0 - 0.5) * rows, z - 1, x + (col1 - 0.5) * cols, y + (row1 - 0.5) * rows]
    got = corners(first, ("x0_mm", "y0_mm", "z0_mm", "x1_mm", "y1_mm"))
    np.testing.assert_allclose(got, wanted, atol=0.02)
    content = json.loads((out / "detections.json").read_text(encoding="utf-8"))
    assert [image["file_name"].split("#")[1] for image in content["images"]] == ["2", "3"]
    segmentations = list(out.glob("*.seg.dcm"))
    assert len(segmentations) == (name == "series")
    for path in segmentations:
        seg = pydicom.dcmread(path)
        assert len(seg.SegmentSequence) == len(found)
        assert seg.SegmentSequence[0].SegmentAlgorithmName == "squares"
        assert seg.SegmentSequence[0].SegmentLabel.startswith("square ")


def test_least_score(medloc, model, places, tmp_path):  # noqa: F811
    words = ("predict", "--model", model, "--score", "0.5", "--out", tmp_path / "out", tmp_path / "pictures")
    assert medloc(*words)[0] == 0
    assert [line["score"] for line in lines(tmp_path / "out" / "detections.csv")] == ["0.9000"] * 2


def test_a_stored_model_and_names_of_channels(medloc, tmp_path):  # noqa: F811
    sample = load("brain_lesions", split="test")[0]
    turned = np.moveaxis(sample.image, 0, -1).transpose(1, 0, 2)[:, :, None]
    nib.save(nib.Nifti1Image(turned, np.diag([-1.0, -1, 1, 1])), tmp_path / "brain.nii.gz")
    words = ("predict", "--model", "brain_lesions_one_box", "--score", "0", tmp_path / "brain.nii.gz")
    code, told, err = medloc(*words, "--out", tmp_path / "unnamed")
    assert code == 2
    assert "the model looks at the channels T1, T2, FLAIR, PET; this image has c0, c1, c2, c3; --channels" in told
    code, _, err = medloc(*words, "--out", tmp_path / "out", "--channels", "T1, T2, FLAIR, PET")
    assert code == 0, err
    (wanted,) = load_model("brain_lesions_one_box").predict([sample])
    (found,) = lines(tmp_path / "out" / "detections.csv")
    np.testing.assert_allclose(corners(found, ("row0", "col0", "row1", "col1")), wanted.boxes[0], atol=0.01)
    assert found["class"] == sample.classes[wanted.labels[0]]


def test_one_bad_file_does_not_stop_the_others(medloc, model, places, tmp_path):  # noqa: F811
    (tmp_path / "pictures" / "broken.png").write_bytes(b"\x89PNG....")
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(tmp_path / "pictures" / "tiny.png")
    code, told, _ = medloc("predict", "--model", model, "--out", tmp_path / "out", tmp_path / "pictures")
    assert code == 1
    assert "broken: failed: " in told
    assert "tiny: failed: needs 8 pixels" in told
    assert len(json.loads((tmp_path / "out" / "detections.json").read_text(encoding="utf-8"))["images"]) == 2


def test_names_that_lie(medloc, model, tmp_path):  # noqa: F811
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(scene(1)[0]).save(tmp_path / folder / "<img src=x> .png")
    code, _, err = medloc("predict", "--model", model, "--out", tmp_path / "out", tmp_path / "a", tmp_path / "b")
    assert code == 0, err
    names = [path.name for path in (tmp_path / "out" / "overlays").iterdir()]
    assert sorted(names) == ["img_src_x.png", "img_src_x~2.png"]


def test_what_cannot_be_asked_says_why(medloc, model, places, tmp_path):  # noqa: F811
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("precious")
    color = tmp_path / "color.png"
    Image.fromarray(np.zeros((20, 20, 3), dtype=np.uint8)).save(color)
    for words, reason in (
        (("--model", model, "--out", full, color), "not an empty folder"),
        (("--model", "nobody", "--out", tmp_path / "o1", color), "there is no such model"),
        (("--model", model, "--out", tmp_path / "o2", tmp_path / "nowhere.png"), "there is no such file or folder"),
        (("--model", model, "--out", tmp_path / "o3", color), "none of the images could be asked about"),
        (("--model", model, "--out", tmp_path / "o4", full), "holds no pictures"),
        (("--model", model, "--channels", "a,b", "--out", tmp_path / "o5", color), "none of the images"),
    ):
        code, _, err = medloc("predict", *words)
        assert code == 2
        assert reason in err
    assert (full / "thesis.txt").read_text() == "precious"
