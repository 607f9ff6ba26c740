"""Run every notebook from top to bottom: `make course` writes readable pages, `make store` stores the outputs.

Pages, an index of them and the leaderboard go to build/course. A stored output keeps the picture that a widget
begins with, not the widget itself: a reader on the web, or before the first run, sees the picture.
"""

from __future__ import annotations

import argparse
import html
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from tqdm import tqdm

from medloc_lib.bench import read_leaderboard
from tools.lessons import runnable

ROOT = Path(__file__).resolve().parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(path: Path, bar: tqdm) -> nbformat.NotebookNode:
    """Run one notebook in its own kernel; `bar` moves on with every code cell."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        store_widget_state=False,
        coalesce_streams=True,  # one text a cell, not as many as came in time
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=lambda **_: bar.update(),
    )
    client.execute()
    return notebook


def keep_pictures(notebook: nbformat.NotebookNode) -> None:
    """Take live widgets out of the outputs where a picture of them stands beside, and what differs from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        kept = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data or "text/html" in data:
                data.pop(WIDGET, None)
            if set(data) - {WIDGET, "text/plain"} or WIDGET not in data:
                kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("language_info", {}).pop("version", None)


def write_index(folder: Path, pages: dict[str, float]) -> None:
    """The page that lists the lessons, with the seconds each took."""
    rows = "".join(
        f'<li><a href="{name}.html">{html.escape(name)}</a> ({seconds:.0f} s)</li>' for name, seconds in pages.items()
    )
    board = '<li><a href="leaderboard.html">leaderboard</a></li>' if (folder / "leaderboard.html").exists() else ""
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>MedLoc</title>'
    text = f"{head}<h1>MedLoc</h1><ul>{rows}{board}</ul></html>"
    (folder / "index.html").write_text(text, encoding="utf-8")


def main() -> int:
    """Run the notebooks that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument("--store", action="store_true", help="store the outputs in the notebooks themselves")
    args = parser.parse_args()
    paths = runnable(args.notebooks or sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    folder = ROOT / "build" / "course"
    folder.mkdir(parents=True, exist_ok=True)
    cells = sum(c.cell_type == "code" for p in paths for c in nbformat.read(p, as_version=4).cells)
    pages: dict[str, float] = {}
    with tqdm(total=cells, unit="cell") as bar:
        for path in paths:
            bar.set_description(path.stem)
            start = time.perf_counter()
            try:
                notebook = run(path, bar)
            except CellExecutionError as error:
                print(f"{path.name} stopped: {error}", file=sys.stderr)
                return 1
            pages[path.stem] = time.perf_counter() - start
            keep_pictures(notebook)
            if args.store:
                nbformat.write(notebook, path)
            page, _ = HTMLExporter().from_notebook_node(notebook)
            (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")
    board = ROOT / "benchmarks" / "leaderboard.json"
    if board.exists():
        read_leaderboard(board).to_html(folder / "leaderboard.html")
    write_index(folder, pages)
    for name, seconds in pages.items():
        print(f"{name:24s} {seconds:5.0f} s")
    print(f"pages: {folder.relative_to(ROOT)}/index.html")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
