"""Running one localizer in a process of its own, so that its memory is its own and a crash is its row's reason.

Not `multiprocessing`, which needs scripts to have a main guard and classes to be importable: the localizer travels by
cloudpickle, and so may be defined in a notebook.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medloc_lib.bench.stored import dump
from medloc_lib.sample import Detections

START = (
    "import json, sys; place = sys.argv[1]; sys.path[:] = json.load(open(place + '/path.json', encoding='utf-8')); "
    "from medloc_lib.bench.worker import main; main(place)"
)
TAIL = 8000  # characters of a dead process's last words that are kept


@dataclass(frozen=True)
class Outcome:
    """What came back: detections and figures, or a reason."""

    found: tuple[Detections, ...] = ()
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    memory_mib: float = 0.0
    parameters: int | None = None
    reason: str = ""
    trace: str = ""


def run(localizer: Any, splits: Path, test: Path, *, ndim: int, timeout: float | None) -> Outcome:
    """Fit and predict in a new process.

    Parameters
    ----------
    splits : file with what to fit on, (train, validation or None), each a sequence of samples.
    test : file with the samples to predict, which hold what the localizer may see.
    ndim : dimension of the test samples.
    timeout : seconds after which the process is stopped; None: never.
    """
    with tempfile.TemporaryDirectory(prefix="medloc-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        try:
            dump(localizer, place / "localizer")
        except Exception as error:  # what cannot be pickled raises what it likes
            return Outcome(reason=f"cannot be sent to its process: {type(error).__name__}: {error}")
        job = {"splits": str(splits), "test": str(test), "localizer": str(place / "localizer")}
        (place / "job.json").write_text(json.dumps(job), encoding="utf-8")
        path = [str(Path.cwd()) if entry == "" else entry for entry in sys.path]
        (place / "path.json").write_text(json.dumps(path), encoding="utf-8")
        (place / "stage").write_text("start", encoding="utf-8")
        with (place / "log").open("wb") as log:
            code = _wait([sys.executable, "-X", "faulthandler", "-c", START, name], log, timeout)
        try:
            return _outcome(place, code, timeout, ndim)
        except Exception as error:  # the process could write there what it liked, or nothing
            return Outcome(reason=f"its answer cannot be read: {type(error).__name__}: {error}")


def _wait(command: list[str], log: Any, timeout: float | None) -> int | None:
    """Exit code, or None if the time was up. Nothing that was started is left behind."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=os.name == "posix"
    )
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:  # also on Ctrl-C
        if os.name == "posix":  # the children of the process too
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


def _outcome(place: Path, code: int | None, timeout: float | None, ndim: int) -> Outcome:
    stage = (place / "stage").read_text(encoding="utf-8")
    log = (place / "log").read_text(encoding="utf-8", errors="replace")[-TAIL:]
    if code is None:
        return Outcome(reason=f"{stage}: stopped after {timeout:g} s, its time was up", trace=log)
    if not (place / "result.json").exists():
        return Outcome(reason=f"{stage}: {_died(code, log)}", trace=log)
    result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    if "reason" in result:
        return Outcome(reason=result["reason"], trace=log + result["trace"])
    with np.load(place / "found.npz", allow_pickle=False) as arrays:
        ends = np.cumsum(arrays["counts"])
        starts = ends - arrays["counts"]
        boxes, scores, labels = arrays["boxes"], arrays["scores"], arrays["labels"]
    found = tuple(
        Detections(boxes[a:b], scores[a:b], labels[a:b]) if b > a else Detections.none(ndim)
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    )
    return Outcome(found, **result)


def _died(code: int, log: str) -> str:
    if os.name == "posix" and code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), most likely for want of memory"
    if code < 0 or code & 0xFFFFFFFF == 0xC0000005:  # a signal, or Windows' access violation
        names = {-s.value: s.name for s in signal.Signals}
        return f"its process crashed ({names.get(code, hex(code & 0xFFFFFFFF))})"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f"its process ended with code {code}" + (f": {lines[-1][:300]}" if lines else "")
