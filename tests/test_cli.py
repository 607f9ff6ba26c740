"""The `medloc` command as its user sees it: what is printed where, exit codes, files."""

from __future__ import annotations

import csv
import getpass
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medloc_lib import __version__, cli
from medloc_lib.bench import read_leaderboard
from medloc_lib.cli import about, choose, preview
from medloc_lib.data import registry
from medloc_lib.errors import DatasetError, InputError
from medloc_lib.localizer import FunctionLocalizer, MeanBoxLocalizer, ThresholdLocalizer
from medloc_lib.sample import Sample


@pytest.fixture
def medloc(capsys, monkeypatch):
    """Run the command in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*words):
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(word) for word in words])
        printed = capsys.readouterr()
        return stopped.value.code, printed.out, printed.err

    return run


@pytest.fixture
def folder(tmp_path):
    """Twelve grey pictures of six patients with one bright block each, boxes in a CSV, patients in another column."""
    place = tmp_path / "mine"
    place.mkdir()
    rng = np.random.default_rng(0)
    with (place / "boxes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "x0", "y0", "x1", "y1", "label", "patient"])
        for i in range(12):
            pixels = rng.normal(100, 2, (40, 48))
            pixels[:6] = 0
            row, col = rng.integers(8, 28, 2)
            pixels[row : row + 6, col : col + 8] = 200
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / f"{i}.png")
            table.writerow([f"{i}.png", col, row, col + 8, row + 6, "cyst", f"p{i // 2}"])
    return place


def module(*words, **options):
    """`python -m medloc_lib` in a process of its own."""
    command = [sys.executable, "-m", "medloc_lib", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)


# Errors, help and version


def test_version_and_help(medloc):
    assert medloc("--version") == (0, f"medloc {__version__}\n", "")
    code, out, _ = medloc()
    assert code == 0
    assert all(name in out for name in ("lab", "data", "view", "bench", "info"))
    for command in (
        ["bench"],
        ["view"],
        ["lab"],
        ["info"],
        *(["data", c] for c in ("list", "info", "fetch", "verify", "path")),
    ):
        code, out, _ = medloc(*command, "--help")
        assert code == 0
        assert "Usage" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "info", "nope"], "there is no data set 'nope'"),
        (["data", "path", "mni152"], "built in"),
        (["view", "x", "--first", "0"], "greater than or equal to 1. `medloc view --help` shows what there is."),
        (["view", "nowhere.dcm"], "nowhere.dcm: there is no such file or folder"),
        (["bench", "--dataset", "nope", "--localizer", "threshold"], "neither a folder nor a data set"),
        (["bench", "--dataset", "mni152", "--localizer", "nope"], "there is no localizer 'nope'"),
        (["bench", "--dataset", "mni152", "--localizer", "no.such:Thing"], "cannot be imported: ModuleNotFoundError"),
        (["bench", "--dataset", "mni152", "--localizer", "math:nope"], "cannot be imported: AttributeError"),
        (["bench", "--dataset", "mni152", "--localizer", "threshold"], "cannot be benched"),
        (["bench", "--dataset", "brain_lesions", "--group-by", "x", "--localizer", "threshold"], "is for folders"),
        (["bench", "--dataset", "x", "--localizer", "threshold", "--localizer", "threshold"], "may be named once"),
        (["bench", "--datset", "x"], "No such option"),
        (["nothing"], "No such command"),
        (["bench"], "Missing option"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_exit_code_2(medloc, words, message):
    code, out, err = medloc(*words)
    assert code == 2
    assert out == ""
    assert err.startswith("medloc: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize("words", [["--debug", "data", "info", "nope"], ["data", "info", "nope", "--debug"]])
def test_debug_shows_the_trace(medloc, words):
    code, _, err = medloc(*words)
    assert code == 2
    assert "Traceback" in err
    assert "DatasetError" in err
    assert err.splitlines()[-1].startswith("medloc: there is no data set")


def test_a_fault_of_ours_is_one_line_too(medloc, monkeypatch):
    def broken():
        raise RuntimeError("boom\n")

    monkeypatch.setattr(registry, "names", broken)
    code, _, err = medloc("data", "list")
    assert (code, err) == (1, "medloc: unexpected RuntimeError: boom; `--debug` shows where\n")


def test_as_a_process():
    done = module("data", "info", "nope")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert module("--version").stdout == f"medloc {__version__}\n"


# Data


def test_data_list_names_every_data_set(medloc):
    code, out, _ = medloc("data", "list")
    assert code == 0
    assert all(name in out for name in registry.names())


def test_data_info_gives_licence_and_citation(medloc):
    code, out, _ = medloc("data", "info", "bccd")
    assert code == 0
    assert "licence:" in out
    assert "citation:" in out


def test_data_fetch_verify_and_path_pass_on_what_the_registry_says(medloc, monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "fetch", lambda name: tmp_path / name)
    monkeypatch.setattr(registry, "path", lambda name: tmp_path / name)
    assert medloc("data", "fetch", "bccd") == (0, f"{tmp_path / 'bccd'}\n", "")
    assert medloc("data", "path", "bccd") == (0, f"{tmp_path / 'bccd'}\n", "")
    good = registry.Verification("bccd", tmp_path, 3, (), ())
    bad = registry.Verification("bccd", tmp_path, 2, (), ("a.jpg",))
    monkeypatch.setattr(registry, "verify", lambda name: good)
    assert medloc("data", "verify", "bccd")[0] == 0
    monkeypatch.setattr(registry, "verify", lambda name: bad)
    code, out, _ = medloc("data", "verify", "bccd")
    assert code == 1
    assert "1 altered: a.jpg" in out

    def offline(name):
        raise DatasetError("no network; do this by hand: ...")

    monkeypatch.setattr(registry, "fetch", offline)
    assert medloc("data", "fetch", "bccd") == (2, "", "medloc: no network; do this by hand: ...\n")


# Bench


def test_bench_on_a_folder_with_an_own_localizer(medloc, folder, tmp_path, monkeypatch):
    (tmp_path / "mymodule.py").write_text(
        "from medloc_lib import Detections, Localizer\n"
        "class Corner(Localizer):\n"
        "    def predict(self, samples):\n"
        "        return [Detections([[0, 0, 5, 5]]) for _ in samples]\n"
        "class Broken(Corner):\n"
        "    def predict(self, samples):\n"
        "        raise RuntimeError('no luck')\n"
    )
    monkeypatch.chdir(tmp_path)
    board, page, table = tmp_path / "board.json", tmp_path / "page.html", tmp_path / "table.csv"
    words = ["bench", "--dataset", "mine", "--group-by", "patient", "--json", board, "--html", page, "--csv", table]
    words += ["--localizer", "threshold", "--localizer", "mymodule:Corner", "--localizer", "mymodule:Broken"]
    code, out, err = medloc(*words, "--debug")
    assert code == 1  # a row failed
    assert re.search(r"^threshold +1\.000 ", out, re.MULTILINE)
    assert re.search(r"^Corner +0\.000 ", out, re.MULTILINE)
    assert "Broken: no scores. predict: RuntimeError: no luck (mymodule.py, line 7)" in out
    assert "Note: split of 6 patients by seed 0: 4 train, 1 validation, 1 test" in out
    assert "Traceback" in err
    rows = read_leaderboard(board)
    assert {(row.data, row.name) for row in rows} == {("mine", "threshold"), ("mine", "Corner"), ("mine", "Broken")}
    assert rows["Corner"].command == (
        "medloc bench --dataset mine --group-by patient --localizer threshold "
        "--localizer mymodule:Corner --localizer mymodule:Broken"
    )
    assert str(tmp_path) not in board.read_text() + page.read_text() + table.read_text()
    assert "<button" in page.read_text()
    assert len(table.read_text().splitlines()) == 4


def test_bench_refuses_a_malformed_leaderboard_before_the_work(medloc, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("medloc_lib.bench.leaderboard", lambda *a, **k: pytest.fail("worked for nothing"))
    (tmp_path / "board.json").write_text("{")
    code, _, err = medloc("bench", "--dataset", folder, "--localizer", "mean_box", "--json", tmp_path / "board.json")
    assert code == 2
    assert "is no leaderboard" in err
    assert (tmp_path / "board.json").read_text() == "{"


@pytest.mark.parametrize("option", ["--json", "--html", "--csv"])
def test_bench_says_before_the_work_what_it_cannot_write(medloc, folder, tmp_path, monkeypatch, option):
    monkeypatch.setattr("medloc_lib.bench.leaderboard", lambda *a, **k: pytest.fail("worked for nothing"))
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path, tmp_path / "file" / "board"):
        code, _, err = medloc("bench", "--dataset", folder, "--localizer", "mean_box", option, place)
        assert code == 2
        assert "cannot be written" in err
    assert (tmp_path / "file").read_text() == "mine"
    code, _, err = medloc("view", folder, "--out", tmp_path)
    assert code == 2
    assert "cannot be written" in err


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import sys\nsys.exit(0)", "cannot be imported: SystemExit: 0"),
        ("class A:\n    def __init__(self):\n        raise SystemExit(3)", "cannot be made: SystemExit: 3"),
        ("class A:\n    def __init__(self):\n        raise RuntimeError('boom')", "cannot be made: RuntimeError: boom"),
    ],
)
def test_a_module_that_leaves_is_an_error(tmp_path, monkeypatch, source, says):
    name = f"leaves{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=says):
        choose.localizers([f"{name}:A"])


def test_localizers_by_name_class_function_and_object(tmp_path, monkeypatch):
    (tmp_path / "kinds.py").write_text(
        "from medloc_lib.localizer import ThresholdLocalizer\n"
        "made = ThresholdLocalizer('T1')\n"
        "def bright(picture):\n    return picture > 1\n"
        "class Needs(ThresholdLocalizer):\n    def __init__(self, side):\n        self.side = side\n"
        "class Holder:\n    made = made\n"
    )
    (tmp_path / "twin.py").write_text("from kinds import made\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = choose.localizers(["mean_box", "threshold", "kinds:made", "kinds:bright"])
    assert [type(x) for x in found.values()] == [
        MeanBoxLocalizer,
        ThresholdLocalizer,
        ThresholdLocalizer,
        FunctionLocalizer,
    ]
    assert list(found) == ["mean_box", "threshold", "made", "bright"]
    assert found["made"].channel == "T1"
    assert list(choose.localizers(["kinds:made", "twin:made"])) == ["kinds:made", "twin:made"]
    assert choose.localizers(["kinds:Holder.made"])["Holder.made"].channel == "T1"
    with pytest.raises(InputError, match="cannot be made without arguments"):
        choose.localizers(["kinds:Needs"])


def test_folder_split_is_by_patient_seeded_and_whole(folder):
    one, again = (choose.splits(str(folder), group_by="patient") for _ in range(2))
    parts = [one.train, one.validation, one.test]
    groups = [{s.group for s in part} for part in parts]
    assert [len(g) for g in groups] == [4, 1, 1]
    assert len(set.union(*groups)) == 6
    assert sorted(s.id for part in parts for s in part) == sorted(str(i) for i in range(12))
    assert [s.id for s in one.test] == [s.id for s in again.test]
    single = choose.splits(str(folder))
    assert [len(p) for p in (single.train, single.validation, single.test)] == [7, 3, 2]
    assert "12 images (no patients are named)" in single.note


def test_folder_without_boxes_cannot_be_split(tmp_path):
    for i in range(4):
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match="none of the 4 images there has boxes or a mask"):
        choose.splits(str(tmp_path))


def test_folder_of_two_patients_cannot_be_split(folder):
    lines = (folder / "boxes.csv").read_text().splitlines()
    (folder / "boxes.csv").write_text("\n".join(lines[:5]))
    with pytest.raises(InputError, match="boxes are known for images of 2 patients; at least 3"):
        choose.splits(str(folder), group_by="patient")


# View


def test_view_says_what_it_is_and_writes_a_page(medloc, folder, tmp_path):
    out = tmp_path / "out" / "page.html"
    code, text, _ = medloc("view", folder, "--first", 2, "--out", out)
    assert code == 0
    assert "Sample '0': image 40×48 uint8" in text
    assert "... and 10 more" in text
    page = out.read_text(encoding="utf-8")
    assert page.count("<figure>") == 2
    assert page.count("<rect") == 2
    assert "https:" not in page
    assert "<input" not in page  # nothing to slide in 2-D


def test_view_of_a_file_without_a_screen(medloc, folder, monkeypatch):
    monkeypatch.setattr(preview, "open_page", lambda path: False)
    code, text, _ = medloc("view", folder / "3.png")
    assert code == 0
    place = Path(re.search(r"The page is (.*)", text)[1])
    assert place.exists()


def test_view_opens_the_page_where_there_is_a_screen(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    assert preview.open_page(tmp_path / "a b.html")
    assert opened == [(tmp_path / "a b.html").as_uri()]
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert preview.open_page(tmp_path / "a b.html") is (sys.platform != "linux")


def test_page_of_a_volume_has_boxes_in_their_slices_and_escapes_text():
    nasty = "<script>x</script>"
    image = np.arange(3 * 4 * 8, dtype=np.float32).reshape(1, 3, 4, 8)
    boxes = [[1, 1, 2, 3, 3, 6], [0, 0, 0, 1, 4, 8]]
    sample = Sample(image, spacing=(5, 2, 1), boxes=boxes, ignore=[False, True], classes=(nasty,), id=nasty)
    page = preview.page([sample], nasty)
    assert nasty not in page
    planes = re.findall(r'<g data-name="(\d of 3)">.*?</g>', page)
    assert planes == ["1 of 3", "2 of 3", "3 of 3"]
    drawn = [re.findall(r"<rect.*?>", g) for g in re.findall(r"<g .*?</g>", page)]
    assert drawn == [
        ['<rect class="ignored" x="0" y="0" width="8" height="8">'],
        ['<rect x="2" y="2" width="4" height="4">'],
        ['<rect x="2" y="2" width="4" height="4">'],
    ]
    assert 'viewBox="0 0 8 8"' in page  # rows are 2 mm, columns 1 mm
    assert 'type="range" min="0" max="2"' in page


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.array([[[0, 51], [102, 255]]], dtype=np.uint8), [[0, 51], [102, 255]]),
        (np.array([[[0.0, 0.2], [0.4, 1.0]]]), [[0, 51], [102, 255]]),
        (np.full((1, 2, 2), 7.0), [[0, 0], [0, 0]]),
    ],
)
def test_page_shows_the_right_greys(image, expected):
    import base64
    import io

    text = re.search(r"base64,([^\"]*)", preview.page([Sample(image)], "x"))[1]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    np.testing.assert_allclose(shown, expected, atol=1)


# Lab and info


def test_lab_hands_on_its_arguments(medloc, monkeypatch):
    seen = []
    monkeypatch.setattr(
        subprocess, "run", lambda words, check: seen.append(words) or subprocess.CompletedProcess(words, 7)
    )
    monkeypatch.setattr(os, "execv", lambda program, words: seen.append(words) or sys.exit(7))
    assert medloc("lab", "--no-browser", "--port=9999")[0] == 7
    assert seen[0][:3] == [sys.executable, "-m", "jupyterlab"]
    assert seen[0][-2:] == ["--no-browser", "--port=9999"]


def test_lab_without_jupyterlab_says_how_to_get_it(medloc, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = medloc("lab")
    assert code == 2
    assert "python -m pip install 'medloc[lab]'" in err


def test_info_says_versions_and_no_names(medloc, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    cache = tmp_path / "cache" / getpass.getuser() / "medloc"
    cache.mkdir(parents=True)
    (cache / "file").write_bytes(b"x" * 2**20)
    monkeypatch.setenv("MEDLOC_CACHE", str(cache))
    monkeypatch.setenv("MEDLOC_DATA_MIRROR", str(tmp_path / "none"))
    with pytest.warns(Warning, match="MEDLOC_DATA_MIRROR"):
        facts = about.facts()
    assert facts["medloc"] == __version__
    assert f"numpy {np.__version__}" in facts["packages"]
    assert facts["cache"] == f"~{os.sep}cache{os.sep}USER{os.sep}medloc, 1 files, 1 MiB"
    assert facts["mirror"].endswith("none, not there")
    assert re.match(r"cpu|cuda|mps|torch", facts["device"])
    assert str(tmp_path) not in "".join(facts.values())
    monkeypatch.delenv("MEDLOC_DATA_MIRROR")
    code, out, _ = medloc("info")
    assert code == 0
    assert out.splitlines()[0].split() == ["medloc:", __version__]
    assert json.dumps(out)
