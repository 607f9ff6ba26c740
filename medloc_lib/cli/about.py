"""What a bug report needs, and nothing that says whose machine it is."""

from __future__ import annotations

import getpass
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import platformdirs
import psutil

from medloc_lib import __version__
from medloc_lib.data import registry

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "opencv-python-headless",
    "pydicom",
    "pylibjpeg",
    "nibabel",
    "nilearn",
    "matplotlib",
    "jupyterlab",
    "ipywidgets",
    "ipyniivue",
    "torch",
    "monai",
)


def facts() -> dict[str, str]:
    """Name -> text, in the order in which they are read."""
    memory = psutil.virtual_memory()
    mirror = os.environ.get("MEDLOC_DATA_MIRROR")
    found = {name: _version(name) for name in PACKAGES}
    here = [name for name in registry.names() if registry.info(name).kind != "built in" and registry.available(name)]
    return {
        "medloc": __version__,
        "python": f"{platform.python_version()}, {platform.python_implementation()}, {discreet(Path(sys.prefix))}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "packages": ", ".join(f"{name} {version}" for name, version in found.items() if version),
        "missing": ", ".join(name for name, version in found.items() if not version) or "none",
        "device": _device() if found["torch"] else "torch is not installed (only the lessons with networks need it)",
        "cores": str(_cores()),
        "memory": f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB free",
        "cache": _folder(Path(os.environ.get("MEDLOC_CACHE") or platformdirs.user_cache_dir("medloc"))),
        "mirror": _folder(Path(mirror)) if mirror else "none (MEDLOC_DATA_MIRROR)",
        "fetched": ", ".join(here) or "nothing",
    }


def discreet(path: Path) -> str:
    """A path without the home folder and without the user's name.

    >>> discreet(Path.home() / "data").replace(os.sep, "/")
    '~/data'
    """
    home, user = Path.home(), _user()
    path = Path("~") / path.relative_to(home) if path.is_relative_to(home) else path
    return str(Path(*("USER" if part.lower() == user.lower() else part for part in path.parts)))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return "\0"


def _folder(path: Path) -> str:
    if not path.is_dir():
        return f"{discreet(path)}, not there"
    sizes = [entry.stat().st_size for entry in path.rglob("*") if entry.is_file() and not entry.is_symlink()]
    return f"{discreet(path)}, {len(sizes)} files, {sum(sizes) / 2**20:.0f} MiB"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cores() -> int:
    """Cores that this process may use, which in a container or on a cluster are fewer than there are."""
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1


def _device() -> str:
    try:
        import torch
    except Exception as error:  # a broken build raises what it likes, and that is what the report is for
        return f"torch cannot be imported: {type(error).__name__}: {error}"
    if torch.cuda.is_available():
        return ", ".join(f"cuda {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count()))
    return "mps" if torch.backends.mps.is_available() else "cpu"
