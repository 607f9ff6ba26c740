"""Every exercise of every lesson as a learner meets it: undone, solved, and twice wrong."""

from __future__ import annotations

import contextlib
import io
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from medloc_lib.exercises.checker import Checker, NotYetError, expect, expect_array
from tests.exercises.wrong import WRONG
from tools import assignments

NOTEBOOKS = {path.stem: path for path in sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))}


@cache
def exercises(lesson):
    return assignments.exercises(nbformat.read(NOTEBOOKS[lesson], as_version=4))


def said(lesson, code):
    """What the check prints for an answer; it stands on the lesson's first code cell alone."""
    first = next(c for c in nbformat.read(NOTEBOOKS[lesson], as_version=4).cells if c.cell_type == "code")
    scope = {}
    exec(first.source, scope)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, scope)
    return printed.getvalue()


CASES = [(lesson, e.name) for lesson in NOTEBOOKS for e in exercises(lesson)]


@pytest.mark.parametrize("lesson", NOTEBOOKS)
def test_a_lesson_has_two_exercises_and_all_have_wrong_answers(lesson):
    names = [e.name for e in exercises(lesson)]
    assert len(names) >= 2
    assert sorted(WRONG[lesson]) == sorted(names)
    assert all(len(answers) == 2 for answers in WRONG[lesson].values())


@pytest.mark.parametrize(("lesson", "name"), CASES)
class TestExercise:
    def test_undone(self, lesson, name):
        exercise = next(e for e in exercises(lesson) if e.name == name)
        assert said(lesson, f"{exercise.stub}\ncheck({name})").startswith("Not yet: ")

    def test_solved(self, lesson, name):
        exercise = next(e for e in exercises(lesson) if e.name == name)
        assert said(lesson, f"{exercise.solution}\ncheck({name})") == f"Right: {name} does what was asked.\n"

    @pytest.mark.parametrize("which", [0, 1])
    def test_wrong(self, lesson, name, which):
        code, told = WRONG[lesson][name][which]
        answer = said(lesson, f"{code}\ncheck({name})")
        assert answer.startswith("Not yet: ") and re.search(told, answer), answer

    def test_nbgrader_counts_it(self, lesson, name, monkeypatch):
        monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
        exercise = next(e for e in exercises(lesson) if e.name == name)
        assert said(lesson, f"{exercise.solution}\ncheck({name})").startswith("Right")
        with pytest.raises(NotYetError):
            said(lesson, f"{exercise.stub}\ncheck({name})")


@pytest.mark.parametrize("lesson", NOTEBOOKS)
def test_assignments_hold_the_solutions_between_marks(lesson, tmp_path):
    (made,) = assignments.write([NOTEBOOKS[lesson]], tmp_path)
    notebook = nbformat.read(made, as_version=4)
    solutions = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]
    graded = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert len(solutions) == len(graded) == len(exercises(lesson))
    ids = [c.metadata.nbgrader.grade_id for c in (*solutions, *graded)]
    assert len(set(ids)) == len(ids)
    for cell, exercise in zip(solutions, exercises(lesson), strict=True):
        assert assignments.BEGIN in cell.source and assignments.END in cell.source
        assert said(lesson, f"{cell.source}\ncheck({exercise.name})").startswith("Right")
    assert "<summary><b>Solution" not in "".join(c.source for c in notebook.cells)


class TestChecker:
    check = Checker({"half": lambda f: expect(f(4) == 2, f"half(4) must be 2; it gave {f(4)}")})

    def test_right_and_wrong(self, capsys):
        def half(x):
            return x / 2

        self.check(half)
        assert capsys.readouterr().out == "Right: half does what was asked.\n"

        def half(x):
            return x

        self.check(half)
        assert capsys.readouterr().out == "Not yet: half(4) must be 2; it gave 4\n"

    def test_an_error_of_the_learner_is_one_line_with_its_place(self, capsys):
        def half(x):
            y = 0
            return x / y

        self.check(half)
        out = capsys.readouterr().out
        assert out == "Not yet: half stopped in its line 3 with ZeroDivisionError: division by zero\n"

    @pytest.mark.parametrize("thing", [3, None, print, [1]])
    def test_something_else_than_the_function(self, thing, capsys):
        self.check(thing)
        assert "give check the function itself, one of half" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("value", "says"),
        [
            (None, "gave None"),
            ([1, 2, 3], r"shape \(3,\)"),
            ("ab", "it gave str, 'ab'"),
            (7, r"int of shape \(\)"),
            ([1, 5], r"must be \[1, 2\]; it gave \[1.0, 5.0\]\. Look again"),
            ([1, float("nan")], "it gave"),
            ([[1], [2, 3]], r"it gave list, \[\[1\], \[2, 3\]\]"),
        ],
    )
    def test_arrays(self, value, says):
        with pytest.raises(NotYetError, match=says):
            expect_array(value, [1, 2], "f(1)", hint="Look again")
