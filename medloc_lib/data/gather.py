"""Bringing the files of a data set together, so that nothing half done is ever taken for a file."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from medloc_lib.data.catalog import DatasetInfo, FileRow, files
from medloc_lib.errors import DatasetError

THREADS = 8

PAUSES = (0.5, 2.0)
"""Seconds before the second and third try."""

SLOWEST = 5_000
"""Bytes a second; a file that comes more slowly than this, after half a minute's grace, is given up."""

STALE_S = 24 * 3600
"""A part of a download that is older was left by a process that was killed."""

Download = Callable[[str, "Receiver"], None]


class GiveUpError(Exception):
    """A reason, in words, for which another try would be of no use."""


class TryAgainError(Exception):
    """A reason, in words, that may be gone the next time."""


class Gather:
    """Brings files into a folder, several at a time, and stops all of them when one cannot be had.

    Parameters
    ----------
    about : the data set.
    home : its folder in the cache.
    spare : where a file is at hand, such as in a mirror; others come from ``about.raw_url``.
    download : writes what a URL holds into a Receiver; raises OSError.
    """

    def __init__(self, about: DatasetInfo, home: Path, spare: Mapping[FileRow, Path], download: Download) -> None:
        self.about, self.home, self.spare, self.download = about, home, spare, download
        self.parts = home / ".parts"
        self.stop = threading.Event()

    def run(self, rows: Sequence[FileRow], *, progress: bool) -> None:
        """Raise DatasetError with the steps to do it by hand, if one of the files cannot be had."""
        from tqdm.auto import tqdm

        try:
            self.parts.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise DatasetError(
                f"{self.home} cannot be written: {error}; set MEDLOC_CACHE to a folder that can"
            ) from error
        total = sum(row.bytes for row in rows)
        failed: tuple[str, str] | None = None
        with (
            tqdm(
                total=total, unit="B", unit_scale=True, desc=f"fetching {self.about.name}", disable=not progress
            ) as bar,
            ThreadPoolExecutor(THREADS) as pool,
        ):
            jobs = {pool.submit(self._one, row): row for row in rows}
            try:
                for job in as_completed(jobs):
                    job.result()
                    bar.update(jobs[job].bytes)
            except (GiveUpError, TryAgainError) as error:
                failed = jobs[job].path, str(error)
            finally:
                self.stop.set()
                for job in jobs:
                    job.cancel()
        if failed:  # told once every thread has ended, so that the files it counts are the files that stay
            raise DatasetError(self._by_hand(*failed))

    def _one(self, row: FileRow) -> None:
        """One file, after as many tries as it takes or is allowed."""
        for pause in PAUSES:
            try:
                return self._try(row)
            except TryAgainError:
                if self.stop.wait(pause):
                    raise
        return self._try(row)

    def _try(self, row: FileRow) -> None:
        """One try: into a part of its own, and to its place only if size and SHA-256 are right."""
        target = self.home / row.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.parts)
        except OSError as error:
            raise GiveUpError(f"{self.home} cannot be written: {error}") from error
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                receiver = Receiver(file, row, self.stop)
                self._receive(row, receiver)
            receiver.check()
            part.chmod(0o644)
            part.replace(target)
        except OSError as error:
            raise GiveUpError(f"{target} cannot be written: {error}") from error
        finally:
            part.unlink(missing_ok=True)

    def _receive(self, row: FileRow, receiver: Receiver) -> None:
        """All bytes of a file, from the mirror if it has them right, else from its URL."""
        if row in self.spare:
            try:
                data = self.spare[row].read_bytes()
            except OSError:
                data = b""  # gone since it was looked at
            if data:
                receiver.write(data)
                return
        url = self.about.raw_url + quote(row.path)
        try:
            self.download(url, receiver)
        except OSError as error:  # what requests raises; the receiver turns its own into GiveUpError
            answer = getattr(error, "response", None)
            if answer is not None:
                reason = f"{url} answered {answer.status_code} {answer.reason}"
                if 400 <= answer.status_code < 500 and answer.status_code not in (408, 429):
                    raise GiveUpError(reason) from None
            elif "Timeout" in type(error).__name__:
                reason = f"no answer in time from {urlsplit(url).netloc}"
            else:
                reason = f"no connection to {urlsplit(url).netloc}, or it broke off ({type(error).__name__})"
            raise TryAgainError(reason) from None

    def _sweep(self) -> None:
        for part in self.parts.iterdir():
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > STALE_S:
                    part.unlink()

    def _by_hand(self, path: str, reason: str) -> str:
        rows = files(self.about.name)
        here = sum((self.home / row.path).is_file() for row in rows)
        return (
            f"{self.about.name} could not be fetched: {path}: {reason}. {here} of {len(rows)} files are here and are "
            f"kept; trying again goes on from there. By hand: unpack {self.about.archive} so that "
            f"{self.home / path} exists, "
            f"or put the files into FOLDER/{self.about.name} and set MEDLOC_DATA_MIRROR=FOLDER"
        )


class Receiver:
    """Writes what comes, and says when it is too much, too slow, or not what was wanted."""

    def __init__(self, file: BinaryIO, row: FileRow, stop: threading.Event) -> None:
        self.file, self.row, self.stop = file, row, stop
        self.size, self.digest = 0, hashlib.sha256()
        self.until = time.monotonic() + 30 + row.bytes / SLOWEST

    def write(self, data: bytes) -> int:
        """Called by pooch for each chunk."""
        self.size += len(data)
        if self.stop.is_set():
            raise GiveUpError("stopped")
        if self.size > self.row.bytes:
            raise TryAgainError(f"more came than its {self.row.bytes} bytes")
        if time.monotonic() > self.until:
            raise TryAgainError(f"only {self.size} of {self.row.bytes} bytes came in time")
        self.digest.update(data)
        try:
            return self.file.write(data)
        except OSError as error:
            raise GiveUpError(f"cannot be written: {error}") from error

    def flush(self) -> None:
        """Called by pooch at the end."""

    def check(self) -> None:
        """Raise unless all came, and is what was wanted."""
        if self.size != self.row.bytes:
            raise TryAgainError(f"only {self.size} of {self.row.bytes} bytes came")
        if self.digest.hexdigest() != self.row.sha256:
            raise TryAgainError(
                f"what came has SHA-256 {self.digest.hexdigest()[:12]}..., needed {self.row.sha256[:12]}...: "
                "it was changed at its source or on the way, and is not used"
            )
