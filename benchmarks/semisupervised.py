"""Average precision against the number of labelled patients, by method: writes benchmarks/semisupervised.json.

`python benchmarks/semisupervised.py` draws 2, 5, 10 and 20 of the training patients of `brain_lesions`, ten times each
(`--seeds`), hides the truth of the others, lets each method of lesson 07 learn, and scores it on the test split. Beside
each mean over the draws stands its 95 % bootstrap interval over draws; methods are compared by the paired difference
over the same draws, and at ten patients also over test patients. Scales, landmarks and features, which need no label,
are made once, of all training patients. What is done is kept under build/, so that a run that was stopped goes on;
delete the folder to begin anew. `--split val` scores on validation patients and prints; nothing is written then.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from rounded import plain
from tqdm import tqdm

import medloc_lib as ml
from medloc_lib.bench.table import write_whole
from medloc_lib.classical import features, stack
from medloc_lib.classical import semisupervised as semi
from medloc_lib.classical.supervised import moved, offsets, ridge, taught
from medloc_lib.data import lesions
from medloc_lib.geometry import clip, nms
from medloc_lib.localizer import any_class
from medloc_lib.metrics import Matches, bootstrap, match, paired_difference
from medloc_lib.sample import Detections

PLACE = Path(__file__).resolve().parent / "semisupervised.json"
KEPT = Path(__file__).resolve().parent.parent / "build" / "semisupervised"
BUDGETS = (2, 5, 10, 20)
COMPARED = 10
SEEDS = 10


class Ground:
    """What all runs share: the tables, and the features of their views."""

    def __init__(self, split: str) -> None:
        self.train, self.held = (features.load("brain_lesions", split=part) for part in ("train", split))
        self.table, self.held_table = stack(self.train), stack(self.held)
        self.model = semi.curved()
        self.views = semi.features_of_views(self.model, self.table.columns, self.table.values)
        self.here = [made.transform(self.table.values[:, at]) for at, made in self.views]
        self.there = [made.transform(self.held_table.values[:, at]) for at, made in self.views]

    def run(self, method: str, patients: list[str] | None, seed: int) -> Matches:
        """Fit on the labelled patients (None: all), and match what is found in the held-out pictures."""
        known = np.ones(len(self.table), bool) if patients is None else np.isin(self.table.group, patients)
        few = np.random.default_rng(seed).permutation(np.unique(self.table.image[~known]))[: semi.MOST]
        other = ~known & np.isin(self.table.image, few)
        table = semi.part_of(self.table, known)
        others = semi.part_of(self.table, other) if other.any() else None
        here, there = ([x[rows] for x in self.here] for rows in (known, other))
        told = semi.learned_by(
            method, self.views, self.model[-1], table, here, others, there if other.any() else [], seed=seed
        )
        spread = isinstance(told, semi.Spread)
        scores = told.told(self.there[0])[:, 1] if spread else told.odds(self.there).mean(axis=0)
        hit, _ = taught(table)
        mend = ridge().fit(table.values[hit], offsets(table.boxes[hit], table.truth[hit]))
        boxes = moved(self.held_table.boxes, mend.predict(self.held_table.values))
        return match(*any_class([item.sample for item in self.held], self._found(boxes, scores)), iou=0.3)

    def _found(self, boxes: NDArray[Any], scores: NDArray[Any]) -> list[Detections]:
        ends = np.cumsum([len(item) for item in self.held])[:-1]
        found = []
        for item, box, score in zip(self.held, np.split(boxes, ends), np.split(scores, ends), strict=True):
            box = clip(box, item.sample.shape)
            kept = nms(box, score, threshold=0.1)
            found.append(Detections(box[kept], score[kept]))
        return found


def matches_of(ground: Ground, split: str, method: str, budget: int, seed: int) -> Matches:
    """A run's matches, from build/ if it was done already; budget 0: all labels."""
    place = KEPT / f"{split}-{method}-{budget}-{seed}.joblib"
    if place.exists():
        found: Matches = joblib.load(place)
        return found
    patients = semi.draw_patients(ground.train, budget, seed=seed) if budget else None
    made = ground.run(method, patients, seed)
    KEPT.mkdir(parents=True, exist_ok=True)
    joblib.dump(made, place)
    return made


def main() -> None:
    """All runs, then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("test", "val"), default="test")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--budgets", type=int, nargs="*", default=BUDGETS)
    parser.add_argument("--methods", nargs="*", default=semi.METHODS)
    args = parser.parse_args()
    ground = Ground(args.split)
    groups = [item.sample.group for item in ground.held]
    every = np.ones(len(groups), dtype=np.int64)
    order = sorted(args.budgets, key=lambda n: n != COMPARED)  # the most telling figure first
    runs = [(m, n, seed) for n in order for seed in range(args.seeds) for m in args.methods]
    found = {run: matches_of(ground, args.split, *run) for run in tqdm(runs, unit="run", mininterval=10)}
    ap = {run: made.average_precision(every).mean for run, made in found.items()}
    ceiling = matches_of(ground, args.split, "labels", 0, 0).average_precision(every).mean
    draws = [str(seed) for seed in range(args.seeds)]
    curve: dict[str, list[dict[str, Any]]] = {method: [] for method in args.methods}
    for method in args.methods:
        for n in args.budgets:
            mine, base = ([ap[m, n, seed] for seed in range(args.seeds)] for m in (method, "labels"))
            point = bootstrap(mine, draws)
            difference = paired_difference(mine, base, draws)
            curve[method].append(
                {
                    "patients": n,
                    "ap": plain(point),
                    "minus labels": plain(difference),
                    "runs": [round(x, 4) for x in mine],
                }
            )
            share = point.value / ceiling
            print(f"{method:10s} {n:3d} patients: AP {point}, {share:.0%} of all labels; minus labels {difference}")
    print(f"all labels: {ceiling:.3f}")
    if args.split != "test":
        return

    def mean_of(method: str) -> Any:
        return lambda w: float(
            np.mean([found[method, COMPARED, seed].average_precision(w).mean for seed in range(args.seeds)])
        )

    content = {
        "command": " ".join(["python benchmarks/semisupervised.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "version": ml.__version__,
        "simulator": lesions.VERSION,
        "seeds": list(range(args.seeds)),
        "score": "average precision at IoU 0.3 on the test split; mean over draws, 95 % bootstrap over draws",
        "patients": list(args.budgets),
        "all labels": round(ceiling, 4),
        "curve": curve,
        "over test patients": {
            "patients": COMPARED,
            "both minus labels": plain(paired_difference(mean_of("both"), mean_of("labels"), groups, n=200)),
        },
    }
    write_whole(PLACE, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
