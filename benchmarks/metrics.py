"""Average precision of 5,000 images with 20 boxes each: medloc against faster-coco-eval, in the same run.

Run it as ``python benchmarks/metrics.py``. The two take turns, and the median of the rounds is compared. Each side
starts from what its user has: `Sample`s and `Detections` here, COCO dictionaries there, so that building an index
counts. Both do the same work: one IoU, all sizes, all detections. Nothing is written.
"""

from __future__ import annotations

import copy
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from medloc_lib.geometry import boxes_to_coco
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Detections, Sample

IMAGES = 5000
BOXES = 20
SIDE = 512
IOU = 0.5
ROUNDS = 5
LIMIT = 2.0


def make(classes: int, seed: int = 0) -> tuple[list[Sample], list[Detections]]:
    """Truth of 20 boxes an image, and 20 detections: three of four near a truth box, the others anywhere."""
    rng = np.random.default_rng(seed)
    names = tuple(f"class {k}" for k in range(classes))
    image = np.zeros((1, SIDE, SIDE), dtype=np.uint8)
    truth, detections = [], []
    for i in range(IMAGES):
        start = rng.uniform(0, SIDE - 80, (BOXES, 2))
        boxes = np.concatenate([start, start + rng.uniform(8, 80, (BOXES, 2))], axis=1)
        labels = rng.integers(classes, size=BOXES)
        found = boxes + rng.normal(0, 4, boxes.shape)
        stray = np.arange(BOXES) % 4 == 3
        found[stray] += rng.uniform(-80, 80, (int(stray.sum()), 1))
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        truth.append(
            Sample(image, boxes=boxes, labels=labels, ignore=rng.random(BOXES) < 0.05, classes=names, id=f"{i}")
        )
        detections.append(Detections(found, scores=rng.random(BOXES), labels=labels))
    return truth, detections


def as_coco(truth: list[Sample], detections: list[Detections]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same as COCO dictionaries. An ignored box gets an area outside the range that is evaluated."""
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for i, (sample, found) in enumerate(zip(truth, detections, strict=True), start=1):
        for box, label, ignore in zip(*columns(sample.boxes, sample.labels, sample.ignore), strict=True):
            size = 1e12 if ignore else box[2] * box[3]
            annotation = {"image_id": i, "category_id": label + 1, "bbox": box, "area": size, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **annotation})
        for box, label, score in zip(*columns(found.boxes, found.labels, found.scores), strict=True):
            results.append({"image_id": i, "category_id": label + 1, "bbox": box, "score": score})
    images = [{"id": i, "height": SIDE, "width": SIDE} for i in range(1, len(truth) + 1)]
    categories = [{"id": k, "name": name} for k, name in enumerate(truth[0].classes, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def columns(boxes: Any, labels: Any, third: Any) -> tuple[list[Any], list[Any], list[Any]]:
    return boxes_to_coco(boxes).tolist(), labels.tolist(), third.tolist()


def ours(truth: list[Sample], detections: list[Detections]) -> float:
    """Mean AP by medloc."""
    return average_precision(truth, detections, iou=IOU).mean


def theirs(dataset: dict[str, Any], results: list[dict[str, Any]]) -> tuple[float, float]:
    """Mean AP by faster-coco-eval, and the seconds of its evaluation alone."""
    truth = COCO(dataset)
    evaluator = COCOeval_faster(truth, truth.loadRes(results), "bbox")
    evaluator.params.iouThrs = np.asarray([IOU])
    evaluator.params.maxDets = [10 * BOXES]
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    began = time.perf_counter()
    evaluator.evaluate()
    evaluator.accumulate()
    seconds = time.perf_counter() - began
    precision = evaluator.eval["precision"]
    return float(precision[precision > -1].mean()), seconds


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    gc.collect()
    began = time.perf_counter()
    answer = work(*arguments)
    return answer, time.perf_counter() - began


def main() -> None:
    for classes in (1, 3):
        truth, detections = make(classes)
        dataset, results = as_coco(truth, detections)
        ours_s, theirs_s, alone_s = [], [], []
        for _ in range(ROUNDS):
            own, seconds = timed(ours, truth, detections)
            ours_s.append(seconds)
            fresh = copy.deepcopy((dataset, results))  # their evaluation writes into its input
            (other, alone), seconds = timed(theirs, *fresh)
            theirs_s.append(seconds)
            alone_s.append(alone)
        mine, full, part = (statistics.median(s) for s in (ours_s, theirs_s, alone_s))
        print(
            f"{IMAGES} images, {BOXES} boxes each, {classes} class(es), {ROUNDS} rounds: "
            f"AP {own:.6f} medloc, {other:.6f} faster-coco-eval, equal within 1e-6: {abs(own - other) < 1e-6}"
        )
        print(f"  medloc, from samples               {mine:.3f} s")
        print(
            f"  faster-coco-eval, from dicts       {full:.3f} s   ratio {mine / full:.2f}, <= 2: {mine <= LIMIT * full}"
        )
        print(
            f"  faster-coco-eval, evaluation alone {part:.3f} s   ratio {mine / part:.2f}, <= 2: {mine <= LIMIT * part}"
        )


if __name__ == "__main__":
    main()
