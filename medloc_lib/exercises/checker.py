"""How a learner's answer is checked, whatever the lesson."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import MedlocError

Answer = Callable[..., Any]


class NotYetError(MedlocError):
    """What is still wrong with an answer: what was needed, what came, and a hint."""


@dataclass(frozen=True)
class Checker:
    """The `check` of a lesson.

    Prints one line, "Right: …" or "Not yet: …", and raises nothing, so that a notebook runs through with its exercises
    undone. Under nbgrader (NBGRADER_EXECUTION is set) a wrong answer raises, which is how nbgrader counts.

    Parameters
    ----------
    checks : name of the function to complete -> what calls it and raises `NotYetError`.

    Examples
    --------
    >>> def double(x):
    ...     return x + x
    >>> def check_double(answer):
    ...     expect(answer(3) == 6, f"double(3) must be 6; it gave {answer(3)}")
    >>> Checker({"double": check_double})(double)
    Right: double does what was asked.
    """

    checks: Mapping[str, Callable[[Answer], None]]

    def __call__(self, answer: Answer) -> None:
        """Check the function that the learner completed; its name says which exercise it is.

        Raises
        ------
        NotYetError
            Under nbgrader only, if the answer is wrong.
        """
        name = getattr(answer, "__name__", "")
        problem = self._problem(name, answer)
        if not problem:
            print(f"Right: {name} does what was asked.")  # noqa: T201 - what a check is for
        elif os.environ.get("NBGRADER_EXECUTION"):
            raise NotYetError(problem)
        else:
            print(f"Not yet: {problem}")  # noqa: T201

    def _problem(self, name: str, answer: Answer) -> str:
        if name not in self.checks:
            return f"give check the function itself, one of {', '.join(self.checks)}; got {name or repr(answer)}"
        try:
            self.checks[name](answer)
        except NotYetError as error:
            return str(error)
        except Exception as error:  # the learner's code may raise anything
            return f"{name} stopped{_place(error, answer)} with {type(error).__name__}: {error}"
        return ""


def expect(condition: object, problem: str) -> None:
    """Raise `NotYetError` unless the condition holds."""
    if not condition:
        raise NotYetError(problem)


def expect_array(value: Any, needed: ArrayLike, call: str, *, atol: float = 1e-6, hint: str = "") -> None:
    """Raise `NotYetError` unless `value` is an array with these numbers.

    Parameters
    ----------
    value : what the learner's function gave.
    needed : what it must give.
    call : how it was called, as a learner would write it.
    atol : largest difference that counts as equal.
    hint : what may have gone wrong, where the shape is right and the numbers are not.

    Examples
    --------
    >>> expect_array([1, 2], [1, 2], "f(1)")
    >>> expect_array(None, [1, 2], "f(1)")
    Traceback (most recent call last):
    medloc_lib.exercises.checker.NotYetError: f(1) must give an array of shape (2,); it gave None
    """
    right = np.asarray(needed)
    try:
        given = np.asarray(value, dtype=np.float64)
        what = f"{type(value).__name__} of shape {given.shape}"
    except (TypeError, ValueError):  # rows of different lengths, text
        given, what = np.asarray(np.nan), f"{type(value).__name__}, {value!r}"
    if value is None or given.shape != right.shape:
        what = "None" if value is None else what
        raise NotYetError(f"{call} must give an array of shape {right.shape}; it gave {what}")
    if not np.allclose(given, right, rtol=0, atol=atol):
        shown = f"must be {right.round(3).tolist()}; it gave {given.round(3).tolist()}" if right.size <= 12 else ""
        first = tuple(int(i) for i in np.argwhere(~np.isclose(given, right, rtol=0, atol=atol))[0])
        shown = shown or f"must be {right[first]:.4g} at {first}; it gave {given[first]:.4g}"
        raise NotYetError(f"{call} {shown}" + (f". {hint}" if hint else ""))


def _place(error: Exception, answer: Answer) -> str:
    """The line of the learner's own function in which it stopped, counted from its first."""
    code = getattr(answer, "__code__", None)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if code and frame.f_code is code]
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame in frames and line is not None]
    return f" in its line {lines[-1] - code.co_firstlineno + 1}" if code and lines else ""
