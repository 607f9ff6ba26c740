"""The stored heat-map detectors: where they are good, and how long large pictures take.

`python benchmarks/detector.py` scores `models/brain_lesions_heatmap` on the test split, with skull and without, by
size, once at one look and once at four views of each picture (the row `heatmap_views`); beside it
`models/brain_lesions_pasted`, which was trained on pasted lesions too. It times the first on a picture of
4,000×4,000, a mosaic of test slices. It also times a volume of 160×160×160, with a network of the same widths in three
dimensions that was trained for one step only: its speed does not depend on what it has learned. It writes
benchmarks/detector.json.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rounded import numbers

import medloc_lib as ml
from medloc_lib.bench.named import make
from medloc_lib.bench.table import write_whole
from medloc_lib.bench.worker import peak_mib
from medloc_lib.deep.localizers import HeatmapLocalizer, load_model
from medloc_lib.localizer import any_class
from medloc_lib.metrics import Matches, bootstrap, match, paired_difference
from medloc_lib.sample import Detections, Sample

PLACE = Path(__file__).resolve().parent / "detector.json"
SIZES = {"all": None, "under 5 mm": (0.0, 5.0), "5 to 15 mm": (5.0, 15.0), "from 15 mm": (15.0, math.inf)}
ONE = 3  # position of one false positive an image among the rates of FROC


def scores(test: Sequence[Sample], found: Sequence[Detections]) -> dict[str, Any]:
    """AP at IoU 0.3 by size, and sensitivity at one false positive an image, each with its interval over patients."""
    where, groups = any_class(test, found), [sample.group for sample in test]
    made = {
        f"AP 0.3, {name}": _interval(match(*where, iou=0.3, size_mm=size), _ap, groups) for name, size in SIZES.items()
    }
    made["sensitivity at 1 FP"] = _interval(match(*where, iou=0.3), _sensitivity, groups)
    return made


def gain(
    test: Sequence[Sample], found: Sequence[Detections], before: Sequence[Detections]
) -> dict[str, dict[str, float]]:
    """How much better finds are than those before: paired differences of AP 0.3 and of the sensitivity."""
    groups = [sample.group for sample in test]
    one, other = (match(*any_class(test, detections), iou=0.3) for detections in (found, before))
    made = {}
    for name, read in {"more AP 0.3": _ap, "more sensitivity": _sensitivity}.items():
        made[name] = numbers(paired_difference(partial(read, one), partial(read, other), groups))
    return made


def _ap(matches: Matches, weights: Any) -> float:
    return matches.average_precision(weights).mean


def _sensitivity(matches: Matches, weights: Any) -> float:
    return float(np.asarray(matches.froc(weights).sensitivity)[ONE])


def _interval(matches: Matches, read: Any, groups: Sequence[str]) -> dict[str, float]:
    return numbers(bootstrap(partial(read, matches), groups))


def mosaic(test: Sequence[Sample], side: int) -> Sample:
    """Test slices side by side in a square of `side` pixels, with their boxes."""
    first = test[0]
    size = first.shape[0]
    image = np.zeros((len(first.image), side, side), dtype=np.float32)
    boxes, ignore = [np.zeros((0, 4))], [np.zeros(0, dtype=bool)]
    for k in range((side // size) ** 2):
        row, col = (size * place for place in divmod(k, side // size))
        part = test[k % len(test)]
        image[:, row : row + size, col : col + size] = part.image
        boxes.append(np.asarray(part.boxes) + np.array([row, col, row, col]))
        ignore.append(np.asarray(part.ignore))
    where, skip = np.concatenate(boxes), np.concatenate(ignore)
    return Sample(image, channels=first.channels, spacing=first.spacing, boxes=where, ignore=skip)


def large(what: str) -> dict[str, Any]:
    """Time and memory of one large picture, in this process."""
    model: Any
    if what == "volume":
        small = ml.load("brain_lesions", split="test", dims=3)[0]
        model = HeatmapLocalizer(epochs=1, batch=1).fit([small])
        volume = torch.nn.functional.interpolate(torch.tensor(small.image)[None], size=(160, 160, 160))[0].numpy()
        sample = Sample(volume, channels=small.channels)
    else:
        model = load_model("brain_lesions_heatmap")
        sample = mosaic(ml.load("brain_lesions", split="test"), int(what))
    before = peak_mib()
    start = time.perf_counter()
    (found,) = model.predict([sample])
    seconds = time.perf_counter() - start
    made = {
        "shape": list(sample.shape),
        "seconds": round(seconds, 1),
        "picture_mib": round(sample.image.nbytes / 2**20),
    }
    made |= {"more_mib": round(peak_mib() - before), "boxes": len(found)}
    if sample.boxes is not None:
        made["AP 0.3"] = round(match(*any_class([sample], [found]), iou=0.3).average_precision().mean, 4)
    return made


def main() -> int:
    """Run all and print it."""
    if len(sys.argv) > 1:
        print(json.dumps(large(sys.argv[1])))
        return 0
    result: dict[str, Any] = {"command": "python benchmarks/detector.py", "threads": torch.get_num_threads()}
    flat, pasted = (load_model(f"brain_lesions_{name}") for name in ("heatmap", "pasted"))
    for name, skull in (("with skull", True), ("brain alone", False)):
        test = list(ml.load("brain_lesions", split="test", skull=skull))
        start = time.perf_counter()
        found = flat.predict(test)
        result[name] = {**scores(test, found), "images": len(test)}
        result[name]["seconds"] = round(time.perf_counter() - start, 1)
        many = make("heatmap_views").fit(test).predict(test)
        more = pasted.predict(test)
        for way, better in {"four views": many, "pasted": more}.items():
            result[f"{way}, {name}"] = {**scores(test, better), **gain(test, better, found)}
    for name, what in (("volume of 160", "volume"), ("picture of 2000", "2000"), ("picture of 4000", "4000")):
        done = subprocess.run([sys.executable, __file__, what], capture_output=True, text=True, check=True)
        result[name] = json.loads(done.stdout.splitlines()[-1])
    for name, values in result.items():
        print(name, json.dumps(values, ensure_ascii=False))
    write_whole(PLACE, json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
