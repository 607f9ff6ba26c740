"""The hippocampus over several seeds: writes benchmarks/hippocampus.json, which case study 22 reads.

`python benchmarks/hippocampus.py` needs `msd_hippocampus` (fetched, or from a mirror) and about 12 minutes of one
processor a seed. It trains the row `hippocampus_unet` of `medloc_lib.bench.named.hippocampus` on the training volumes,
keeps the epoch that is best on validation, and asks that, and the floors beside it, about the test volumes. Seed 0 is
the stored model `hippocampus_unet`; the others are kept under build/hippocampus. What was trained is not trained again,
so that a run that was stopped goes on; delete the folders to begin anew. It also puts the rows of the case study into
benchmarks/leaderboard.json.
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

import medloc_lib as ml
from medloc_lib.bench import Leaderboard, leaderboard
from medloc_lib.bench.named import find
from medloc_lib.bench.table import write_whole
from medloc_lib.cli import choose, training
from medloc_lib.deep.localizers import load_model
from medloc_lib.deep.localizers.stored import FILE
from medloc_lib.deep.storage import read_tensors
from medloc_lib.metrics import OrganScores, bootstrap, organ_scores

ROOT = Path(__file__).resolve().parent.parent
DATA, ROW = "msd_hippocampus", "hippocampus_unet"
FLOORS = ("hippocampus_mean_box", "hippocampus_atlas")
COMMAND = "python benchmarks/hippocampus.py"


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
    return ROOT / "models" / ROW if seed == 0 else ROOT / "build" / "hippocampus" / f"seed_{seed}"


def trained(splits: choose.Splits, seed: int) -> int:
    """Train a model unless it is there; seconds of processor time that it took."""
    place = folder(seed)
    if not (place / FILE).exists():
        place.mkdir(parents=True, exist_ok=True)
        options = {"seed": str(seed) if seed else None}
        command = training.command_line(DATA, ROW, place.relative_to(ROOT), options, ())
        training.run(training.configure(find(ROW)[ROW](), (), seed), splits, place, command)
    _, facts = read_tensors(place / FILE)
    return int(facts["about"]["cpu_seconds"])


def summary(runs: Sequence[OrganScores], samples: Sequence[ml.Sample]) -> dict[str, Any]:
    """Each score by class and as their mean, averaged over runs, with its 95 % bootstrap interval over volumes."""
    made: dict[str, Any] = {}
    for name in OrganScores._fields:
        values = np.mean([getattr(run, name) for run in runs], axis=0)
        columns = dict(zip(samples[0].classes, values.T, strict=True)) | {"mean": values.mean(axis=1)}
        made[name] = {column: _interval(x) for column, x in columns.items()}
    distances = np.concatenate([run.center for run in runs]).ravel()
    return made | {"center_median": round(float(np.median(distances)), 3)}


def _interval(values: Any) -> list[float]:
    found = bootstrap(values, [""] * len(values))
    return [round(end, 4) for end in (found.value, found.low, found.high)]


def main() -> int:
    """Train what is not trained yet, score, write; 1 if a row failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="models, whose scores are averaged")
    seeds = range(parser.parse_args().seeds)
    command = COMMAND if len(seeds) == 3 else f"{COMMAND} --seeds {len(seeds)}"
    splits = choose.splits(DATA)
    val, test = list(splits.validation or ()), list(splits.test)
    seconds = [trained(splits, seed) for seed in seeds]
    made = {name: find(name)[name]() for name in FLOORS} | {ROW: Trained()}
    about: Any = {"data": DATA, "command": command, "note": splits.note}
    board = leaderboard(made, splits.train, test, validation=val, seeds=seeds, **about)
    rows = [dataclasses.replace(r, fit_seconds=float(np.mean(seconds))) if r.name == ROW else r for r in board]
    print(Leaderboard(tuple(rows)))
    if any(row.reason for row in rows):
        return 1
    Leaderboard(tuple(rows)).to_json(ROOT / "benchmarks" / "leaderboard.json")
    models = [load_model(folder(seed)) for seed in seeds]
    runs = [organ_scores(test, model.predict(test)) for model in models]
    figures = {name: summary([organ_scores(test, made[name].fit(splits.train).predict(test))], test) for name in FLOORS}
    content: dict[str, Any] = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "version": ml.__version__,
        "validation": summary([organ_scores(val, model.predict(val)) for model in models], val),
        "test": figures | {ROW: summary(runs, test)},
        "seeds": [
            {"seed": seed, "cpu_seconds": cpu, "dice": round(float(run.dice.mean()), 4)}
            for seed, cpu, run in zip(seeds, seconds, runs, strict=True)
        ],
    }
    write_whole(ROOT / "benchmarks" / "hippocampus.json", json.dumps(content, indent=1) + "\n")
    print(json.dumps(content, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
