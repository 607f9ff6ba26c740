"""What `import medloc_lib` gives, and what it does not do."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import medloc_lib

WATCH = """
import json, os, sys
seen = []
def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR):
            seen.append(f"{event} {path}")
    elif event.startswith(("socket.", "urllib.", "http.", "subprocess.", "os.mkdir", "os.remove", "os.rename")):
        seen.append(f"{event} {arguments}")
sys.dont_write_bytecode = True
import numpy  # what numpy itself does at import is not ours
sys.addaudithook(hook)
SPOIL
import medloc_lib
print(json.dumps({"seen": seen, "modules": sorted(sys.modules)}))
"""


def watched(spoil=""):
    script = WATCH.replace("SPOIL", spoil)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=True)
    return json.loads(done.stdout)


def test_public_names():
    assert sorted(medloc_lib.__all__) == [
        "Detections",
        "Localizer",
        "MedlocError",
        "Sample",
        "__version__",
        "info",
        "load",
    ]
    assert all(hasattr(medloc_lib, name) for name in medloc_lib.__all__)


def test_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert medloc_lib.__version__ == project["project"]["version"]


def test_import_is_light_and_touches_nothing():
    found = watched()
    assert found["seen"] == []
    heavy = {"torch", "matplotlib", "sklearn", "pandas", "nilearn", "pooch", "requests", "urllib3", "monai", "IPython"}
    assert heavy & set(found["modules"]) == set()


def test_the_watch_sees_what_it_should(tmp_path):
    spoil = f"open({str(tmp_path / 'x')!r}, 'w').close(); import socket; socket.socket().close(); import pandas"
    found = watched(spoil)
    assert len(found["seen"]) >= 2
    assert "pandas" in found["modules"]
