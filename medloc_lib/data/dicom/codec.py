"""The parent's side of decoding in a child process: start it, watch it, end it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

SCRIPT = Path(__file__).with_name("child.py")
STARTUP_SECONDS = 60.0
FRAME_SECONDS = 2.0
BYTES_PER_SECOND = 5e6
"""A frame may take `FRAME_SECONDS` and the time for its decoded bytes at this rate; no sound codec is so slow."""

_MEMORY = 192 << 20
_MEMORY_PER_SAMPLE = 32

Answers = Generator[tuple[dict[str, Any], bytes], None, None]

_LOCK = threading.RLock()


class CodecError(Exception):
    """The child could not decode the frames; the text says why."""


def decode_frames(
    data: bytes, *, syntax: str, options: Mapping[str, Any], notes: list[str]
) -> Iterator[tuple[NDArray[Any], str]]:
    """Decode encapsulated pixel data in the child process, frame by frame.

    Parameters
    ----------
    data : the value of the pixel data element.
    syntax : its transfer syntax UID.
    options : pydicom's image pixel options: rows, columns, samples per pixel and so on.
    notes : the decoder's warnings are added here.

    Yields
    ------
    Each frame as (rows, cols) or (rows, cols, 3), and its photometric interpretation.

    Raises
    ------
    CodecError
        If the data cannot be decoded, or the child crashed, or took too long or too much memory.
    """
    with _LOCK:
        child = _running()
        finished = False
        try:
            with contextlib.closing(child.ask(data, syntax, options)) as answers:
                for answer, payload in answers:
                    finished = "bytes" not in answer
                    if "error" in answer:
                        raise CodecError(answer["error"])
                    if finished:
                        notes.extend(answer["warnings"])
                        return
                    array = np.frombuffer(payload, dtype=answer["dtype"]).reshape(answer["shape"])
                    yield array, answer["photometric"]
        finally:
            if not finished:
                child.close()


class _Child:
    """One decoding process and the pipes to it."""

    current: ClassVar[_Child | None] = None

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._late, self._seconds, self._deadline = False, 0.0, 0.0
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise OSError("it has no pipes")
        self._requests, self._answers = self.process.stdin, self.process.stdout
        with self._watched(STARTUP_SECONDS):
            self._answer()

    def ask(self, data: bytes, syntax: str, options: Mapping[str, Any]) -> Answers:
        """Send one request and yield its answers, each with the bytes that it announces."""
        samples = options["rows"] * options["columns"] * options["samples_per_pixel"]
        memory = _MEMORY + _MEMORY_PER_SAMPLE * samples + 2 * len(data)
        request = {"syntax": syntax, "options": dict(options), "bytes": len(data), "memory": memory}
        seconds = FRAME_SECONDS + samples * max(options["bits_allocated"] // 8, 1) / BYTES_PER_SECOND
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.write(data)
            self._requests.flush()
        except OSError:
            self._died()
        with self._watched(seconds):
            while True:
                yield self._answer()

    def _answer(self) -> tuple[dict[str, Any], bytes]:
        """The next answer and its bytes, or the reason why there is none."""
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            self._died()
        answer: dict[str, Any] = json.loads(line)
        size = answer.get("bytes", 0)
        payload = self._answers.read(size)
        if len(payload) != size:
            self._died()
        self._deadline = time.monotonic() + self._seconds
        return answer, payload

    @contextlib.contextmanager
    def _watched(self, seconds: float) -> Iterator[None]:
        """Kill the child if more than so many seconds pass without an answer."""
        self._seconds, self._late, done = seconds, False, threading.Event()
        self._deadline = time.monotonic() + seconds

        def watch() -> None:
            while not done.wait(max(self._deadline - time.monotonic(), 0.01)):
                if time.monotonic() > self._deadline:
                    self._late = True
                    self.process.kill()
                    return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _died(self) -> NoReturn:
        self.close()
        if self._late:
            raise CodecError(f"the decoder took longer than {self._seconds:.1f} s for one frame and was stopped")
        raise CodecError(f"the decoder crashed (exit code {self.process.returncode})")

    def close(self) -> None:
        """End the process; after a fork only this side's ends of the pipes."""
        if self.owner == os.getpid():
            self.process.kill()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):  # what was still to be sent can no longer be
                pipe.close()
        if self.owner == os.getpid():
            self.process.wait()


def _running() -> _Child:
    """The child of this process; started when first needed, and again after it ended or after a fork."""
    child = _Child.current
    if child is None or child.owner != os.getpid() or child.process.poll() is not None:
        try:
            child = _Child.current = _Child()
            atexit.register(child.close)
        except OSError as error:
            raise CodecError(f"no process could be started to decode it in: {error}") from error
    return child
