"""Scores as figures: the FROC curve, methods side by side, trends, what scores are worth, and how a training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from medloc_lib.errors import InputError
from medloc_lib.metrics import Froc, Interval, Reliability
from medloc_lib.plot.figures import _new, _new_row
from medloc_lib.plot.pictures import COLORS

STYLES = ("-", "--", ":", "-.")
DARK = tuple(color for color in reversed(COLORS) if color != "#F0E442")
"""The colours of curves: yellow is lost on white."""


def froc(curves: Froc | Mapping[str, Froc], *, ax: Axes | None = None) -> Axes:
    """Sensitivity against false positives per image, as steps; the marks are where the score is read.

    Parameters
    ----------
    curves : one FROC, or several by name. Lines differ in style as well as in colour.
    ax : where to draw; default a new figure.

    References
    ----------
    D. Chakraborty, "Maximum likelihood analysis of free-response receiver operating characteristic (FROC) data",
    Medical Physics 16 (1989).
    """
    named = {"": curves} if isinstance(curves, Froc) else curves
    if not named:
        raise InputError("froc needs at least one curve; got none")
    axes = _new(ax)
    for i, (name, curve) in enumerate(named.items()):
        color, style = COLORS[-1 - i % len(COLORS)], STYLES[i % len(STYLES)]
        label = f"{name} {curve.mean:.3f}".strip()
        x, y = np.asarray(curve.curve_false_positives), np.asarray(curve.curve_sensitivity)
        axes.step([*x, max(8.0, x[-1])], [*y, y[-1]], where="post", color=color, linestyle=style, label=label)
        axes.plot(curve.false_positives, curve.sensitivity, "o", color=color, markersize=4)
    axes.set_xscale("log", base=2)
    rates = list(next(iter(named.values())).false_positives)
    axes.set_xlim(rates[0] / 1.2, rates[-1] * 1.2)
    axes.set_xticks(rates, [f"{r:g}" if r >= 1 else f"1/{1 / r:g}" for r in rates])
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("false positives per image")
    axes.set_ylabel("sensitivity")
    axes.grid(alpha=0.3)
    legend = axes.legend(title="mean sensitivity", loc="best", fontsize=9, title_fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name may hold $
    return axes


def leaderboard(rows: Mapping[str, Interval], *, ax: Axes | None = None, label: str = "AP at IoU 0.3") -> Axes:
    """One score per method, best on top, with its interval.

    Parameters
    ----------
    rows : method's name to its score with the interval around it.
    ax : where to draw; default a new figure.
    label : what the score is.

    Examples
    --------
    >>> ax = leaderboard({"mean box": Interval(0.02, 0.01, 0.03), "threshold": Interval(0.18, 0.15, 0.22)})
    >>> [t.get_text() for t in ax.get_yticklabels()]
    ['mean box', 'threshold']
    """
    if not rows:
        raise InputError("leaderboard needs at least one row; got none")
    axes = _new(ax)
    ordered = sorted(rows.items(), key=lambda row: row[1].value)
    for i, (_, score) in enumerate(ordered):
        axes.plot([score.low, score.high], [i, i], color="#0072B2", linewidth=2)
        axes.plot(score.value, i, "o", color="#0072B2")
        axes.annotate(
            f"{score.value:.3f}", (score.value, i), (0, 6), textcoords="offset points", ha="center", fontsize=9
        )
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered], parse_math=False)
    axes.set_ylim(-0.6, len(ordered) - 0.4)
    axes.set_xlim(left=min(0.0, *(s.low for s in rows.values())))
    axes.set_xlabel(f"{label}, with its 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    return axes


def trend(
    x: Sequence[float],
    curves: Mapping[str, Sequence[Interval]],
    *,
    ax: Axes | None = None,
    label: str = "AP at IoU 0.3",
) -> Axes:
    """Scores against something that changes, each with its interval as a band.

    Parameters
    ----------
    x : what changes.
    curves : name to one score for each of `x`. Lines differ in style as well as in colour.
    ax : where to draw; default a new figure.
    label : what the score is.

    Raises
    ------
    InputError
        If there is no curve, or one has more or fewer scores than `x`.

    Examples
    --------
    >>> ax = trend([0, 4], {"alone": [Interval(0.1, 0.05, 0.15), Interval(0.05, 0.02, 0.08)]})
    >>> ax.lines[0].get_ydata().tolist()
    [0.1, 0.05]
    """
    if not curves or any(len(scores) != len(x) for scores in curves.values()):
        raise InputError(f"trend needs curves of {len(x)} scores; got {[len(scores) for scores in curves.values()]}")
    axes = _new(ax)
    for i, (name, scores) in enumerate(curves.items()):
        color = DARK[i % len(DARK)]
        axes.plot(
            x, [s.value for s in scores], STYLES[i % len(STYLES)], color=color, marker="o", markersize=4, label=name
        )
        axes.fill_between(x, [s.low for s in scores], [s.high for s in scores], color=color, alpha=0.12, linewidth=0)
    axes.set_xticks(x, [f"{value:g}" for value in x])
    axes.set_ylim(bottom=0)
    axes.set_ylabel(f"{label}, with its 95 % interval")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    return axes


def reliability(curves: Reliability | Mapping[str, Reliability], *, ax: Axes | None = None) -> Axes:
    """What scores keep against what they promise; on the dotted diagonal they mean what they say.

    Parameters
    ----------
    curves : one record, or several by name. Lines differ in style as well as in colour; larger marks stand for more
        scores.
    ax : where to draw; default a new figure.

    Examples
    --------
    >>> from medloc_lib.metrics import reliability as measure
    >>> ax = reliability({"one": measure([0.9, 0.9, 0.2, 0.2], [True, False, False, False])})
    >>> [t.get_text() for t in ax.get_legend().get_texts()]
    ['one 0.300']
    """
    named = {"": curves} if isinstance(curves, Reliability) else curves
    if not named:
        raise InputError("reliability needs at least one record; got none")
    axes = _new(ax)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for i, (name, curve) in enumerate(named.items()):
        color, used = DARK[i % len(DARK)], curve.count > 0
        x, y, count = curve.promised[used], curve.kept[used], curve.count[used]
        axes.plot(x, y, STYLES[i % len(STYLES)], color=color, label=f"{name} {curve.error:.3f}".strip())
        axes.scatter(x, y, s=12 + 60 * np.sqrt(count / count.max()), color=color, alpha=0.7)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="promised: mean score", ylabel="kept: share of hits")
    axes.grid(alpha=0.3)
    legend = axes.legend(title="calibration error", fontsize=9, title_fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return axes


class EpochLike(Protocol):
    """What `learning` looks at; `medloc_lib.deep.settings.Epoch` has it."""

    @property
    def epoch(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def score(self) -> float | None: ...


def learning(
    runs: Mapping[str, Sequence[EpochLike]], *, axes: Sequence[Axes] | None = None, metric: str = "score"
) -> Sequence[Axes]:
    """How trainings went: the mean loss of each epoch, and the score on validation; the best score is marked.

    Parameters
    ----------
    runs : by name, the epochs of each. Lines differ in style as well as in colour.
    axes : two axes; default a new figure.
    metric : what the score is called.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> epochs = [SimpleNamespace(epoch=i, loss=1 / i, score=i / 4) for i in (1, 2, 3)]
    >>> [ax.get_ylabel() for ax in learning({"run": epochs}, metric="AP")]
    ['loss', 'AP']
    """
    left, right = list(_new_row(2) if axes is None else axes)
    for i, (name, epochs) in enumerate(runs.items()):
        color, style = COLORS[-1 - i % len(COLORS)], STYLES[i % len(STYLES)]
        left.plot([e.epoch for e in epochs], [e.loss for e in epochs], style, color=color, label=name)
        scored = [(e.epoch, e.score) for e in epochs if e.score is not None]
        right.plot(*(zip(*scored, strict=True) if scored else ([], [])), style, color=color, label=name)
        if scored:
            right.plot(*max(scored, key=lambda point: point[1]), "o", color=color)
    known = any(runs.values())
    validated = any(e.score is not None for epochs in runs.values() for e in epochs)
    for ax, label, shown in ((left, "loss", known), (right, metric, validated)):
        ax.set_xlabel("epoch")
        ax.set_ylabel(label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        if not shown:
            ax.set(xticks=[], yticks=[])
            said = "no validation yet" if known else "no epoch yet"
            ax.text(0.5, 0.5, said, ha="center", va="center", transform=ax.transAxes)
    if len(runs) > 1:
        left.legend(fontsize=9)
    return left, right
