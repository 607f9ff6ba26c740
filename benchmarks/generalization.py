"""What lesson 10 reads: overfitting and its cures, sites, random scanners, few patients, ensembles, mistakes.

`python benchmarks/generalization.py [PART…]` trains some twenty small detectors (`bench.named.generalization.small`),
some ten minutes of one CPU core in all, and writes benchmarks/generalization.json. Each PART (default: all) is
kept as soon as it is done. Networks are kept under build/generalization, so that a run that was stopped goes on; delete
the folder to begin anew.

overfitting   100 patients, 12 epochs: without a cure, with each, and with all of them and early stopping; on every
              other slice of val and test
sites         trained at site A, or on its patients as random scanners would have shown them; tested at A and at B
longer        the same with four times the epochs, plain and random
apart         the same patients on machines of A and of B, and on such that are half of each
transfer      few patients of site B: from scratch, or fine-tuned from what was learned at site A
views         test-time augmentation of the network of site A
ensemble      three networks of site A: average precision, and what scores are worth at both sites
mistakes      false alarms and misses of the stored detector of lesson 09 on every other slice of test
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rounded import numbers

import medloc_lib as ml
from medloc_lib.bench.named.generalization import MEMBERS, scanners, small
from medloc_lib.bench.table import write_whole
from medloc_lib.data.lesions import TISSUES, Scanner, machine, random_scanner
from medloc_lib.data.lesions.cases import MACHINES, Options, case
from medloc_lib.data.lesions.dataset import cache_folder, single_threaded
from medloc_lib.deep.localizers import HeatmapLocalizer, load_model, save_model
from medloc_lib.deep.localizers.ensemble import look, member_scores, merged, views
from medloc_lib.errors import MedlocError
from medloc_lib.localizer import any_class
from medloc_lib.metrics import Matches, bootstrap, box_size_mm, match, mistakes, paired_difference
from medloc_lib.sample import Detections, Sample

PLACE = Path(__file__).resolve().parent / "generalization.json"
KEPT = Path(__file__).resolve().parent.parent / "build" / "generalization"
PATIENTS = 100
EPOCHS = {"overfitting": 12, "sites": 12}
AT_A_SITE = 75  # patients
FEW = (5, 20)
DRAWS = 2
STEPS = 60
TOLD = 0.05  # lowest score of a detection whose worth is looked at

Samples = Sequence[Sample]
Networks = dict[str, tuple[Callable[[], HeatmapLocalizer], Callable[[], Samples]]]


class Watched(HeatmapLocalizer):
    """Also notes the loss on the validation samples, each time that they are scored."""

    validate_every = 2

    def _validation(self, samples: Samples) -> Any:
        score, data = super()._validation(samples), self._data(samples)
        self.losses_: list[float] = []

        def both(net: Any) -> float:
            device, parts = next(net.parameters()).device, []
            for k in range(0, len(data), 40):
                batch = {name: t.to(device) for name, t in data[k : k + 40].tensors.items()}
                loss = self._loss(net, batch | {"images": batch["images"].float()})
                parts.append(sum(float(v) for v in loss.values()))
            self.losses_.append(float(np.mean(parts)))
            return float(score(net))

        return both


def at(split: str, site: str) -> list[Sample]:
    """Samples of one site, as a localizer and its score need them; of the training patients the first ones."""
    some = [light(s) for s in ml.load("brain_lesions", split=split) if s.meta["site"] == site]
    return some[: 4 * AT_A_SITE] if split == "train" else some


def light(sample: Sample) -> Sample:
    """Without what no localizer looks at."""
    return sample.replace(layers={}, mask=None)


def trained(name: str, make: Callable[[], HeatmapLocalizer], samples: Callable[[], Samples], **kept: Any) -> Any:
    """A network by name: the one that is kept, or trained now."""
    place = KEPT / f"{name}.safetensors"
    if not place.exists():
        start = time.perf_counter()
        save_model(make().fit(samples(), **kept), place)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    return load_model(place)


def randomized(*, contrast: bool, acquisition: bool) -> list[Sample]:
    """The training slices of site A, each patient on a machine of its own."""
    options = Options("train", 2, "A", 0, True, 0.0, False)
    made = []
    with single_threaded():
        for index in range(0, 2 * AT_A_SITE, 2):  # the patients that the data set has at site A
            rng = np.random.default_rng([10, index])
            base = machine("train", "A", int(rng.integers(MACHINES["train"])))
            other = random_scanner(rng, base, contrast=contrast, acquisition=acquisition)
            made += [case(options, index, k, cache_folder(), scanner=other).sample() for k in range(4)]
    return [light(s) for s in made]


def ap(samples: Samples, found: Sequence[Detections]) -> Matches:
    return match(*any_class(samples, found), iou=0.3)


def value(matches: Matches, samples: Samples) -> dict[str, float]:
    """AP with its interval over patients."""
    made = bootstrap(lambda w: matches.average_precision(w).mean, [s.group for s in samples])
    return numbers(made)


def difference(a: Matches, b: Matches, samples: Samples) -> dict[str, float]:
    """AP of `a` less that of `b`, by pairs of patients."""
    made = paired_difference(
        lambda w: a.average_precision(w).mean, lambda w: b.average_precision(w).mean, [s.group for s in samples]
    )
    return numbers(made)


BARE = {"augment": None, "weight_decay": 0.0, "epochs": EPOCHS["overfitting"]}
USUAL = scanners(curve=0, bias=0, focus=0)
CURES: dict[str, dict[str, Any]] = {
    "no cure": BARE,
    "weight decay": BARE | {"weight_decay": 0.2},
    "dropout": BARE | {"dropout": 0.3},
    "augmentation": BARE | {"augment": USUAL},
    "all together": {"augment": USUAL, "weight_decay": 0.2, "dropout": 0.1, "epochs": 18, "patience": 6},
}


def overfitting() -> dict[str, Any]:
    """Each cure alone, none, and all."""
    return {name: cured(name) for name in CURES}


def cured(name: str) -> dict[str, Any]:
    """100 patients with one of the cures: every epoch, and what the best one finds."""
    train = [light(s) for s in ml.load("brain_lesions", n=4 * PATIENTS)]
    val, test = ([light(s) for s in ml.load("brain_lesions", split=split)[::2]] for split in ("val", "test"))
    known = train[::3]
    localizer = Watched(**{**small().get_params(), **CURES[name]}).fit(train, validation=val)
    history = localizer.history_
    if history is None:
        raise MedlocError("a training without a history")
    losses = iter(localizer.losses_)
    epochs = [
        {
            "epoch": e.epoch,
            "loss": round(e.loss, 4),
            "score": None if e.score is None else round(e.score, 4),
            "validation loss": None if e.score is None else round(next(losses), 4),
        }
        for e in history.epochs
    ]
    made = {
        "epochs": epochs,
        "best": history.best.epoch,
        "seconds": round(history.epochs[-1].seconds),
        "test": value(ap(test, localizer.predict(test)), test),
        "known": round(ap(known, localizer.predict(known)).average_precision().mean, 4),
    }
    print(name, made["test"], made["seconds"], flush=True)
    return made


learner = partial(small, epochs=EPOCHS["sites"])
longer = partial(small, epochs=4 * EPOCHS["sites"])

SITES: Networks = {
    "site A": (learner, lambda: at("train", "A")),
    "A, random contrast": (learner, lambda: randomized(contrast=True, acquisition=False)),
    "A, random acquisition": (learner, lambda: randomized(contrast=False, acquisition=True)),
    "A, both random": (learner, lambda: randomized(contrast=True, acquisition=True)),
    "A, random on the device": (partial(learner, augment=scanners()), lambda: at("train", "A")),
    "site B": (learner, lambda: at("train", "B")),
}

LONGER: Networks = {
    "site A, longer": (longer, lambda: at("train", "A")),
    "A, both random, longer": (longer, lambda: randomized(contrast=True, acquisition=True)),
}


def longer_at_sites() -> dict[str, Any]:
    """Four times the epochs, for the plain training and the random one."""
    return at_both(LONGER)


def sites() -> dict[str, Any]:
    """Six trainings, tested at both sites."""
    return at_both(SITES)


def at_both(networks: Networks) -> dict[str, Any]:
    held = {site: at("test", site) for site in "AB"}
    seen = {site: at("val", site) for site in "AB"}
    made: dict[str, Any] = {}
    plain: dict[str, Matches] = {}
    for name, (make, samples) in networks.items():
        model = trained(name, make, samples)
        here = {site: ap(held[site], model.predict(held[site])) for site in "AB"}
        plain = plain or here
        made[name] = {site: value(here[site], held[site]) for site in "AB"}
        made[name] |= {f"more at {site}": difference(here[site], plain[site], held[site]) for site in "AB"}
        for site in "AB":
            validated = ap(seen[site], model.predict(seen[site])).average_precision().mean
            made[name][f"val {site}"] = round(validated, 4)
        print(name, made[name], flush=True)
    return made


def apart() -> dict[str, Any]:
    """The test patients of site B on four machines: what of B's costs the network of site A how much?"""
    model = trained("site A", *SITES["site A"])
    options = Options("test", 2, "B", 0, True, 0.0, False)
    samples: dict[str, list[Sample]] = {
        name: [] for name in ("machine of A", "contrast of B", "acquisition of B", "machine of B")
    }
    with single_threaded():
        for index in range(1, 120, 2):
            k = index // 2 % MACHINES["test"]
            a, b = machine("test", "A", k), machine("test", "B", k)
            for name, used in zip(samples, (a, _echoes(a, b), _echoes(b, a), b), strict=True):
                cases = (case(options, index, nth, cache_folder(), scanner=used) for nth in range(4))
                samples[name] += [light(one.sample()) for one in cases]
    first = samples["machine of A"]
    here = {name: ap(some, model.predict(some)) for name, some in samples.items()}
    return {
        name: value(matches, samples[name]) | {"more": difference(matches, here["machine of A"], first)}
        for name, matches in here.items()
    }


def _echoes(machine_: Scanner, other: Scanner) -> Scanner:
    """A machine with the field strength and the times of another."""
    return replace(machine_, tesla=other.tesla, t1=other.t1, t2=other.t2, flair=other.flair)


def transfer() -> dict[str, Any]:
    train, test = at("train", "B"), at("test", "B")
    source = trained("site A", *SITES["site A"])
    patients = sorted({s.group for s in train})
    made: dict[str, Any] = {"none": value(ap(test, source.predict(test)), test)}
    for n in FEW:
        runs: dict[str, list[Matches]] = {"from scratch": [], "fine-tuned": []}
        for draw in range(DRAWS):
            drawn = set(np.random.default_rng(draw).permutation(patients)[:n])
            some = [s for s in train if s.group in drawn]
            epochs = round(STEPS * 16 / len(some))
            for name, start, rate in (("from scratch", None, 4e-3), ("fine-tuned", source, 1e-3)):
                model = small(epochs=epochs, rate=rate, seed=draw).fit(some, start=start)
                runs[name].append(ap(test, model.predict(test)))
                print(n, draw, name, round(runs[name][-1].average_precision().mean, 3), flush=True)
        made[str(n)] = {name: _mean(matches, test) for name, matches in runs.items()}
        made[str(n)]["gain"] = numbers(
            paired_difference(_reader(runs["fine-tuned"]), _reader(runs["from scratch"]), [s.group for s in test])
        )
    made["all"] = value(ap(test, trained("site B", *SITES["site B"]).predict(test)), test)
    return made


def _reader(all_runs: Sequence[Matches]) -> Any:
    return lambda w: float(np.mean([m.average_precision(w).mean for m in all_runs]))


def _mean(all_runs: Sequence[Matches], samples: Samples) -> dict[str, float]:
    return numbers(bootstrap(_reader(all_runs), [s.group for s in samples]))


def several_views() -> dict[str, Any]:
    model = trained("site A", *SITES["site A"])
    kinds = {"plain": views(()), "mirrored": views(), "mirrored, three sizes": views((-1,), (1.0, 0.9, 1.1))}
    made: dict[str, Any] = {name: {} for name in kinds}
    for part in ("val A", "test A", "test B"):
        samples = at(*part.split())
        looks = look(model, samples, kinds["mirrored, three sizes"])  # its views begin with those of the others
        alone = ap(samples, looks[0])
        for name, used in kinds.items():
            matches = ap(samples, looks[0] if len(used) == 1 else merged(looks[: len(used)]))
            made[name][part] = value(matches, samples)
            made[name][f"more, {part}"] = difference(matches, alone, samples)
    return made


def ensemble() -> dict[str, Any]:
    members = [trained("site A", *SITES["site A"])]
    members += [trained(f"site A {k}", partial(learner, seed=k), SITES["site A"][1]) for k in range(1, MEMBERS)]
    made: dict[str, Any] = {}
    for part in ("val A", "test A", "test B"):
        samples = at(*part.split())
        each = [one.predict(samples) for one in members]
        fused = merged(each)
        alone, together = ap(samples, each[0]), ap(samples, fused)
        told = [member_scores(f, looks) for f, looks in zip(fused, zip(*each, strict=True), strict=True)]
        spread = [scores.std(axis=1) for scores in told]
        made[part] = {
            "members": [value(ap(samples, found), samples) for found in each],
            "ensemble": value(together, samples),
            "more": difference(together, alone, samples),
            "one": _worth(alone),
            "all": _worth(together)
            | {
                "spread": [
                    round(float(spread[i][d]), 3)
                    for i, d, s in zip(together.image, together.detection, together.score, strict=True)
                    if s >= TOLD
                ]
            },
        }
        print(part, made[part]["members"], made[part]["ensemble"], made[part]["more"], flush=True)
    return made


def _worth(matches: Matches) -> dict[str, Any]:
    """Scores and hits of the detections that are told."""
    told = matches.score >= TOLD
    return {
        "scores": [round(float(s), 3) for s in matches.score[told]],
        "hits": "".join("1" if hit else "0" for hit in matches.hit[told]),
    }


def wrong() -> dict[str, Any]:
    model = load_model("brain_lesions_heatmap")
    val, test = (ml.load("brain_lesions", split=split)[::2] for split in ("val", "test"))
    curve = ap(val, model.predict(val))
    false = np.cumsum(~curve.hit)
    threshold = float(curve.score[np.searchsorted(false, len(val), side="right") - 1])  # one false alarm a slice
    samples = list(test)
    found = [surer(d, threshold) for d in model.predict(test)]
    by_class, where = mistakes(samples, found), mistakes(*any_class(samples, found))
    lesions, missed = [], {(m.image, m.box) for m in where if m.kind == "missed"}
    for i, sample in enumerate(samples):
        for b in map(int, np.flatnonzero(~np.asarray(sample.ignore))):
            lesions += [{"image": 2 * i, "box": b, "missed": (i, b) in missed} | _seen(sample, b)]
    alarms = []
    for m in where:
        if m.kind != "missed":
            box = np.asarray(found[m.image].boxes[m.box])
            row, col = (int(np.clip((box[k] + box[k + 2]) / 2, 0, n - 1)) for k, n in enumerate(samples[m.image].shape))
            alarms.append(
                {
                    **asdict(m),
                    "image": 2 * m.image,
                    "score": round(m.score, 3),
                    "box": [round(float(x), 1) for x in box],
                }
                | {"tissue": TISSUES[int(samples[m.image].layers["tissue"][row, col])]}
                | {"size": round(float(box_size_mm(box[None], samples[m.image].spacing)[0]), 1)}
            )
    kinds = [m.kind for m in by_class]
    return {
        "threshold": round(threshold, 3),
        "images": len(samples),
        "kinds": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "lesions": lesions,
        "alarms": alarms,
    }


def surer(found: Detections, threshold: float) -> Detections:
    """The detections with a score from the threshold on."""
    scores = np.asarray(found.scores)
    sure = scores >= threshold
    return Detections(found.boxes[sure], scores[sure], np.asarray(found.labels)[sure])


def _seen(sample: Sample, b: int) -> dict[str, Any]:
    """How large a lesion is, which kind, and how it stands out in FLAIR: its box less a ring around it, in the spread
    of the ring."""
    box = np.asarray(sample.boxes)[b]
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    flair = np.asarray(sample["FLAIR"], dtype=np.float64)
    around = np.zeros(flair.shape, dtype=bool)
    around[max(0, low[0] - 4) : high[0] + 4, max(0, low[1] - 4) : high[1] + 4] = True
    mask = np.asarray(sample.mask) > 0
    inside = np.zeros_like(around)
    inside[low[0] : high[0], low[1] : high[1]] = True
    own, ring = flair[inside & mask], flair[around & ~mask]
    return {
        "size": round(float(box_size_mm(box[None], sample.spacing)[0]), 1),
        "kind": sample.classes[int(np.asarray(sample.labels)[b])],
        "contrast": round(float((own.mean() - ring.mean()) / (ring.std() or 1.0)), 2),
        "site": sample.meta["site"],
    }


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "sites": sites,
    "overfitting": overfitting,
    "longer": longer_at_sites,
    "apart": apart,
    "transfer": transfer,
    "views": several_views,
    "ensemble": ensemble,
    "mistakes": wrong,
}


def main() -> int:
    """Measure the parts that the command line names, or all."""
    named = sys.argv[1:] or list(PARTS)
    if unknown := set(named) - set(PARTS):
        raise SystemExit(f"there is no part {', '.join(sorted(unknown))}; there is: {', '.join(PARTS)}")
    for name in named:
        result = json.loads(PLACE.read_text(encoding="utf-8")) if PLACE.exists() else {}
        result |= {"command": "python benchmarks/generalization.py", "threads": torch.get_num_threads(), "seed": 0}
        result[name] = PARTS[name]()
        write_whole(PLACE, json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
