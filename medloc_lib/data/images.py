"""Picture files as samples: PNG, JPEG, TIFF, BMP and WebP by Pillow, NIfTI by `nifti`, DICOM by `dicom`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from medloc_lib.errors import InputError, MedlocError, ReadError
from medloc_lib.geometry import as_label_map
from medloc_lib.sample import Array, Sample

PILLOW = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".webp": "WEBP",
}
NIFTI = (".nii.gz", ".nii")
DICOM = (".dcm", ".dicom")


def is_image(path: Path) -> bool:
    """Whether the name is that of a picture that `read_image` reads."""
    name = path.name.lower()
    return not name.startswith(".") and name.endswith((*PILLOW, *NIFTI, *DICOM))


def may_be_dicom(path: Path) -> bool:
    """Whether the name is that of a DICOM file, or of nothing that is known: DICOM files often have bare names."""
    return not is_image(path) or path.name.lower().endswith(DICOM)


def list_images(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_image(path) and path.is_file())


def stem(path: Path) -> str:
    """File name without its extension, ``.nii.gz`` being one.

    >>> stem(Path("a/scan.1.nii.gz")), stem(Path("b.png"))
    ('scan.1', 'b')
    """
    return path.name[: -len(".nii.gz")] if path.name.lower().endswith(".nii.gz") else path.stem


def one_line(error: BaseException) -> str:
    """What somebody else's error says, without its line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def image_shape(path: Path) -> tuple[int, ...]:
    """Spatial shape of a picture, (rows, cols) or (planes, rows, cols), from its header alone.

    Raises
    ------
    ReadError
        If there is no such file, or it is not what its name says.
    """
    if is_nifti(path):
        from medloc_lib.data import nifti

        return nifti.layout_of(path).shape
    if path.suffix.lower() not in PILLOW:
        return _dicom_shape(path)
    with _pillow(path) as picture:
        return (picture.height, picture.width)


def read_image(path: Path) -> Sample:
    """One picture as a Sample without truth: pixels as the file has them, grey of 8 to 32 bit or colour of 8, no alpha.

    Raises
    ------
    ReadError
        If there is no such file, or it cannot be decoded.
    """
    if is_nifti(path):
        from medloc_lib.data import nifti

        layout = nifti.layout_of(path)
        return Sample(nifti.voxels(path, layout), spacing=layout.spacing, affine=layout.affine, id=stem(path))
    if path.suffix.lower() not in PILLOW:
        from medloc_lib.data import dicom

        return dicom.read(path)
    with _pillow(path) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format != "MPO":  # a telephone's JPEG with a preview behind it
            raise ReadError(path, f"holds {frames} pages; save them as one file each, or as NIfTI or DICOM")
        if picture.mode not in ("L", "RGB", "F", "I") and not picture.mode.startswith("I;16"):
            picture = picture.convert({"1": "L", "LA": "L", "La": "L"}.get(picture.mode, "RGB"))
        pixels = np.asarray(picture)
    color = pixels.ndim == 3
    image = np.ascontiguousarray(np.moveaxis(pixels, -1, 0)) if color else pixels[None]
    try:
        native = image.astype(image.dtype.newbyteorder("="), copy=False)
        return Sample(native, channels=("R", "G", "B") if color else (), id=stem(path))
    except InputError as error:
        raise ReadError(path, str(error)) from error


def read_mask(path: Path) -> Array:
    """One label map: integers of the spatial shape, palette indices as they are stored.

    Raises
    ------
    ReadError
        If the file cannot be decoded, is a colour picture, or holds fractions.
    """
    if is_nifti(path):
        from medloc_lib.data import nifti

        values = nifti.voxels(path, nifti.layout_of(path))
        if len(values) != 1:
            raise ReadError(path, f"a mask has one channel; this has {len(values)}")
        values = values[0]
    elif path.suffix.lower() in PILLOW:
        with _pillow(path) as picture:
            values = np.asarray(picture)
        if values.ndim == 3:
            color = values[..., :3] if values.shape[-1] >= 3 else values[..., :1]
            if (color != color[..., :1]).any():
                raise ReadError(path, "is a colour picture; a mask holds one whole number per pixel (grey or palette)")
            values = color[..., 0]
    else:
        raise ReadError(path, "a mask must be PNG, TIFF, BMP or NIfTI")
    try:
        return values if values.dtype.kind in "iu" else as_label_map(values)
    except InputError as error:
        raise ReadError(path, str(error)) from error


def is_nifti(path: Path) -> bool:
    """Whether the name is that of a NIfTI file."""
    return path.name.lower().endswith(NIFTI)


@contextmanager
def _pillow(path: Path) -> Iterator[Image.Image]:
    """An open picture; what Pillow raises on opening or decoding becomes a ReadError."""
    _must_exist(path)
    try:
        # Only the formats named: others of Pillow's run programs or read further files.
        with Image.open(path, formats=sorted(set(PILLOW.values()))) as picture:
            yield picture
    except MedlocError:
        raise
    except UnidentifiedImageError as error:
        raise ReadError(path, "is no picture of a format that is read here (PNG, JPEG, TIFF, BMP, WebP)") from error
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error and more
        raise ReadError(path, f"cannot be decoded: {one_line(error)}") from error


def _dicom_shape(path: Path) -> tuple[int, ...]:
    import pydicom

    _must_exist(path)
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns", "NumberOfFrames"])
        frames = int(header.get("NumberOfFrames") or 1)
        shape = (int(header.Rows), int(header.Columns))
    except Exception as error:  # any damage to the header
        raise ReadError(path, f"is no picture that is read here: {one_line(error)}") from error
    return (frames, *shape) if frames > 1 else shape


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise ReadError(path, "there is no such file")


def find_image(name: str, folders: Iterable[Path]) -> Path | None:
    """The picture that an annotation file calls `name`: below one of the folders, or there by its last part.

    A name that leads out of the folders (absolute, or through ``..``) counts by its last part only.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or "\0" in name:
        return None
    inside = ".." not in parts and not name.startswith(("/", "\\")) and ":" not in parts[0]
    for tail in ([parts] if inside else []) + [parts[-1:]]:
        for folder in folders:
            path = folder.joinpath(*tail)
            try:
                if tail[-1] != ".." and path.is_file():
                    return path
            except OSError:  # longer than a name may be
                return None
    return None
