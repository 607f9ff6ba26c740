"""What the notebooks' own tools do: stored outputs without live widgets, figures with words, mutants that differ."""

from __future__ import annotations

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure

from medloc_lib import plot
from medloc_lib.errors import InputError
from tools import course, lessons, mutate

PNG = {"image/png": "AAAA", course.WIDGET: {"model_id": "x"}, "text/plain": "a viewer"}
BAR = {course.WIDGET: {"model_id": "y"}, "text/plain": "100%"}


def test_stored_outputs_keep_the_picture_and_drop_the_widget():
    outputs = [nbformat.v4.new_output("display_data", data=dict(data)) for data in (PNG, BAR, {"text/plain": "7"})]
    cell = nbformat.v4.new_code_cell("view(sample)", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": 1}})
    course.keep_pictures(notebook)
    assert [set(o.data) for o in notebook.cells[0].outputs] == [{"image/png", "text/plain"}, {"text/plain"}]
    assert "widgets" not in notebook.metadata


def test_the_index_names_every_page(tmp_path):
    course.write_index(tmp_path, {"00_start_here": 12.3})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="00_start_here.html"' in text
    assert "leaderboard" not in text


def test_present_shows_a_picture_with_its_words(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **options: shown.append((*args, options)))
    plot.present(plot.show(np.eye(8)), alt="A white diagonal.")
    ((data, options),) = shown
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == "A white diagonal."
    assert options["metadata"]["image/png"]["alt"] == "A white diagonal."


def test_present_refuses_axes_without_a_figure():
    axes = Figure().subplots()
    axes.remove()
    with pytest.raises(InputError, match="no figure"):
        plot.present(axes, alt="Nothing.")


@pytest.mark.parametrize("lesson", mutate.CORE)
def test_every_lesson_has_core_functions_and_a_notebook(lesson):
    assert (mutate.ROOT / "notebooks" / f"{lesson}.ipynb").exists()
    assert len(mutate.CORE[lesson]) >= 2


def test_every_notebook_is_mutated():
    assert sorted(mutate.CORE) == [path.stem for path in sorted((mutate.ROOT / "notebooks").glob("[0-9]*.ipynb"))]


@pytest.mark.parametrize(("way", "expected"), [("zeros", [0, 0]), ("input", [1, 2])])
def test_a_mutant_differs(way, expected):
    scope = {"TARGET": "numpy:absolute", "WAY": way}
    head = mutate.STARTUP.split("module, name = TARGET")[0]
    exec(head, scope)
    broken = scope["broken"](np.square, way)
    assert broken(np.array([1, 2])).tolist() == expected
    shuffled = scope["broken"](np.square, "shuffled")(np.arange(9))
    assert sorted(shuffled) == sorted(np.square(np.arange(9))) and shuffled.tolist() != np.square(np.arange(9)).tolist()


def test_a_case_study_without_its_data_is_left_out_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MEDLOC_DATA_MIRROR", raising=False)
    monkeypatch.setenv("MEDLOC_CACHE", str(tmp_path))
    paths = [mutate.ROOT / "notebooks" / f"{name}.ipynb" for name in ("00_start_here", "20_blood_cells")]
    assert lessons.runnable(paths) == paths[:1]
    assert capsys.readouterr().out.startswith("20_blood_cells is left out: its data set bccd is neither in the cache")
    assert all((mutate.ROOT / "notebooks" / f"{lesson}.ipynb").exists() for lesson in lessons.NEEDS)
