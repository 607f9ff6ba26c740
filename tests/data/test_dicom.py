"""`medloc_lib.data.dicom` against pydicom and SimpleITK, on real files, made series and damaged copies."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from medloc_lib.data import dicom
from medloc_lib.data.dicom import codec, opening, pixels
from medloc_lib.data.dicom.opening import header_from_dataset, header_of, open_dataset
from medloc_lib.data.dicom.quick import quick_header
from medloc_lib.data.samples import sample_files
from medloc_lib.errors import InputError, MedlocError, MedlocWarning, ReadError
from medloc_lib.geometry import index_to_mm, spacing_of
from tools.dicom_outcomes import attempt, mutations

FILES = {path.name: path for path in sample_files()}
LARGE = 1 << 20


def quietly(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dicom.read(path, **options)


def by_pydicom(path):
    """The data set and its pixels as pydicom gives them, or None where it gives none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(path)
            return ds, ds.pixel_array
        except Exception:  # many sample files are broken on purpose
            return None


def make_slice(folder, name, *, position=(0, 0, 0), number=1, pixels=None, syntax=ExplicitVRLittleEndian, **changes):
    """Write a small CT slice with the given elements changed; an element set to None is left out."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(folder), name])
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    ds.PatientName, ds.PatientID, ds.Modality, ds.SeriesDescription = "Doe^Jane", "ID-4711", "CT", "thorax"
    ds.InstanceNumber = number
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 2
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    array = np.full((4, 6), number, dtype=np.int16) if pixels is None else pixels
    ds.Rows, ds.Columns = array.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = array.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(array.dtype.kind == "i")
    ds.PixelData = array.tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    if syntax == RLELossless:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.NumberOfFrames, frames = 1, ds.get("NumberOfFrames", 1)
        ds.compress(RLELossless, generate_instance_uid=False)
        ds.NumberOfFrames = frames
    Path(folder).mkdir(exist_ok=True, parents=True)
    ds.save_as(Path(folder, name), enforce_file_format=True)
    return Path(folder, name)


def make_stack(folder, positions, **changes):
    """One slice per position along z; names run against the order of positions, instance numbers are shuffled."""
    rng = np.random.default_rng(0)
    numbers = rng.permutation(len(positions)) + 1
    for i, z in enumerate(positions):
        values = rng.integers(-1000, 1000, (4, 6)).astype(np.int16)
        name = f"{len(positions) - i:03}"
        make_slice(folder, name, position=(-10, -20, z), number=int(numbers[i]), pixels=values, **changes)
    return folder


# Every sample file


def test_whatever_pydicom_turns_into_pixels_is_read_with_equal_values_and_without_names():
    compared, names = 0, 0
    for path in sample_files():
        long = path.name == "color3d_jpeg_baseline.dcm"  # 120 frames; pydicom takes seconds
        expected = None if long else by_pydicom(path)
        if expected is None:
            continue
        ds, array = expected
        sample = quietly(path)
        if "PALETTE" in ds.PhotometricInterpretation:
            array = pydicom.pixels.apply_color_lut(array, ds)
            array = (array >> 8 if array.max() > 255 else array).astype(np.uint8)
        if array.shape[-1] == 3 and array.ndim > 2:
            array = np.moveaxis(array, -1, 0)
            assert sample.channels == ("R", "G", "B"), path
        elif array.ndim == 2 or len(sample.channels) == 1:
            array = array[None]
        if path.name == "eCT_Supplemental.dcm":  # its frames lie against the normal
            array = array[:, ::-1]
        assert sample.image.dtype == array.dtype.newbyteorder("="), path
        np.testing.assert_array_equal(sample.image, array, err_msg=str(path))
        assert sample.id == path.name
        compared += 1
        about = repr((sample.group, sample.meta))
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "ReferringPhysicianName"):
            value = str(ds.get(keyword, ""))
            if len(value) > 3:
                assert value not in about, (path, keyword)
                names += 1
    assert compared > 140
    assert names > 100


def test_long_colour_film():
    path = FILES["color3d_jpeg_baseline.dcm"]
    with pytest.warns(MedlocWarning, match="120 planes have no positions"):
        sample = dicom.read(path)
    assert sample.image.shape == (3, 120, 480, 640)
    ds = pydicom.dcmread(path)
    for frame in (0, 119):
        expected = pydicom.pixels.pixel_array(ds, index=frame)
        np.testing.assert_array_equal(np.moveaxis(sample.image[:, frame], 0, -1), expected)
    assert sample.meta["seconds"][:2] == (0.0, pytest.approx(float(ds.FrameTime) / 1000))


def test_colours_equal_pydicoms_for_all_but_a_handful_of_halves():
    values = np.arange(256, dtype=np.uint8)
    ybr = np.stack(np.meshgrid(values[::3], values, values, indexing="ij"), axis=-1).reshape(-1, 256, 3)
    rgb = np.empty_like(ybr)
    pixels.ybr_to_rgb(ybr, rgb)
    expected = pydicom.pixels.convert_color_space(ybr, "YBR_FULL", "RGB")
    off = np.abs(rgb.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).sum() < 100


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rtplan.dcm", "it holds no pixels; it is: RT Plan Storage"),
        ("test-SR.dcm", "it is: Comprehensive SR Storage"),
        ("rtstruct.dcm", "it is: RT Structure Set Storage"),
        ("waveform_ecg.dcm", "12-lead ECG Waveform Storage"),
        ("DICOMDIR", "a table of contents without pixels; read the folder around it"),
        ("README.txt", "not a DICOM file"),
        ("zipMR.gz", "not a DICOM file"),
        ("MR_truncated.dcm", r"8192 bytes; the file holds 8130"),
        ("badVR.dcm", "1A"),
        ("JPEG-lossy.dcm", r"cannot be decoded \(JPEG Extended"),
    ],
)
def test_what_is_no_image_says_what_it_is(name, reason):
    with pytest.raises(ReadError, match=reason) as caught:
        dicom.read(FILES[name])
    assert name in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(ReadError, match="there is no such file"):
        dicom.read(tmp_path / "none.dcm")
    with pytest.raises(ReadError, match="no DICOM image in this folder"):
        dicom.read(tmp_path)
    with pytest.raises(ReadError, match="there is none"):
        dicom.scan(tmp_path / "none")
    with pytest.raises(ReadError, match="for one file use read"):
        dicom.scan(make_slice(tmp_path, "a"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ReadError, match="a device or a pipe"):
            dicom.read(tmp_path / "pipe")
        assert len(dicom.scan(tmp_path)) == 1


# The small header reader against pydicom


def _copies(tmp_path, count, seed):
    files = [path for path in sample_files() if path.stat().st_size < LARGE and not path.name.startswith("IM0000")]
    for path in files:
        yield path
    for index, (path, _, _, data) in enumerate(mutations(files, count, seed)):
        copy = tmp_path / f"{index}-{path.name}"
        copy.write_bytes(data)
        yield copy


def test_quick_headers_and_plain_pixels_equal_pydicoms_on_sound_and_damaged_files(tmp_path):
    quick, plain = 0, 0
    for path in _copies(tmp_path, 150, seed=1):
        header = quick_header(path)
        if header is None:
            continue
        quick += 1
        slow = header_from_dataset(path, open_dataset(path, pixels=False))
        assert dataclasses.replace(header, pixels=None) == slow
        array = pixels.read_plain(header)
        if array is not None:
            plain += 1
            full = pixels.decode(path, open_dataset(path, pixels=True), slow)
            np.testing.assert_array_equal(full.frames, array[None])
            assert full.frames.dtype == array.dtype
            assert full.photometric == header.photometric
    assert quick > 150
    assert plain > 30


def test_quick_reader_goes_into_nested_sequences_of_undefined_length(tmp_path):
    inner = Dataset()
    inner.CodeValue = "1"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = Sequence([inner])
    item.ReferencedSOPInstanceUID = "1.2"
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        sequence = Sequence([item, item])
        path = make_slice(tmp_path, "a.dcm", syntax=syntax, ReferencedImageSequence=sequence)
        ds = pydicom.dcmread(path)
        for element in (ds["ReferencedImageSequence"], *(i["PurposeOfReferenceCodeSequence"] for i in ds[0x00081140])):
            element.is_undefined_length = True
        for part in (*ds[0x00081140], *(i[0x0040A170][0] for i in ds[0x00081140])):
            part.is_undefined_length_sequence_item = True
        ds.save_as(path)
        header = quick_header(path)
        assert header is not None
        assert dataclasses.replace(header, pixels=None) == header_from_dataset(path, open_dataset(path, pixels=False))
        np.testing.assert_array_equal(pixels.read_plain(header), ds.pixel_array)
        long = path.read_bytes()
        assert quick_header(_write(tmp_path / "short", long[: long.find(b"ID-4711") + 2])) is None


def _write(path, data):
    path.write_bytes(data)
    return path


def test_unused_bits_are_cleared_as_pydicom_does(tmp_path):
    values = np.array([[0xF001, 0x0FFF], [0x0800, 0x1234]], dtype=np.uint16)
    for signed in (0, 1):
        path = make_slice(tmp_path, "a", pixels=values, BitsStored=12, HighBit=11, PixelRepresentation=signed)
        expected = pydicom.dcmread(path).pixel_array
        np.testing.assert_array_equal(pixels.read_plain(quick_header(path)), expected)
        np.testing.assert_array_equal(dicom.read(path)["CT"], expected)


def test_without_preamble_and_without_transfer_syntax(tmp_path):
    path = make_slice(tmp_path, "a.dcm")
    expected = dicom.read(path).image
    data = path.read_bytes()
    np.testing.assert_array_equal(dicom.read(_write(tmp_path / "b", data[132:])).image, expected)
    length = int.from_bytes(data[140:144], "little")
    np.testing.assert_array_equal(dicom.read(_write(tmp_path / "c", data[144 + length :])).image, expected)


# Intensities


def test_rescale_equals_pydicom():
    lut = 0
    for name in ("CT_small.dcm", "MR2_UNCI.dcm", "explicit_VR-UN.dcm", "mlut_18.dcm", "693_J2KI.dcm"):
        ds = pydicom.dcmread(FILES[name])
        expected = pydicom.pixels.apply_modality_lut(ds.pixel_array, ds)
        sample = quietly(FILES[name], rescale=True)
        assert sample.image.dtype == np.float32
        np.testing.assert_array_equal(sample.image[0], expected.astype(np.float32))
        lut += sample.meta["modality_lut"] is not None
    assert lut == 1


def test_rescale_is_the_nearest_float32(tmp_path):
    values = np.random.default_rng(0).integers(-(2**15), 2**15, (4, 6)).astype(np.int16)
    for slope, intercept in ((1, -1024), (1, -1024.5), (0.1, 3), (1, 9e6), (2.5e-7, 0)):
        path = make_slice(tmp_path, "a", pixels=values, RescaleSlope=str(slope), RescaleIntercept=str(intercept))
        expected = (values.astype(np.float64) * slope + intercept).astype(np.float32)
        np.testing.assert_array_equal(dicom.read(path, rescale=True)["CT"], expected)


def test_modality_luts_of_a_series(tmp_path):
    lut = Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [4, 1, 16], "US"
    lut.add_new(0x00283006, "US", [10, 30, 20, 7])
    for i in range(3):
        values = np.arange(24).reshape(4, 6).astype(np.uint16) // 4
        make_slice(tmp_path, f"{i}", position=(0, 0, i), number=i, pixels=values, ModalityLUTSequence=Sequence([lut]))
    expected = np.array([10, 10, 30, 20, 7, 7])[values]  # below the first entry and above the last: those
    np.testing.assert_array_equal(dicom.read(tmp_path, rescale=True)["CT"], np.stack([expected] * 3))
    np.testing.assert_array_equal(dicom.read(tmp_path / "0", rescale=True)["CT"], expected)
    np.testing.assert_array_equal(dicom.read(tmp_path)["CT"], np.stack([values] * 3))


def test_a_damaged_palette_leaves_its_indices(tmp_path):
    ds = pydicom.dcmread(FILES["examples_palette.dcm"])
    del ds.GreenPaletteColorLookupTableData
    ds.save_as(tmp_path / "a.dcm")
    with pytest.warns(MedlocWarning, match="the palette is unusable, the values are indices into it"):
        sample = dicom.read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(sample["US"], ds.pixel_array)


def test_dose_is_scaled():
    ds = pydicom.dcmread(FILES["rtdose.dcm"])
    sample = dicom.read(FILES["rtdose.dcm"], rescale=True)
    assert sample.image.dtype == np.float64
    np.testing.assert_allclose(sample["RTDOSE"], ds.pixel_array * float(ds.DoseGridScaling), rtol=1e-12)
    depths = np.array(ds.ImagePositionPatient, dtype=float)[2] + np.array(ds.GridFrameOffsetVector, dtype=float)
    found = index_to_mm([[k, 0, 0] for k in range(len(depths))], sample.affine)
    np.testing.assert_allclose(found[:, 2], depths, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["693_UNCI.dcm", "MR_small.dcm", "MR2_UNCI.dcm", "examples_overlay.dcm", "RG1_UNCI.dcm"]
)
def test_window_equals_pydicom(name):
    ds = pydicom.dcmread(FILES[name])
    values = pydicom.pixels.apply_modality_lut(ds.pixel_array, ds)
    shown = pydicom.pixels.apply_windowing(values, ds)
    stored = ds.BitsStored
    low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if ds.PixelRepresentation else (0, 2**stored - 1)
    slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    expected = (shown - (low * slope + intercept)) / ((high - low) * slope)
    expected = 1 - expected if ds.PhotometricInterpretation == "MONOCHROME1" else expected
    sample = quietly(FILES[name], window=True)
    assert sample.image.dtype == np.float32
    np.testing.assert_allclose(sample.image[0], expected, atol=2e-6)
    assert sample.image.min() >= 0
    assert sample.image.max() <= 1


def test_voi_lut_equals_pydicom():
    ds = pydicom.dcmread(FILES["vlut_04.dcm"])
    expected = pydicom.pixels.apply_voi(ds.pixel_array, ds)
    sample = quietly(FILES["vlut_04.dcm"], window=True)
    bits = ds.VOILUTSequence[0].LUTDescriptor[2]
    np.testing.assert_allclose(sample.image[0], expected / (2**bits - 1), atol=1e-6)
    assert sample.meta["voi_lut"].bits == bits


def test_apply_window_by_hand():
    # PS3.3 C.11.2.1.2.1, note 2: center 2048, width 4096 maps 0 to the least and 4095 to the greatest output.
    np.testing.assert_allclose(dicom.apply_window([0, 4095], 2048, 4096), [0, 1])
    np.testing.assert_array_equal(dicom.apply_window([1, 2], 2, 1), [0, 1])
    np.testing.assert_allclose(dicom.apply_window([-1e9, 50, 1e9], 50, 10, function="SIGMOID"), [0, 0.5, 1])
    for center, width, function in ((0, 0.5, "LINEAR"), (0, 0, "SIGMOID"), (np.nan, 2, "LINEAR"), (0, 2, "CUBIC")):
        with pytest.raises(InputError):
            dicom.apply_window([0.0], center, width, function=function)


def test_without_a_window_the_whole_range_is_shown(tmp_path):
    path = make_slice(tmp_path, "a", pixels=np.arange(24, dtype=np.int16).reshape(4, 6))
    with pytest.warns(MedlocWarning, match="no window in the header"):
        shown = dicom.read(path, window=True)["CT"]
    np.testing.assert_allclose(shown.ravel(), np.arange(24) / 23, atol=1e-6)


def test_links_that_lead_nowhere_or_in_a_circle_are_passed_over(tmp_path):
    make_slice(tmp_path, "a")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "again").symlink_to(tmp_path)
    assert dicom.read(tmp_path).shape == (4, 6)
    assert [len(info.paths) for info in dicom.scan(tmp_path)] == [1]


def test_values_out_of_range_and_not_finite(tmp_path):
    path = make_slice(tmp_path, "a", RescaleSlope="1e300")
    assert dicom.read(path).image.max() == 1
    with pytest.raises(ReadError, match=r"slope 1e\+300 and intercept -1024 take values out of range"):
        dicom.read(path, rescale=True)
    path = make_slice(tmp_path, "c", RescaleSlope="1", RescaleIntercept="1e300")
    with pytest.raises(ReadError, match=r"intercept 1e\+300 take values out of range"):
        dicom.read(path, rescale=True)
    floats = np.array([[1.5, np.nan], [np.inf, -2]], dtype=np.float32)
    path = make_slice(
        tmp_path, "b", pixels=floats, FloatPixelData=floats.tobytes(), PixelData=None, BitsStored=None, HighBit=None
    )
    with pytest.warns(MedlocWarning, match="2 pixels are not finite"):
        np.testing.assert_array_equal(dicom.read(path)["CT"], [[1.5, 0], [0, -2]])


# Geometry


@pytest.mark.parametrize(
    "orientation",
    [
        (1, 0, 0, 0, 1, 0),
        (0, 1, 0, 0, 0, -1),
        (-1, 0, 0, 0, 1, 0),
        (0.8, 0.6, 0, -0.36, 0.48, 0.8),
    ],
)
def test_series_equals_simpleitk(tmp_path, orientation):
    col, row = np.reshape(orientation, (2, 3))
    normal = np.cross(col, row)
    rng = np.random.default_rng(1)
    for i, name in enumerate(rng.permutation(7)):
        place = np.array([10.0, -20, 30]) + 2.5 * i * normal
        values = rng.integers(-1000, 1000, (4, 6)).astype(np.int16)
        changes = {"ImageOrientationPatient": list(orientation)}
        make_slice(tmp_path, f"{name}", position=[f"{x:.8g}" for x in place], number=7 - i, pixels=values, **changes)
    sample = dicom.read(tmp_path, rescale=True)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    np.testing.assert_array_equal(sample["CT"], SimpleITK.GetArrayFromImage(image))
    np.testing.assert_allclose(sample.spacing, image.GetSpacing()[::-1], rtol=1e-6)
    for index in ([0, 0, 0], [6, 3, 5], [2, 1, 4]):
        expected = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose(index_to_mm([index], sample.affine)[0], expected, atol=1e-5)
    assert sample.id == "1.2.3.4"
    assert np.linalg.det(sample.affine[:3, :3]) < 0  # plane, row, col to x, y, z turns a right hand into a left one


def test_series_without_rescaling_keeps_type_and_order(tmp_path):
    make_stack(tmp_path, [4, 0, 2])
    sample = dicom.read(tmp_path)
    assert sample.image.dtype == np.int16
    assert sample.meta["notes"] == ()
    by_place = sorted((pydicom.dcmread(p) for p in tmp_path.iterdir()), key=lambda ds: ds.ImagePositionPatient[2])
    np.testing.assert_array_equal(sample["CT"], np.stack([ds.pixel_array for ds in by_place]))
    assert sample.meta["sop_uids"] == tuple(ds.SOPInstanceUID for ds in by_place)
    assert sample.meta["rescale_intercept"] == -1024
    np.testing.assert_array_equal(spacing_of(sample.affine), (2, 0.5, 0.75))


def test_missing_slice_is_named(tmp_path):
    make_stack(tmp_path, [0, 2, 4, 8, 10, 12])
    with pytest.warns(MedlocWarning, match="slices are missing: 1 between 004 and 003.*affine has 2 mm"):
        sample = dicom.read(tmp_path)
    assert sample.shape == (6, 4, 6)
    assert sample.spacing[0] == 2


def test_uneven_slices_are_named(tmp_path):
    make_stack(tmp_path, [0, 2, 4, 5.3, 8, 10, 12])
    with pytest.warns(MedlocWarning, match="unevenly spaced, mostly 2 mm, but 1.3 mm between 005 and 004, 2.7 mm"):
        dicom.read(tmp_path)


def test_duplicate_slices_are_named_and_the_first_is_taken(tmp_path):
    make_stack(tmp_path, [0, 2, 4])
    make_slice(tmp_path, "again", position=(-10, -20, 2), number=99)
    with pytest.warns(MedlocWarning, match="duplicate slices at one place left out: again"):
        sample = dicom.read(tmp_path)
    assert sample.shape[0] == 3
    assert sample["CT"].max() > 99


def test_copies_of_a_file_are_left_out(tmp_path):
    make_stack(tmp_path, [0, 2])
    (tmp_path / "copy").write_bytes((tmp_path / "001").read_bytes())
    with pytest.warns(MedlocWarning, match=r"copies of the same image left out: copy \(as 001\)"):
        assert dicom.read(tmp_path).shape == (2, 4, 6)


def test_several_images_at_every_place_are_channels(tmp_path):
    for phase in range(3):
        for z in (4, 0):
            number = 10 * phase + z
            make_slice(
                tmp_path, f"{z}-{phase}", position=(0, 0, z), number=number, pixels=np.full((4, 6), number, "i2")
            )
    sample = dicom.read(tmp_path)
    assert sample.channels == ("CT 1", "CT 2", "CT 3")
    np.testing.assert_array_equal(sample.image[:, :, 0, 0], [[0, 4], [10, 14], [20, 24]])


def test_tilted_and_shifted_stacks(tmp_path):
    for i in range(4):
        make_slice(tmp_path / "tilt", f"{i}", position=(0, 0.5 * i, 2 * i))
        make_slice(tmp_path / "shift", f"{i}", position=(3 * (i == 2), 0, 2 * i))
    with pytest.warns(MedlocWarning, match="tilted: 0.25 mm sideways"):
        sample = dicom.read(tmp_path / "tilt")
    np.testing.assert_allclose(index_to_mm([[3, 0, 0]], sample.affine), [[0, 1.5, 6]])
    assert sample.spacing[0] == pytest.approx(np.hypot(0.5, 2))
    with pytest.warns(MedlocWarning, match="shifted sideways by up to 3 mm"):
        dicom.read(tmp_path / "shift")


def test_slices_without_positions_are_ordered_by_number(tmp_path):
    for i in (3, 1, 2):
        make_slice(tmp_path, f"{i}", number=i, ImagePositionPatient=None)
    with pytest.warns(MedlocWarning, match="3 planes have no positions"):
        sample = dicom.read(tmp_path)
    assert sample["CT"][:, 0, 0].tolist() == [1, 2, 3]
    assert sample.affine is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pixels": np.zeros((5, 6), np.int16)}, r"differ in size: 3 have 4×6, 1 have 5×6 \(odd\)"),
        ({"pixels": np.zeros((4, 6), np.uint8)}, "differ in pixel type"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "differ in colours"),
        (
            {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
            "differ in orientation.*odd; a localizer",
        ),
    ],
)
def test_what_does_not_belong_to_the_volume_is_said(tmp_path, changes, reason):
    make_stack(tmp_path, [0, 2, 4])
    make_slice(tmp_path, "odd", position=(-10, -20, 6), **changes)
    with pytest.raises(ReadError, match=reason):
        dicom.read(tmp_path)


def test_multi_frame_file_among_slices(tmp_path):
    make_stack(tmp_path, [0, 2])
    values = np.zeros((2, 4, 6), np.int16)
    make_slice(tmp_path, "many", pixels=values, Rows=4, Columns=6, NumberOfFrames=2)
    with pytest.raises(ReadError, match=r"many holds 2 frames.*read it by itself"):
        dicom.read(tmp_path)


def test_slopes_that_differ_between_slices(tmp_path):
    for i in range(3):
        make_slice(tmp_path, f"{i}", position=(0, 0, i), number=i + 1, RescaleSlope=i + 1, RescaleIntercept=0)
    with pytest.warns(MedlocWarning, match="different rescale slopes"):
        sample = dicom.read(tmp_path)
    assert sample.meta["rescale_slope"] == (1, 2, 3)
    assert dicom.read(tmp_path, rescale=True)["CT"][:, 0, 0].tolist() == [1, 4, 9]


def test_compressed_and_mixed_series(tmp_path):
    for i in range(4):
        syntax = RLELossless if i % 2 else ImplicitVRLittleEndian
        make_slice(tmp_path, f"{i}", position=(0, 0, i), number=i, syntax=syntax)
    sample = dicom.read(tmp_path, rescale=True)
    assert sample["CT"][:, 0, 0].tolist() == [-1024, -1023, -1022, -1021]


def test_enhanced_file_has_positions_of_its_frames():
    ds = pydicom.dcmread(FILES["eCT_Supplemental.dcm"])
    sample = dicom.read(FILES["eCT_Supplemental.dcm"])
    places = [g.PlanePositionSequence[0].ImagePositionPatient for g in ds.PerFrameFunctionalGroupsSequence]
    np.testing.assert_allclose(index_to_mm([[0, 0, 0], [1, 0, 0]], sample.affine), places[::-1])
    assert sample.meta["frames"] == (2, 1)
    assert sample.meta["window_center"] == (49,)
    rescaled = dicom.read(FILES["eCT_Supplemental.dcm"], rescale=True)
    np.testing.assert_array_equal(rescaled["CT"], ds.pixel_array[::-1].astype(np.float32) - 1024)


def test_spacing_is_taken_from_where_it_is(tmp_path):
    film = quietly(FILES["examples_ybr_color.dcm"])
    region = pydicom.dcmread(FILES["examples_ybr_color.dcm"]).SequenceOfUltrasoundRegions[0]
    assert film.spacing[1:] == pytest.approx((region.PhysicalDeltaY * 10, region.PhysicalDeltaX * 10))
    assert film.meta["spacing_from"] == "SequenceOfUltrasoundRegions"
    changes = {"PixelSpacing": None, "ImagePositionPatient": None, "ImageOrientationPatient": None}
    path = make_slice(tmp_path, "a", ImagerPixelSpacing=[0.1, 0.2], **changes)
    assert dicom.read(path).spacing == (0.1, 0.2)
    assert "detector" in dicom.read(path).meta["spacing_from"]
    path = make_slice(tmp_path, "b", **changes)
    with pytest.warns(MedlocWarning, match="no pixel spacing in the header: 1 mm is assumed"):
        assert dicom.read(path).spacing == (1, 1)


def test_orientation_that_is_none(tmp_path):
    path = make_slice(tmp_path, "a", ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
    assert dicom.read(path).affine is None


# Folders


def test_several_series_are_listed_and_can_be_chosen(tmp_path):
    make_stack(tmp_path / "a" / "deep", [0, 2])
    make_stack(tmp_path / "b", [0, 2, 4], SeriesInstanceUID="9.9", SeriesDescription="abdomen")
    with pytest.raises(ReadError) as caught:
        dicom.read(tmp_path)
    text = str(caught.value)
    assert "2 image series in this folder; choose one with series_uid" in text
    assert "1.2.3.4: CT, 2 × 4×6, thorax" in text
    assert "9.9: CT, 3 × 4×6, abdomen" in text
    assert dicom.read(tmp_path, series_uid="9.9").shape == (3, 4, 6)
    with pytest.raises(ReadError, match="no image series '8'"):
        dicom.read(tmp_path, series_uid="8")
    with pytest.raises(ReadError, match=r"it is of series '9\.9', not '8'"):
        dicom.read(tmp_path / "b" / "001", series_uid="8")


def test_scan_reads_headers_and_counts_what_it_skips(tmp_path):
    make_stack(tmp_path, [0, 2])
    (tmp_path / "notes.txt").write_text("nothing of interest here, but long enough to be asked about" * 9)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "DICOMDIR").write_bytes(FILES["DICOMDIR"].read_bytes())
    (tmp_path / "plan").write_bytes(FILES["rtplan.dcm"].read_bytes())
    with pytest.warns(MedlocWarning, match=r"2 files are no DICOM and skipped: empty, notes.txt"):
        found = dicom.scan(tmp_path)
    assert [(info.modality, info.slices, info.shape) for info in found] == [("CT", 2, (4, 6)), ("RTPLAN", 0, (0, 0))]
    assert found[0].paths == (tmp_path / "001", tmp_path / "002")
    assert found[0].group.startswith("patient-")
    assert "no pixels (1 files)" in str(found[1])
    with pytest.warns(MedlocWarning, match="no DICOM and skipped"):
        assert dicom.read(tmp_path).shape == (2, 4, 6)


def test_real_folder_tree():
    folder = FILES["CT_small.dcm"].parent / "dicomdirtests" / "77654033"
    infos = dicom.scan(folder)
    assert sorted((info.modality, info.slices) for info in infos) == [("CR", 1), ("CR", 1), ("CR", 1), ("CT", 4)]
    ct = next(info for info in infos if info.modality == "CT")
    sample = quietly(folder, series_uid=ct.uid)
    datasets = sorted((pydicom.dcmread(p) for p in ct.paths), key=lambda ds: ds.ImagePositionPatient[2])
    np.testing.assert_array_equal(sample["CT"], np.stack([ds.pixel_array for ds in datasets]))


def test_group_is_the_same_for_one_patient_only(tmp_path):
    group = header_of(make_slice(tmp_path, "a")).group
    assert header_of(make_slice(tmp_path, "b", PatientID=" id-4711 ")).group == group
    assert header_of(make_slice(tmp_path, "c", PatientID="4712")).group != group
    nameless = header_of(make_slice(tmp_path, "d", PatientID="", PatientName="")).group
    assert nameless == header_of(make_slice(tmp_path, "e", PatientID="", PatientName="", SOPInstanceUID="5")).group
    assert nameless not in (group, "patient-unknown")


def test_description_in_other_character_sets(tmp_path):
    path = make_slice(tmp_path, "a", SpecificCharacterSet="ISO_IR 192", SeriesDescription="Schädel früh")
    assert header_of(path).description == "Schädel früh"
    assert dicom.read(path).meta["description"] == "Schädel früh"


# Bad input


def test_damaged_copies_give_a_sample_or_a_medloc_error(tmp_path):
    files = [path for path in sample_files() if path.stat().st_size < LARGE]
    outcomes = set()
    for index, (path, _, kind, data) in enumerate(mutations(files, 200, seed=7)):
        copy = tmp_path / f"{index}-{path.name}"
        copy.write_bytes(data)
        outcome = attempt(copy, rescale=index % 2 == 1, window=index % 3 == 2)
        assert outcome.proper, (index, path.name, kind, outcome)
        outcomes.add(type(outcome.error))
        copy.unlink()
    assert outcomes == {type(None), ReadError}


def test_sizes_are_checked_before_memory_is_taken(tmp_path, monkeypatch):
    with pytest.raises(ReadError, match=r"1 × 65535 × 65535 pixels.*the file holds 48"):
        dicom.read(make_slice(tmp_path, "a", Rows=65535, Columns=65535))
    with pytest.raises(ReadError, match="says 4000 × 4 × 6 pixels"):
        dicom.read(make_slice(tmp_path, "b", syntax=RLELossless, NumberOfFrames=4000))
    monkeypatch.setattr(pixels, "MAX_BYTES", 40)
    with pytest.raises(ReadError, match="is the most that is read"):
        dicom.read(make_slice(tmp_path, "c"))


def test_compressed_image_that_states_another_size(tmp_path):
    ds = pydicom.dcmread(FILES["MR_small_jp2klossless.dcm"])
    ds.Rows = 32
    ds.save_as(tmp_path / "a.dcm")
    with pytest.raises(ReadError, match="the header says 32×64 pixels, compressed frame 1 says 64×64"):
        dicom.read(tmp_path / "a.dcm")


def test_deflated_bomb_is_refused(tmp_path, monkeypatch):
    zeros = np.zeros((2048, 1024), np.int16)
    path = make_slice(tmp_path, "a", pixels=zeros, syntax=DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 10_000
    assert dicom.read(path).shape == (2048, 1024)
    monkeypatch.setattr(opening, "MAX_INFLATED", 1 << 20)
    with pytest.raises(ReadError, match="unpacks to more than 1 MiB"):
        dicom.read(path)


def test_warnings_of_pydicom_are_not_shown():
    noisy = (
        "MR_small_padded.dcm",
        "no_meta.dcm",
        "JPGLosslessP14SV1_1s_1f_8b.dcm",
        "SC_rgb_jpeg.dcm",
        "MR_truncated.dcm",
    )
    with warnings.catch_warnings(record=True) as theirs:
        warnings.simplefilter("always")
        for name in noisy:
            try:
                _ = str(pydicom.dcmread(FILES[name], force=True)), pydicom.dcmread(FILES[name]).pixel_array
            except Exception:  # only their warnings are of interest
                continue
    assert theirs
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        for name in noisy:
            try:
                dicom.read(FILES[name])
            except ReadError:
                continue
    assert {item.category for item in ours} <= {MedlocWarning}


# The decoding process

CRASH = """
import json, os, sys
sys.stdout.write(json.dumps({"ready": True}) + "\\n"); sys.stdout.flush()
sys.stdin.buffer.readline()
os.abort()
"""


@pytest.fixture
def fresh_child():
    """No decoding process before and after."""
    if codec._Child.current is not None:
        codec._Child.current.close()
    yield
    if codec._Child.current is not None:
        codec._Child.current.close()


def test_a_codec_that_crashes_takes_nothing_down(tmp_path, monkeypatch, fresh_child):
    monkeypatch.setattr(codec, "SCRIPT", _write(tmp_path / "crash.py", CRASH.encode()))
    with pytest.raises(ReadError, match="the decoder crashed"):
        dicom.read(FILES["MR_small_RLE.dcm"])
    monkeypatch.undo()
    assert dicom.read(FILES["MR_small_RLE.dcm"]).shape == (64, 64)


def test_a_codec_that_hangs_is_stopped(tmp_path, monkeypatch, fresh_child):
    monkeypatch.setattr(codec, "FRAME_SECONDS", 0.2)
    hang = CRASH.replace("os.abort()", "import time; time.sleep(60)")
    monkeypatch.setattr(codec, "SCRIPT", _write(tmp_path / "hang.py", hang.encode()))
    began = time.perf_counter()
    with pytest.raises(ReadError, match=r"took longer than 0\.2 s for one frame and was stopped"):
        dicom.read(FILES["MR_small_RLE.dcm"])
    assert time.perf_counter() - began < 10


def test_a_codec_that_takes_too_much_memory_fails_alone(monkeypatch, fresh_child):
    for name, value in (("_MEMORY", -(1 << 20)), ("_MEMORY_PER_SAMPLE", 0)):
        monkeypatch.setattr(codec, name, value)
    limited = sys.platform == "linux"  # no other system keeps such a limit
    with pytest.raises(ReadError, match="cannot be decoded") if limited else nullcontext():
        quietly(FILES["RG1_J2KI.dcm"])
    monkeypatch.undo()
    assert quietly(FILES["RG1_J2KI.dcm"]).shape == (1955, 1841)


def test_threads_share_the_child():
    samples = {}

    def work(name):
        samples[name] = quietly(FILES[name])

    names = ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "693_J2KI.dcm", "CT_small.dcm", "SC_rgb_rle.dcm"] * 3
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples.keys() == set(names)
    np.testing.assert_array_equal(samples["MR_small_RLE.dcm"].image, samples["MR_small_jp2klossless.dcm"].image)


def test_a_script_without_a_main_guard_can_read_compressed_files(tmp_path):
    script = f"from medloc_lib.data import dicom\nprint(dicom.read({str(FILES['MR_small_RLE.dcm'])!r}).shape)\n"
    done = subprocess.run(
        [sys.executable, _write(tmp_path / "user.py", script.encode())], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("(64, 64)", "", 0)


def test_every_error_is_ours():
    assert issubclass(ReadError, MedlocError)
