"""`view3d` without a browser: the NIfTI files it hands over, and the sentence where there is nothing to draw with."""

from __future__ import annotations

import sys

import nibabel
import numpy as np
import pytest

from medloc_lib.errors import InputError
from medloc_lib.geometry import affine_from, index_to_mm
from medloc_lib.sample import Detections, Sample
from medloc_lib.widgets import view3d
from medloc_lib.widgets.volume import parts

TURN = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    mask = np.zeros((4, 5, 6), int)
    mask[1, 2, 3] = 1
    mask[2, 2, 3] = 8  # more labels than colours: begins anew
    return Sample(
        rng.normal(size=(2, 4, 5, 6)),
        channels=("T1", "PET"),
        spacing=(5, 2, 1),
        affine=affine_from((5, 2, 1), origin=(-7, 8, 9), direction=TURN),
        boxes=[[0, 0, 0, 4, 4, 4]],
        mask=mask,
        id="a",
    )


def load(data):
    image = nibabel.Nifti1Image.from_bytes(data)
    return image, np.asarray(image.dataobj)


def test_every_voxel_keeps_its_value_and_its_place(sample):
    image, array = load(parts(sample, "PET")["picture"])
    np.testing.assert_array_equal(array, sample["PET"].astype(np.float32).T)
    index = np.array([[3, 1, 4], [0, 0, 0]])
    lps = index_to_mm(index, sample.affine)
    ras = nibabel.affines.apply_affine(image.affine, index[:, ::-1])  # its axes are (col, row, plane)
    np.testing.assert_allclose(ras, lps * [-1, -1, 1], atol=1e-4)
    assert image.header.get_zooms() == pytest.approx((1, 2, 5), abs=1e-5)


def test_without_an_affine_the_spacing_is_kept():
    image, _ = load(parts(Sample(np.zeros((1, 2, 3, 4), np.int16), spacing=(3, 2, 1)), "image")["picture"])
    assert image.header.get_zooms() == (1, 2, 3)
    assert image.get_data_dtype() == np.uint8


def test_the_mask_counts_colours_and_boxes_are_shells(sample):
    found = Detections([[1, 1, 1, 2.5, 3, 3]], scores=[0.5])
    made = parts(sample, "T1", found)
    assert list(made) == ["picture", "mask", "boxes"]
    mask = load(made["mask"])[1].T
    assert (mask[1, 2, 3], mask[2, 2, 3], np.count_nonzero(mask)) == (1, 1, 2)
    boxes = load(made["boxes"])[1].T
    assert np.count_nonzero(boxes[:4, :4, :4]) == 4**3 - 2**3 + 8  # a shell of 4 around the detection's 2×2×2
    assert (boxes[1:3, 1:3, 1:3] == 2).all()
    assert not boxes[:, 4].any()


def test_a_picture_without_planes_is_refused():
    with pytest.raises(InputError, match="use view"):
        view3d(np.eye(4))
    with pytest.raises(InputError, match="no channel 'CT'"):
        view3d(np.zeros((2, 3, 4)), channel="CT")


def test_the_volumes_go_to_ipyniivue_and_follow_the_controls(sample):
    widget = view3d(sample, channel="PET")
    volumes = widget._canvas.volumes
    assert [v.name for v in volumes] == ["picture.nii", "mask.nii", "boxes.nii"]
    assert all(v.url is None and v.data for v in volumes)  # from memory, not fetched
    widget.opacity = 0.2
    assert [v.opacity for v in volumes] == [1.0, 0.2, 0.2]
    widget.arrangement = "sagittal"
    assert widget._canvas.opts.slice_type.name == "SAGITTAL"


def test_the_first_box_is_looked_at_first():
    upright = Sample(np.zeros((1, 4, 8, 10)), boxes=[[1, 2, 3, 3, 4, 5]])
    widget = view3d(upright)
    assert widget.place() == (2, 3, 4)
    right, anterior, superior = widget._canvas.scene.crosshair_pos  # columns go to the left, rows to posterior
    assert (right, anterior, superior) == pytest.approx((1 - 4.5 / 10, 1 - 3.5 / 8, 2.5 / 4))
    assert view3d(upright.replace(boxes=None)).place() == (2, 4, 5)


def test_without_ipyniivue_there_is_a_sentence_and_a_still(sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    widget = view3d(sample)
    assert widget._canvas is None
    assert "pip install" in widget._facts["missing"]
    widget.opacity = 0.1
    data, metadata = widget._repr_mimebundle_()
    assert len(data["image/png"]) > 5000
    assert metadata["image/png"]["alt"] == "Volume viewer: a, T1, 4×5×6 voxels"
