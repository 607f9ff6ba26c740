"""How well regions are found where the truth is known: writes benchmarks/segmentation.json, which lesson 04 reads.

`python benchmarks/segmentation.py [table ...]` makes the tables `mni152`, `tissues`, `lesions`, `vessels` and `cells`.
The last two need fetched data (bccd, usgra_seg); where these cannot be had, the table is left out by name and the
stored one stays. Every figure has a 95 % bootstrap interval: over patients in `brain_lesions`, over pictures in
`usgra_seg` and `bccd`, whose patients are not known, and over the planes of the one head in `mni152`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rounded import plain
from scipy import ndimage
from tqdm import tqdm

import medloc_lib as ml
from medloc_lib import segmentation as sg
from medloc_lib.bench.named.segmentation import CHANNELS, ROWS, brain
from medloc_lib.bench.table import write_whole
from medloc_lib.data import lesions as simulator
from medloc_lib.errors import MedlocError
from medloc_lib.geometry import mask_to_boxes
from medloc_lib.metrics import Interval, Matches, bootstrap, dice, hausdorff, match, surface_distance

PLACE = Path(__file__).resolve().parent / "segmentation.json"
TISSUES = ("grey", "white", "rest")
BARS: Mapping[str, Any] = {"mni152": (0.92, 0.95, 0.80), "tissues": 0.82, "cells": 0.95}
FOUND = ("segmented_brain", "segmented_watershed", "segmented_grow", "segmented_mixture", "segmented_pixels")

Array = NDArray[Any]
Table = list[dict[str, Any]]

CLUSTERINGS: Mapping[str, Callable[..., Array]] = {
    "k-means": sg.kmeans,
    "Gaussian mixture": sg.mixture,
    "partial volume": partial(sg.mixture, partial_volume=True),
}


def _split(name: str, split: str) -> Any:
    return ml.load(name, split=split)


def mni152() -> Table:
    """Tissues of the template, by clusters of its brightness inside the brain."""
    sample: Any = ml.load("mni152")[0]
    truth, planes = sample.mask, [str(i) for i in range(sample.shape[0])]
    order = np.array([0, 3, 1, 2])  # fluid is darkest in T1, white matter brightest
    table = []
    ways: dict[str, Callable[..., Array]] = {
        "multi-Otsu": sg.multi_otsu,
        **CLUSTERINGS,
        "partial volume, neighbours": partial(sg.mixture, partial_volume=True, neighbors=1.0),
        "partial volume, field": partial(sg.mixture, partial_volume=True, bias=2),
    }
    for name, cluster in ways.items():
        picture = sample["T1"] if name == "multi-Otsu" else sample["T1"][None]
        found = order[cluster(picture, mask=truth > 0)]
        row: dict[str, Any] = {"name": name}
        for k, tissue in enumerate(TISSUES, 1):
            both = 2 * ((found == k) & (truth == k)).sum(axis=(1, 2))
            either = (found == k).sum(axis=(1, 2)) + (truth == k).sum(axis=(1, 2))
            row[tissue] = plain(bootstrap(partial(_ratio, both, either), planes))
        table.append(row)
    return table


def _ratio(both: Array, either: Array, weights: Array) -> float:
    return float(weights @ both / (weights @ either))


def tissues() -> Table:
    """Tissues of simulated slices, noise and shading left in, by clusters of four channels in a found brain."""
    test = _split("brain_lesions", "test")
    order = np.array([0, 2, 1, 3])  # white matter is darkest in T2, fluid brightest
    values: dict[str, dict[str, list[float]]] = {name: {} for name in CLUSTERINGS}
    for sample in tqdm(test, desc="tissues", unit="slice"):
        layer = sample.layers["tissue"]
        truth = np.select([(layer == 2) | (layer == 4), layer == 3, layer == 1], [1, 2, 3], 0)
        inside, stack = brain(sample), np.stack([sample[name] for name in CHANNELS])
        for name, cluster in CLUSTERINGS.items():
            found = order[cluster(stack, mask=inside)]
            scores = [_scores(found == k, truth == k, sample.spacing) for k in (1, 2, 3)]
            for tissue, (d, h, s) in zip(TISSUES, scores, strict=True):
                for key, value in (("", d), (" HD95", h), (" surface", s)):
                    values[name].setdefault(tissue + key, []).append(value)
            values[name].setdefault("mean", []).append(float(np.mean([d for d, _, _ in scores])))
    groups = [s.group for s in test]
    return [
        {"name": name, **{key: plain(bootstrap(column, groups)) for key, column in columns.items()}}
        for name, columns in values.items()
    ]


def _scores(found: Array, truth: Array, spacing: Sequence[float]) -> tuple[float, float, float]:
    """Dice, and HD95 and surface distance in mm; a tissue that is missed altogether is the picture's diagonal off."""
    most = float(np.linalg.norm(np.multiply(truth.shape, spacing)))
    far, near = (float(np.minimum(f(found, truth, spacing=spacing), most)) for f in (hausdorff, surface_distance))
    return dice(found, truth), far, near


def lesions() -> Table:
    """Lesions of simulated slices: the masks behind the boxes of some rows, in test slices that have lesions."""
    train, val, test = (_split("brain_lesions", split) for split in ("train", "val", "test"))
    sick = [s for s in test if (s.mask > 0).any()]
    table = []
    for name in tqdm(FOUND, desc="lesions", unit="row"):
        localizer = ROWS[name]().fit(train, validation=val)
        columns: dict[str, list[float]] = {"dice": [], "HD95": [], "surface": [], "nothing found": []}
        for sample in sick:
            found = localizer.evidence(sample.only(("image",))) > localizer.threshold_
            scores = (f(found, sample.mask > 0, spacing=sample.spacing) for f in (hausdorff, surface_distance))
            columns["dice"].append(dice(found, sample.mask > 0))
            columns["nothing found"].append(float(not found.any()))
            for key, value in zip(("HD95", "surface"), scores, strict=True):
                columns[key].append(value if np.isfinite(value) else np.nan)  # of slices in which something is found
        groups = [s.group for s in sick]
        table.append({"name": name, **{key: plain(bootstrap(column, groups)) for key, column in columns.items()}})
    return table


STEP, SCALES, SPOTS = 4, (1.0, 2.0, 4.0, 8.0, 16.0), (6.0, 8.0, 10.0, 13.0, 16.0)
SURE = 0.6
"""Every 4th pixel; sigmas of features and of round spots; share of trees: all chosen on the validation split."""


def vessels() -> Table:
    """Vessels in ultrasound: the darkest round spot and a flood from it, and a classifier of pixels."""
    train, test = (_split("usgra_seg", split) for split in ("train", "test"))
    rng = np.random.default_rng(0)
    features, strokes = [], []
    for sample in tqdm(train, desc="vessels", unit="picture"):
        maps = _ultrasound(_small(sample))
        vessel = cv2.resize((sample.mask == 2).astype(np.uint8), maps.shape[:0:-1], interpolation=cv2.INTER_NEAREST) > 0
        for kind, where in ((2, vessel), (1, ~vessel)):
            at = np.flatnonzero(where)
            at = rng.choice(at, min(150, len(at)), replace=False)
            if len(at):
                features.append(maps.reshape(len(maps), -1)[:, at][:, None])
                strokes.append(np.full((1, len(at)), kind))
    forest = sg.PixelClassifier(trees=50, depth=12).fit(features, strokes)
    ways: dict[str, Callable[[Array], Array]] = {
        "dark round spot, watershed": _spot,
        "pixel classifier, largest part": partial(_classified, forest),
    }
    table = []
    for name, way in ways.items():
        scores = []
        for sample in test:
            found = way(_small(sample)).astype(np.uint8)
            large = cv2.resize(found, sample.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
            scores.append(dice(large, sample.mask == 2))
        table.append({"name": name, "dice": plain(bootstrap(scores, [s.group for s in test]))})
    return table


def _small(sample: Any) -> Array:
    rows, cols = sample.shape
    picture = sample.image[0].astype(np.float32)
    return np.asarray(cv2.resize(picture, (cols // STEP, rows // STEP), interpolation=cv2.INTER_AREA))


def _ultrasound(picture: Array) -> Array:
    """Features of pixels, and where they lie: near the probe, or deep."""
    place = np.indices(picture.shape) / np.reshape(picture.shape, (2, 1, 1))
    return np.concatenate([sg.pixel_features(picture, scales=SCALES), place]).astype(np.float32)


def _classified(forest: sg.PixelClassifier, picture: Array) -> Array:
    sure = ndimage.gaussian_filter(forest.shares(_ultrasound(picture))[1], 1.0)
    parts, n = ndimage.label(sure > SURE)
    if n == 0:
        return np.zeros(picture.shape, dtype=bool)
    best = 1 + np.argmax(ndimage.sum(sure - SURE, parts, range(1, n + 1)))
    return np.asarray(ndimage.binary_fill_holes(parts == best))


def _spot(picture: Array) -> Array:
    """The spot with the strongest Laplacian over all scales, flooded to its rim."""
    strongest, middle, scale = -np.inf, (0, 0), 1.0
    for sigma in SPOTS:
        answer = sigma**2 * ndimage.gaussian_laplace(picture, sigma, mode="nearest")
        rim = int(sigma)
        inner = answer[rim:-rim, rim:-rim]
        row, col = np.unravel_index(inner.argmax(), inner.shape)
        if inner[row, col] > strongest:
            strongest, middle, scale = inner[row, col], (int(row) + rim, int(col) + rim), sigma
    rows, cols = np.indices(picture.shape)
    away = np.hypot(rows - middle[0], cols - middle[1])
    return np.asarray(
        sg.watershed(picture, np.select([away < 0.5 * scale, away > 2.2 * scale], [1, 2], 0), sigma=1.5) == 1
    )


def cells() -> Table:
    """White cells in smears: a bare threshold of colour, and the recipe, on test and on the pictures it was made by."""
    parts = {"test": ["test"], "train and val": ["train", "val"]}
    ways: list[tuple[str, str, Callable[..., Array]]] = [
        ("colour threshold", "test", _purple),
        ("colour and watershed", "test", sg.white_cells),
        ("colour and watershed", "train and val", sg.white_cells),
    ]
    table = []
    for name, part, segment in ways:
        samples = [_white(sample) for split in parts[part] for sample in _split("bccd", split)]
        found = []
        for sample in tqdm(samples, desc=f"{name}, {part}", unit="picture"):
            labels = segment(sample.image)
            boxes, values = mask_to_boxes(labels)
            sizes = np.bincount(labels.ravel(), minlength=int(values.max(initial=0)) + 1)
            found.append(ml.Detections(boxes, scores=sizes[values]))
        pairs = match(samples, found, iou=0.5)
        score = plain(bootstrap(partial(_ap, pairs), [s.group for s in samples]))
        table.append({"name": f"{name}, {part}", "ap": score, "cells": sum(len(s.boxes) for s in samples)})
    return table


def _ap(pairs: Matches, weights: Array) -> float:
    return pairs.average_precision(weights).mean


def _white(sample: Any) -> Any:
    keep = sample.labels == sample.classes.index("WBC")
    none = np.zeros(int(keep.sum()), dtype=np.int64)
    return sample.replace(boxes=sample.boxes[keep], labels=none, ignore=none.astype(bool), classes=("WBC",))


def _purple(image: Any) -> Array:
    from medloc_lib.segmentation.recipes import NUCLEUS, PURPLE

    _, green, blue = (ndimage.gaussian_filter(color.astype(np.float64), 2) for color in image)
    parts, n = ndimage.label(blue - green > PURPLE)
    large = np.bincount(parts.ravel(), minlength=n + 1) >= NUCLEUS
    large[0] = False
    return np.asarray(parts * large[parts])


TABLES: Mapping[str, Callable[[], Table]] = {
    "mni152": mni152,
    "tissues": tissues,
    "lesions": lesions,
    "vessels": vessels,
    "cells": cells,
}


def bar(name: str, table: Table) -> str:
    """What the bar of a table says, if it has one: of the best row."""
    if name == "mni152":
        held = max(table, key=lambda row: row["rest"][0])
        fine = all(held[tissue][0] >= least for tissue, least in zip(TISSUES, BARS["mni152"], strict=True))
    elif name in BARS:
        key = {"tissues": "mean", "cells": "ap"}[name]
        held = max((row for row in table if "val" not in row["name"]), key=lambda row: row[key][0])
        fine = held[key][0] >= BARS[name]
    else:
        return ""
    return f"bar {BARS[name]} holds for {held['name']}: {fine}"


def main() -> None:
    """Make the tables that are named, or all; write after each."""
    content = json.loads(PLACE.read_text(encoding="utf-8")) if PLACE.exists() else {"tables": {}}
    for name in sys.argv[1:] or TABLES:
        try:
            table = TABLES[name]()
        except MedlocError as error:
            if name not in ("vessels", "cells"):
                raise
            print(f"{name} left out: {error}")
            continue
        made = {"date": datetime.now(UTC).date().isoformat(), "version": ml.__version__, "rows": table}
        content["command"] = "python benchmarks/segmentation.py"
        content["simulator"] = simulator.VERSION
        content["score"] = "value and both ends of its 95 % interval; HD95 and surface distance in mm"
        content["tables"][name] = made
        write_whole(PLACE, json.dumps(content, indent=1) + "\n")
        print(f"\n{name}   {bar(name, table)}")
        for row in table:
            figures = "   ".join(f"{k} {Interval(*v)}" for k, v in row.items() if isinstance(v, list))
            print(f"  {row['name']:36s} {figures}")


if __name__ == "__main__":
    main()
