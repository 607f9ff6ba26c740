"""The U-Net on ultrasound over several seeds: writes benchmarks/ultrasound.json, which case study 21 reads.

`python benchmarks/ultrasound.py` needs `usgra_seg` (fetched, or from a mirror) and 20 minutes of one processor. It
trains the row `ultrasound_unet` of `medloc_lib.bench.named.ultrasound`, first on the training pictures alone: its
scores on validation are those by which that row was chosen. Then, from scratch, on training and validation pictures
together, once per seed; only these are asked about the test pictures. Each score is given over all pictures, over those
without a near-duplicate among the pictures that were learned from, and over the others. Seed 0 is the stored model
`usgra_unet`; the others are kept under build/ultrasound. What was trained is not trained again, so that a run that was
stopped goes on; delete the folders to begin anew. It also puts the rows of the case study into
benchmarks/leaderboard.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
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
from medloc_lib.data.duplicates import LEAST, near_duplicates, similarity
from medloc_lib.deep.localizers import load_model, save_model
from medloc_lib.deep.localizers.stored import FILE
from medloc_lib.deep.storage import read_tensors
from medloc_lib.metrics import Interval, bootstrap, dice_by_class, match

ROOT = Path(__file__).resolve().parent.parent
ROW, FLOORS = "ultrasound_unet", ("ultrasound_mean_box", "ultrasound_threshold")
COMMAND = "python benchmarks/ultrasound.py"
TRIAL = 40
"""Epochs of the model that is scored on validation: two thirds of the row's, as it is made only to choose by."""
Answers = Sequence[Sequence[ml.Detections]]


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
    return ROOT / "models" / "usgra_unet" if seed == 0 else ROOT / "build" / "ultrasound" / f"seed_{seed}"


def trained(place: Path, splits: choose.Splits, seed: int) -> int:
    """Train a model unless it is there; seconds of processor time that it took."""
    if not (place / FILE).exists():
        options = {"seed": str(seed) if seed else None, "with-validation": ""}
        place.mkdir(parents=True, exist_ok=True)
        command = training.command_line("usgra_seg", ROW, place.relative_to(ROOT), options, ())
        training.run(training.configure(find(ROW)[ROW](), (), seed), splits, place, command)
    _, facts = read_tensors(place / FILE)
    return int(facts["about"]["cpu_seconds"])


def trial(splits: choose.Splits) -> Any:
    """The model that learned from the training pictures alone, by which choices are made."""
    place = ROOT / "build" / "ultrasound" / "train_only"
    if not (place / FILE).exists():
        place.mkdir(parents=True, exist_ok=True)
        localizer = find(ROW)[ROW]().set_params(epochs=TRIAL).fit(splits.train)
        save_model(localizer, place / FILE, about={"data": "usgra_seg, train", "command": COMMAND})
    return load_model(place)


def scores(samples: Sequence[ml.Sample], answers: Answers) -> dict[str, Any]:
    """AP at two IoU and Dice, by class and as their mean, with intervals over images; mean over the answers (seeds)."""
    groups, names = [s.group for s in samples], samples[0].classes
    made: dict[str, Any] = {"images": len(samples)}
    for iou in (0.3, 0.5):
        matches = [match(samples, found, iou=iou) for found in answers]

        def reading(name: str, matches: list[Any] = matches) -> Callable[[Any], float]:
            def compute(weights: Any) -> float:
                all_seeds = [m.average_precision(weights) for m in matches]
                return float(np.mean([ap.mean if name == "mean" else ap.per_class[name] for ap in all_seeds]))

            return compute

        made[f"ap_{iou}"] = {name: plain(bootstrap(reading(name), groups)) for name in ("mean", *names)}
    dice = np.mean([dice_by_class(samples, found) for found in answers], axis=0)
    columns = {"mean": dice.mean(1), **dict(zip(names, dice.T, strict=True))}
    made["dice"] = {name: plain(bootstrap(column, groups)) for name, column in columns.items()}
    return made


def parts(samples: Sequence[ml.Sample], answers: Answers, double: NDArray[np.bool_]) -> dict[str, Any]:
    """The scores over all pictures, without those that have a near-duplicate, and over these; and how far apart."""
    chosen = {"all": np.full(len(samples), True), "without": ~double, "duplicates": double}
    made: dict[str, Any] = {}
    for name, keep in chosen.items():
        index = np.flatnonzero(keep).tolist()
        made[name] = scores([samples[i] for i in index], [[found[i] for i in index] for found in answers])
    dice = np.mean([dice_by_class(samples, found) for found in answers], axis=(0, 2))

    def gap(weights: NDArray[np.int64]) -> float:
        sides = [(weights[side] @ dice[side], weights[side].sum()) for side in (double, ~double)]
        return float("nan") if 0 in (n for _, n in sides) else sides[0][0] / sides[0][1] - sides[1][0] / sides[1][1]

    return made | {"dice_gap": plain(bootstrap(gap, [s.group for s in samples]))}


def doubles(samples: Sequence[ml.Sample], learned: Sequence[ml.Sample]) -> tuple[NDArray[np.bool_], list[list[Any]]]:
    """Which samples have a near-duplicate among those that were learned from; the pairs' ids and similarities."""
    pairs = near_duplicates(similarity(samples, learned))
    double = np.isin(np.arange(len(samples)), [pair.first for pair in pairs])
    return double, [[samples[p.first].id, learned[p.second].id, round(p.similarity, 3)] for p in pairs]


def plain(interval: Interval) -> list[float]:
    return [round(x, 4) for x in (interval.value, interval.low, interval.high)]


def main() -> int:
    """Train what is not trained yet, score, write; 1 if a row failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="models, whose scores are averaged")
    seeds = range(parser.parse_args().seeds)
    command = COMMAND if len(seeds) == 3 else f"{COMMAND} --seeds {len(seeds)}"
    splits, joined = (choose.splits("usgra_seg", with_validation=both) for both in (False, True))
    train, val, learned, test = (
        list(part or ()) for part in (splits.train, splits.validation, joined.train, splits.test)
    )
    double, pairs = doubles(val, train)
    validation = parts(val, [trial(splits).predict(val)], double) | {"pairs": pairs}
    print("trained on train, scored on val:", json.dumps(validation))
    seconds = [trained(folder(seed), joined, seed) for seed in seeds]
    made = {**{name: find(name)[name]() for name in FLOORS}, ROW: Trained()}
    about: Any = {"data": "usgra_seg", "command": command, "note": joined.note}
    board = leaderboard(made, learned, test, seeds=seeds, **about)
    rows = [dataclasses.replace(r, fit_seconds=float(np.mean(seconds))) if r.name == ROW else r for r in board]
    print(Leaderboard(tuple(rows)))
    if any(row.reason for row in rows):
        return 1
    Leaderboard(tuple(rows)).to_json(ROOT / "benchmarks" / "leaderboard.json")
    answers = [load_model(folder(seed)).predict(test) for seed in seeds]
    double, pairs = doubles(test, learned)
    each = []
    for seed, cpu, found in zip(seeds, seconds, answers, strict=True):
        mine = scores(test, [found])
        values = {key: mine[key]["mean"][0] for key in ("ap_0.3", "ap_0.5", "dice")}
        each.append({"seed": seed, **values, "cpu_seconds": cpu})
        print(each[-1])
    content = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "version": ml.__version__,
        "least": LEAST,
        "validation": validation,
        "test": parts(test, answers, double) | {"pairs": pairs, "seeds": each},
    }
    write_whole(ROOT / "benchmarks" / "ultrasound.json", json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
