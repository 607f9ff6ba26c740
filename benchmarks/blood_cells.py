"""The detector on blood cells over several seeds: writes benchmarks/blood_cells.json, which case study 20 reads.

`python benchmarks/blood_cells.py` needs `bccd` (fetched, or from a mirror) and 45 minutes of one processor. It trains
the row `blood_cells_heatmap` of `medloc_lib.bench.named.blood_cells`, first on the training pictures alone: its scores
on validation are those by which that row was chosen, and so is the score from which a detection counts as a cell. Then,
from scratch, on training and validation pictures together, once per seed; only these are asked about the test pictures.
Seed 0 is the stored model `bccd_heatmap`; the others are kept under build/blood_cells. What was trained is not trained
again, so that a run that was stopped goes on; delete the folders to begin anew. Each model is asked twice, as it is and
at three sizes of each picture (the row `blood_cells_views`). It also puts the rows of the case study into
benchmarks/leaderboard.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from case_study import CaseStudy
from numpy.typing import NDArray

import medloc_lib as ml
from medloc_lib.cli import choose
from medloc_lib.metrics import AveragePrecision, average_precision

STUDY = CaseStudy(
    name="blood_cells",
    data="bccd",
    row="blood_cells_heatmap",
    floors=("blood_cells_threshold",),
    model="bccd_heatmap",
    views="blood_cells_views",
)
SCORES = np.round(np.arange(0.1, 0.9, 0.05), 2)
"""Scores that are tried, from which a detection counts as a cell."""


def choice(splits: choose.Splits) -> dict[str, Any]:
    """What training pictures alone give on validation, and by class the score from which counts are best there."""
    val: Any = splits.validation
    found, several = answers(STUDY.trial(splits), val)
    off = {s: np.abs(counts(found, s) - true_counts(val)).mean(0) for s in SCORES}
    best = [min(SCORES, key=lambda s: off[s][k]) for k in range(len(val[0].classes))]
    return {
        **figures(val, found, several),
        "count_from": dict(zip(val[0].classes, map(float, best), strict=True)),
    }


def counts(found: Sequence[ml.Detections], score: float) -> NDArray[np.int64]:
    """Detections of each class from a score on, (pictures, 3)."""
    return np.array([np.bincount(np.asarray(d.labels)[np.asarray(d.scores) >= score], minlength=3) for d in found])


def true_counts(samples: Sequence[ml.Sample]) -> NDArray[np.int64]:
    """Boxes of each class, (pictures, 3)."""
    return np.array([np.bincount(np.asarray(s.labels), minlength=3) for s in samples])


def answers(model: Path, samples: Sequence[ml.Sample]) -> list[list[ml.Detections]]:
    """What a model finds, as it is and at several sizes."""
    return [STUDY.asked(row, model).predict(samples) for row in STUDY.rows]


def figures(
    samples: Sequence[ml.Sample], found: Sequence[ml.Detections], several: Sequence[ml.Detections]
) -> dict[str, Any]:
    """Average precision of both answers."""
    return {
        **plain(average_precision(samples, found)),
        "views": plain(average_precision(samples, several)),
    }


def plain(scores: AveragePrecision) -> dict[str, Any]:
    return {"map": round(scores.mean, 4), "ap": {name: round(ap, 4) for name, ap in scores.per_class.items()}}


def main() -> int:
    """Train what is not trained yet, score, write; 1 if a row failed."""
    seeds, command = STUDY.seeds(__doc__)
    chosen = choice(choose.splits(STUDY.data))
    print("trained on train, scored on val:", chosen)
    splits = choose.splits(STUDY.data, with_validation=True)
    seconds = [STUDY.trained(splits, seed) for seed in seeds]
    if not STUDY.scored(splits, seeds, seconds, command):
        return 1
    each: list[Any] = []
    for seed, cpu in zip(seeds, seconds, strict=True):
        found = answers(STUDY.folder(seed), splits.test)
        each.append({"seed": seed, **figures(splits.test, *found), "cpu_seconds": cpu})
        print(each[-1])
    STUDY.write(command, {"validation": chosen, "test": each})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
