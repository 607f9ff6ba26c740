"""What lesson 13 reads: the finds of the stored detector as a table, and how much each kind of evidence brings.

`python benchmarks/evidence.py` asks `models/brain_lesions_heatmap` about every slice of `brain_lesions`, measures what
it finds, and writes benchmarks/evidence.npz; with it the outcomes of a study of 2,000 further patients without pictures
(their genotypes are drawn anew by the simulator, train patients of seed 1). Then it writes benchmarks/evidence.json:
outcomes predicted from each source and from all, early, late and by attention, also with sources missing; the subtype
of masses, on the test split and on the test patients of two other seeds; and the detector judged again by blood.
`python benchmarks/evidence.py outcome` runs one part alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rounded import numbers
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

import medloc_lib as ml
from medloc_lib import multimodal as mm
from medloc_lib.bench.table import write_whole
from medloc_lib.data.lesions.cases import patient_of
from medloc_lib.data.lesions.dataset import _subtype, cache_folder, single_threaded
from medloc_lib.data.lesions.evidence import genotypes, measurements, outcome
from medloc_lib.deep.localizers import load_model
from medloc_lib.localizer import any_class
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.metrics import auroc, bootstrap, match, paired_difference

HERE = Path(__file__).resolve().parent
TABLE, PLACE = HERE / "evidence.npz", HERE / "evidence.json"
COHORT, COHORT_SEED = 2000, 1
FRESH = (1, 2)
"""Seeds of the further test patients on which the subtype is looked for."""
MISSING = (0.0, 0.25, 0.5)
DRAWS = 5
Probability = Callable[[NDArray[Any]], NDArray[Any]]


def study() -> NDArray[np.uint8]:
    """The outcomes of the study's patients."""
    made = []
    with single_threaded():
        for i in tqdm(range(COHORT), desc="study", unit="patient"):
            patient = patient_of(COHORT_SEED, "train", i, None, cache_folder())
            made.append(outcome(patient, measurements(patient), genotypes(patient.key)))
    return np.array(made, dtype=np.uint8)


def collect() -> dict[str, Any]:
    """Ask the detector about every slice, and write the table."""
    start = time.perf_counter()
    detector: Any = load_model("brain_lesions_heatmap")
    splits = {s: mm.find(detector, ml.load("brain_lesions", split=s)) for s in tqdm(("train", "val", "test"))}
    more = {"cohort/outcome": study(), "cohort/seed": np.array(COHORT_SEED)}
    mm.save_finds(TABLE, splits, more)
    seconds = round(time.perf_counter() - start, 1)
    return {"finds": {split: len(finds) for split, finds in splits.items()}, "seconds": seconds}


def outcomes() -> dict[str, Any]:
    """AUROC of each source and fusion on the test patients, with intervals and paired differences."""
    score = mm.PolygenicScore().fit(*mm.read_cohort(TABLE))
    tables: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    blocks: Mapping[str, slice] = {}
    for split in ("train", "val", "test"):
        who = mm.patients(ml.load("brain_lesions", split=split))
        sources = {
            "image": mm.image_source(mm.read_finds(TABLE, split), len(who)),
            "blood": who.blood,
            "genes": score.transform(who.genes),
        }
        table, blocks = mm.blocks_of(sources)
        tables[split] = (table, who.outcome)
    train, test = tables["train"], tables["test"]
    models: dict[str, Probability] = {}
    for name, part in blocks.items():
        models[name] = _of(mm.EarlyFusion({name: slice(0, None)}).fit(train[0][:, part], train[1]), part)
    every = slice(0, train[0].shape[1])
    for name, model in fusions(blocks).items():
        models[name] = _of(model.fit(*train), every)
    truth, groups = test[1], [str(i) for i in range(len(test[1]))]
    said = {name: probability(test[0]) for name, probability in models.items()}
    single = max(blocks, key=lambda name: auroc(tables["val"][1], models[name](tables["val"][0])))
    result: dict[str, Any] = {"best single source, by validation": single, "patients": len(truth)}
    for name, p in said.items():
        row = {"AUROC": numbers(bootstrap(_auroc(truth, p), groups))}
        row["validation"] = {"value": round(auroc(tables["val"][1], models[name](tables["val"][0])), 4)}
        for other in blocks:
            if name not in blocks:
                row[f"minus {other}"] = numbers(paired_difference(_auroc(truth, p), _auroc(truth, said[other]), groups))
        result[name] = row
    result["genes kept of the study"] = len(score.kept_)
    result["missing"] = missing(train, test, blocks)
    return result


def fusions(blocks: Mapping[str, slice]) -> dict[str, Any]:
    return {"early": mm.EarlyFusion(blocks), "late": mm.LateFusion(blocks), "attention": mm.AttentionFusion(blocks)}


def missing(train: Any, test: Any, blocks: Mapping[str, slice]) -> dict[str, Any]:
    """Mean and range over draws of the AUROC where each source is missing for a share of the patients."""
    made: dict[str, Any] = {}
    for share in MISSING:
        scores: dict[str, list[float]] = {}
        for draw in range(DRAWS):
            fit, ask = (
                mm.drop_sources(x, blocks, share=share, seed=2 * draw + k) for k, x in enumerate((train[0], test[0]))
            )
            for name, model in fusions(blocks).items():
                p = model.fit(fit, train[1]).predict_proba(ask)[:, 1]
                scores.setdefault(name, []).append(auroc(test[1], p))
        made[f"{share:g}"] = {
            name: {"value": round(float(np.mean(v)), 4), "low": round(min(v), 4), "high": round(max(v), 4)}
            for name, v in scores.items()
        }
    return made


def _of(model: Any, part: slice) -> Probability:
    return lambda table: np.asarray(model.predict_proba(table[:, part])[:, 1])


def _auroc(truth: NDArray[Any], p: NDArray[Any]) -> Callable[[Any], float]:
    return lambda weights: auroc(truth, p, weights=weights)


def subtypes() -> dict[str, Any]:
    """Adjusted Rand index of two clusters of masses with the planted subtype; learned on training patients alone."""
    train = mm.read_finds(TABLE, "train")
    scale = StandardScaler().fit(mm.mass_source(train, mm.masses(train)))
    clusters = KMeans(2, n_init=10, random_state=0).fit(scale.transform(mm.mass_source(train, mm.masses(train))))
    detector: Any = load_model("brain_lesions_heatmap")
    made: dict[str, Any] = {"test, by the embedding": _by_embedding()}
    fresh = []
    for name, split, seed in (("train", "train", 0), ("test", "test", 0), *((f"seed {s}", "test", s) for s in FRESH)):
        samples = ml.load("brain_lesions", split=split, seed=seed)
        finds = mm.read_finds(TABLE, split) if seed == 0 else mm.find(detector, samples)
        who = mm.masses(finds)
        truth = _planted(samples, who)
        answer = clusters.predict(scale.transform(mm.mass_source(finds, who)))
        made[name] = _rand(truth, answer)
        if seed:
            fresh.append((truth, answer))
    made["both seeds"] = _rand(*(np.concatenate(part) for part in zip(*fresh, strict=True)))
    return made


def _planted(samples: Any, who: NDArray[Any]) -> NDArray[Any]:
    """The subtype of each of some patients; -1 for those without a mass."""
    return np.array([-1 if t is None else t for t in (_subtype(samples[int(4 * k)]) for k in who)])


def _by_embedding() -> dict[str, Any]:
    """The same from the network's features instead of measures: averaged over a patient's finds, four components."""
    finds = {split: mm.read_finds(TABLE, split) for split in ("train", "test")}
    who = {split: mm.masses(found) for split, found in finds.items()}
    deep = {split: mm.mass_embedding(found, who[split]) for split, found in finds.items()}
    model = make_pipeline(StandardScaler(), PCA(4, random_state=0), KMeans(2, n_init=10, random_state=0))
    answer = model.fit(deep["train"]).predict(deep["test"])
    return _rand(_planted(ml.load("brain_lesions", split="test"), who["test"]), answer)


def _rand(truth: NDArray[Any], answer: NDArray[Any]) -> dict[str, Any]:
    known = truth >= 0
    index = float(adjusted_rand_score(truth[known], answer[known]))
    apart = min(int((truth[known] != answer[known]).sum()), int((truth[known] == answer[known]).sum()))
    return {
        "ARI": round(index, 4),
        "patients": int(known.sum()),
        "in the other group": apart,
        "no mass": int((~known).sum()),
    }


def judged() -> dict[str, Any]:
    """AP of the detector alone, with the blood, and with another patient's blood; paired differences."""
    test = ml.load("brain_lesions", split="test")
    localizer = mm.EvidenceLocalizer().fit(ml.load("brain_lesions"), validation=ml.load("brain_lesions", split="val"))
    samples = [test[i] for i in range(len(test))]
    order = np.random.default_rng(0).permutation(len(samples) // 4)
    others = [s.replace(tabular=samples[4 * int(order[i // 4])].tabular) for i, s in enumerate(samples)]
    found = {
        "detector": localizer.detector_.predict(samples),
        "with blood": localizer.predict(samples),
        "with another patient's blood": localizer.predict(others),
    }
    truth, groups = [without_pixels(s) for s in samples], [s.group for s in samples]
    scores: dict[str, dict[str, Any]] = {}
    for name, finds in found.items():
        where, what = match(*any_class(truth, finds), iou=0.3), match(truth, finds, iou=0.3)
        scores[name] = {"AP 0.3": _ap(where), "AP 0.3, mean of classes": _ap(what)}
    result: dict[str, Any] = {"strength": localizer.strength_}
    for name, row in scores.items():
        result[name] = {score: numbers(bootstrap(f, groups)) for score, f in row.items()}
        if name != "detector":
            plain = scores["detector"]
            for score, f in row.items():
                result[name][f"{score}, minus the detector's"] = numbers(paired_difference(f, plain[score], groups))
    return result


def _ap(matches: Any) -> Callable[[Any], float]:
    return lambda weights: float(matches.average_precision(weights).mean)


PARTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "table": collect,
    "outcome": outcomes,
    "subtype": subtypes,
    "judged again": judged,
}


def main() -> int:
    """Run all parts, or those that the command line names, print them, and put them into the file."""
    result: dict[str, Any] = {"command": "python benchmarks/evidence.py", "threads": torch.get_num_threads()}
    if PLACE.exists():
        result = json.loads(PLACE.read_text(encoding="utf-8"))
    for name in sys.argv[1:] or PARTS:
        result[name] = PARTS[name]()
        print(name, json.dumps(result[name], ensure_ascii=False), flush=True)
        write_whole(PLACE, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
