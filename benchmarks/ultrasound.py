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

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from case_study import CaseStudy
from numpy.typing import NDArray
from rounded import plain

import medloc_lib as ml
from medloc_lib.cli import choose
from medloc_lib.data.duplicates import LEAST, near_duplicates, similarity
from medloc_lib.deep.localizers import load_model
from medloc_lib.metrics import bootstrap, dice_by_class, match

STUDY = CaseStudy(
    name="ultrasound",
    data="usgra_seg",
    row="ultrasound_unet",
    floors=("ultrasound_mean_box", "ultrasound_threshold"),
    model="usgra_unet",
)
TRIAL = 40
"""Epochs of the model that is scored on validation: two thirds of the row's, as it is made only to choose by."""
Answers = Sequence[Sequence[ml.Detections]]


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


def main() -> int:
    """Train what is not trained yet, score, write; 1 if a row failed."""
    seeds, command = STUDY.seeds(__doc__)
    splits, joined = (choose.splits(STUDY.data, with_validation=both) for both in (False, True))
    train, val, learned, test = (
        list(part or ()) for part in (splits.train, splits.validation, joined.train, splits.test)
    )
    double, pairs = doubles(val, train)
    validation = parts(val, [load_model(STUDY.trial(splits, epochs=TRIAL)).predict(val)], double) | {"pairs": pairs}
    print("trained on train, scored on val:", json.dumps(validation))
    seconds = [STUDY.trained(joined, seed) for seed in seeds]
    if not STUDY.scored(joined, seeds, seconds, command):
        return 1
    answers = [load_model(STUDY.folder(seed)).predict(test) for seed in seeds]
    double, pairs = doubles(test, learned)
    each = []
    for seed, cpu, found in zip(seeds, seconds, answers, strict=True):
        mine = scores(test, [found])
        values = {key: mine[key]["mean"][0] for key in ("ap_0.3", "ap_0.5", "dice")}
        each.append({"seed": seed, **values, "cpu_seconds": cpu})
        print(each[-1])
    content = {
        "least": LEAST,
        "validation": validation,
        "test": parts(test, answers, double) | {"pairs": pairs, "seeds": each},
    }
    STUDY.write(command, content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
