"""The repository's own promises: one set of pins, the stated ranges, the wheel that carries its data sets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from medloc_lib.localizer import check_localizer
from tools import setup_env

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PINS = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", CONSTRAINTS, re.MULTILINE))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_conda_and_make_install_the_same_packages_from_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, section = environment["dependencies"]
    assert section["pip"] == ["-c constraints.txt", f"-e .[{setup_env.EXTRAS}]"]
    assert pip == "pip"
    assert Version(python.removeprefix("python=")) >= Version(PROJECT["requires-python"].removeprefix(">="))


def test_the_plain_lines_of_the_readme_are_those_of_the_set_up():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f'-m pip install -c constraints.txt -e ".[{setup_env.EXTRAS}]"' in readme


def test_every_declared_package_is_pinned_inside_its_range():
    pins = {normal(name): version for name, version in PINS.items()}
    declared = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    assert sorted(PROJECT["optional-dependencies"]) == sorted(setup_env.EXTRAS.split(","))
    for text in declared:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[normal(requirement.name)]), text


def test_what_is_installed_is_what_is_pinned():
    frozen = subprocess.run([sys.executable, "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    installed = {normal(p["name"]): p["version"].split("+")[0] for p in json.loads(frozen.stdout)}
    wrong = {n: (installed[normal(n)], v) for n, v in PINS.items() if installed.get(normal(n), v) != v}
    assert not wrong
    assert len(installed) > 100


@pytest.mark.parametrize(
    ("platform", "driver", "choice", "cpu"),
    [
        ("linux", False, "", True),
        ("linux", True, "", False),
        ("linux", False, "cuda", False),
        ("linux", True, "cpu", True),
        ("darwin", False, "", False),
        ("win32", False, "", False),
    ],
)
def test_torch_build(platform, driver, choice, cpu):
    assert setup_env.prefers_cpu(platform, driver=driver, choice=choice) is cpu


def test_torch_build_refuses_another_word():
    with pytest.raises(SystemExit, match="cpu or cuda"):
        setup_env.prefers_cpu("linux", driver=False, choice="rocm")


def test_version_is_one():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_wheel_works_outside_the_checkout(tmp_path):
    """Built, unpacked elsewhere, and first on the path: its own code and its own datasets/ are what runs."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import medloc_lib as ml\n"
        "print(ml.__file__)\n"
        "print(ml.load('fundus')[0].channels)\n"
        "print(ml.info('bccd').licence)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    where, channels, licence = done.stdout.splitlines()
    assert where.startswith(str(site))
    assert channels == "('R', 'G', 'B')"
    assert "MIT" in licence


def test_the_class_of_the_readme_keeps_the_contract_in_fifteen_lines():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import numpy.*?)```", readme, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 15
    made: dict[str, Any] = {}
    exec(code, made)
    check_localizer(made["Brightest"]())


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CONVENTIONS.md", "datasets/README.md"])
def test_links_lead_somewhere(name):
    page = ROOT / name
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestNotebook:
    """What every lesson promises, whatever it teaches."""

    def test_size_and_shape(self, path):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
        assert path.stat().st_size < 1_500_000
        assert sum("NBVAL_CHECK_OUTPUT" in cell for cell in code) >= 8
        assert not [cell for cell in code if re.search(r"NBVAL_(SKIP|IGNORE|RAISES)", cell)]
        assert max(len([line for line in cell.splitlines() if line.strip()]) for cell in code) <= 10

    def test_parts(self, path):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        text = "\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")
        for part in (
            "**Goals**",
            "**Before**",
            "**Data**",
            "**Time**",
            "## Summary",
            "## Try it yourself",
            "## Sources",
        ):
            assert part in text, part
        assert text.count("<details>") >= 3

    def test_outputs_are_stored_and_without_errors(self, path):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        outputs = [o for c in notebook["cells"] if c["cell_type"] == "code" for o in c["outputs"]]
        assert not [o for o in outputs if o["output_type"] == "error"]
        assert sum("image/png" in o.get("data", {}) for o in outputs) >= 4
