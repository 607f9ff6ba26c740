"""The detector on blood cells over several seeds: writes benchmarks/blood_cells.json, which case study 20 reads.

`python benchmarks/blood_cells.py` needs `bccd` (fetched, or from a mirror) and 40 minutes of one processor. It trains
the row `blood_cells_heatmap` of `medloc_lib.bench.named.blood_cells`, first on the training pictures alone: its scores
on validation are those by which that row was chosen, and so is the score from which a detection counts as a cell. Then,
from scratch, on training and validation pictures together, once per seed; only these are asked about the test pictures.
Seed 0 is the stored model `bccd_heatmap`; the others are kept under build/blood_cells. What was trained is not trained
again, so that a run that was stopped goes on; delete the folders to begin anew. It also puts the rows of the case study
into benchmarks/leaderboard.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import medloc_lib as ml
from medloc_lib.bench import Leaderboard, leaderboard
from medloc_lib.bench.named import find
from medloc_lib.bench.table import write_whole
from medloc_lib.cli import choose, training
from medloc_lib.deep.localizers import load_model, save_model
from medloc_lib.deep.localizers.stored import FILE
from medloc_lib.deep.storage import read_tensors
from medloc_lib.metrics import AveragePrecision, average_precision

HERE = Path(__file__).resolve().parent
ROW, FLOOR = "blood_cells_heatmap", "blood_cells_threshold"
COMMAND = "python benchmarks/blood_cells.py"
TRIAL = 40
"""Epochs of the model that is scored on validation: two thirds of the row's, as it is made only to choose by."""
SCORES = np.round(np.arange(0.1, 0.9, 0.05), 2)
"""Scores that are tried, from which a detection counts as a cell."""


class Trained(ml.Localizer):
    """The models of this script as one localizer with a seed: `fit` reads what was trained on the same samples."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, samples: Sequence[ml.Sample], y: None = None, *, validation: Any = None) -> Self:
        self.model_ = load_model(folder(self.seed))
        self.n_parameters_ = self.model_.n_parameters_
        return self

    def predict(self, samples: Sequence[ml.Sample]) -> list[ml.Detections]:
        return self.model_.predict(samples)


def folder(seed: int) -> Path:
    """Where the model of a seed is kept."""
    root = HERE.parent
    return root / "models" / "bccd_heatmap" if seed == 0 else root / "build" / "blood_cells" / f"seed_{seed}"


def trained(place: Path, splits: choose.Splits, seed: int, *, final: bool) -> int:
    """Train a model unless it is there; seconds of processor time that it took."""
    if not (place / FILE).exists():
        options = {"seed": str(seed) if seed else None, "with-validation": "" if final else None}
        place.mkdir(parents=True, exist_ok=True)
        command = training.command_line("bccd", ROW, place.relative_to(HERE.parent), options, ())
        training.run(training.configure(find(ROW)[ROW](), (), seed), splits, place, command)
    _, facts = read_tensors(place / FILE)
    return int(facts["about"]["cpu_seconds"])


def choice(splits: choose.Splits) -> dict[str, Any]:
    """What training pictures alone give on validation, and by class the score from which counts are best there."""
    place = HERE.parent / "build" / "blood_cells" / "train_only"
    localizer = find(ROW)[ROW]().set_params(epochs=TRIAL)
    if not (place / FILE).exists():
        place.mkdir(parents=True, exist_ok=True)
        save_model(localizer.fit(splits.train), place / FILE, about={"data": "bccd, train", "command": COMMAND})
    val: Any = splits.validation
    found = load_model(place).predict(val)
    off = {s: np.abs(counts(found, s) - true_counts(val)).mean(0) for s in SCORES}
    best = [min(SCORES, key=lambda s: off[s][k]) for k in range(len(val[0].classes))]
    return {
        **plain(average_precision(val, found)),
        "count_from": dict(zip(val[0].classes, map(float, best), strict=True)),
    }


def counts(found: Sequence[ml.Detections], score: float) -> NDArray[np.int64]:
    """Detections of each class from a score on, (pictures, 3)."""
    return np.array([np.bincount(np.asarray(d.labels)[np.asarray(d.scores) >= score], minlength=3) for d in found])


def true_counts(samples: Sequence[ml.Sample]) -> NDArray[np.int64]:
    """Boxes of each class, (pictures, 3)."""
    return np.array([np.bincount(np.asarray(s.labels), minlength=3) for s in samples])


def plain(scores: AveragePrecision) -> dict[str, Any]:
    return {"map": round(scores.mean, 4), "ap": {name: round(ap, 4) for name, ap in scores.per_class.items()}}


def main() -> int:
    """Train what is not trained yet, score, write; 1 if a row failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="models, whose scores are averaged")
    seeds = range(parser.parse_args().seeds)
    command = COMMAND if len(seeds) == 3 else f"{COMMAND} --seeds {len(seeds)}"
    chosen = choice(choose.splits("bccd"))
    print("trained on train, scored on val:", chosen)
    splits = choose.splits("bccd", with_validation=True)
    seconds = [trained(folder(seed), splits, seed, final=True) for seed in seeds]
    made = {FLOOR: find(FLOOR)[FLOOR](), ROW: Trained()}
    about: Any = {"data": "bccd", "command": command, "note": splits.note}
    board = leaderboard(made, splits.train, splits.test, seeds=seeds, **about)
    rows = [dataclasses.replace(r, fit_seconds=float(np.mean(seconds))) if r.name == ROW else r for r in board]
    print(Leaderboard(tuple(rows)))
    if any(row.reason for row in rows):
        return 1
    Leaderboard(tuple(rows)).to_json(HERE / "leaderboard.json")
    each: list[Any] = []
    for seed, cpu in zip(seeds, seconds, strict=True):
        found = load_model(folder(seed)).predict(splits.test)
        each.append({"seed": seed, **plain(average_precision(splits.test, found)), "cpu_seconds": cpu})
        print(each[-1])
    content: dict[str, Any] = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "version": ml.__version__,
    }
    content |= {"validation": chosen, "test": each}
    write_whole(HERE / "blood_cells.json", json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
