"""Lesson 08's rows of the leaderboard, and beside them how well the classifiers know *whether*.

`python benchmarks/classifiers.py` puts the rows into benchmarks/leaderboard.json, and balanced accuracy and AUROC on
the test split, with bootstrap intervals over patients, into benchmarks/classifiers.json. A picture's probability is the
score of its hottest box, which is how `ImageClassifier` gives it. An hour on 2 CPU cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import medloc_lib as ml
from medloc_lib.bench import Leaderboard, Row, leaderboard
from medloc_lib.bench.named import find
from medloc_lib.bench.table import write_whole
from medloc_lib.deep.localizers import ImageClassifier
from medloc_lib.deep.localizers.classifier import diseased
from medloc_lib.metrics import Interval, auroc, balanced_accuracy, bootstrap

HERE = Path(__file__).resolve().parent
COMMAND = "python benchmarks/classifiers.py"
REFERENCE = "threshold"
"""Run beside the others, so that the table can say which are better (paired); its own row is lesson 00's."""

FEW = ("pooled_occlusion",)
"""Rows of one seed instead of three: occlusion asks its network a hundred times a picture."""


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
        return {"value": round(made.value, 5), "low": round(made.low, 5), "high": round(made.high, 5)}

    return {
        "name": row.name,
        "parameters": row.parameters,
        "fit_seconds": row.fit_seconds,
        "seeds": list(row.seeds),
        "images": len(truth),
        "balanced_accuracy": interval(balanced_accuracy),
        "auroc": interval(auroc),
        "date": row.date,
        "command": COMMAND,
    }


def main() -> int:
    """Fit and score the rows that are named, by default all of the lesson; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows; default: all of lesson 08")
    chosen = parser.parse_args().rows or list(find("cnn"))
    train, val, test = (ml.load("brain_lesions", split=split) for split in ("train", "val", "test"))
    path = HERE / "classifiers.json"
    table = {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}
    failed = False
    for names in ([n for n in chosen if n not in FEW], [n for n in chosen if n in FEW]):
        localizers = {name: find(name)[name]() for name in names}
        if not names:
            continue
        board = leaderboard(
            {REFERENCE: find(REFERENCE)[REFERENCE](), **localizers},
            train,
            test,
            validation=val,
            seeds=range(1 if names[0] in FEW else 3),
            data="brain_lesions",
            command=COMMAND,
        )
        print(board)
        rows = [row for row in board if row.name != REFERENCE and not row.reason]
        failed |= len(rows) < len(names)
        Leaderboard(tuple(rows)).to_json(HERE / "leaderboard.json")
        for row in rows:
            if isinstance(localizers[row.name], ImageClassifier) and row.name not in FEW:
                table[row.name] = whether(row, test)
        write_whole(path, json.dumps(list(table.values()), indent=1) + "\n")
    for row in table.values():
        scores = (Interval(**row[key]) for key in ("balanced_accuracy", "auroc"))
        print(f"{row['name']:14s} {row['parameters']:>12,} parameters", *scores, sep="  ")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
