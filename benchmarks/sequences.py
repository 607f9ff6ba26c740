"""Volumes as sequences of slices: writes benchmarks/sequences.json, and benchmarks/sequences.npz for lesson 11.

`python benchmarks/sequences.py` simulates volumes of `brain_lesions` (patients of another seed to learn from, those of
the val split to choose by, those of the test split for the figures), describes each slice by the stored detector
`brain_lesions_heatmap`, and trains every kind of `SequenceModel` on them with three seeds. Tasks: which slices hold the
lesion; where in the body a slice is (also on the real `mni152`); which voxels that light up are lesion (contrast
series). Each model of the first two is asked again about stacks that are reversed, with every other slice left out,
and with a fifth of the slices blank. Figures are means over seeds with 95 % bootstrap intervals over patients;
differences are paired. What was simulated is kept under build/sequences, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import rounded
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

import medloc_lib as ml
from medloc_lib.bench.table import write_whole
from medloc_lib.data import lesions
from medloc_lib.data.lesions.position import template_heights
from medloc_lib.deep.localizers import HeatmapLocalizer, load_model
from medloc_lib.deep.sequence import (
    KINDS,
    PIXEL,
    Projection,
    SequenceModel,
    brain_alone,
    curves,
    planes_of,
    slice_features,
    smoothed,
    span,
)
from medloc_lib.metrics import bootstrap, paired_difference

PLACE = Path(__file__).resolve().parent / "sequences.json"
FEATURES = PLACE.with_suffix(".npz")
KEPT = PLACE.parent.parent / "build" / "sequences"
PARTS = {"train": ("train", 1, 300), "val": ("val", 0, 60), "test": ("test", 0, 80)}
"""Split, seed and patients of what is learned from, chosen by and tested on."""
LIVE = {"train": 100, "val": 30, "test": 40}
"""Patients whose slices the lesson has at hand."""
SERIES = {"train": ("train", 1, 30), "test": ("test", 0, 40)}
SEEDS = (0, 1, 2)
STEP = 2.0
"""mm from slice to slice."""
SMOOTH = (1.0, 1.5, 2.0, 3.0)
THRESHOLDS = np.linspace(-5, 5, 41)
BITE = 300
"""Voxels of each kind that a series gives, at most."""
RANGE: Any = {"dropout": 0.3, "window": 32, "width": 16, "epochs": 80, "batch": 32, "rate": 1e-2}
POSITION: Any = {
    "answers": "measure",
    "dropout": 0.3,
    "window": 20,
    "width": 48,
    "epochs": 60,
    "batch": 20,
    "rate": 1e-2,
}
LONG = 40
"""Slices of a piece whose place is asked for."""
UPTAKE: Any = {"epochs": 8, "batch": 256, "rate": 2e-2, "width": 16}

Record = dict[str, Any]
Values = NDArray[Any]


def kept(name: str, make: Callable[[], Record]) -> Record:
    """What was made under that name, or make it now."""
    place = KEPT / f"{name}.joblib"
    if not place.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        joblib.dump(make(), place)
    found: Record = joblib.load(place)
    return found


def records(what: str, part: str, rows: tuple[str, int, int], make: Callable[[str, int, int], Record]) -> list[Record]:
    """The records of a part's patients."""
    split, seed, n = rows
    return [
        kept(f"{what}-{split}-{seed}-{i}", partial(make, split, seed, i))
        for i in tqdm(range(n), desc=f"{what} {part}", mininterval=10)
    ]


def stack(detector: HeatmapLocalizer, split: str, seed: int, number: int) -> Record:
    """Features and truth of a volume's slices."""
    sample = lesions.simulate(number, dims=3, split=split, seed=seed)
    assert sample.mask is not None
    return {
        "group": sample.group,
        "f": slice_features(detector, planes_of(sample), scale=STEP / PIXEL).astype(np.float16),
        "g": slice_features(detector, planes_of(brain_alone(sample))).astype(np.float16),
        "holds": (sample.mask > 0).any(axis=(1, 2)),
        "z": template_heights(sample),
    }


def template(detector: HeatmapLocalizer) -> Record:
    """The same of the real template, cut to the rows and columns of a simulated volume."""
    sample = ml.load("mni152", resolution=2)[0]
    planes, rows, cols = sample.shape
    r, c = (rows - 112) // 2, (cols - 96) // 2
    bare = brain_alone(sample)
    cut = ml.Sample(bare.image[:, :, r : r + 112, c : c + 96], channels=("T1",), spacing=sample.spacing)
    brain = (np.asarray(sample.mask) > 0).sum(axis=(1, 2))
    z = np.asarray(sample.affine)[2] @ np.stack([np.arange(planes), *np.zeros((2, planes)), np.ones(planes)])
    z = np.where(brain >= brain.max() / 8, z, np.nan)
    return {"group": "mni152", "g": slice_features(detector, planes_of(cut)).astype(np.float16), "z": z}


def series(split: str, seed: int, number: int) -> Record:
    """Time courses of voxels that light up, drawn from each kind."""
    sample = lesions.simulate(number, dims=3, split=split, seed=seed, skull=False, series=True)
    made = curves(sample)
    assert made.lesion is not None
    rng = np.random.default_rng(number)
    drawn = [rng.permutation(np.flatnonzero(made.lesion == kind))[:BITE] for kind in (False, True)]
    chosen = np.concatenate(drawn)
    return {"group": sample.group, "values": made.values[chosen].astype(np.float16), "lesion": made.lesion[chosen]}


plain = partial(rounded.plain, digits=3)


# What happens to a stack before a model is asked again: features and truth of its slices, changed.
Change = Callable[[Values, Values, np.random.Generator], tuple[Values, Values, float]]


def blank(x: Values, y: Values, rng: np.random.Generator) -> tuple[Values, Values, float]:
    x = np.array(x, dtype=np.float32)
    x[rng.choice(len(x), len(x) // 5, replace=False)] = np.nan
    return x, y, 1.0


CHANGES: dict[str, Change] = {
    "as it is": lambda x, y, rng: (x, y, 1.0),
    "reversed": lambda x, y, rng: (x[::-1], y[::-1], 1.0),
    "every other slice": lambda x, y, rng: (x[::2], y[::2], 2.0),
    "a fifth blank": blank,
}


def changed(x: Sequence[Values], y: Sequence[Values], how: str) -> tuple[list[Values], list[Values], float]:
    """All stacks changed in one way; how many times further apart their slices are."""
    made = [CHANGES[how](a, b, np.random.default_rng(i)) for i, (a, b) in enumerate(zip(x, y, strict=True))]
    return [m[0] for m in made], [m[1] for m in made], made[0][2]


def ends_off(scores: Sequence[Values], holds: Sequence[Values], threshold: float, apart: float) -> Values:
    """mm by which first and last slice are off, their mean, of each stack that holds a lesion."""
    off = []
    for answer, truth in zip(scores, holds, strict=True):
        at = np.flatnonzero(truth)
        if len(at):
            first, last = span(np.nan_to_num(answer, nan=-np.inf), threshold)
            off.append(STEP * apart * (abs(first - at[0]) + abs(last - at[-1])) / 2)
    return np.array(off)


def chosen_threshold(scores: Sequence[Values], holds: Sequence[Values]) -> tuple[float, float]:
    """The threshold with the least error on the validation stacks, and that error."""
    errors = [ends_off(scores, holds, t, 1.0).mean() for t in THRESHOLDS]
    best = int(np.argmin(errors))
    return float(THRESHOLDS[best]), float(errors[best])


def table(off: dict[str, Values], groups: Sequence[str], base: str) -> Record:
    """Mean with interval of each method, and how much of `base` it is short of, paired."""
    made: Record = {}
    for name, values in off.items():
        made[name] = {
            "error": plain(bootstrap(values, groups)),
            f"{base} minus it": plain(paired_difference(off[base], values, groups)),
            f"less than {base}": round(float(1 - values.mean() / off[base].mean()), 3),
        }
    return made


def between(holds: Values) -> Values:
    """True from the first to the last slice that holds a lesion, also where one in between does not."""
    return np.logical_or.accumulate(holds) & np.logical_or.accumulate(holds[::-1])[::-1]


def slice_range(data: dict[str, list[Record]], seeds: Sequence[int], held: str) -> Record:
    """Which slices hold the lesion, by each model."""
    x, y = ({part: [v[key] for v in found] for part, found in data.items()} for key in ("F", "holds"))
    sick = [v["group"] for v in data[held] if v["holds"].any()]
    off: dict[str, dict[str, list[Values]]] = {how: {} for how in CHANGES}
    for seed in seeds:
        for kind in KINDS:
            model = SequenceModel(kind, **RANGE, seed=seed).fit(x["train"], [between(holds) for holds in y["train"]])
            answers = model.predict(x["val"])
            widths: dict[str, float] = {kind: 0.0}
            if kind == "slice":
                errors = [chosen_threshold([smoothed(a, w) for a in answers], y["val"])[1] for w in SMOOTH]
                widths["smoothed"] = SMOOTH[int(np.argmin(errors))]
            for name, width in widths.items():
                threshold, error = chosen_threshold([smoothed(a, width) for a in answers], y["val"])
                print(f"range {name:9s} seed {seed}: val {error:.2f} mm at {threshold:+.2f}, width {width}", flush=True)
                for how in CHANGES:
                    stacks, holds, apart = changed(x[held], y[held], how)
                    told = [smoothed(a, width / apart) for a in model.predict(stacks)]
                    off[how].setdefault(name, []).append(ends_off(told, holds, threshold, apart))
    mean = {how: {name: np.mean(runs, axis=0) for name, runs in made.items()} for how, made in off.items()}
    made = table(mean["as it is"], sick, "smoothed")
    for how in list(CHANGES)[1:]:
        for name, values in mean[how].items():
            made[name][how] = plain(bootstrap(values, sick))
    return {"patients with a lesion": len(sick), "models": made}


def position(data: dict[str, list[Record]], real: Record, seeds: Sequence[int], held: str) -> Record:
    """Where in the body a slice is, by each model, in pieces of unseen stacks; and on the real template, by models that
    learned from T1 of the brain alone.
    """
    x, bare, y = ([v[key] for v in data["train"]] for key in ("P", "G", "z"))
    pieces, heights, groups = [], [], []
    for number, v in enumerate(data[held]):
        inside = np.flatnonzero(~np.isnan(v["z"]))
        start = int(np.random.default_rng(number).integers(inside[0], inside[-1] - LONG + 2))
        pieces.append(v["P"][start : start + LONG])
        heights.append(v["z"][start : start + LONG])
        groups.append(v["group"])
    off: dict[str, dict[str, list[Values]]] = {how: {} for how in CHANGES}
    there: dict[str, float] = {}
    models = [(kind, kind, 1) for kind in KINDS] + [("lstm", "lstm, skips", 3), ("tcn", "tcn, skips", 3)]
    for seed in seeds:
        for kind, name, skip in models:
            model = SequenceModel(kind, **POSITION, skip=skip, seed=seed).fit(x, y)
            for label, width in ((name, 0.0), ("smoothed", 2.0)) if kind == "slice" else ((name, 0.0),):
                for how in CHANGES:
                    stacks, truth, apart = changed(pieces, heights, how)
                    told = [smoothed(a, width / apart) for a in model.predict(stacks)]
                    each = [np.nanmean(np.abs(a - b)) for a, b in zip(told, truth, strict=True)]
                    off[how].setdefault(label, []).append(np.array(each))
                print(f"position {label:14s} seed {seed}: {off['as it is'][label][-1].mean():.2f} mm", flush=True)
    for kind in ("slice", "bilstm", "tcn"):
        answer = SequenceModel(kind, **POSITION, seed=seeds[0]).fit(bare, y).predict([real["G"]])[0]
        there[kind] = round(float(np.nanmean(np.abs(answer - real["z"]))), 2)
        print(f"mni152 {kind}: {there[kind]} mm", flush=True)
    mean = {how: {name: np.mean(runs, axis=0) for name, runs in made.items()} for how, made in off.items()}
    made = table(mean["as it is"], groups, "smoothed")
    for name in made:
        for how in list(CHANGES)[1:]:
            made[name][how] = plain(bootstrap(mean[how][name], groups))
    return {"patients": len(groups), "slices a piece": LONG, "models": made, "mni152": there}


def uptake(seeds: Sequence[int]) -> tuple[Record, dict[str, list[Record]]]:
    """Which voxels that light up are lesion: single frames, and the time course."""
    data = {part: records("series", part, SERIES[part], series) for part in SERIES}
    train = np.concatenate([v["values"] for v in data["train"]]).astype(np.float32)
    lesion = np.concatenate([v["lesion"] for v in data["train"]])
    test = [v for v in data["test"] if 10 <= v["lesion"].sum() <= len(v["lesion"]) - 10]
    groups = [v["group"] for v in test]

    def quality(x: Values, kind: str, view: Callable[[Values], Values], seed: int) -> dict[str, Values]:
        goal = np.full(x.shape[:2], np.nan, dtype=np.float32)
        goal[:, -1] = lesion
        model = SequenceModel(kind, **UPTAKE, seed=seed).fit(list(x), list(goal))
        found: dict[str, list[float]] = {how: [] for how in CHANGES}
        for v in test:
            for how in CHANGES:
                seen = [CHANGES[how](one, one, np.random.default_rng(i))[0] for i, one in enumerate(view(v["values"]))]
                told = [float(a[-1]) for a in model.predict(seen)]
                found[how].append(float(roc_auc_score(v["lesion"], told)))
                if x.shape[1] == 1:
                    break
        return {how: np.array(values) for how, values in found.items() if values}

    views: dict[str, tuple[str, Callable[[Values], Values]]] = {}
    for k in range(train.shape[1]):
        views[f"frame {k}"] = ("slice", lambda v, k=k: v[:, k : k + 1, :1].astype(np.float32))  # type: ignore[misc]
        views[f"frame {k} minus before"] = ("slice", lambda v, k=k: v[:, k : k + 1, 1:].astype(np.float32))  # type: ignore[misc]
    for kind in KINDS[1:]:
        views[kind] = (kind, lambda v: v.astype(np.float32))
    auc: dict[str, dict[str, Values]] = {}
    for name, (kind, view) in views.items():
        runs = [quality(view(train), kind, view, seed) for seed in (seeds[:1] if kind == "slice" else seeds)]
        auc[name] = {how: np.mean([run[how] for run in runs], axis=0) for how in runs[0]}
        print(f"uptake {name:22s} AUC {auc[name]['as it is'].mean():.3f}", flush=True)
    single = {name: float(auc[name]["as it is"].mean()) for name in auc if name.startswith("frame")}
    best = max((n for n in single if "minus" not in n), key=lambda n: single[n])
    second = max((n for n in single if "minus" in n), key=lambda n: single[n])
    made: Record = {}
    for name, values in auc.items():
        made[name] = {"AUC": plain(bootstrap(values["as it is"], groups))}
        for label, base in (("best frame", best), ("best frame minus before", second)):
            made[name][f"minus {label}"] = plain(paired_difference(values["as it is"], auc[base]["as it is"], groups))
        made[name] |= {how: plain(bootstrap(values[how], groups)) for how in list(CHANGES)[1:] if how in values}
    summary = {"patients with both": len(test), "best frame": best, "best frame minus before": second, "models": made}
    return summary, data


def main() -> None:
    """Simulate what is not there yet, then all models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--held", choices=("test", "val"), default="test", help="val: print, write nothing")
    parser.add_argument("--tasks", nargs="*", default=("range", "position", "uptake"))
    args = parser.parse_args()
    detector = load_model("brain_lesions_heatmap")
    assert isinstance(detector, HeatmapLocalizer)
    data: dict[str, list[Record]] = {}
    for part in PARTS:
        if part == "test" and args.held == "val":
            continue
        data[part] = records("stack", part, PARTS[part], partial(stack, detector))
    real = kept("mni152", partial(template, detector))
    lesion = Projection.fit([v["f"] for v in data["train"]], n=24, whole=3)
    place = Projection.fit([v["f"] for v in data["train"]], n=48)
    bare = Projection.fit([v["g"] for v in data["train"]], n=48)
    for v in [v for found in data.values() for v in found]:
        v["F"], v["P"], v["G"] = lesion(v["f"]), place(v["f"]), bare(v["g"])
    real["G"] = bare(real["g"])
    seeds = SEEDS[: args.seeds]
    content: Record = {
        "command": " ".join(["python benchmarks/sequences.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "version": ml.__version__,
        "simulator": lesions.VERSION,
        "seeds": list(seeds),
        "volumes": {part: {"split": s, "seed": k, "patients": n} for part, (s, k, n) in PARTS.items()},
        "series": {part: {"split": s, "seed": k, "patients": n} for part, (s, k, n) in SERIES.items()},
    }
    drawn: dict[str, list[Record]] = {}
    if "range" in args.tasks:
        content["range"] = slice_range(data, seeds, args.held)
    if "position" in args.tasks:
        content["position"] = position(data, real, seeds, args.held)
    if "uptake" in args.tasks:
        content["uptake"], drawn = uptake(seeds)
    if args.held != "test" or len(args.tasks) < 3:
        print(json.dumps(content, indent=1))
        return
    arrays: dict[str, Values] = {"mni152_G": real["G"], "mni152_z": real["z"]}
    for name, made in (("F", lesion), ("P", place)):
        arrays |= {f"{name}_mean": made.mean, f"{name}_basis": made.basis}
    for part, found in data.items():
        keys = ("F", "holds", "group") if part == "val" else ("F", "P", "holds", "z", "group")
        arrays |= {f"{part}_{k}": np.stack([v[k] for v in found[: LIVE[part]]]) for k in keys}
    arrays["train_G"] = np.stack([v["G"] for v in data["train"][: LIVE["train"]]])
    for part, found in drawn.items():
        few = found[:20]
        arrays |= {f"series_{part}_{k}": np.concatenate([v[k][::2] for v in few]) for k in ("values", "lesion")}
        arrays[f"series_{part}_group"] = np.concatenate([[v["group"]] * len(v["lesion"][::2]) for v in few])
    small: Any = {
        k: a.astype(np.float16) if a.dtype.kind == "f" and not k.endswith(("mean", "basis")) else a
        for k, a in arrays.items()
    }
    np.savez_compressed(FEATURES, **small)
    write_whole(PLACE, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
