"""How long a newcomer waits: `python benchmarks/start.py` times the import, `--clone` clone to JupyterLab."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def seconds(statement: str) -> float:
    """Seconds that a fresh interpreter takes for a statement, start-up included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def imports(runs: int = 7) -> None:
    """The import beside a peer's, in turn; the interpreter's own start is taken off both."""
    rows = [(seconds("pass"), seconds("import medloc_lib"), seconds("import sklearn.ensemble")) for _ in range(runs)]
    bare, ours, peer = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = (ours - bare) / (peer - bare)
    print(f"import medloc_lib {ours - bare:.2f} s, import sklearn.ensemble {peer - bare:.2f} s, ratio {ratio:.2f}")
    print(f"under 1.5 s: {ours - bare < 1.5}")


def clone(port: int = 8897) -> None:
    """Clone into an empty folder, `make lab`, and wait until JupyterLab answers."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), f"{folder}/medloc"], check=True)
        options = f"LAB_ARGS=--no-browser --port={port} --allow-root --IdentityProvider.token=start"
        lab = subprocess.Popen(["make", "lab", options], cwd=f"{folder}/medloc", start_new_session=True)
        try:
            while not answers(f"http://127.0.0.1:{port}/lab/tree/notebooks/00_start_here.ipynb?token=start"):
                if lab.poll() is not None:
                    raise SystemExit(f"make lab ended with {lab.returncode}")
                time.sleep(0.5)
            print(f"from clone to JupyterLab answering: {time.perf_counter() - start:.0f} s")
        finally:
            os.killpg(lab.pid, signal.SIGTERM)
            lab.wait()


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clone", action="store_true", help="clone, set up and start JupyterLab (minutes)")
    clone() if parser.parse_args().clone else imports()
