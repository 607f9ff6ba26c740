"""Every rule of fusion on the test split, and what misregistration does to it: writes benchmarks/fusion.json.

`python benchmarks/fusion.py` fits each row of lesson 03 on the training split (its threshold is chosen on the
validation split, as `medloc bench` does). On the test split it puts a 95 % bootstrap interval over patients around each
average precision, and around its paired difference from the best single channel, which is chosen on the validation
split: one of the lesson's `single_` rows, or the threshold of lesson 00, which looks at FLAIR as it was recorded. Then
the same fitted localizers, which have seen aligned images alone, meet test images whose channels are turned and shifted
against T1, as they are and after registration. The lesson reads the file.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from rounded import plain
from tqdm import tqdm

import medloc_lib as ml
from medloc_lib.bench.named import find
from medloc_lib.bench.named.fusion import CHANNELS
from medloc_lib.bench.table import write_whole
from medloc_lib.data import lesions
from medloc_lib.fusion import align
from medloc_lib.localizer import any_class
from medloc_lib.metrics import Interval, Matches, bootstrap, match, paired_difference

PLACE = Path(__file__).resolve().parent / "fusion.json"
LEVELS = (0.0, 1.0, 2.0, 4.0, 8.0)
ROWS = {**find("threshold"), **find("fusion")}
SINGLES = [name for name in ROWS if name == "threshold" or name.startswith("single_")]
FOLLOWED = ("fusion_weighted", "fusion_stacked", "fusion_boxes_single")
CHECK_MM, CHECK_SLICES = 4.0, 120
"""What the lesson makes again: the first test slices at one level."""

Samples = Sequence[ml.Sample]


def fit(name: str) -> Any:
    """A row, fitted by the protocol of the leaderboard."""
    train, val = (ml.load("brain_lesions", split=split) for split in ("train", "val"))
    return ROWS[name]().fit(train, validation=val)


def matches(localizer: Any, samples: Samples) -> Matches:
    """What a localizer finds in samples without their truth, paired with the truth."""
    return match(*any_class(samples, localizer.predict([s.only(("image",)) for s in samples])), iou=0.3)


def ap(found: Matches) -> Any:
    """Average precision as a function of the bootstrap's weights."""
    known: dict[int, float] = {}

    def compute(weights: Any) -> float:
        key = hash(weights.tobytes())
        if key not in known:
            known[key] = found.average_precision(weights).mean
        return known[key]

    return compute


def read(mm: float) -> list[ml.Sample]:
    """The test split with T1, FLAIR and PET."""
    made = ml.load("brain_lesions", split="test", misalignment_mm=mm)
    keep = [made[0].channels.index(name) for name in CHANNELS]
    return [s.replace(image=s.image[keep], channels=CHANNELS) for s in made]


def registered(sample: ml.Sample) -> tuple[ml.Sample, int]:
    """All channels registered to T1, and how many registrations did not converge."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        return align(sample, reference="T1"), len(said)


def level(fitted: dict[str, Any], best: str, samples: Samples) -> dict[str, Any]:
    """Average precision of the rows that are followed, and the difference from the best single channel."""
    groups = [s.group for s in samples]
    scores = {name: ap(matches(fitted[name], samples)) for name in (best, *FOLLOWED)}
    single = scores[best]
    return {
        name: {
            "ap": plain(bootstrap(score, groups)),
            "difference": plain(paired_difference(score, single, groups)),
        }
        for name, score in scores.items()
    }


def mean_shift(samples: Samples) -> float:
    """How far, on average over the heads, the channels after T1 really are from it, in mm."""
    found = []
    for s in samples:
        if "shift" in s.layers:
            far = np.linalg.norm(s.layers["shift"], axis=1)[[2, 3]]  # FLAIR and PET
            found.append(far[:, s["T1"] > s["T1"].mean()].mean())
    return round(float(np.mean(found)), 2) if found else 0.0


def learned(localizer: Any) -> dict[str, Any]:
    """What the lesson needs to make a localizer again without training."""
    inner = getattr(localizer, "localizer_", localizer)
    return {
        "weights": localizer.weights_.tolist() if inner is not localizer else None,
        "threshold": inner.threshold_,
        "min_size": inner.min_size_,
    }


def main() -> None:
    """Fit, score, misalign, register, write."""
    pool = joblib.Parallel(n_jobs=2, return_as="generator")
    fits = tqdm(pool(joblib.delayed(fit)(name) for name in ROWS), total=len(ROWS), desc="fit", unit="row")
    fitted = dict(zip(ROWS, fits, strict=True))
    val, test = (ml.load("brain_lesions", split=split) for split in ("val", "test"))
    choice = {name: fitted[name].score(val) for name in SINGLES}
    best = max(choice, key=lambda name: choice[name])
    groups = [s.group for s in test]
    scores = {name: ap(matches(localizer, test)) for name, localizer in tqdm(fitted.items(), desc="test", unit="row")}
    table = [
        {
            "name": name,
            "ap": plain(bootstrap(score, groups)),
            "difference": plain(paired_difference(score, scores[best], groups)),
        }
        for name, score in scores.items()
    ]
    curve = []
    for mm in LEVELS:
        samples = read(mm)
        bar = tqdm(pool(joblib.delayed(registered)(s) for s in samples), total=len(samples), desc=f"register {mm:g} mm")
        done = list(bar)
        curve.append(
            {
                "mm": mm,
                "mean_mm": mean_shift(samples),
                "as it is": level(fitted, best, samples),
                "registered": level(fitted, best, [s for s, _ in done]),
                "not converged": sum(n for _, n in done),
                "registrations": 2 * len(samples),
            }
        )
    few = read(CHECK_MM)[:CHECK_SLICES]
    remade = ("threshold", "fusion_weighted")
    content = {
        "command": "python benchmarks/fusion.py",
        "date": datetime.now(UTC).date().isoformat(),
        "version": ml.__version__,
        "simulator": lesions.VERSION,
        "seed": 0,
        "score": "average precision at IoU 0.3, whatever the class; 95 % bootstrap over patients: value, low, high",
        "images": len(test),
        "patients": len(set(groups)),
        "best_single": best,
        "table": table,
        "curve": curve,
        "learned": {name: learned(fitted[name]) for name in remade},
        "check": {
            "mm": CHECK_MM,
            "slices": CHECK_SLICES,
            "ap": {name: round(ap(matches(fitted[name], few))(np.ones(len(few), int)), 4) for name in remade},
        },
    }
    write_whole(PLACE, json.dumps(content, indent=1) + "\n")
    for row in table:
        own, difference = (Interval(*_ordered(row[key])) for key in ("ap", "difference"))
        print(f"{row['name']:26s} {own}   minus {best} {difference}")


def _ordered(values: Any) -> tuple[float, float, float]:
    value, low, high = (float(x) for x in values)
    return value, low, high


if __name__ == "__main__":
    main()
