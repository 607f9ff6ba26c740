"""What runs in the process of its own: load, fit, predict, hand the boxes back as plain arrays.

Started by `medloc_lib.bench.child`. All that it can see of the test set is what the localizer declared.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import sysconfig
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medloc_lib.bench.stored import load
from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample

OTHERS = (
    "<string>",  # code that Python made itself, such as the __init__ of a dataclass
    *(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "purelib", "platlib")),
    f"{Path(__file__).parents[1]}{os.sep}",
)
"""Where the code of Python, of installed packages and of this kit lies: not where a localizer's fault is sought."""


def main(folder: str) -> None:
    """Do the job described in `folder` and leave there a result, or the reason why there is none."""
    place = Path(folder)
    job = json.loads((place / "job.json").read_text(encoding="utf-8"))
    try:
        result = _work(place, job)
    except BaseException as error:  # whatever a localizer raises, SystemExit among it, is its row's reason
        stage = (place / "stage").read_text(encoding="utf-8")
        result = {"reason": f"{stage}: {_one_line(error)}", "trace": traceback.format_exc()}
    (place / "result.json").write_text(json.dumps(result), encoding="utf-8")


def _work(place: Path, job: dict[str, Any]) -> dict[str, Any]:
    def stage(name: str) -> None:
        (place / "stage").write_text(name, encoding="utf-8")

    stage("load")
    train, validation = (_checked(part) for part in load(Path(job["splits"])))
    test = _checked(load(Path(job["test"])))
    localizer = load(Path(job["localizer"]))
    stage("fit")
    start = time.perf_counter()
    localizer = fit(localizer, train, validation)
    fit_seconds = time.perf_counter() - start
    if not hasattr(localizer, "predict"):
        raise InputError(f"fit must give the localizer back, with `return self`; it gave {type(localizer).__name__}")
    stage("predict")
    start = time.perf_counter()
    found = localizer.predict(test)
    predict_seconds = time.perf_counter() - start
    stage("answer")
    _save(place / "found.npz", found, test)
    last = localizer.steps[-1][1] if hasattr(localizer, "steps") else localizer
    parameters = getattr(last, "n_parameters_", None)
    return {
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "memory_mib": peak_mib(),
        "parameters": None if parameters is None else int(np.int64(parameters)),
    }


def _checked(samples: Any) -> Any:
    """Samples in memory made anew, so that their pixels are read-only here too; others are as they are read."""
    return [sample.replace() for sample in samples] if isinstance(samples, list) else samples


def fit(localizer: Any, train: Sequence[Sample], validation: Sequence[Sample] | None) -> Any:
    """Fit a localizer, a pipeline or a search, with `validation` where it is taken."""
    if validation is None:
        return localizer.fit(train)
    if hasattr(localizer, "steps"):  # a pipeline: its last step chooses on what the steps before make of `validation`
        before = localizer[:-1].fit(train) if len(localizer.steps) > 1 else None
        seen = before.transform(validation) if before is not None else validation
        return localizer.fit(train, **{f"{localizer.steps[-1][0]}__validation": seen})
    if "validation" in inspect.signature(localizer.fit).parameters:
        return localizer.fit(train, validation=validation)
    return localizer.fit(train)


def _save(path: Path, found: Any, test: Sequence[Sample]) -> None:
    """Boxes, scores and labels of all images as plain arrays: nothing of the localizer runs where it is scored."""
    if not isinstance(found, list) or not all(isinstance(d, Detections) for d in found):
        raise InputError("predict must give a list of Detections; check_localizer(localizer) says more")
    if len(found) != len(test):
        raise InputError(f"predict must give one Detections per sample; got {len(found)} for {len(test)}")
    for sample, one in zip(test, found, strict=True):
        if len(one) and one.boxes.shape[1] != 2 * sample.ndim:
            raise InputError(
                f"a {sample.ndim}-D sample needs boxes of {2 * sample.ndim} numbers; got {one.boxes.shape}"
            )
    some = [d for d in found if len(d)]
    sides = some[0].boxes.shape[1] if some else 4
    np.savez(
        path,
        counts=np.asarray([len(d) for d in found], dtype=np.int64),
        boxes=np.concatenate([np.zeros((0, sides)), *(d.boxes for d in some)]),
        scores=np.concatenate([np.zeros(0), *(np.asarray(d.scores) for d in some)]),
        labels=np.concatenate([np.zeros(0, dtype=np.int64), *(np.asarray(d.labels) for d in some)]),
    )


def peak_mib() -> float:
    """Highest resident memory of this process so far, in MiB.

    On Linux from /proc: `getrusage` there counts the process that this one was started from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def _one_line(error: BaseException) -> str:
    """The error and where it came from: the last line of the user's own, if there is one."""
    text = " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(OTHERS)] or frames
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {text[:300]}{where}" if text else f"{type(error).__name__}{where}"
