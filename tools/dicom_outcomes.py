"""Read every DICOM file that comes with pydicom and pydicom-data, and damaged copies, and print what came of it.

    python -m tools.dicom_outcomes [--mutations 2000] [--seed 0]

Each file must give a Sample or a MedlocError that names it, in at most 5 s and 1 GiB; the exit code is 1 if one did
not. Peak memory is of this process and its decoding child together, and is measured on Linux only.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pydicom
from pydicom.dataelem import RawDataElement
from tqdm.auto import tqdm

from medloc_lib.data.dicom import read
from medloc_lib.data.samples import sample_files
from medloc_lib.errors import MedlocError

KINDS = ("bit flips", "truncation", "changed length", "huge size")
MAX_SECONDS, MAX_BYTES = 5.0, 1 << 30
_SIZES = (0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280008)  # rows first: it is drawn most often
_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])


@dataclass(frozen=True)
class Outcome:
    """What became of one file; `error` is None for a Sample, and `proper` says that it is as promised.

    `peak` is the most memory, in bytes, that was in use beyond what was there before.
    """

    error: BaseException | None
    proper: bool
    seconds: float
    peak: int


@dataclass(frozen=True)
class Place:
    """Where in a file an element's value lies, and where its length is written and in how many bytes."""

    tag: int
    start: int
    size: int
    length_at: int
    length_size: int


def places(data: bytes) -> tuple[str, list[Place]]:
    """The transfer syntax of a file in words, and its top-level elements as pydicom finds them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data), force=True)
            name = ds.file_meta.TransferSyntaxUID.name if "TransferSyntaxUID" in ds.file_meta else "not stated"
        except Exception:  # a broken sample file: it is damaged at random places instead
            return "unreadable", []
    found = []
    for element in ds.elements():
        if isinstance(element, RawDataElement) and element.value is not None and "Deflated" not in name:
            wide = element.is_implicit_VR or element.VR in _LONG
            size = 4 if wide else 2
            found.append(Place(element.tag, element.value_tell, element.length, element.value_tell - size, size))
    return name, found


def mutate(data: bytes, kind: str, rng: random.Random, found: list[Place]) -> bytes:
    """A copy damaged in one of `KINDS`; the same random state gives the same copy."""
    copy = bytearray(data)
    if kind == "truncation":
        return bytes(copy[: rng.randrange(len(copy))])
    if kind == "changed length" and found:
        place = rng.choice(found)
        limit = 256**place.length_size
        new = rng.choice([0, 1, place.size + 1, place.size + 2, limit - 1, limit - 2, rng.randrange(limit)]) % limit
        copy[place.length_at : place.length_at + place.length_size] = new.to_bytes(place.length_size, "little")
        return bytes(copy)
    if kind == "huge size":
        sizes = [place for tag in _SIZES for place in found if place.tag == tag and place.size]
        chosen = sizes[:1] if rng.random() < 0.5 else rng.sample(sizes, min(len(sizes), 2))
        for place in chosen:
            text = place.tag == 0x00280008
            copy[place.start : place.start + place.size] = (b"9" if text else b"\xff") * place.size
        if chosen:
            return bytes(copy)
    head = min(len(copy), rng.choice([400, 4000, len(copy)]))
    for _ in range(rng.choice([1, 2, 8])):
        copy[rng.randrange(head)] ^= 1 << rng.randrange(8)
    return bytes(copy)


def mutations(files: list[Path], count: int, seed: int) -> Iterator[tuple[Path, str, str, bytes]]:
    """Draw `count` damaged copies: (original, its transfer syntax, kind of damage, bytes)."""
    rng = random.Random(seed)
    cache: dict[Path, tuple[str, list[Place]]] = {}
    for index in range(count):
        path, kind = rng.choice(files), KINDS[index % len(KINDS)]
        data = path.read_bytes()
        if path not in cache:
            cache[path] = places(data)
        syntax, found = cache[path]
        yield path, syntax, kind, mutate(data, kind, rng, found)


def attempt(path: Path, *, rescale: bool = False, window: bool = False) -> Outcome:
    """Read one file and judge the outcome."""
    _forget_peaks()
    before, start = _peak(), time.perf_counter()
    error: BaseException | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(path, rescale=rescale, window=window)
        except BaseException as caught:  # to count what must not happen
            error = caught
    seconds, peak = time.perf_counter() - start, _peak() - before
    clean = error is None or (isinstance(error, MedlocError) and path.name in str(error) and len(str(error)) < 2000)
    return Outcome(error, clean and seconds <= MAX_SECONDS and peak <= MAX_BYTES, seconds, peak)


def _processes() -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children()]


def _forget_peaks() -> None:
    for process in _processes() if sys.platform == "linux" else []:
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def _peak() -> int:
    """Peak resident memory in bytes since `_forget_peaks`, 0 where it cannot be told."""
    total = 0
    for process in _processes() if sys.platform == "linux" else []:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                total += int(line.split()[1]) << 10
    return total


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = sample_files()
    table: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    slowest: dict[tuple[str, str], float] = defaultdict(float)
    peaks: dict[tuple[str, str], int] = defaultdict(int)
    improper = []

    def note(key: tuple[str, str], name: str, outcome: Outcome) -> None:
        kind = (
            "Sample" if outcome.error is None else "MedlocError" if isinstance(outcome.error, MedlocError) else "other"
        )
        table[key][kind] += 1
        slowest[key] = max(slowest[key], outcome.seconds)
        peaks[key] = max(peaks[key], outcome.peak)
        if not outcome.proper:
            improper.append(f"{name}: {outcome.error!r:.200}, {outcome.seconds:.1f} s, {outcome.peak >> 20} MiB")

    for path in tqdm(files, desc="files as they are"):
        note((places(path.read_bytes())[0], "as it is"), path.name, attempt(path))
    drawn = mutations(files, options.mutations, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        for index, (path, syntax, kind, data) in enumerate(tqdm(drawn, total=options.mutations, desc="damaged copies")):
            copy = Path(folder, f"{index}-{path.name}")
            copy.write_bytes(data)
            outcome = attempt(copy, rescale=index % 2 == 1, window=index % 3 == 2)
            note((syntax, kind), copy.name, outcome)
            copy.unlink()

    print(f"{'transfer syntax':44} {'damage':14} Sample MedlocError other  slowest      peak")
    for key in [*sorted(table), ("all", "")]:
        rows = [key] if key in table else list(table)
        row = sum((table[k] for k in rows), Counter[str]())
        counts = f"{row['Sample']:6} {row['MedlocError']:11} {row['other']:5}"
        worst = f"{max(slowest[k] for k in rows):6.2f} s {max(peaks[k] for k in rows) >> 20:5} MiB"
        print(f"{key[0][:44]:44} {key[1]:14} {counts} {worst}")
    print(*improper, sep="\n")
    print(f"{len(improper)} not as promised")
    return 1 if improper else 0


if __name__ == "__main__":
    sys.exit(main())
