"""The hippocampus over several seeds: writes benchmarks/hippocampus.json, which case study 22 reads.

`python benchmarks/hippocampus.py` needs `msd_hippocampus` (fetched, or from a mirror) and about 12 minutes of one
processor a seed. It trains the row `hippocampus_unet` of `medloc_lib.bench.named.hippocampus` on the training volumes,
keeps the epoch that is best on validation, and asks that, and the floors beside it, about the test volumes. Seed 0 is
the stored model `hippocampus_unet`; the others are kept under build/hippocampus. What was trained is not trained again,
so that a run that was stopped goes on; delete the folders to begin anew. It also puts the rows of the case study into
benchmarks/leaderboard.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from case_study import CaseStudy
from rounded import plain

import medloc_lib as ml
from medloc_lib.bench.named import make
from medloc_lib.cli import choose
from medloc_lib.deep.localizers import load_model
from medloc_lib.metrics import OrganScores, bootstrap, organ_scores

STUDY = CaseStudy(
    name="hippocampus",
    data="msd_hippocampus",
    row="hippocampus_unet",
    floors=("hippocampus_mean_box", "hippocampus_atlas"),
    model="hippocampus_unet",
)


def summary(runs: Sequence[OrganScores], samples: Sequence[ml.Sample]) -> dict[str, Any]:
    """Each score by class and as their mean, averaged over runs, with its 95 % bootstrap interval over volumes."""
    made: dict[str, Any] = {}
    for name in OrganScores._fields:
        values = np.mean([getattr(run, name) for run in runs], axis=0)
        columns = dict(zip(samples[0].classes, values.T, strict=True)) | {"mean": values.mean(axis=1)}
        made[name] = {column: plain(bootstrap(x, [""] * len(x))) for column, x in columns.items()}
    distances = np.concatenate([run.center for run in runs]).ravel()
    return made | {"center_median": round(float(np.median(distances)), 3)}


def main() -> int:
    """Train what is not trained yet, score, write; 1 if a row failed."""
    seeds, command = STUDY.seeds(__doc__)
    splits = choose.splits(STUDY.data)
    val, test = list(splits.validation or ()), list(splits.test)
    seconds = [STUDY.trained(splits, seed) for seed in seeds]
    if not STUDY.scored(splits, seeds, seconds, command):
        return 1
    models = [load_model(STUDY.folder(seed)) for seed in seeds]
    runs = [organ_scores(test, model.predict(test)) for model in models]
    floors = {name: make(name).fit(splits.train) for name in STUDY.floors}
    figures = {name: summary([organ_scores(test, floor.predict(test))], test) for name, floor in floors.items()}
    content: dict[str, Any] = {
        "validation": summary([organ_scores(val, model.predict(val)) for model in models], val),
        "test": figures | {STUDY.row: summary(runs, test)},
        "seeds": [
            {"seed": seed, "cpu_seconds": cpu, "dice": round(float(run.dice.mean()), 4)}
            for seed, cpu, run in zip(seeds, seconds, runs, strict=True)
        ],
    }
    STUDY.write(command, content)
    print(json.dumps(content, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
