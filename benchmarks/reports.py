"""Lesson 12's slow figures: readers on wordings that they never saw, and grounding on the test split.

`python benchmarks/reports.py` runs all parts, or those that are named: `reading 0`, `reading 1`, `reading 2` (the
seed), `grounding`. Each part puts its figures into benchmarks/reports.json. `python benchmarks/reports.py models`
trains the stored reader and grounder anew, with the threshold chosen on the validation split, and writes their
MODEL.md.

The held-out wordings were written before the simulator's sentences were read, and are not used for any choice; those of
development are. Both are made by a grammar, as the reports are: simulated.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import medloc_lib as ml
from medloc_lib.bench.table import write_whole
from medloc_lib.deep.localizers import HeatmapLocalizer, load_model
from medloc_lib.reports import Reading, RuleReader, f1
from medloc_lib.reports.augmenting import Rewriter
from medloc_lib.reports.grounded import Scene, choose_threshold, judge, scene, summary, train_grounder
from medloc_lib.reports.readers import BagReader, NetReader
from medloc_lib.reports.reading import ASKED
from medloc_lib.reports.simulated import Pair, pairs
from medloc_lib.reports.statements import Statement
from medloc_lib.reports.stored import folder, load_grounder, load_reader, training_texts
from medloc_lib.reports.weak import of_boxes
from medloc_lib.reports.wordings import DEV, HELD_OUT, cases, write

PLACE = Path(__file__).resolve().parent / "reports.json"
COUNT = 500
SEEDS = (1, 2, 3, 4, 5, 6)
"""Of the training pictures that the grounder learns from. The detector has not seen them; those of seed 0 it knows."""
WELL = 660
STEPS = (1800, 900)  # of the training, and of its going on at a lower rate


def scores(read: Callable[[list[str]], list[Reading]]) -> dict[str, dict[str, float]]:
    """F1 of what a reader finds, in the wordings of development and the held-out ones."""
    found = {}
    for name, wordings in (("development", DEV), ("held out", HELD_OUT)):
        texts, stated = cases(wordings, COUNT, seed=12)
        told, true = read(texts), [Reading.true(one) for one in stated]
        found[name] = {what: round(f1(told, true, what), 4) for what in ASKED}
    return found


def reading(seed: int) -> dict[str, Any]:
    """Each reader, trained with this seed."""
    texts = training_texts(ml.load("brain_lesions", split="train"), seed=seed)
    made: dict[str, Any] = {"rules": scores(RuleReader().read)}
    readers: dict[str, Any] = {
        "bag of words": BagReader(),
        "recurrent": NetReader("recurrent", epochs=5, seed=seed),
        "convolutional": NetReader("convolutional", epochs=5, seed=seed),
    }
    for name, reader in readers.items():
        start = time.perf_counter()
        made[name] = scores(reader.fit(texts).read)
        made[name]["fit_seconds"] = round(time.perf_counter() - start, 1)
    return made


def held_out(statement: Statement, rng: np.random.Generator) -> str:
    """A statement in the held-out wordings, nothing else beside it."""
    return write([statement], HELD_OUT, rng)


def grounding() -> dict[str, Any]:
    """The stored grounder on the test split, in the simulator's words and the held-out ones; reports against boxes."""
    grounder, test = load_grounder(), list(ml.load("brain_lesions", split="test"))
    rng = np.random.default_rng(0)
    writer = Rewriter(np.random.default_rng(1))

    def simulated(statement: Statement, pair: Pair | None) -> str:
        return pair.text if pair else writer.sentence([statement])

    made: dict[str, Any] = {"threshold": round(grounder.threshold, 4)}
    sick = [s for s in test if s.ignore is not None and (~s.ignore).any()]
    for name, say in (("simulator", simulated), ("held out", lambda s, _: held_out(s, rng))):
        judged = judge(grounder, sick, say)
        made[name] = {key: round(value, 4) for key, value in summary(judged, grounder.threshold).items()}
        made[name]["pointing, one lesion"] = round(
            float(np.mean([j.hit for j in judged if j.true and j.lesions == 1])), 4
        )
    told, true = load_reader().read([s.report or "" for s in test]), [of_boxes(s) for s in test]
    made["reports against boxes"] = {what: round(f1(told, true, what), 4) for what in ("kinds", "sides")}
    return made


def scenes(detector: HeatmapLocalizer) -> list[Scene]:
    """What the grounder learns from: all sick pictures of these seeds, and some healthy ones."""
    train = [sample for seed in SEEDS for sample in ml.load("brain_lesions", split="train", seed=seed)]
    told: dict[int, list[Pair]] = {}
    for pair in pairs(train):
        told.setdefault(pair.image, []).append(pair)
    well = [i for i, s in enumerate(train) if i not in told and s.ignore is not None and not s.ignore.any()][:WELL]
    rng = np.random.default_rng(0)
    return [scene(detector, train[i], told.get(i, []), rng) for i in (*told, *well)]


def make_models() -> None:
    """Train and store the reader and the grounder."""
    train, val = ml.load("brain_lesions", split="train"), list(ml.load("brain_lesions", split="val"))
    reader = NetReader("recurrent", epochs=5).fit(training_texts(train))
    folder().mkdir(exist_ok=True)
    reader.save(folder() / "reader.safetensors")
    detector = load_model("brain_lesions_heatmap")
    if not isinstance(detector, HeatmapLocalizer):
        raise SystemExit("brain_lesions_heatmap is no heat-map detector")
    some = scenes(detector)
    first, losses = train_grounder(some, detector, steps=STEPS[0])
    grounder, more = train_grounder(some, detector, steps=STEPS[1], rate=1.5e-3, seed=1, start=first)
    finish(grounder, losses + more, val)


def finish(grounder: Any, losses: list[float], val: list[Any]) -> None:
    """Choose the threshold on the validation pictures, store the grounder, and write MODEL.md."""
    writer = Rewriter(np.random.default_rng(1))
    judged = judge(grounder, val, lambda statement, _: writer.sentence([statement]))
    grounder.threshold = choose_threshold(judged)
    grounder.save(folder() / "grounder.safetensors")
    found = summary(judged, grounder.threshold)
    lines = [f"| {name} | {value:.3f} |" for name, value in found.items()]
    text = MODEL.format(
        steps=len(losses),
        threshold=grounder.threshold,
        rows="\n".join(lines),
        reports=500,
        words=len(grounder.vocabulary),
        seeds=", ".join(map(str, SEEDS)),
        well=WELL,
    )
    write_whole(folder() / "MODEL.md", text)


MODEL = """# reports

Two small networks of lesson 12. **Not for clinical use.** For teaching and research.

- `reader.safetensors`: `NetReader("recurrent")`, which reads kinds of lesion, sides, regions, and whether they are
there, from the sentences of a report.
- `grounder.safetensors`: `GroundingNet`, two encoders over the features of `brain_lesions_heatmap`; {steps} steps,
{words} words.
- Data: `brain_lesions`, simulated (pictures and reports). The reader: the sentences of {reports} training reports,
and others in words of `reports.augmenting`. The grounder: the sick training pictures
of seeds {seeds}, which the detector has not seen, and {well} healthy ones.
- Seed: 0. Made again by `python benchmarks/reports.py models`.

## Figures of the grounder on the validation split

The threshold of {threshold:.3f} was chosen there; figures on the test split, and those of the readers, stand in
`benchmarks/reports.json`.

| score | value |
|---|---|
{rows}

## Limits

They know simulated sentences of few words and simulated pictures. A name that the vocabulary lacks is not found.
"""


def main() -> int:
    """Run the named parts, or all."""
    parts = sys.argv[1:] or ["reading", "0", "reading", "1", "reading", "2", "grounding"]
    result: dict[str, Any] = json.loads(PLACE.read_text(encoding="utf-8")) if PLACE.exists() else {}
    result["command"] = "python benchmarks/reports.py"
    while parts:
        part = parts.pop(0)
        if part == "models":
            make_models()
        elif part == "reading":
            seed = int(parts.pop(0))
            result.setdefault("reading", {})[str(seed)] = reading(seed)
            print("reading", seed, json.dumps(result["reading"][str(seed)]))
        else:
            result["grounding"] = grounding()
            print("grounding", json.dumps(result["grounding"]))
        write_whole(PLACE, json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
