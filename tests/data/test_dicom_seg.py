"""DICOM Segmentations, read back by pydicom, highdicom and SimpleITK."""

from __future__ import annotations

import warnings

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK

from medloc_lib.data import dicom
from medloc_lib.data.dicom import seg
from medloc_lib.data.dicom.seg import MOST, write_seg
from medloc_lib.errors import InputError
from medloc_lib.geometry import index_to_mm
from medloc_lib.sample import Detections
from tests.data.test_dicom import FILES, make_stack

OBLIQUE = (0.8, 0.6, 0, -0.6, 0.8, 0)


def quietly(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dicom.read(path)


@pytest.fixture
def stack(tmp_path):
    """Five slices whose names stand in another order than their places."""
    changes = {"ImageOrientationPatient": list(OBLIQUE), "FrameOfReferenceUID": "1.2.3.9"}
    folder = make_stack(tmp_path / "ct", (8.0, 0.0, 4.0, 12.0, 16.0), **changes)
    sample = quietly(folder)
    return sample.replace(classes=("lung", "node")), sorted(folder.glob("*"))


def test_boxes_lie_where_they_were_found(stack, tmp_path):
    sample, files = stack
    rows, cols = sample.shape[1:]
    found = Detections([[1, 1, 2, 3, 3, 4], [2, 0, 0, 5, rows, cols]], [0.4, 0.75], [1, 0])
    place = write_seg(tmp_path / "a.dcm", sample, found, files[::-1], model="a model")
    made = hd.seg.segread(place)
    assert made.segmentation_type == hd.seg.SegmentationTypeValues.BINARY
    assert [s.segment_label for s in (made.get_segment_description(k) for k in (1, 2))] == ["lung 0.75", "node 0.40"]
    assert made.SeriesDescription == "MedLoc: not for clinical use"
    masks = made.get_pixels_by_source_instance(
        sample.meta["sop_uids"], ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    wanted = np.zeros((*sample.shape, 2))
    wanted[2:5, ..., 0] = 1
    wanted[1:3, 1:3, 2:4, 1] = 1
    np.testing.assert_array_equal(masks, wanted)


def test_other_readers_open_it_at_the_same_place_in_the_patient(stack, tmp_path):
    sample, files = stack
    place = write_seg(tmp_path / "a.dcm", sample, Detections([[3, 1, 2, 4, 2, 3]]), files)
    made = pydicom.dcmread(place)
    assert made.SOPClassUID == pydicom.uid.SegmentationStorage
    assert made.PatientID == pydicom.dcmread(files[0]).PatientID
    assert made.pixel_array.shape == sample.shape[1:]
    assert np.argwhere(made.pixel_array).tolist() == [[1, 2]]
    image = SimpleITK.ReadImage(str(place))
    (index,) = np.argwhere(SimpleITK.GetArrayFromImage(image)).tolist()
    there = image.TransformIndexToPhysicalPoint(index[::-1])
    np.testing.assert_allclose(there, index_to_mm([[3, 1, 2]], sample.affine)[0], atol=1e-4)


def test_masks_are_written_as_they_are(stack, tmp_path):
    sample, files = stack
    mask = np.zeros((1, *sample.shape), dtype=bool)
    mask[0, 2, [1, 2, 3], [1, 2, 3]] = True
    place = write_seg(tmp_path / "a.dcm", sample, Detections([[2, 1, 1, 3, 4, 4]], masks=mask), files)
    np.testing.assert_array_equal(pydicom.dcmread(place).pixel_array, mask[0, 2])


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm", "eCT_Supplemental.dcm"])
def test_single_files_of_many_kinds(name, tmp_path):
    sample = quietly(FILES[name])
    last = np.array(sample.shape) - 1  # the last pixel: in a file of many frames of its last plane
    found = Detections([[*last, *(last + 1)]])
    made = pydicom.dcmread(write_seg(tmp_path / "a.dcm", sample, found, [FILES[name]]))
    assert np.argwhere(made.pixel_array).tolist() == [last[-2:].tolist()]
    (frame,) = made.PerFrameFunctionalGroupsSequence
    if sample.ndim == 3:
        number = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        assert number == sample.meta["frames"][-1]
    if sample.affine is not None:
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        index = [last[0], 0, 0] if sample.ndim == 3 else [0, 0]
        np.testing.assert_allclose(position, index_to_mm([index], sample.affine)[0], atol=1e-4)


def test_only_the_surest_are_written(tmp_path):
    sample = quietly(FILES["CT_small.dcm"])
    boxes = np.tile([0.0, 0, 4, 4], (MOST + 5, 1)) + np.arange(MOST + 5)[:, None] / 10
    found = Detections(boxes, np.linspace(0, 1, MOST + 5))
    made = pydicom.dcmread(write_seg(tmp_path / "a.dcm", sample, found, [FILES["CT_small.dcm"]]))
    assert len(made.SegmentSequence) == MOST
    assert made.SegmentSequence[0].SegmentLabel == "class 0 1.00"


def test_memory_is_bounded(stack, tmp_path, monkeypatch):
    sample, files = stack
    monkeypatch.setattr(seg, "MOST_BYTES", 2 * 3 * 4 * 6)
    found = Detections([[0, 0, 0, 1, 2, 2], [1, 0, 0, 2, 2, 2], [2, 0, 0, 3, 2, 2]], [0.2, 0.9, 0.5])
    made = pydicom.dcmread(seg.write_seg(tmp_path / "a.dcm", sample, found, files))
    assert [s.SegmentLabel for s in made.SegmentSequence] == ["lung 0.90", "lung 0.50"]


def test_what_cannot_be_written_says_why_and_leaves_what_was_there(stack, tmp_path):
    sample, files = stack
    found = Detections([[0, 0, 0, 1, 2, 2]])
    old = tmp_path / "old.dcm"
    old.write_bytes(b"precious")
    assert write_seg(old, sample, Detections.none(3), files) is None
    with pytest.raises(InputError, match="2 of its 5 planes are not among them"):
        write_seg(old, sample, found, files[:3])
    with pytest.raises(InputError, match="it was read from none"):
        write_seg(old, sample.replace(meta={}), found, files)
    film = FILES["color3d_jpeg_baseline.dcm"]
    with pytest.raises(InputError, match=r"no DICOM Segmentation can refer to .*Frame of Reference"):
        write_seg(old, quietly(film), found, [film])
    with pytest.raises(InputError, match="cannot be written"):
        write_seg(tmp_path / "nowhere" / "a.dcm", sample, found, files)
    assert old.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "old.dcm"]
