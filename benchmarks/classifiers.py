"""Lesson 08's rows of the leaderboard, and beside them how well the classifiers know *whether*.

`python benchmarks/classifiers.py` puts the rows into benchmarks/leaderboard.json, and balanced accuracy and AUROC on
the test split, with bootstrap intervals over patients, into benchmarks/classifiers.json. A picture's probability is the
score of its hottest box, which is how `ImageClassifier` gives it. Twenty minutes a seed on 2 CPU cores; `--seeds` says
how many.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rounded import numbers

import medloc_lib as ml
from medloc_lib.bench import Leaderboard, Row, leaderboard
from medloc_lib.bench.named import find, make
from medloc_lib.bench.table import write_whole
from medloc_lib.deep.localizers import ImageClassifier
from medloc_lib.deep.localizers.classifier import diseased
from medloc_lib.metrics import Interval, auroc, balanced_accuracy, bootstrap

HERE = Path(__file__).resolve().parent
COMMAND = "python benchmarks/classifiers.py"
REFERENCE = "threshold"
"""Run beside the others, so that the table can say which are better (paired); its own row is lesson 00's."""


def whether(row: Row, test: Any) -> dict[str, Any]:
    """Balanced accuracy and AUROC of a row, mean over its seeds, over the images of which the truth is known."""
    sick, known = diseased(test)
    groups = [sample.group for sample, k in zip(test, known, strict=True) if k]
    answers = []
    for by_overlap in row.matches:
        probability, matches = np.zeros(len(test)), by_overlap[0.3, None]
        np.maximum.at(probability, matches.image, matches.score)
        answers.append(probability[known])
    truth = sick[known]

    def interval(score: Any) -> dict[str, float]:
        made = bootstrap(lambda w: float(np.mean([score(truth, p, weights=w) for p in answers])), groups)
        return numbers(made, digits=5)

    return {
        "name": row.name,
        "parameters": row.parameters,
        "fit_seconds": row.fit_seconds,
        "seeds": list(row.seeds),
        "images": len(truth),
        "balanced_accuracy": interval(balanced_accuracy),
        "auroc": interval(auroc),
        "date": row.date,
        "command": row.command,
    }


def main() -> int:
    """Fit and score the rows that are named, by default all of the lesson; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows; default: all of lesson 08")
    parser.add_argument("--seeds", type=int, default=3, help="runs, whose scores are averaged")
    args = parser.parse_args()
    train, val, test = (ml.load("brain_lesions", split=split) for split in ("train", "val", "test"))
    localizers = {name: make(name) for name in args.rows or find("cnn")}
    command = " ".join([COMMAND, *args.rows, *([f"--seeds {args.seeds}"] if args.seeds != 3 else [])])
    board = leaderboard(
        {REFERENCE: make(REFERENCE), **localizers},
        train,
        test,
        validation=val,
        seeds=range(args.seeds),
        data="brain_lesions",
        command=command,
    )
    print(board)
    rows = [row for row in board if row.name != REFERENCE and not row.reason]
    Leaderboard(tuple(rows)).to_json(HERE / "leaderboard.json")
    path = HERE / "classifiers.json"
    table = {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}
    table |= {row.name: whether(row, test) for row in rows if isinstance(localizers[row.name], ImageClassifier)}
    write_whole(path, json.dumps(list(table.values()), indent=1) + "\n")
    for known in table.values():
        scores = (Interval(**known[key]) for key in ("balanced_accuracy", "auroc"))
        print(f"{known['name']:14s} {known['parameters']:>12,} parameters", *scores, sep="  ")
    return int(len(rows) < len(localizers))


if __name__ == "__main__":
    raise SystemExit(main())
