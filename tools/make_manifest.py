"""Write datasets/NAME/files.csv from a folder with the data set's files: path, SHA-256, bytes and split of each.

    python tools/make_manifest.py bccd FOLDER [--only manifest.csv] [--skip PREFIX]

FOLDER holds the files under the paths that they have at their source. With --only, a CSV with the columns path, sha256
and bytes, just the files that it names are taken, and each must match it. --skip leaves out paths that begin so. A data
set's rule for its splits stands in RULES below; the split that is written is then fixed, whatever NumPy later draws.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from medloc_lib.data.catalog import datasets_folder
from medloc_lib.data.checksums import sha256

Rule = Callable[[Path, list[str]], dict[str, str]]


def official_lists(root: Path, paths: list[str]) -> dict[str, str]:
    """BCCD: train, val and test as its ImageSets list them."""
    lists = root / "BCCD" / "ImageSets" / "Main"
    split_of = {name: split for split in SPLITS for name in (lists / f"{split}.txt").read_text().split()}
    return {path: split_of.get(PurePosixPath(path).stem, "") for path in paths}


def official_test(_: Path, paths: list[str]) -> dict[str, str]:
    """usgra_seg: the source's own test folder; a fifth of the rest is drawn for validation."""
    pairs = [path for path in paths if PurePosixPath(path).suffix == ".png"]
    rest = [path for path in pairs if "/test/" not in path]
    drawn = draw({name_of(path) for path in rest}, {"train": 0.8, "val": 0.2})
    return {path: drawn[name_of(path)] if path in set(rest) else "test" for path in pairs}


def by_volume(_: Path, paths: list[str]) -> dict[str, str]:
    """msd_hippocampus: volumes drawn 60 : 20 : 20."""
    volumes = [path for path in paths if path.endswith(".nii.gz")]
    drawn = draw({name_of(path) for path in volumes}, {"train": 0.6, "val": 0.2, "test": 0.2})
    return {path: drawn[name_of(path)] for path in volumes}


SPLITS = ("train", "val", "test")
RULES: dict[str, Rule] = {"bccd": official_lists, "usgra_seg": official_test, "msd_hippocampus": by_volume}


def name_of(path: str) -> str:
    """What a picture and its mask share: the file name without extension."""
    return PurePosixPath(path).name.split(".")[0]


def draw(units: Iterable[str], parts: dict[str, float]) -> dict[str, str]:
    """Units in an order drawn with seed 0, cut into parts of the given shares."""
    order = np.random.default_rng(0).permutation(sorted(units))
    edges = np.rint(np.cumsum(list(parts.values())) * len(order)).astype(int)
    return {str(unit): split for split, group in zip(parts, np.split(order, edges[:-1]), strict=True) for unit in group}


def main() -> int:
    """Write the table, and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(RULES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", type=Path)
    parser.add_argument("--skip", default="\0")
    arguments = parser.parse_args()
    root: Path = arguments.folder
    wanted: dict[str, tuple[str, int]] = {}
    if arguments.only:
        with arguments.only.open(newline="", encoding="utf-8") as file:
            wanted = {row["path"]: (row["sha256"], int(row["bytes"])) for row in csv.DictReader(file)}
    here = list(wanted) or [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
    paths = sorted(path for path in here if not path.startswith(arguments.skip))
    split_of = RULES[arguments.name](root, paths)
    found = {path: (sha256(root / path), (root / path).stat().st_size) for path in paths}
    wrong = [path for path in paths if wanted and wanted[path] != found[path]]
    if wrong:
        print(f"{len(wrong)} files differ from {arguments.only}: {', '.join(wrong[:5])}", file=sys.stderr)
        return 1
    target = datasets_folder() / arguments.name / "files.csv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "sha256", "bytes", "split"])
        writer.writerows([path, *found[path], split_of.get(path, "")] for path in paths)
    counts = Counter(split_of.get(path, "") or "none" for path in paths)
    total = sum(size for _, size in found.values())
    print(f"{target}: files = {len(paths)}, bytes = {total}; files per split {dict(counts)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
