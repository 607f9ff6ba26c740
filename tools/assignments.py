"""`make assignments`: the lessons as nbgrader's source notebooks, under build/assignments.

A lesson's exercise is a code cell with a function to complete, a code cell that ends in ``check(function)``, and a
folded *Solution* below. In nbgrader's source form the solution stands in the function's own cell between nbgrader's
marks, and the folded one is gone: ``nbgrader generate_assignment`` makes the learners' version from it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CHECK = re.compile(r"^check\((\w+)\)\s*$", re.MULTILINE)
SOLUTION = re.compile(r"<details><summary><b>Solution.*?```python\n(.*?)\n```.*?</details>\n*", re.DOTALL)
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@dataclass(frozen=True)
class Exercise:
    """One exercise: the function's name, where its three cells are, what is to be completed, and one right answer."""

    name: str
    at: tuple[int, int, int]
    stub: str
    solution: str


def exercises(notebook: nbformat.NotebookNode) -> list[Exercise]:
    """The exercises of a lesson, in their order.

    Raises
    ------
    ValueError
        If a check has no function before it or no solution after it.
    """
    found = []
    cells = notebook.cells
    for i, cell in enumerate(cells):
        match = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if not match:
            continue
        name = match.group(1)
        stub = next((k for k in range(i - 1, -1, -1) if cells[k].cell_type == "code"), 0)
        after = next((k for k in range(i + 1, len(cells)) if SOLUTION.search(cells[k].source)), None)
        if f"def {name}(" not in cells[stub].source or after is None:
            raise ValueError(f"check({name}) needs a cell with def {name}( before it and a folded Solution after it")
        solution = SOLUTION.search(cells[after].source)
        found.append(Exercise(name, (stub, i, after), cells[stub].source, solution.group(1) if solution else ""))
    return found


def as_source(path: Path) -> nbformat.NotebookNode:
    """A lesson as nbgrader's source notebook, without outputs."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    for exercise in exercises(notebook):
        stub, check, after = exercise.at
        notebook.cells[stub].source = between_marks(exercise.solution)
        notebook.cells[stub].metadata["nbgrader"] = _nbgrader(exercise.name, solution=True)
        notebook.cells[check].metadata["nbgrader"] = _nbgrader(f"check-{exercise.name}", solution=False)
        notebook.cells[after].source = SOLUTION.sub("", notebook.cells[after].source, count=1)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def between_marks(solution: str) -> str:
    """A function with its body, but not its docstring, between nbgrader's marks.

    >>> print(between_marks('def f(x):\\n    \"\"\"Twice.\"\"\"\\n    return 2 * x'))
    def f(x):
        \"\"\"Twice.\"\"\"
        ### BEGIN SOLUTION
        return 2 * x
        ### END SOLUTION
    """
    function = next(node for node in ast.parse(solution).body if isinstance(node, ast.FunctionDef))
    body = function.body[1:] if ast.get_docstring(function) else function.body
    lines = solution.splitlines()
    first, last = body[0].lineno - 1, function.end_lineno or len(lines)
    indent = " " * body[0].col_offset
    return "\n".join([*lines[:first], indent + BEGIN, *lines[first:last], indent + END, *lines[last:]])


def _nbgrader(name: str, *, solution: bool) -> dict[str, Any]:
    points = {} if solution else {"points": 1}
    kind = {"cell_type": "code", "schema_version": 3, "task": False}
    return {"grade_id": name, "solution": solution, "grade": not solution, "locked": not solution, **points, **kind}


def write(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write the lessons' source notebooks as nbgrader wants them: source/LESSON/LESSON.ipynb."""
    made = []
    for path in paths:
        target = folder / "source" / path.stem / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(as_source(path), target)
        made.append(target)
    return made


def main() -> None:
    """Write all lessons."""
    folder = ROOT / "build" / "assignments"
    made = write(sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), folder)
    print(f"{len(made)} source notebooks for nbgrader: {folder.relative_to(ROOT)}/source")


if __name__ == "__main__":
    main()
