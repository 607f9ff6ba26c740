"""Make the virtual environment: `python3 tools/setup_env.py .venv`. Needs only Python's standard library.

Every package comes at the version in constraints.txt. On Linux without an NVIDIA driver PyTorch's CPU build is tried
first, once and briefly, so that a laptop does not download gigabytes of CUDA; `TORCH=cuda` takes the plain package,
and `TORCH=cpu` the CPU build. One line says which was taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "lab,deep,dev"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def prefers_cpu(platform: str, *, driver: bool, choice: str) -> bool:
    """Whether PyTorch's CPU build is tried first.

    Parameters
    ----------
    platform : as `sys.platform`.
    driver : whether an NVIDIA driver is loaded.
    choice : the environment's TORCH: "cuda", "cpu" or "" for automatic.
    """
    if choice not in ("", "cpu", "cuda"):
        raise SystemExit(f"TORCH must be cpu or cuda; got {choice!r}")
    return choice == "cpu" or (choice == "" and platform == "linux" and not driver)


def pinned(package: str, constraints: str) -> str:
    """The line of `constraints` that pins `package`."""
    found = re.search(rf"^{re.escape(package)}==[^\s;]+", constraints, re.MULTILINE)
    if found is None:
        raise SystemExit(f"constraints.txt does not pin {package}")
    return found.group(0)


def main(folder: str) -> None:
    """Make the environment in `folder`, or bring it up to date."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what an older Python runs
        raise SystemExit(
            f"MedLoc needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 lab"
        )
    env = Path(folder)
    python = env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"Making a virtual environment in {folder} ...", flush=True)
        venv.create(env, with_pip=True)
    constraints = ROOT / "constraints.txt"
    # The same pins hold for what builds the package: pip reads the one or the other variable, by its version.
    pins = {"PIP_CONSTRAINT": str(constraints), "PIP_BUILD_CONSTRAINT": str(constraints)}
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    torch = pinned("torch", constraints.read_text(encoding="utf-8"))
    driver = Path("/proc/driver/nvidia/version").exists()
    taken = "the plain package"
    if prefers_cpu(sys.platform, driver=driver, choice=os.environ.get("TORCH", "")):
        brief = ["--timeout", "10", "--retries", "0", "--no-deps", "--index-url", CPU_INDEX]
        tried = subprocess.run([*pip, *brief, torch], env={**os.environ, **pins}, capture_output=True, check=False)
        taken = "its CPU build" if tried.returncode == 0 else "the plain package (its CPU index did not answer)"
    print("Installing the pinned packages; the first time takes some minutes ...", flush=True)
    subprocess.run([*pip, "-c", str(constraints), "-e", f"{ROOT}[{EXTRAS}]"], env={**os.environ, **pins}, check=True)
    print(f"PyTorch: {torch}, {taken}.", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else ".venv")
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"pip could not install the packages (exit {error.returncode}); its message is above."
        ) from error
