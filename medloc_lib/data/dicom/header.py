"""The few header values that sorting, geometry and pixels need, from the bytes of the elements.

Both ways to read a header (`medloc_lib.data.dicom.quick` and pydicom) end here, so they cannot disagree on a value.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.uid import UID

CHARSET, IMAGE_TYPE, SOP_CLASS, SOP_UID, MODALITY = 0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080060
DESCRIPTION, NAME, PATIENT, ISSUER = 0x0008103E, 0x00100010, 0x00100020, 0x00100021
THICKNESS, BETWEEN, DETECTOR_SPACING, SCANNED_SPACING = 0x00180050, 0x00180088, 0x00181164, 0x00182010
STUDY, SERIES, NUMBER, POSITION, ORIENTATION = 0x0020000D, 0x0020000E, 0x00200013, 0x00200032, 0x00200037
SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS = 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011
SPACING, ALLOCATED, STORED, SIGNED = 0x00280030, 0x00280100, 0x00280101, 0x00280103
INTERCEPT, SLOPE, MODALITY_LUT, DOSE_SCALING = 0x00281052, 0x00281053, 0x00283000, 0x3004000E

WANTED = frozenset(
    {CHARSET, IMAGE_TYPE, SOP_CLASS, SOP_UID, MODALITY, DESCRIPTION, NAME, PATIENT, ISSUER, THICKNESS, BETWEEN}
    | {DETECTOR_SPACING, SCANNED_SPACING, STUDY, SERIES, NUMBER, POSITION, ORIENTATION, SAMPLES, PHOTOMETRIC, FRAMES}
    | {ROWS, COLUMNS, SPACING, ALLOCATED, STORED, SIGNED, INTERCEPT, SLOPE, MODALITY_LUT, DOSE_SCALING}
)

SPACINGS = (
    (SPACING, "PixelSpacing"),
    (DETECTOR_SPACING, "ImagerPixelSpacing, at the detector"),
    (SCANNED_SPACING, "NominalScannedPixelSpacing"),
)

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class Header:
    """One file's header. A number that is missing or unreadable is None, a text is empty.

    `rows`, `columns` and `frames` are as the file states them, one frame if it does not. `pixels` is the offset and
    length in bytes of plain pixel data, known only where they can be read without pydicom. `lut` says that a modality
    LUT takes the place of slope and intercept.
    """

    path: Path
    syntax: str
    sop_class: str
    sop_uid: str
    series: str
    modality: str
    description: str
    group: str
    image_type: tuple[str, ...]
    number: int | None
    rows: int | None
    columns: int | None
    frames: int | None
    samples: int | None
    photometric: str
    allocated: int | None
    stored: int | None
    signed: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    spacing_from: str
    thickness: float | None
    slope: float
    intercept: float
    lut: bool
    pixels: tuple[int, int] | None

    @property
    def has_image(self) -> bool:
        """Whether the header describes pixels at all."""
        return bool(self.rows and self.columns)

    @property
    def kind(self) -> str:
        """What the file is, in words: "CT Image Storage"."""
        return UID(self.sop_class).name[:64] if self.sop_class else "DICOM file of unknown kind"


def header_from(
    path: Path,
    elements: Mapping[int, bytes],
    *,
    syntax: str,
    little: bool = True,
    pixels: tuple[int, int] | None = None,
) -> Header:
    """Convert the raw values of the elements in `WANTED`; what cannot be converted counts as missing."""
    get = elements.get
    order = "little" if little else "big"

    def short(tag: int) -> int | None:
        raw = get(tag, b"")
        return int.from_bytes(raw, order) if len(raw) == 2 else None  # type: ignore[arg-type]

    frames = numbers(get(FRAMES), count=1) if FRAMES in elements else (1.0,)
    number = numbers(get(NUMBER))
    spacing, source = None, ""
    for tag, name in SPACINGS:
        pair = numbers(get(tag), count=2)
        if pair and min(pair) > 0:
            spacing, source = pair, name
            break
    slope, intercept = numbers(get(SLOPE), count=1), numbers(get(INTERCEPT), count=1)
    scale = slope if slope and intercept else None
    dose = numbers(get(DOSE_SCALING), count=1)
    thickness = numbers(get(BETWEEN), count=1) or numbers(get(THICKNESS), count=1)
    return Header(
        path=path,
        syntax=syntax,
        sop_class=ascii_text(get(SOP_CLASS)),
        sop_uid=ascii_text(get(SOP_UID)),
        series=ascii_text(get(SERIES)),
        modality=ascii_text(get(MODALITY))[:16],
        description=free_text(get(DESCRIPTION), get(CHARSET))[:64],
        group=pseudonym(elements),
        image_type=tuple(part.strip() for part in ascii_text(get(IMAGE_TYPE)).split("\\") if part.strip()),
        number=int(number[0]) if number else None,
        rows=short(ROWS),
        columns=short(COLUMNS),
        frames=int(frames[0]) if frames and frames[0].is_integer() else None,
        samples=short(SAMPLES),
        photometric=ascii_text(get(PHOTOMETRIC)),
        allocated=short(ALLOCATED),
        stored=short(STORED),
        signed=short(SIGNED),
        position=numbers(get(POSITION), count=3),
        orientation=numbers(get(ORIENTATION), count=6),
        spacing=spacing,
        spacing_from=source,
        thickness=abs(thickness[0]) or None if thickness else None,
        slope=scale[0] if scale else dose[0] if dose else 1.0,
        intercept=intercept[0] if scale and intercept else 0.0,
        lut=MODALITY_LUT in elements,
        pixels=pixels,
    )


def numbers(raw: bytes | None, *, count: int | None = None) -> tuple[float, ...] | None:
    r"""Decimal numbers from the text of a DS or IS element, or None if they are not `count` finite numbers.

    >>> numbers(b"0.5\\-2e1 ", count=2)
    (0.5, -20.0)
    >>> numbers(b"1.5\\x", count=2) is None
    True
    """
    if not raw or b"_" in raw:
        return None
    try:
        values = tuple(float(part) for part in raw.strip(b" \0").split(b"\\"))
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) and count in (None, len(values)) else None


def ascii_text(raw: bytes | None) -> str:
    """Text of a UI or CS element, padding stripped, anything unprintable shown as "?"."""
    text = (raw or b"").decode("ascii", "replace").strip(" \0")
    return text if text.isprintable() and "\ufffd" not in text else "".join(c if " " <= c <= "~" else "?" for c in text)


def free_text(raw: bytes | None, charset: bytes | None) -> str:
    """Text of an LO element in the file's character set."""
    if not raw or raw.isascii():
        return ascii_text(raw)
    try:
        encodings = convert_encodings(ascii_text(charset).split("\\"))
        text = decode_bytes(raw, encodings, set())
    except (LookupError, ValueError):
        text = raw.decode("latin-1")
    return "".join(c for c in text.strip(" \0") if c.isprintable())


def pseudonym(elements: Mapping[int, bytes]) -> str:
    """A name for the patient that does not say who it is: the same patient ID always gives the same one.

    From the patient ID and its issuer, else the name, else the study, else the image. It is a hash without a secret:
    whoever has a list of IDs can find them again, so it is no anonymization.

    >>> pseudonym({PATIENT: b"4711 "}) == pseudonym({PATIENT: b"4711"})
    True
    """
    for tags in ((ISSUER, PATIENT), (NAME,), (STUDY,), (SOP_UID,)):
        words = [b" ".join(elements.get(tag, b"").strip(b" \0").lower().split()) for tag in tags]
        if words[-1]:
            return "patient-" + hashlib.sha256(b"\0".join(words)).hexdigest()[:12]
    return "patient-unknown"
