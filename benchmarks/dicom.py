"""A CT series of 300 slices of 512×512 from disk to a rescaled float32 volume: medloc, SimpleITK and a pydicom loop.

Run it as ``python benchmarks/dicom.py``. The series is made in a temporary folder, with the header of a real CT slice
that comes with pydicom, in files whose names are not in order. All take turns, and medians of the rounds are compared;
the files are in the page cache for everyone. The volumes must be equal. Then the headers alone: `scan` against a loop
of ``dcmread(stop_before_pixels=True)``.
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK
from numpy.typing import NDArray
from pydicom.uid import generate_uid

from medloc_lib.data import dicom
from medloc_lib.data.samples import sample_files

SLICES, SIDE, ROUNDS = 300, 512, 7
SITK_LIMIT, PYDICOM_LIMIT, SCAN_LIMIT = 0.4, 0.7, 2.0

Floats = NDArray[np.float32]


def make_series(folder: Path, *, slices: int = SLICES, side: int = SIDE, seed: int = 0) -> None:
    """Write a CT-like series: a bright ellipse with noise, 1 mm slices, names in random order."""
    template = next(path for path in sample_files() if path.name == "CT_small.dcm")
    ds = pydicom.dcmread(template)
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    body = np.where((row / 0.7) ** 2 + (col / 0.9) ** 2 < 1, 1064, 24)
    names = random.Random(seed).sample(range(slices), slices)
    del ds.DataSetTrailingPadding
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["medloc series"])
    ds.Rows = ds.Columns = side
    ds.PixelSpacing = [0.7, 0.7]
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    for index, name in enumerate(names):
        ds.SOPInstanceUID = generate_uid(entropy_srcs=["medloc slice", str(index)])
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.InstanceNumber = index + 1
        ds.ImagePositionPatient = [-180, -180, index - slices / 2]
        ds.SliceLocation = index - slices / 2
        ds.PixelData = (body + rng.integers(-20, 21, body.shape)).astype("<i2").tobytes()
        ds.save_as(folder / f"{name:04}.dcm", enforce_file_format=True)


def with_medloc(folder: Path) -> Any:
    return dicom.read(folder, rescale=True).image[0]


def with_sitk(names: Sequence[str]) -> Any:
    kind: Any = SimpleITK.ImageSeriesReader
    reader = kind()
    reader.SetFileNames(names)
    reader.SetOutputPixelType(SimpleITK.sitkFloat32)
    return reader.Execute()


def in_order(folder: Path) -> Sequence[str]:
    reader: Any = SimpleITK.ImageSeriesReader
    names: Sequence[str] = reader.GetGDCMSeriesFileNames(str(folder))
    return names


def with_pydicom(folder: Path) -> Floats:
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    volume = np.empty((len(slices), slices[0].Rows, slices[0].Columns), dtype=np.float32)
    for out, ds in zip(volume, slices, strict=True):
        np.multiply(ds.pixel_array, np.float32(ds.RescaleSlope), out=out)
        out += np.float32(ds.RescaleIntercept)
    return volume


def headers_with_pydicom(folder: Path) -> int:
    return len([pydicom.dcmread(path, stop_before_pixels=True) for path in folder.iterdir()])


def headers_with_medloc(folder: Path) -> int:
    return sum(info.slices for info in dicom.scan(folder))


def timed(work: Callable[..., Any], argument: Any) -> tuple[Any, float]:
    gc.collect()
    began = time.perf_counter()
    answer = work(argument)
    return answer, time.perf_counter() - began


def compare(entries: dict[str, tuple[Callable[..., Any], Any]]) -> tuple[dict[str, float], bool]:
    """Median seconds of each entry over rounds in which they take turns, and whether their answers are equal."""
    seconds: dict[str, list[float]] = {name: [] for name in entries}
    equal, image = True, None
    for _ in range(ROUNDS):
        first = None
        for name, (work, argument) in entries.items():
            answer, spent = timed(work, argument)
            seconds[name].append(spent)
            if isinstance(answer, SimpleITK.Image):  # a view, so that SimpleITK pays for no copy
                image = answer
                answer = SimpleITK.GetArrayViewFromImage(image)
            first = answer if first is None else first
            equal &= bool(np.array_equal(first, answer)) and np.asarray(answer).dtype == np.asarray(first).dtype
    return {name: statistics.median(spent) for name, spent in seconds.items()}, equal


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_series(folder)
        times, equal = compare(
            {
                "medloc read(folder, rescale=True)": (with_medloc, folder),
                "SimpleITK, names given in order": (with_sitk, in_order(folder)),
                "SimpleITK, with sorting": (lambda place: with_sitk(in_order(place)), folder),
                "pydicom loop, sorted": (with_pydicom, folder),
            }
        )
        mine, sitk_s, _, loop_s = times.values()
        print(f"{SLICES} slices of {SIDE}×{SIDE}, rescaled float32, {ROUNDS} rounds; volumes equal: {equal}")
        for name, seconds in times.items():
            print(f"  {name:36} {seconds:.3f} s   medloc takes {mine / seconds:.2f} of it")
        print(f"  at most {SITK_LIMIT} of SimpleITK: {mine <= SITK_LIMIT * sitk_s}")
        print(f"  at most {PYDICOM_LIMIT} of the loop: {mine <= PYDICOM_LIMIT * loop_s}")
        times, equal = compare(
            {"medloc scan(folder)": (headers_with_medloc, folder), "dcmread loop": (headers_with_pydicom, folder)}
        )
        ours, theirs = times.values()
        print(f"headers of {SLICES} files, {ROUNDS} rounds; counts equal: {equal}")
        for name, seconds in times.items():
            print(f"  {name:36} {SLICES / seconds:6.0f} files/s")
        print(f"  at least {SCAN_LIMIT:g} times as many: {theirs >= SCAN_LIMIT * ours} ({theirs / ours:.1f})")


if __name__ == "__main__":
    main()
