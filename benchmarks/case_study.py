"""What the scripts of the case studies share: models of several seeds, trained once and kept, scored as one row."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

import medloc_lib as ml
from medloc_lib.bench import Leaderboard, leaderboard
from medloc_lib.bench.named import make
from medloc_lib.bench.table import write_whole
from medloc_lib.cli import choose, training
from medloc_lib.deep.localizers import load_model, save_model
from medloc_lib.deep.localizers.stored import FILE
from medloc_lib.deep.storage import read_tensors

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class CaseStudy:
    """One case study.

    Parameters
    ----------
    name : of its script, of the JSON file beside it, and of its folder under build/.
    data : the data set.
    row : the localizer, a name of `medloc_lib.bench.named`. floors : the rows beside it.
    model : folder under models/ of the model with seed 0.
    views : the row of that model at several views of each picture, if there is one.
    """

    name: str
    data: str
    row: str
    floors: tuple[str, ...]
    model: str
    views: str = ""

    def seeds(self, doc: str | None) -> tuple[range, str]:
        """The seeds that the command line asks for, and the command."""
        parser = argparse.ArgumentParser(description=doc)
        parser.add_argument("--seeds", type=int, default=3, help="models, whose scores are averaged")
        n = parser.parse_args().seeds
        return range(n), self.command if n == 3 else f"{self.command} --seeds {n}"

    @property
    def command(self) -> str:
        return f"python benchmarks/{self.name}.py"

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of its models."""
        return (self.row, self.views) if self.views else (self.row,)

    def asked(self, row: str, model: Path) -> Any:
        """A trained model, as one of the rows asks it."""
        return load_model(model) if row == self.row else make(row).set_params(localizer=model).fit([])

    def folder(self, seed: int) -> Path:
        """Where the model of a seed is kept."""
        return ROOT / "models" / self.model if seed == 0 else ROOT / "build" / self.name / f"seed_{seed}"

    def trained(self, splits: choose.Splits, seed: int) -> int:
        """Train a model unless it is there; seconds of processor time that it took."""
        place = self.folder(seed)
        if not (place / FILE).exists():
            place.mkdir(parents=True, exist_ok=True)
            joined = splits.validation is None
            options = {"seed": str(seed) if seed else None, "with-validation": "" if joined else None}
            command = training.command_line(self.data, self.row, place.relative_to(ROOT), options, ())
            training.run(training.configure(make(self.row), (), seed), splits, place, command)
        _, facts = read_tensors(place / FILE)
        return int(facts["about"]["cpu_seconds"])

    def trial(self, splits: choose.Splits, **changes: Any) -> Path:
        """Where the model is that learned from the training samples alone, by which choices are made.

        Parameters
        ----------
        changes : other parameters than those of the row.
        """
        place = ROOT / "build" / self.name / "train_only"
        if not (place / FILE).exists():
            place.mkdir(parents=True, exist_ok=True)
            localizer = make(self.row).set_params(**changes).fit(splits.train)
            save_model(localizer, place / FILE, about={"data": f"{self.data}, train", "command": self.command})
        return place

    def scored(self, splits: choose.Splits, seeds: range, seconds: Sequence[int], command: str) -> bool:
        """Score the row and its floors, print them, and put them into the leaderboard unless one failed."""
        made = {name: make(name) for name in self.floors} | {name: Trained(self, name) for name in self.rows}
        about: Any = {"data": self.data, "command": command, "note": splits.note}
        val = None if splits.validation is None else list(splits.validation)
        board = leaderboard(made, splits.train, list(splits.test), validation=val, seeds=seeds, **about)
        mean = float(np.mean(seconds))
        rows = tuple(dataclasses.replace(row, fit_seconds=mean) if row.name in self.rows else row for row in board)
        print(Leaderboard(rows))
        if any(row.reason for row in rows):
            return False
        Leaderboard(rows).to_json(ROOT / "benchmarks" / "leaderboard.json")
        return True

    def write(self, command: str, content: Mapping[str, Any]) -> None:
        """Write the figures that the case study reads."""
        head = {"command": command, "date": datetime.now(UTC).date().isoformat(), "version": ml.__version__}
        write_whole(ROOT / "benchmarks" / f"{self.name}.json", json.dumps({**head, **content}, indent=1) + "\n")


class Trained(ml.Localizer):
    """The models of a row as one localizer with a seed: `fit` reads what was trained on the same samples."""

    def __init__(self, study: CaseStudy, row: str, seed: int = 0) -> None:
        self.study = study
        self.row = row
        self.seed = seed

    def fit(self, samples: Sequence[ml.Sample], y: None = None, *, validation: Any = None) -> Self:
        self.model_: ml.Localizer = self.study.asked(self.row, self.study.folder(self.seed))
        self.n_parameters_ = self.model_.n_parameters_
        return self

    def predict(self, samples: Sequence[ml.Sample]) -> list[ml.Detections]:
        return self.model_.predict(samples)
