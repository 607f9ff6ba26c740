"""Data sets by name: what there is, and that no file is used that is not the right one."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from medloc_lib.data import catalog, checksums, fetched, gather, registry
from medloc_lib.data.annotations import read_voc
from medloc_lib.data.lazy import LazySamples
from medloc_lib.errors import DatasetError, InputError, MedlocWarning, ReadError
from medloc_lib.geometry import boxes_to_mm, centers
from medloc_lib.sample import Sample
from tests.data.server import Server

MIRROR = Path(os.environ.get("MEDLOC_DATA_MIRROR") or ".")

TOML = """
title = "A <toy>"
kind = "fetched"
task = "detection"
modality = "none"
dims = [2]
classes = ["a"]
licence = "CC0-1.0"
licence_url = "https://creativecommons.org/publicdomain/zero/1.0/"
citation = "none"
source = "http://127.0.0.1/"
split_rule = "by hand"
groups = "unknown"
commit = "abc"
archive = "http://127.0.0.1/all.zip"
raw_url = "{url}"
files = {files}
bytes = {bytes}
splits = {{train = 5, test = 1}}
"""


def read_toy(root: Path, paths: list[str], about: catalog.DatasetInfo) -> LazySamples:
    return LazySamples([root / path for path in paths], read_bytes)


def read_bytes(path: Path) -> Sample:
    return Sample(np.frombuffer(path.read_bytes(), dtype=np.uint8)[None, None], id=path.name)


def write_toy(folder: Path, contents: dict[str, bytes], url: str) -> None:
    (folder / "toy").mkdir(parents=True)
    size = sum(map(len, contents.values()))
    (folder / "toy" / "dataset.toml").write_text(TOML.format(url=url, files=len(contents), bytes=size))
    with (folder / "toy" / "files.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "sha256", "bytes", "split"])
        for path, data in contents.items():
            split = "test" if path.endswith("0.bin") else "train"
            writer.writerow([path, hashlib.sha256(data).hexdigest(), len(data), split])


CONTENTS = {f"data/{n}.bin": np.random.default_rng(n).bytes(3000 + n) for n in range(5)} | {"a b/é#%.bin": b"odd" * 500}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A data set of six small files on a local server, an empty cache, no mirror, and no patience."""
    server = Server(CONTENTS)
    write_toy(tmp_path / "datasets", CONTENTS, server.url)
    monkeypatch.setattr(catalog, "datasets_folder", lambda: tmp_path / "datasets")
    monkeypatch.setitem(fetched.READERS, "toy", read_toy)
    monkeypatch.setattr(gather, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(registry, "TIMEOUT_S", (1.0, 0.25))
    monkeypatch.setenv("MEDLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDLOC_DATA_MIRROR", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()


@pytest.fixture
def mirror(toy, tmp_path, monkeypatch):
    """A mirror with all files of the toy data set."""
    folder = tmp_path / "mirror"
    for path, data in CONTENTS.items():
        target = folder / "toy" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    monkeypatch.setenv("MEDLOC_DATA_MIRROR", str(folder))
    return folder / "toy"


def fetch(name: str = "toy") -> Path:
    return registry.fetch(name, progress=False)


def only_right_files(root: Path) -> int:
    """How many files of the toy data set are in place; each must be complete, and no part may be left."""
    here = [root / path for path in CONTENTS if (root / path).exists()]
    assert all(path.read_bytes() == CONTENTS[path.relative_to(root).as_posix()] for path in here)
    return len(here)


class TestFetch:
    def test_fetched_once(self, toy, tmp_path):
        assert not registry.available("toy")
        root = fetch()
        assert root == tmp_path / "cache" / "toy" and only_right_files(root) == 6
        assert toy.asked == Counter(dict.fromkeys(CONTENTS, 1))
        assert fetch() == root and registry.available("toy") and registry.path("toy") == root
        assert sum(toy.asked.values()) == 6
        assert list((root / ".parts").iterdir()) == []

    def test_load(self, toy):
        samples = registry.load("toy")
        assert len(samples) == 5 and bytes(samples[1].image[0, 0]) == CONTENTS["data/2.bin"]
        assert [s.id for s in registry.load("toy", split="test")] == ["0.bin"]

    @pytest.mark.parametrize("word", ["truncate", "short", "long", "lie", "close", "delay", "500", "503", "429"])
    def test_a_fault_that_passes(self, toy, word):
        toy.plan = {path: [word] for path in CONTENTS}
        assert only_right_files(fetch()) == 6
        assert toy.asked == Counter(dict.fromkeys(CONTENTS, 2))

    @pytest.mark.parametrize(
        ("word", "says", "asked"),
        [
            ("truncate", "broke off|only 1501 of 3002 bytes", 3),
            ("short", "only 1501 of 3002 bytes came", 3),
            ("long", "more came than its 3002 bytes", 3),
            ("lie", "SHA-256 .*was changed at its source or on the way", 3),
            ("close", "no connection to 127", 3),
            ("delay", "no answer in time", 3),
            ("500", "answered 500", 3),
            ("404", "answered 404", 1),
            ("403", "answered 403", 1),
        ],
    )
    def test_a_fault_that_stays(self, toy, tmp_path, word, says, asked):
        toy.plan["data/2.bin"] = [word] * 9
        with pytest.raises(DatasetError, match=says) as caught:
            fetch()
        root = tmp_path / "cache" / "toy"
        assert toy.asked["data/2.bin"] == asked
        assert not (root / "data/2.bin").exists()
        here = only_right_files(root)
        assert f"{here} of 6 files are here" in str(caught.value) and caught.value.__cause__ is None
        for step in ("By hand", "http://127.0.0.1/all.zip", str(root / "data/2.bin"), "MEDLOC_DATA_MIRROR"):
            assert step in str(caught.value)
        # What came is kept, and the rest comes when the server is well again.
        toy.plan.clear()
        toy.asked.clear()
        assert only_right_files(fetch()) == 6 and sum(toy.asked.values()) == 6 - here

    def test_no_network(self, toy, tmp_path):
        toy.close()
        with pytest.raises(DatasetError, match=r"no connection to 127.*By hand"):
            registry.load("toy")
        assert only_right_files(tmp_path / "cache" / "toy") == 0

    def test_progress(self, toy, capsys):
        registry.fetch("toy", progress=True)
        assert "fetching toy: 100%" in capsys.readouterr().err

    def test_a_cache_that_cannot_be_written(self, toy, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setenv("MEDLOC_CACHE", str(tmp_path / "file"))
        with pytest.raises(DatasetError, match=r"cannot be written: .*MEDLOC_CACHE"):
            fetch()

    def test_old_parts_are_swept_away(self, toy):
        parts = fetch() / ".parts"
        old, young = parts / "old", parts / "young"
        for part in (old, young):
            part.write_bytes(b"half")
        os.utime(old, (0, 0))
        (parts.parent / "data/1.bin").unlink()
        fetch()
        assert not old.exists() and young.exists()


class TestCache:
    def test_nothing_is_read_again_while_it_is_the_same(self, toy, monkeypatch):
        fetch()
        read = []
        true = checksums.sha256
        monkeypatch.setattr(checksums, "sha256", lambda path: read.append(path) or true(path))
        root = fetch()
        assert read == []
        os.utime(root / "data/1.bin")
        fetch()
        assert read == [root / "data/1.bin"]

    @staticmethod
    def alter(path: Path, how: str) -> None:
        before = path.stat()
        data = bytearray(path.read_bytes())
        data[7] ^= 1
        path.write_bytes({"truncated": data[:-1], "empty": b""}.get(how, data))
        if how == "same size and time":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        if how == "gone":
            path.unlink()

    @pytest.mark.parametrize("how", ["same size", "same size and time", "truncated", "empty", "gone"])
    def test_an_altered_file_is_replaced(self, toy, how):
        self.alter(fetch() / "data/1.bin", how)
        assert not registry.available("toy")
        assert only_right_files(fetch()) == 6 and toy.asked["data/1.bin"] == 2

    @pytest.mark.parametrize("how", ["same size", "same size and time", "truncated", "empty", "gone"])
    def test_verify_names_an_altered_file(self, toy, how):
        self.alter(fetch() / "data/1.bin", how)
        found = registry.verify("toy")
        assert not found and found.good == 5
        listed = found.missing if how == "gone" else found.altered
        assert listed == ("data/1.bin",) and "data/1.bin" in str(found)
        fetch()
        assert registry.verify("toy")

    def test_an_altered_file_is_not_used_without_a_network(self, toy):
        path = fetch() / "data/1.bin"
        path.write_bytes(bytes(len(CONTENTS["data/1.bin"])))
        toy.close()
        with pytest.raises(DatasetError, match=r"data/1\.bin: no connection"):
            registry.load("toy")

    @pytest.mark.parametrize("text", ["", "[]", "null", "no json", '{"data/1.bin": 7}'])
    def test_damaged_stamps_do_no_harm(self, toy, tmp_path, text):
        fetch()
        (stamps,) = (tmp_path / "cache" / "stamps").iterdir()
        stamps.write_text(text)
        assert only_right_files(fetch()) == 6 and json.loads(stamps.read_text())

    def test_verify_changes_nothing(self, toy):
        path = fetch() / "data/1.bin"
        path.write_bytes(b"other")
        assert registry.verify("toy").altered == ("data/1.bin",)
        assert path.read_bytes() == b"other" and sum(toy.asked.values()) == 6


class TestMirror:
    def test_is_used_in_place(self, mirror, toy, tmp_path):
        assert registry.available("toy") and fetch() == mirror == registry.path("toy")
        assert len(registry.load("toy")) == 5 and sum(toy.asked.values()) == 0
        assert not (tmp_path / "cache" / "toy").exists()

    def test_what_it_lacks_is_fetched(self, mirror, toy, tmp_path):
        (mirror / "data/3.bin").unlink()
        assert fetch() == tmp_path / "cache" / "toy" and only_right_files(fetch()) == 6
        assert toy.asked == Counter({"data/3.bin": 1})

    def test_an_altered_file_in_it_is_named_and_not_used(self, mirror, toy, tmp_path):
        fetch()
        (mirror / "data/3.bin").write_bytes(bytes(3003))
        with pytest.warns(MedlocWarning, match=r"1 files do not match their SHA-256 and are not used: data/3\.bin"):
            root = fetch()
        assert root == tmp_path / "cache" / "toy" and only_right_files(root) == 6
        assert toy.asked == Counter({"data/3.bin": 1})

    def test_altered_and_no_network(self, mirror, toy):
        (mirror / "data/3.bin").write_bytes(bytes(3003))
        toy.close()
        with pytest.warns(MedlocWarning), pytest.raises(DatasetError, match=r"data/3\.bin: no connection.*5 of 6"):
            registry.load("toy")

    def test_a_mirror_that_is_not_there(self, toy, tmp_path, monkeypatch):
        monkeypatch.setenv("MEDLOC_DATA_MIRROR", str(tmp_path / "nowhere"))
        with pytest.warns(MedlocWarning, match="nowhere, which is no folder"):
            assert only_right_files(fetch()) == 6


SCRIPT = """
import sys
from pathlib import Path
from medloc_lib.data import catalog, registry
catalog.datasets_folder = lambda: Path(sys.argv[1])
print("started", flush=True)
print(registry.fetch("toy", progress=False))
"""


class TestProcesses:
    @staticmethod
    def start(tmp_path: Path) -> subprocess.Popen:
        arguments = [sys.executable, "-c", SCRIPT, str(tmp_path / "datasets")]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_two_at_once(self, toy, tmp_path):
        toy.plan = {path: ["slow", "slow"] for path in CONTENTS}
        both = [self.start(tmp_path) for _ in range(2)]
        for process in both:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert out.split()[-1] == str(tmp_path / "cache" / "toy")
        assert only_right_files(tmp_path / "cache" / "toy") == 6 and registry.verify("toy")

    def test_killed_in_the_middle(self, toy, tmp_path):
        toy.plan = {path: ["slow"] for path in list(CONTENTS)[2:]}
        process = self.start(tmp_path)
        root = tmp_path / "cache" / "toy"
        until = time.monotonic() + 60
        while not any((root / path).exists() for path in CONTENTS) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        here = {path for path in CONTENTS if (root / path).exists()}
        assert 0 < len(here) == only_right_files(root) < 6
        toy.plan.clear()
        toy.asked.clear()  # what the killed process still had on its way may come after this
        assert only_right_files(fetch()) == 6 and not here & set(toy.asked)


class TestNames:
    def test_all_seven(self):
        built_in = {"brain_lesions", "dicom_samples", "fundus", "mni152"}
        assert set(registry.names()) == built_in | {"bccd", "usgra_seg", "msd_hippocampus"}
        assert {name for name in registry.names() if registry.info(name).kind == "built in"} == built_in
        assert set(registry.BUILT_IN) == built_in and set(fetched.READERS) == set(registry.names()) - built_in

    @pytest.mark.parametrize("name", registry.names())
    def test_info(self, name):
        about = registry.info(name)
        assert about.licence and about.citation and about.licence_url.startswith("https://")
        rows = catalog.files(name)
        assert about.files == len(rows) and about.bytes == sum(row.bytes for row in rows)
        assert len({row.path for row in rows}) == len(rows)
        assert {row.split for row in rows} - {""} == (set(about.splits) if rows else set())
        if rows:
            assert about.commit in about.raw_url and about.raw_url.endswith("/") and about.commit in about.archive
        assert about.name in repr(about) and about.title in repr(about)

    def test_html_is_escaped(self, toy):
        assert "A &lt;toy&gt;" in registry.info("toy")._repr_html_() and "<toy>" in repr(registry.info("toy"))

    def test_unknown_names(self):
        with pytest.raises(DatasetError, match=r"no data set 'bcd'; did you mean 'bccd'\? There is: bccd, brain"):
            registry.load("bcd")
        with pytest.raises(DatasetError, match="there is: bccd"):
            registry.info("../datasets/bccd")
        with pytest.raises(InputError, match="bccd: there is no split 'tset'; did you mean 'test'"):
            registry.load("bccd", split="tset")
        with pytest.raises(InputError, match="there is no option 'dims'"):
            registry.load("bccd", dims=3)
        for function in (registry.fetch, registry.verify, registry.path):
            with pytest.raises(DatasetError, match="fundus is built in"):
                function("fundus")

    @pytest.mark.parametrize("name", ["dicom_samples", "fundus", "mni152"])
    def test_built_in(self, name):
        about = registry.info(name)
        for split, count in about.splits.items():
            samples = registry.load(name, split=split)
            assert len(samples) == count
            assert samples[0].ndim in about.dims and set(samples[0].classes) <= set(about.classes)
        with pytest.raises(InputError, match=f"{name}: there is no option 'colour_of_socks'"):
            registry.load(name, colour_of_socks="red")

    def test_options_reach_the_simulator(self):
        about = registry.info("brain_lesions")
        samples = registry.load("brain_lesions", split="test", n=1, seed=3)
        assert len(samples) == 1 and samples[0].classes == about.classes
        with pytest.raises(InputError, match="'sed'; did you mean 'seed'"):
            registry.load("brain_lesions", sed=3)

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('title = "A <toy>"', "", "missing: .'title'."),
            ("title", "heading", "unknown: .'heading'."),
            ("dims = [2]", "dims = 2", "dims must be"),
            ('kind = "fetched"', 'kind = "found"', "kind must be one of"),
            ("=", ":", "cannot be read"),
        ],
    )
    def test_malformed_toml(self, toy, tmp_path, old, new, says):
        path = tmp_path / "datasets" / "toy" / "dataset.toml"
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(DatasetError, match=says):
            registry.info("toy")

    @pytest.mark.parametrize(
        "text", ["", "path\na", "path,sha256,bytes\n../a,{0},1", "path,sha256,bytes\n/a,{0},1", "\0"]
    )
    def test_malformed_files(self, toy, tmp_path, text):
        (tmp_path / "datasets" / "toy" / "files.csv").write_text(text.format("0" * 64))
        with pytest.raises(DatasetError, match=r"files\.csv"):
            catalog.files("toy")


@pytest.mark.mirror
class TestReal:
    """The fetched sets themselves. Counts of boxes are those of the XML files, parsed with ElementTree."""

    @pytest.fixture(autouse=True)
    def own_cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MEDLOC_CACHE", str(tmp_path))

    @pytest.mark.parametrize("name", sorted(fetched.READERS))
    def test_every_file_matches(self, name):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert registry.verify(name)
            for split, count in registry.info(name).splits.items():
                assert len(registry.load(name, split=split)) == count

    @pytest.mark.parametrize(
        ("split", "counts"),
        [("train", (2381, 214, 209)), ("val", (967, 87, 83)), ("test", (805, 71, 69))],
    )
    def test_bccd_boxes(self, split, counts):
        samples = registry.load("bccd", split=split)
        truth = [record.truth for record in samples.records]
        assert tuple(np.bincount(np.concatenate([t.labels for t in truth]))) == counts
        assert not any(t.ignore.any() for t in truth)
        listed = (MIRROR / "bccd" / "BCCD" / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
        assert sorted(record.id for record in samples.records) == sorted(listed)
        sample = samples[0]
        assert sample.classes == ("RBC", "WBC", "Platelets") and sample.group == ""
        assert sample.image.shape == (3, 480, 640)

    def test_bccd_boxes_left_out_by_name(self):
        folder = MIRROR / "bccd" / "BCCD"
        for dropped in registry.info("bccd").dropped:
            path = folder / "Annotations" / Path(dropped.file).name
            with pytest.raises(ReadError) as caught:
                read_voc(path, folder / "JPEGImages")
            found = re.search(rf"{path.name} line (\d+): box \(([\d, ]+)\) of 'RBC' has no area", str(caught.value))
            assert found is not None and tuple(float(x) for x in found[2].split(",")) == dropped.box
            assert "<object>" in path.read_text().splitlines()[int(found[1]) - 1]

    @pytest.mark.parametrize("split", ["train", "val", "test"])
    def test_usgra_seg(self, split):
        samples = registry.load("usgra_seg", split=split)
        records = samples.records
        assert len({record.id for record in records}) == len(records)
        assert all((record.image.parent.parent.name == "test") == (split == "test") for record in records)
        for sample in samples[:3]:
            assert sample.image.shape[0] == 1 and sample.image.dtype == np.uint8
            assert set(np.unique(sample.mask)) <= {0, 1, 2} and len(sample.boxes) >= 1
            vessel = sample.image[0][sample.mask == 2]
            assert vessel.size == 0 or sample.image[0][sample.mask == 1].mean() > vessel.mean()

    def test_msd_hippocampus(self):
        rows = [row for row in catalog.files("msd_hippocampus") if "/images/" in row.path]
        assert Counter(row.split for row in rows) == {"train": 156, "val": 52, "test": 52}
        sample = registry.load("msd_hippocampus", split="test")[0]
        assert sample.ndim == 3 and sample.spacing == (1, 1, 1) and sample.classes == ("anterior", "posterior")
        assert sample.image.dtype == np.float32 and set(np.unique(sample.mask)) == {0, 1, 2}
        # Anterior lies before posterior: y grows to posterior.
        y = centers(boxes_to_mm(sample.boxes, sample.affine))[:, 1]
        assert y[sample.labels == 0].mean() < y[sample.labels == 1].mean()
