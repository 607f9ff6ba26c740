"""The protocol (own process, no truth, failures as rows), and the table in every form."""

from __future__ import annotations

import csv
import dataclasses
import html
import json
import math
import re
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser

import numpy as np
import psutil
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from medloc_lib.bench import SCORES, Leaderboard, Row, evaluate, leaderboard, read_leaderboard
from medloc_lib.bench.named import make
from medloc_lib.bench.worker import fit
from medloc_lib.errors import InputError, MedlocWarning, ReadError
from medloc_lib.localizer import Localizer, MeanBoxLocalizer, Preprocess, ThresholdLocalizer, any_class, as_localizer
from medloc_lib.metrics import Interval, bootstrap, froc, match
from medloc_lib.sample import Detections, Sample
from tests.browser import find_chromium


def pictures(n, who, *, seed=0, classes=("lesion",), ndim=2):
    """Bright blocks of two sizes on a grey body; every fourth picture has none. Truth is in all fields that hold it."""
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(n):
        shape = (32,) * ndim
        image = rng.normal(0, 1, (1, *shape)).astype(np.float32)
        image[(slice(None), *(slice(4, -4),) * ndim)] += 30
        mask = np.zeros(shape, dtype=np.uint8)
        boxes = []
        if i % 4 != 3:
            start = rng.integers(6, 20, ndim)
            stop = start + rng.integers(3, 8, ndim)
            block = tuple(map(slice, start, stop))
            image[(0, *block)] += 12
            mask[block] = 1
            boxes.append([*start, *stop])
        truth = np.reshape(boxes, (-1, 2 * ndim)).astype(float)
        samples.append(
            Sample(
                image,
                ("FLAIR",),
                boxes=truth,
                labels=np.full(len(boxes), i % len(classes)),
                classes=classes,
                mask=mask,
                layers={"truth": mask},
                outcome=truth.tolist(),
                report=repr(truth.tolist()),
                meta={"boxes": truth},
                id=repr(truth.tolist()),
                group=f"{who}{i // 2}",
            )
        )
    return samples


TRAIN, TEST = pictures(16, "a", seed=1), pictures(16, "b", seed=2)


def hostile():
    """Localizers that fail in every way there is. Made in a function, so they travel by value, as from a notebook."""

    class Raises(Localizer):
        def predict(self, samples):
            return [1 / len(s.channels[1:]) for s in samples]

    class Crashes(Localizer):
        def fit(self, samples, y=None, *, validation=None):
            import ctypes

            ctypes.string_at(0)

        def predict(self, samples):
            return []

    class Killed(Crashes):
        def fit(self, samples, y=None, *, validation=None):
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)

    class Exits(Crashes):
        def fit(self, samples, y=None, *, validation=None):
            raise SystemExit(3)

    class GivesNothingBack(Crashes):
        def fit(self, samples, y=None, *, validation=None):
            pass

    class NoNumber(Localizer):
        def predict(self, samples):
            return [Detections([[0, 0, 1, math.nan]]) for _ in samples]

    class WrongAnswer(Localizer):
        def predict(self, samples):
            return [Detections.none()]

    class UnknownClass(Localizer):
        def predict(self, samples):
            return [Detections([[0, 0, 1, 1]], labels=[5]) for _ in samples]

    class Unpicklable(Crashes):
        def __reduce_ex__(self, protocol):
            raise TypeError("holds a lock")

    answers = [NoNumber(), WrongAnswer(), UnknownClass()]
    return [Raises(), Crashes(), Killed(), Exits(), GivesNothingBack(), *answers, Unpicklable()]


@pytest.fixture
def quick(monkeypatch):
    """Fewer draws, where the interval is not what is tested."""
    monkeypatch.setattr("medloc_lib.bench.protocol.bootstrap", partial(bootstrap, n=20))


@pytest.fixture(scope="module")
def board():
    rows = {"threshold": ThresholdLocalizer(), "mean_box": MeanBoxLocalizer()}
    rows |= {type(bad).__name__: bad for bad in hostile()}
    return leaderboard(rows, TRAIN, TEST, data="toys", simulator="2.1", command="medloc bench <x>", progress=False)


def test_scores_are_those_of_the_metrics(board):
    """Each figure again, without the bench: fit, predict and score here."""
    model = ThresholdLocalizer().fit(TRAIN)
    truth, found = any_class(TEST, model.predict([s.only(("image",)) for s in TEST]))
    groups = [s.group for s in TEST]
    row = board["threshold"]
    for iou in (0.1, 0.3, 0.5):
        matches = match(truth, found, iou=iou)
        expected = bootstrap(lambda w, m=matches: m.average_precision(w).mean, groups)
        assert row.scores[f"ap_{iou}"] == expected
    assert row.scores["froc"].value == froc(truth, found, iou=0.1).mean
    small = match(truth, found, iou=0.3, size_mm=(0, 5)).average_precision().mean
    assert row.scores["ap_0.3_under_5_mm"].value == small
    assert math.isnan(row.scores["ap_0.3_from_15_mm"].value)
    assert row.scores["center_mm"].value == match(truth, found, iou=0.1).center_error()
    assert row.scores["ap_0.3"].value > 0.9
    assert (row.images, row.groups, row.seeds, row.parameters) == (16, 8, (), 2)
    assert row.classes == {}


def test_every_row_stands_beside_what_made_it(board):
    for row in board:
        assert (row.data, row.simulator, row.command) == ("toys", "2.1", "medloc bench <x>")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.date)
        assert row.version


def test_failures_are_their_rows_reason_and_the_others_stand(board):
    reasons = {row.name: row.reason for row in board}
    assert reasons["threshold"] == reasons["mean_box"] == ""
    assert re.match(r"predict: ZeroDivisionError: division by zero \(test_bench.py, line \d+\)", reasons["Raises"])
    # What the kit or a package refuses is said with the line of the user's own that called it.
    assert re.match(r"predict: InputError: boxes must be finite; .* \(test_bench.py, line \d+\)", reasons["NoNumber"])
    assert reasons["Crashes"] == "fit: its process crashed (SIGSEGV)"
    assert "was killed (SIGKILL), most likely for want of memory" in reasons["Killed"]
    assert reasons["Exits"].startswith("fit: SystemExit: 3")
    assert "fit must give the localizer back, with `return self`; it gave NoneType" in reasons["GivesNothingBack"]
    assert "one Detections per sample; got 1 for 16" in reasons["WrongAnswer"]
    assert reasons["UnknownClass"].startswith("score: ")
    assert "label 5" in reasons["UnknownClass"]
    assert "holds a lock" in reasons["Unpicklable"]
    assert all("\n" not in reason for reason in reasons.values())
    assert "Traceback" in board["Raises"].trace
    assert "Segmentation fault" in board["Crashes"].trace
    assert all(row.scores == {} for row in board if row.reason)


def test_time_out_stops_the_row_and_all_that_it_started(tmp_path):
    class Hangs(Localizer):
        def fit(self, samples, y=None, *, validation=None):
            import subprocess
            import time

            helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            (tmp_path / "helper").write_text(str(helper.pid))
            time.sleep(600)

        def predict(self, samples):
            return []

    row = evaluate(Hangs(), TRAIN, TEST, timeout=6)
    assert row.reason == "fit: stopped after 6 s, its time was up"
    helper = int((tmp_path / "helper").read_text())
    assert not psutil.pid_exists(helper) or psutil.Process(helper).status() == psutil.STATUS_ZOMBIE


def test_better_means_that_the_paired_difference_excludes_zero(board):
    difference = board.compare("threshold", "mean_box")
    assert difference.low > 0
    assert difference.better
    assert board["threshold"].better_than == ("mean_box",)
    assert board["mean_box"].better_than == ()
    values = [board[name].scores["ap_0.3"].value for name in ("threshold", "mean_box")]
    assert difference.value == pytest.approx(values[0] - values[1])
    with pytest.raises(InputError, match="cannot be compared: it failed"):
        board.compare("threshold", "Raises")
    with pytest.raises(InputError, match="no row is named 'nobody'"):
        board.compare("threshold", "nobody")
    with pytest.raises(InputError, match="score must be one of"):
        board.compare("threshold", "mean_box", score="center_mm")


def test_rows_of_one_name_are_told_apart_by_their_data_set(board):
    row = board["threshold"]
    both = Leaderboard((row, dataclasses.replace(row, data="elsewhere")))
    with pytest.raises(InputError, match=r"are on .*, elsewhere; choose one of them first, by on\("):
        both["threshold"]
    assert both.on("elsewhere")["threshold"].data == "elsewhere"
    with pytest.raises(InputError, match=r"no row is on .nowhere.; the data sets are: .*elsewhere"):
        both.on("nowhere")


@pytest.mark.usefixtures("quick")
def test_memory_and_time_are_the_rows_own():
    class Hungry(Localizer):
        def fit(self, samples, y=None, *, validation=None):
            import time

            self.block_ = np.ones(100 * 2**20 // 8)
            time.sleep(0.2)
            return self

        def predict(self, samples):
            return [Detections.none() for _ in samples]

    ballast = np.ones(300 * 2**20 // 8)  # the parent's memory is not the row's
    rows = leaderboard({"hungry": Hungry(), "floor": MeanBoxLocalizer()}, TRAIN, TEST, progress=False)
    assert 95 < rows["hungry"].memory_mib - rows["floor"].memory_mib < 130
    assert rows["floor"].memory_mib < 250 < ballast.nbytes / 2**20
    assert 0.2 <= rows["hungry"].fit_seconds < 2


@pytest.mark.usefixtures("quick")
def test_a_cheat_scores_no_better_than_chance(tmp_path, monkeypatch):
    """It looks for the truth in every field, in every object and frame of its process, and on disk beside its job."""
    # A folder for temporary files of its own, lest it reads what other benches on this machine have left in theirs.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    class Cheat(Localizer):
        def _truth(self, sample):
            import ast
            import contextlib
            import gc
            import pickle
            import sys
            import tempfile
            from pathlib import Path

            suspects = [sample]
            suspects += [o for o in gc.get_objects() if isinstance(o, Sample)]
            frame = sys._getframe()
            while frame is not None:
                for value in frame.f_locals.values():
                    suspects += [
                        v for v in (value if isinstance(value, list | tuple) else [value]) if isinstance(v, Sample)
                    ]
                frame = frame.f_back
            for path in Path(tempfile.gettempdir()).glob("medloc-*/*"):
                with contextlib.suppress(Exception), path.open("rb") as file:
                    while True:
                        suspects.append(pickle.load(file))
            for other in suspects:
                if not isinstance(other, Sample) or not np.array_equal(other.image, sample.image):
                    continue
                if other.boxes is not None:
                    return other.boxes
                if other.mask is not None or other.layers or other.outcome or other.meta or other.report or other.id:
                    return np.reshape(ast.literal_eval(other.id or other.report), (-1, 4))
            return None

        def predict(self, samples):
            found = []
            for i, sample in enumerate(samples):
                boxes = self._truth(sample)
                if boxes is None:
                    start = np.random.default_rng(i).integers(4, 22, 2)
                    boxes = [[*start, *(start + 5)]]
                found.append(Detections(boxes) if len(boxes) else Detections.none())
            return found

    class Chance(Cheat):
        def _truth(self, sample):
            return None

    assert Cheat().score(TEST) == 1.0  # it does cheat, where truth is in reach
    stripped = [Sample(s.image, s.channels) for s in TEST]
    expected = match(*any_class(TEST, Chance().predict(stripped)), iou=0.3).average_precision().mean
    assert evaluate(Cheat(), TRAIN, TEST).scores["ap_0.3"].value == expected < 0.3


def test_a_localizer_that_holds_the_test_set_is_refused():
    """By a global or a closure, as happens in a notebook, or by a parameter."""
    test = pictures(8, "b", seed=2)
    boxes = [s.boxes for s in test]

    class Samples(Localizer):
        def predict(self, samples):
            return [Detections(s.boxes) for s in test]

    class Boxes(Localizer):
        def predict(self, samples):
            return [Detections(b) for b in boxes]

    class Parameter(Localizer):
        def __init__(self, answers):
            self.answers = answers

        def predict(self, samples):
            return [Detections(s.boxes) for s in self.answers]

    rows = leaderboard([Samples(), Boxes(), Parameter(test[:3])], TRAIN, test, progress=False)
    assert all("it holds samples of the test set" in row.reason for row in rows)


@pytest.mark.usefixtures("quick")
def test_a_declared_input_is_handed_over_and_truth_cannot_be_declared():
    class Reads(Localizer):
        """Also in a pipeline, whose last step says what it may see."""

        inputs = ("image", "report")

        def predict(self, samples):
            return [Detections(np.reshape(eval(s.report), (-1, 4))) for s in samples]

    class Greedy(Reads):
        inputs = ("image", "mask")

    rows = leaderboard([Pipeline([("reads", Reads())]), Greedy()], TRAIN, TEST, progress=False)
    assert rows["Reads"].scores["ap_0.5"].value == 1.0
    assert "holds the answer" in rows["Greedy"].reason


@pytest.mark.usefixtures("quick")
def test_seeds_are_averaged_and_deterministic_localizers_run_once():
    class Lucky(Localizer):
        def __init__(self, random_state=None):
            self.random_state = random_state

        def predict(self, samples):
            if self.random_state == 1:
                return [Detections([[0, 0, 1, 1]]) for _ in samples]
            return [Detections([[*p, *(p + 8)]]) for p in (np.argwhere(s.image[0] > 37)[0] for s in samples)]

    one = [s.replace(image=np.clip(s.image, 0, 40)) for s in TEST if len(s.boxes)]
    kept = leaderboard({"lucky": Lucky()}, TRAIN, one, seeds=(0, 1), progress=False)
    alone = evaluate(Lucky(), TRAIN, one, seeds=(0,))
    assert kept["lucky"].seeds == (0, 1)
    assert alone.scores["ap_0.1"].value > 0.2
    assert kept["lucky"].scores["ap_0.1"].value == pytest.approx(alone.scores["ap_0.1"].value / 2)


def dimmed(sample):
    return sample.replace(image=sample.image / 4)


def test_pipeline_chooses_on_preprocessed_validation():
    """The last step gets `validation`, and gets it through the steps before it."""

    class Picky(ThresholdLocalizer):
        def fit(self, samples, y=None, *, validation=None):
            highest = max(s.image.max() for s in validation)
            if highest > 20:
                raise ValueError(f"validation was not dimmed: {highest}")
            return super().fit(samples, validation=validation)

    validation = pictures(8, "c", seed=3)
    pipe = fit(Pipeline([("dim", Preprocess(dimmed)), ("loc", Picky())]), TRAIN, validation)
    assert pipe.score(TEST) > 0.9
    with pytest.raises(ValueError, match="not dimmed"):
        fit(Picky(), TRAIN, validation)
    search = fit(GridSearchCV(ThresholdLocalizer(), {"threshold": [2, 99]}, cv=2), TRAIN, validation)  # takes none
    assert search.best_params_ == {"threshold": 2}


@pytest.mark.usefixtures("quick")
def test_classes_stand_beside_where():
    train = pictures(16, "a", seed=1, classes=("round", "square"))
    test = pictures(16, "b", seed=2, classes=("round", "square"))

    class Swaps(Localizer):
        def predict(self, samples):
            found = ThresholdLocalizer(threshold=6).fit(train).predict(samples)
            return [Detections(d.boxes, d.scores, np.ones(len(d), dtype=int)) for d in found]

    rows = leaderboard({"kinds": Swaps(), "none": ThresholdLocalizer(threshold=6)}, train, test, progress=False)
    assert rows["kinds"].scores["ap_0.3"].value > 0.9
    assert set(rows["kinds"].classes) == {"mean", "round", "square"}
    assert rows["kinds"].classes["round"].value == 0
    assert 0 < rows["kinds"].classes["square"].value < 0.9
    assert rows["none"].classes == rows["none"].classes_half == {}
    half = rows["kinds"].classes_half
    assert set(half) == {"mean", "round", "square"}
    assert half["mean"].value == pytest.approx((half["round"].value + half["square"].value) / 2)
    assert all(half[name].value <= rows["kinds"].classes[name].value for name in half)
    kept = Row.from_dict(rows["kinds"].to_dict()).classes_half
    assert {n: s.value for n, s in kept.items()} == pytest.approx({n: s.value for n, s in half.items()}, abs=1e-5)
    assert "classes_half" not in rows["none"].to_dict()
    assert "kinds tells classes" in str(rows)


@pytest.mark.usefixtures("quick")
def test_three_dimensions_and_functions():
    train, test = pictures(6, "a", seed=1, ndim=3), pictures(6, "b", seed=2, ndim=3)
    bright = as_localizer(lambda picture: picture > 36)
    rows = leaderboard({"bright": bright, "nothing": as_localizer(lambda p: p > 1e9)}, train, test, progress=False)
    assert rows["bright"].scores["ap_0.5"].value > 0.9
    assert rows["nothing"].scores["ap_0.5"].value == 0
    assert math.isnan(rows["nothing"].scores["center_mm"].value)
    assert "nothing" in str(rows)


def test_script_without_main_guard_and_own_module(tmp_path):
    """A class in the script itself and one in a module beside it, no `if __name__ == "__main__"`."""
    (tmp_path / "mine.py").write_text(
        "from medloc_lib.localizer import MeanBoxLocalizer\n\nclass Mine(MeanBoxLocalizer):\n    pass\n"
    )
    (tmp_path / "script.py").write_text(
        "import numpy as np\n"
        "from medloc_lib.bench import leaderboard\n"
        "from medloc_lib.localizer import Localizer\n"
        "from medloc_lib.sample import Detections, Sample\n"
        "from mine import Mine\n"
        "class Here(Localizer):\n"
        "    def predict(self, samples):\n"
        "        return [Detections([[2, 2, 6, 6]]) for _ in samples]\n"
        "samples = [Sample(np.zeros((1, 8, 8)), boxes=[[2, 2, 6, 6]], id=str(i)) for i in range(4)]\n"
        "print(leaderboard([Here(), Mine()], samples, samples, progress=False))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Here +1\.000", done.stdout, re.MULTILINE)
    assert re.search(r"^Mine +1\.000", done.stdout, re.MULTILINE)
    assert "over images, as the data set does not say" in done.stdout.replace("\n", " ")


@pytest.mark.usefixtures("quick")
def test_shared_patients_are_said_aloud():
    with pytest.warns(MedlocWarning, match="8 patients of the test set are in the training or validation set too"):
        row = evaluate(MeanBoxLocalizer(), [*TRAIN, *TEST], TEST)
    assert "scores are too good" in row.note
    assert "Note: 8 patients" in str(Leaderboard((row,)))


@pytest.mark.parametrize(
    ("localizers", "test", "message"),
    [
        ([], TEST, "at least one localizer"),
        ([ThresholdLocalizer], TEST, r"make one: add \(\)"),
        ([max], TEST, "wrap a function with as_localizer"),
        ([MeanBoxLocalizer(), MeanBoxLocalizer()], TEST, "names must differ"),
        ([MeanBoxLocalizer()], [], "needs samples to train and to test on"),
        ([MeanBoxLocalizer()], [TEST[0].replace(boxes=None)], "boxes=None: nobody looked"),
    ],
)
def test_bad_arguments(localizers, test, message):
    with pytest.raises(InputError, match=message):
        leaderboard(localizers, TRAIN, test)


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_no_time_at_all_is_refused(seconds):
    with pytest.raises(InputError, match="timeout must be over 0"):
        leaderboard([MeanBoxLocalizer()], TRAIN, TEST, timeout=seconds)


def test_where_nothing_can_be_found_the_table_says_so():
    healthy = [s.replace(boxes=[], mask=None) for s in TEST]
    row = evaluate(MeanBoxLocalizer(), TRAIN, healthy)
    assert math.isnan(row.scores["ap_0.3"].value)
    assert "Note: the test images have no box to find" in str(Leaderboard((row,)))


# The table in every form


def row(name, ap, *, data="toys", reason="", **more):
    interval = Interval(ap, ap - 0.1, ap + 0.1)
    scores = {} if reason else {s.key: interval for s in SCORES}
    return Row(name, data, scores=scores, reason=reason, images=4, **more)


def row_dict():
    return row("a", 0.5).to_dict()


def test_json_keeps_other_rows_and_replaces_its_own(tmp_path):
    path = tmp_path / "sub" / "board.json"
    Leaderboard((row("a", 0.2), row("b", 0.3))).to_json(path)
    Leaderboard((row("a", 0.5), row("a", 0.7, data="others"))).to_json(path)
    read = read_leaderboard(path)
    assert [(r.data, r.name, r.scores["ap_0.3"].value) for r in read] == [
        ("others", "a", 0.7),
        ("toys", "a", 0.5),
        ("toys", "b", 0.3),
    ]
    assert list(path.parent.iterdir()) == [path]  # no draft is left
    assert path.stat().st_mode & 0o444 == 0o444


def test_json_keeps_comparisons_of_rows_that_score_as_before(tmp_path):
    path = tmp_path / "board.json"

    def run(*rows):
        Leaderboard(tuple(dataclasses.replace(r, better_than=better) for r, better in rows)).to_json(path)
        return {r.name: r.better_than for r in read_leaderboard(path)}

    run((row("plain", 0.5), ("worse",)), (row("worse", 0.1), ()), (row("best", 0.9), ("plain", "worse")))
    other = (row("other", 0.2), ())
    assert run((row("plain", 0.5), ("other",)), other)["plain"] == ("other", "worse")
    assert run((row("plain", 0.5), ()), other)["plain"] == ("worse",)  # compared anew with the other
    changed = run((row("plain", 0.6), ("other",)), other)
    assert changed["plain"] == ("other",)
    assert changed["best"] == ("worse",)


def test_json_holds_all_figures_and_nothing_of_the_machine(board, tmp_path):
    path = tmp_path / "board.json"
    board.to_json(path)
    text = path.read_text(encoding="utf-8")
    json.loads(text, parse_constant=pytest.fail)  # no NaN, which is no JSON
    assert str(tmp_path) not in text
    assert "Traceback" not in text
    for before, after in zip(
        sorted(board, key=lambda r: r.name), sorted(read_leaderboard(path), key=lambda r: r.name), strict=True
    ):
        for name in (
            "name",
            "data",
            "simulator",
            "date",
            "command",
            "reason",
            "seeds",
            "better_than",
            "images",
            "groups",
        ):
            assert getattr(before, name) == getattr(after, name)
        for key, value in before.scores.items():
            expected = [value.value, value.low, value.high]
            got = after.scores[key]
            np.testing.assert_allclose([got.value, got.low, got.high], expected, atol=5e-5)
    with pytest.raises(InputError, match="read from a file"):
        read_leaderboard(path).compare("threshold", "mean_box")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"format": 99, "rows": []}',
        '{"format": 1, "rows": [{"name": "a"}]}',
        "\ufeff",
        '{"format": 1, "rows": 3}',
        "[" * 100_000,
        '{"format": ' + "9" * 5000 + "}",
        json.dumps({"format": 1, "rows": [{**row_dict(), "images": float("inf")}]}),
        json.dumps({"format": 1, "rows": [{**row_dict(), "fit_seconds": 10**400}]}),
        json.dumps({"format": 1, "rows": [{**row_dict(), "parameters": 10**400}]}),
        json.dumps({"format": 1, "rows": [{**row_dict(), "groups": -1}]}),
        json.dumps({"format": 1, "rows": [{**row_dict(), "scores": {"ap_0.3": {"value": 7, "low": 0, "high": 1}}}]}),
        json.dumps({"format": 1, "rows": [{**row_dict(), "fit_seconds": float("nan")}]}),
        json.dumps(
            {
                "format": 1,
                "rows": [{**row_dict(), "scores": {"froc": dict.fromkeys(("value", "low", "high"), float("inf"))}}],
            }
        ),
    ],
)
def test_malformed_file_is_refused_and_not_lost(tmp_path, content):
    path = tmp_path / "board.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReadError, match=r"board\.json: .*leaderboard"):
        Leaderboard((row("a", 0.5),)).to_json(path)
    assert path.read_text(encoding="utf-8") == content


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"nowhere\.json: cannot be read"):
        read_leaderboard(tmp_path / "nowhere.json")


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "board.json"
    Leaderboard((row("a", 0.5),)).to_json(path)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "disk full")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(InputError, match=r"board\.json cannot be written: disk full"):
        Leaderboard((row("b", 0.5),)).to_json(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_csv_has_one_line_per_row(board, tmp_path):
    board.to_csv(tmp_path / "board.csv")
    with (tmp_path / "board.csv").open(newline="", encoding="utf-8") as file:
        rows = {line["name"]: line for line in csv.DictReader(file)}
    assert set(rows) == {r.name for r in board}
    assert float(rows["mean_box"]["ap_0.3"]) == pytest.approx(board["mean_box"].scores["ap_0.3"].value, abs=5e-5)
    assert float(rows["mean_box"]["ap_0.3_high"]) == pytest.approx(board["mean_box"].scores["ap_0.3"].high, abs=5e-5)
    assert rows["threshold"]["ap_0.3_from_15_mm"] == ""
    assert rows["Raises"]["reason"] == board["Raises"].reason


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_csv_holds_no_formula(tmp_path, text):
    Leaderboard((row(text, 0.5, data=text, reason=text),)).to_csv(tmp_path / "board.csv")
    with (tmp_path / "board.csv").open(newline="", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert line["name"] == line["data"] == line["reason"] == "'" + text.replace("\r", " ")


def test_text_that_is_no_unicode_can_be_written(tmp_path):
    board = Leaderboard((row("a\udcff", 0.5),))
    board.to_json(tmp_path / "board.json")
    assert read_leaderboard(tmp_path / "board.json").rows[0].name == "a\udcff"
    board.to_html(tmp_path / "board.html")
    assert "a\\udcff" in (tmp_path / "board.html").read_text(encoding="utf-8")
    assert "a\\udcff" in board._repr_html_().encode().decode()


@pytest.mark.usefixtures("quick")
def test_what_a_process_leaves_is_not_believed():
    class Lies(Localizer):
        def predict(self, samples):
            import os
            import sys
            from pathlib import Path

            Path(sys.argv[1], "result.json").write_text("{")
            os._exit(0)

    class Tidies(Localizer):
        def predict(self, samples):
            import shutil
            import sys

            shutil.rmtree(sys.argv[1])
            return []

    class Learns(Localizer):
        def predict(self, samples):
            self.n_parameters_ = 10**400
            return [Detections.none() for _ in samples]

    class Speaks(Localizer):
        def predict(self, samples):
            raise ValueError("a \udcff b")

    rows = leaderboard([Lies(), Tidies(), Learns(), Speaks(), MeanBoxLocalizer()], TRAIN, TEST, progress=False)
    assert "its answer cannot be read: JSONDecodeError" in rows["Lies"].reason
    assert "its answer cannot be read: FileNotFoundError" in rows["Tidies"].reason
    assert "OverflowError" in rows["Learns"].reason
    assert r"ValueError: a \udcff b" in rows["Speaks"].reason
    assert not rows["MeanBoxLocalizer"].reason


def test_text_is_ordered_and_says_why(board):
    text = str(board)
    assert text.index("threshold") < text.index("mean_box") < text.index("Crashes: no scores. fit: its process crashed")
    assert text.startswith("toys, simulator 2.1: 16 test images of 8 patients\n")
    assert "threshold is better than mean_box" in text


class Page(HTMLParser):
    """Tags as they come, and the text of the table's cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            self.cells.append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "td"

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data


NASTY = "<script>alert(1)</script>\"'&"


def test_html_escapes_text_from_data(tmp_path):
    rows = Leaderboard(
        (
            row(
                NASTY,
                0.5,
                data=NASTY,
                command=NASTY,
                note=NASTY,
                better_than=(NASTY,),
                classes={NASTY: Interval(1, 1, 1)},
            ),
            row("bad", 0, data=NASTY, reason=NASTY),
        )
    )
    rows.to_html(tmp_path / "page.html")
    for text in ((tmp_path / "page.html").read_text(encoding="utf-8"), rows._repr_html_()):
        page = Page(text)
        assert "<script>alert" not in text
        assert page.cells.count(NASTY) == 1
        assert text.count(html.escape(NASTY, quote=False)) + text.count(html.escape(NASTY)) >= 6
        assert not [tag for tag, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 0  # a notebook gets no script


def test_html_needs_nothing_else_and_its_heads_are_buttons(board, tmp_path):
    board.to_html(tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert not [attrs for _, attrs in page.tags if {"src", "href"} & set(attrs)]
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    buttons = [attrs for tag, attrs in page.tags if tag == "button"]
    assert len(heads) == len(buttons) > 10
    assert all(attrs["scope"] == "col" for attrs in heads)
    columns = len(heads)
    assert len(page.cells) == columns * len(board)


@pytest.mark.browser
def test_columns_sort_in_a_browser(tmp_path):
    from playwright.sync_api import sync_playwright

    rows = Leaderboard((row("b", 0.5, fit_seconds=2.0), row("a", 0.3, fit_seconds=10.0), row("c", 0.0, reason="broke")))
    rows.to_html(tmp_path / "page.html")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())

        def names():
            return page.locator("tbody tr td:first-child").all_inner_texts()

        def sort(head):
            page.get_by_role("button", name=head).focus()
            page.keyboard.press("Enter")
            return page.locator("th[aria-sort]").get_attribute("aria-sort")

        assert names() == ["b", "a", "c"]
        assert sort("Localizer") == "ascending"
        assert names() == ["a", "b", "c"]
        assert sort("Localizer") == "descending"
        assert names() == ["c", "b", "a"]
        assert sort("AP 0.3") == "descending"
        assert names() == ["b", "a", "c"]
        assert sort("AP 0.3") == "ascending"
        assert names() == ["a", "b", "c"]  # what has no figure stays last
        assert sort("Fit s") == "ascending"
        assert names() == ["b", "a", "c"]
        browser.close()


def test_empty_leaderboard_prints():
    assert str(Leaderboard(())) == "no rows"


def test_json_is_plain(tmp_path):
    Leaderboard((row("a", 0.5),)).to_json(tmp_path / "x.json")
    content = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert content["rows"][0]["scores"]["ap_0.3"] == {"value": 0.5, "low": 0.4, "high": 0.6}


def test_a_row_is_made_by_its_name_and_a_lesson_is_no_row():
    assert repr(make("threshold")) == repr(ThresholdLocalizer())
    with pytest.raises(InputError, match="'start' is a lesson with several methods: mean_box, threshold"):
        make("start")
    with pytest.raises(InputError, match="there is no localizer 'nothing'"):
        make("nothing")
