"""Picture files: pixels as stored, NIfTI where nibabel and SimpleITK say it lies, damaged files refused by name."""

from __future__ import annotations

import gzip
import itertools
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from medloc_lib.data.annotations import read_masks
from medloc_lib.data.images import find_image, image_shape, read_image, read_mask
from medloc_lib.errors import InputError, MedlocError, ReadError
from medloc_lib.geometry import boxes_to_mm, index_to_mm

RAS_TO_LPS = np.array([-1, -1, 1])


def save(path: Path, data: np.ndarray, affine: np.ndarray, *, codes: int = 1, units: str = "mm") -> Path:
    file = nib.Nifti1Image(data, affine)
    file.header.set_xyzt_units(units)
    file.set_sform(affine, code=codes)
    file.set_qform(None if codes == 0 else affine, code=codes)
    nib.save(file, path)
    return path


def oriented(axes: tuple[int, ...], signs: tuple[int, ...], tilt: float = 0.0) -> np.ndarray:
    """RAS affine whose file axes follow the given patient axes with the given signs, turned by `tilt` about z."""
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    linear = np.zeros((3, 3))
    for axis, (patient, sign, step) in enumerate(zip(axes, signs, (0.8, 1.1, 3.0), strict=True)):
        linear[patient, axis] = sign * step
    affine = np.eye(4)
    affine[:3, :3] = turn @ linear
    affine[:3, 3] = (-31, 17, 5.5)
    return affine


ORIENTATIONS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


class TestPillow:
    @pytest.mark.parametrize(
        ("mode", "suffix", "shape", "dtype"),
        [
            ("L", "png", (1, 6, 9), "uint8"),
            ("RGB", "png", (3, 6, 9), "uint8"),
            ("RGBA", "png", (3, 6, 9), "uint8"),
            ("LA", "png", (1, 6, 9), "uint8"),
            ("P", "png", (3, 6, 9), "uint8"),
            ("1", "png", (1, 6, 9), "uint8"),
            ("CMYK", "jpg", (3, 6, 9), "uint8"),
            ("I;16", "png", (1, 6, 9), "uint16"),
            ("I;16", "tif", (1, 6, 9), "uint16"),
            ("I;16B", "tif", (1, 6, 9), "uint16"),
            ("F", "tif", (1, 6, 9), "float32"),
            ("I", "tif", (1, 6, 9), "int32"),
            ("L", "bmp", (1, 6, 9), "uint8"),
            ("RGB", "webp", (3, 6, 9), "uint8"),
        ],
    )
    def test_modes(self, tmp_path, mode, suffix, shape, dtype):
        path = tmp_path / f"a.{suffix}"
        if mode.startswith("I;16"):
            values = (np.arange(54).reshape(6, 9) * 1000).astype("<u2" if mode == "I;16" else ">u2")
            Image.frombytes(mode, (9, 6), values.tobytes()).save(path)
        else:
            Image.new(mode, (9, 6)).save(path)
        sample = read_image(path)
        assert sample.image.shape == shape and sample.image.dtype == dtype and sample.image.dtype.isnative
        assert image_shape(path) == (6, 9)
        if mode.startswith("I;16"):
            np.testing.assert_array_equal(sample.image[0], values)

    def test_transparent_pixels_keep_their_colour(self, tmp_path):
        Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "a.png")
        assert read_image(tmp_path / "a.png").image[:, 0, 0].tolist() == [10, 20, 30]

    def test_damaged(self, tmp_path):
        path = tmp_path / "a.png"
        Image.effect_noise((64, 64), 50).save(path)
        whole = path.read_bytes()
        rng = np.random.default_rng(0)
        outcomes = {"read": 0, "refused": 0}
        for _ in range(200):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 3):
                data[place] = rng.integers(0, 256)
            path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
            try:
                read_image(path)
                outcomes["read"] += 1
            except ReadError as error:
                assert "a.png" in str(error)
                outcomes["refused"] += 1
        assert outcomes["refused"] > 50

    def test_bomb(self, tmp_path):
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        for read in (image_shape, read_image, read_mask):
            with pytest.raises(ReadError, match=r"a\.png: cannot be decoded: .*pixels"):
                read(tmp_path / "a.png")

    def test_other_formats_are_not_tried(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
        with pytest.raises(ReadError, match="is no picture"):
            read_image(tmp_path / "a.png")

    def test_several_pages(self, tmp_path):
        page = Image.new("L", (4, 4))
        page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
        with pytest.raises(ReadError, match="holds 3 pages"):
            read_image(tmp_path / "a.tif")

    def test_not_finite(self, tmp_path):
        Image.fromarray(np.full((4, 4), np.nan, dtype=np.float32)).save(tmp_path / "a.tif")
        with pytest.raises(ReadError, match=r"a\.tif: .*finite"):
            read_image(tmp_path / "a.tif")

    def test_missing_or_unknown(self, tmp_path):
        for read in (image_shape, read_image, read_mask):
            for name in ("a.png", "a.nii", "a.dcm"):
                with pytest.raises(MedlocError, match=name):
                    read(tmp_path / name)


class TestNifti:
    @pytest.mark.parametrize("tilt", [0.0, 0.3])
    @pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
    def test_every_voxel_is_where_nibabel_says(self, tmp_path, axes, signs, tilt):
        data = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
        affine = oriented(axes, signs, tilt)
        sample = read_image(save(tmp_path / "a.nii.gz", data, affine))
        assert sample.image.dtype == np.int16
        # Our index of every voxel, found by its value, must lead to the millimetres that nibabel gives for its own.
        index = np.argwhere(np.ones(sample.shape, dtype=bool))
        theirs = np.stack(np.unravel_index(sample.image[0][tuple(index.T)].astype(int), data.shape), axis=1)
        expected = nib.affines.apply_affine(affine, theirs) * RAS_TO_LPS
        np.testing.assert_allclose(index_to_mm(index, sample.affine), expected, atol=1e-4)
        # Planes are the file's slices, and the picture is upright.
        assert sample.shape[0] == 6 and sample.spacing[0] == pytest.approx(3.0, rel=1e-5)
        rows, cols = (np.abs(sample.affine[:3, axis]).argmax() for axis in (1, 2))
        assert rows > cols
        assert (sample.affine[rows, 1] > 0) == (rows == 1) and sample.affine[cols, 2] > 0

    def test_simpleitk_agrees(self, tmp_path):
        rng = np.random.default_rng(0)
        for n in range(10):
            linear = np.linalg.qr(rng.normal(size=(3, 3)))[0] * [0.7, 1.3, 2.5] * (1 if n % 2 else -1)
            affine = np.eye(4)
            affine[:3] = np.column_stack([linear, rng.normal(size=3) * 50])
            data = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
            sample = read_image(save(tmp_path / "a.nii", data, affine))
            other = SimpleITK.ReadImage(str(tmp_path / "a.nii"))
            for index in np.argwhere(np.ones(sample.shape, dtype=bool))[::7]:
                i, j, k = np.unravel_index(int(sample.image[0][tuple(index)]), data.shape)
                point = other.TransformIndexToPhysicalPoint((int(i), int(j), int(k)))
                np.testing.assert_allclose(index_to_mm([index], sample.affine)[0], point, atol=1e-3)

    @pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS[::5])
    def test_boxes_of_a_mask_in_millimetres(self, tmp_path, axes, signs):
        affine = oriented(axes, signs)
        mask = np.zeros((9, 10, 11), dtype=np.uint8)
        mask[2:5, 3:7, 4:6] = 2
        mask[7:, 8:, 9:] = 1
        (tmp_path / "images").mkdir()
        (tmp_path / "labels").mkdir()
        save(tmp_path / "images" / "a.nii.gz", mask.astype(np.float32), affine)
        save(tmp_path / "labels" / "a.nii.gz", mask, affine)
        (sample,) = read_masks(tmp_path / "images", tmp_path / "labels", classes={1: "one", 2: "two"})
        np.testing.assert_array_equal(sample.image[0], sample.mask)
        assert sample.labels.tolist() == [0, 1]
        # Edges lie half a voxel outside the outermost centres.
        ends = np.array([[2 - 0.5, 3 - 0.5, 4 - 0.5], [4 + 0.5, 6 + 0.5, 5 + 0.5]])
        corners = nib.affines.apply_affine(affine, ends) * RAS_TO_LPS
        expected = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        np.testing.assert_allclose(boxes_to_mm(sample.boxes, sample.affine)[1], expected, atol=1e-4)

    def test_two_dimensions_channels_and_units(self, tmp_path):
        affine = np.diag([0.5, 0.25, 4, 1])
        flat = np.arange(12, dtype=np.uint8).reshape(3, 4)
        for data in (flat, flat[..., None]):
            sample = read_image(save(tmp_path / "a.nii", data, affine))
            assert sample.shape == (4, 3) and sample.spacing == (0.25, 0.5)
            # RAS: columns and rows are turned, so that the picture is upright.
            np.testing.assert_array_equal(sample.image[0], flat.T[::-1, ::-1])
        sample = read_image(save(tmp_path / "a.nii", np.stack([flat[..., None]] * 3, axis=-1), affine))
        assert sample.image.shape == (3, 4, 3)
        sample = read_image(save(tmp_path / "a.nii", np.zeros((3, 4, 5), np.uint8), affine / 1000, units="meter"))
        np.testing.assert_allclose(sample.spacing, (4, 0.25, 0.5), rtol=1e-5)

    def test_scaled_integers_and_unknown_place(self, tmp_path):
        file = nib.Nifti1Image(np.zeros((3, 4, 5), dtype=np.int16), np.eye(4))
        file.header.set_slope_inter(2, -1024)
        raw = file.dataobj
        raw[...] = np.arange(60).reshape(3, 4, 5)
        nib.save(file, tmp_path / "a.nii")
        sample = read_image(tmp_path / "a.nii")
        assert sample.image.dtype == np.float32
        np.testing.assert_allclose(
            np.sort(sample.image.ravel()), np.sort(nib.load(tmp_path / "a.nii").get_fdata().ravel())
        )
        sample = read_image(save(tmp_path / "b.nii", np.zeros((3, 4, 5), np.uint8), np.diag([1, 2, 3, 1.0]), codes=0))
        assert sample.affine is None and sample.spacing == (3, 2, 1)

    def test_a_mask_elsewhere(self, tmp_path):
        data = np.zeros((4, 5, 6), dtype=np.uint8)
        data[1, 1, 1] = 1
        moved = np.eye(4)
        moved[0, 3] = 0.6
        (tmp_path / "images").mkdir()
        (tmp_path / "labels").mkdir()
        save(tmp_path / "images" / "a.nii", data, np.eye(4))
        save(tmp_path / "labels" / "a.nii", data, moved)
        with pytest.raises(ReadError, match="lies elsewhere in patient space"):
            read_masks(tmp_path / "images", tmp_path / "labels")
        moved[0, 3] = 0.01
        save(tmp_path / "labels" / "a.nii", data, moved)
        assert len(read_masks(tmp_path / "images", tmp_path / "labels")[0].boxes) == 1

    def test_damaged(self, tmp_path):
        path = save(
            tmp_path / "a.nii", np.random.default_rng(0).integers(0, 99, (8, 9, 10)).astype(np.int16), np.eye(4)
        )
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(ReadError, match="cut short"):
            read_image(path)
        lying = bytearray(gzip.compress(whole))
        (tmp_path / "b.nii.gz").write_bytes(lying[: len(lying) // 2])
        with pytest.raises(ReadError, match=r"b\.nii\.gz"):
            read_image(tmp_path / "b.nii.gz")
        header = bytearray(whole)
        header[42:48] = struct.pack("<hhh", 30_000, 30_000, 30_000)
        (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(header)))
        with pytest.raises(ReadError, match="cut short: its header promises 54000000000000 bytes"):
            read_image(tmp_path / "b.nii.gz")
        path.write_text("no NIfTI")
        with pytest.raises(ReadError, match="is no readable NIfTI"):
            read_image(path)
        rng = np.random.default_rng(1)
        for _ in range(200):
            data = bytearray(whole)
            for place in rng.integers(0, 352, 3):
                data[place] = rng.integers(0, 256)
            path.write_bytes(data)
            try:
                read_image(path)
            except ReadError as error:
                assert "a.nii" in str(error)

    def test_more_than_the_memory_that_is_free(self, tmp_path, monkeypatch):
        path = save(tmp_path / "a.nii.gz", np.zeros((80, 90, 100), np.int16), np.eye(4))
        assert path.stat().st_size < 10_000
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1_700_000))
        with pytest.raises(ReadError, match=r"a\.nii\.gz: takes 1 MiB when unpacked, more memory than is free"):
            read_image(path)
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1_900_000))
        assert read_image(path).shape == (100, 90, 80)

    def test_nan_fractions_and_singular(self, tmp_path):
        values = np.zeros((3, 4, 5), dtype=np.float32)
        values[0, 0, 0] = np.nan
        with pytest.raises(ReadError, match="1 voxels are NaN"):
            read_image(save(tmp_path / "a.nii", values, np.eye(4)))
        with pytest.raises(ReadError, match="whole numbers"):
            read_mask(save(tmp_path / "a.nii", np.full((3, 4, 5), 0.5, dtype=np.float32), np.eye(4)))
        assert read_mask(save(tmp_path / "a.nii", np.full((3, 4, 5), 2, dtype=np.float32), np.eye(4))).dtype.kind == "i"
        path = save(tmp_path / "a.nii", np.zeros((3, 4, 5), np.uint8), np.eye(4))
        data = bytearray(path.read_bytes())
        data[280:328] = bytes(48)  # the sform's rows
        path.write_bytes(data)
        with pytest.raises(ReadError, match="singular"):
            image_shape(path)


def test_find_image_stays_inside(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "out.png").touch()
    (inside / "in.png").touch()
    for name in ("in.png", "./in.png", "deep/in.png", "..\\x\\in.png", "/etc/in.png", "C:/in.png"):
        assert find_image(name, [inside]) == inside / "in.png"
    for name in (
        "x" * 5000,
        "deep/" * 3000 + "x.png",
        "../out.png",
        str(tmp_path / "out.png"),
        "",
        "..",
        "/",
        ".",
        "in.png\0.jpg",
        "in.png/..",
    ):
        assert find_image(name, [inside]) is None


def test_read_masks_needs_named_classes(tmp_path):
    with pytest.raises(InputError, match="background"):
        read_masks([], [], classes={0: "nothing"})
