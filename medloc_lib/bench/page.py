"""The leaderboard as HTML: one page that needs nothing else."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from medloc_lib.bench.row import PER_ROW, SCORES, Row
from medloc_lib.metrics import Interval

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 90rem;
       background: Canvas; color: CanvasText; }
.medloc { overflow-x: auto; }
.medloc table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.medloc caption { text-align: left; font-weight: 600; padding: .5rem 0; }
.medloc th, .medloc td { padding: .3rem .4rem; text-align: right; border-bottom: 1px solid GrayText;
                         white-space: nowrap; }
.medloc th:first-child, .medloc td:first-child { text-align: left; }
.medloc thead button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: .2rem 0;
                       cursor: pointer; }
.medloc thead button::after { content: " \\2195"; opacity: .5; }
.medloc th[aria-sort=ascending] button::after { content: " \\2191"; opacity: 1; }
.medloc th[aria-sort=descending] button::after { content: " \\2193"; opacity: 1; }
.medloc small { display: block; opacity: .75; }
"""

SCRIPT = """
for (const table of document.querySelectorAll(".medloc table")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const first = head.dataset.first;
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    heads.forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const value = (row) => row.cells[column].dataset.value;
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      return head.dataset.kind === "text" ? sign * x.localeCompare(y) : sign * (Number(x) - Number(y));
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
"""


def document(rows: Sequence[Row]) -> str:
    """A whole page. Columns sort on a click or from the keyboard; light and dark as the reader has it."""
    tables = "".join(_table(group, sortable=True) for group in by_data(rows).values())
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>MedLoc leaderboard</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>Leaderboard</h1>\n{tables}\n<script>{SCRIPT}</script>\n"
        "</body>\n</html>\n"
    )


def fragment(rows: Sequence[Row]) -> str:
    """The tables alone, for a notebook."""
    text = "".join(_table(group, sortable=False) for group in by_data(rows).values())
    return text.encode("utf-8", "backslashreplace").decode()  # a notebook cannot hold what is no Unicode


def by_data(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of one data set and simulator version together: others cannot be compared."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.data, row.simulator), []).append(row)
    return groups


def title(rows: Sequence[Row]) -> str:
    """What was tested on: data set, simulator, images and patients."""
    row = rows[0]
    simulated = f", simulator {row.simulator}" if row.simulator else ""
    patients = f" of {row.groups} patients" if row.groups else ""
    return f"{row.data or 'Leaderboard'}{simulated}: {row.images} test images{patients}"


def remarks(rows: Sequence[Row]) -> list[str]:
    """What must be said beside the figures, a sentence or two each."""
    units = "patients" if rows[0].groups else "images, as the data set does not say which patients they are of"
    texts = [f"{row.name}: no scores. {row.reason}" for row in rows if row.reason]
    texts.append(
        "Scores ask where, not what: classes are made one. Brackets: 95 % bootstrap interval over " + units + ". "
        "Sizes: side of the square (cube) of the same area (volume) as the truth box. "
        "MiB: highest memory of the row's own process, interpreter included."
    )
    for row in rows:
        if row.better_than:
            texts.append(f"{row.name} is better than {', '.join(row.better_than)} (paired difference in AP 0.3).")
        if row.classes:
            each = ", ".join(f"{name} {number(value)}" for name, value in row.classes.items())
            texts.append(f"{row.name} tells classes; its AP 0.3 for each: {each}.")
        if row.classes_half:
            each = ", ".join(f"{name} {number(value)}" for name, value in row.classes_half.items())
            texts.append(f"{row.name}, AP 0.5 for each class: {each}.")
    texts += dict.fromkeys(f"Note: {row.note}." for row in rows if row.note)
    made: dict[str, list[str]] = {}
    for row in rows:
        seeds = f", mean of seeds {', '.join(map(str, row.seeds))}" if row.seeds else ""
        how = f"on {row.date} by medloc {row.version}{seeds}" + (f": {row.command}" if row.command else "")
        made.setdefault(how, []).append(row.name)
    return texts + [f"Made {how}" + (f" ({', '.join(names)})" if len(made) > 1 else "") for how, names in made.items()]


def number(interval: Interval | None, key: str = "") -> str:
    """The value alone, "–" where there is none."""
    if interval is None or math.isnan(interval.value):
        return "–"
    return f"{interval.value:.1f}" if key == "center_mm" else f"{interval.value:.3f}"


def with_interval(interval: Interval | None, key: str = "") -> str:
    """The value and its interval, "–" where there is none."""
    if interval is None or math.isnan(interval.value) or math.isnan(interval.low):
        return number(interval, key)
    low, high = (number(Interval(end, end, end), key) for end in (interval.low, interval.high))
    return f"{number(interval, key)} [{low}, {high}]"


def plain(value: float | None) -> str:
    """A figure without interval: two digits or more, "–" where there is none."""
    if value is None:
        return "–"
    if 0 < value < 0.01:
        return "< 0.01"
    return f"{value:,.0f}" if isinstance(value, int) or value >= 100 else f"{value:.2g}"


def _table(rows: Sequence[Row], *, sortable: bool) -> str:
    columns = [("Localizer", "", "text", "ascending")]
    columns += [(s.title, s.explanation, "number", "ascending" if s.lower_is_better else "descending") for s in SCORES]
    columns += [(name, explanation, "number", "ascending") for name, explanation in PER_ROW.values()]
    heads = "".join(_head(*column, sortable=sortable) for column in columns)
    body = "".join(f"<tr>{_cells(row)}</tr>\n" for row in rows)
    notes = "".join(f"<li>{html.escape(text)}</li>" for text in remarks(rows))
    return (
        f'<div class="medloc"><table><caption>{html.escape(title(rows))}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table>\n<ul>{notes}</ul></div>\n"
    )


def _head(name: str, explanation: str, kind: str, first: str, *, sortable: bool) -> str:
    text = html.escape(name)
    hint = f' title="{html.escape(explanation, quote=True)}"' if explanation else ""
    if not sortable:
        return f'<th scope="col"{hint}>{text}</th>'
    return f'<th scope="col" data-kind="{kind}" data-first="{first}"><button type="button"{hint}>{text}</button></th>'


def _cells(row: Row) -> str:
    name = html.escape(row.name, quote=True)
    cells = [f'<td data-value="{name}">{name}</td>']
    for score in SCORES:
        interval = row.scores.get(score.key)
        value = "" if interval is None or math.isnan(interval.value) else repr(interval.value)
        text = with_interval(interval, score.key).replace(" [", " <small>[").replace("]", "]</small>")
        cells.append(f'<td data-value="{value}">{text}</td>')
    for key in PER_ROW:
        figure = getattr(row, key)
        cells.append(f'<td data-value="{"" if figure is None else figure}">{plain(figure)}</td>')
    return "".join(cells)
