"""`medloc train`: fit a network, keep it as one small file, and say on one page what it is."""

from __future__ import annotations

import ast
import inspect
import math
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medloc_lib import __version__
from medloc_lib.bench.row import SCORES
from medloc_lib.cli.choose import Splits, is_named, option_words, source
from medloc_lib.data import registry
from medloc_lib.errors import InputError
from medloc_lib.localizer import any_class
from medloc_lib.metrics import (
    Interval,
    auroc,
    average_precision,
    balanced_accuracy,
    bootstrap,
    dice_by_class,
    match,
    organ_scores,
)
from medloc_lib.sample import Sample

if TYPE_CHECKING:
    from medloc_lib.deep.localizers.base import NetLocalizer

CARD = "MODEL.md"


def configure(localizer: Any, assignments: Sequence[str], seed: int) -> NetLocalizer:
    """A localizer with a network, with parameters as the user wrote them, ``name=value``.

    Raises
    ------
    InputError
        If it has no network, or there is no such parameter.
    """
    if "watch" not in inspect.signature(localizer.fit).parameters:
        raise InputError(
            f"medloc train is for networks, and {type(localizer).__name__} has none; medloc bench fits and scores it"
        )
    for text in (*assignments, f"seed={seed}"):
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set takes name=value, such as epochs=30; got {text!r}")
        try:
            localizer.set_params(**{name: ast.literal_eval(value)})
        except (ValueError, SyntaxError):  # a word
            localizer.set_params(**{name: value})
    fitted: NetLocalizer = localizer
    return fitted


def run(localizer: NetLocalizer, splits: Splits, out: Path, command: str) -> str:
    """Fit, save, score what was saved on the test split, write the page. Gives the page.

    A run that was killed goes on from the checkpoint in `out`, which is deleted in the end.

    Raises
    ------
    TrainingError, InputError, ReadError
        As `fit` and `save_model` do.
    """
    from medloc_lib.deep import resuming
    from medloc_lib.deep.localizers import load_model, save_model
    from medloc_lib.deep.localizers.stored import FILE

    began = time.process_time()
    localizer.fit(splits.train, validation=splits.validation, folder=out)
    spent = round(time.process_time() - began)  # of all threads, in this sitting
    about = {"data": splits.name, "command": command, "commit": commit(), "cpu_seconds": spent}
    save_model(localizer, out / FILE, about=about)
    seconds = 0.0 if localizer.history_ is None else localizer.history_.epochs[-1].seconds  # over all sittings
    page = card(load_model(out), splits, command=command, seconds=seconds, title=out.resolve().name)
    (out / CARD).write_text(page, encoding="utf-8")
    (out / resuming.NAME).unlink(missing_ok=True)
    return page


def command_line(
    dataset: str, spec: str, out: Path, options: Mapping[str, str | None], assignments: Sequence[str]
) -> str:
    """The command that makes this model again."""
    words = ["medloc", "train", "--dataset", source(dataset), "--localizer", spec, *option_words(options)]
    words += [word for text in assignments for word in ("--set", text)]
    return shlex.join([*words, "--out", out.name if out.is_absolute() else out.as_posix()])


PAGE = """# {title}

`{localizer!r}`: {what} {localizer.n_parameters_:,} numbers, stored in half precision.

**Not for clinical use.** For teaching and research.

- Data: `{data}`{simulated}; {train} samples to train on, {validation} to choose by, {test} to test, {patients}.{notes}
- Channels: {channels}. Classes: {classes}.
- Seed: {localizer.seed}. Trained in {minutes:.1f} minutes by medloc {version}, commit {commit}.
- Made again by `{command}`

## Figures on the test split

Of the stored weights, opened once; 95 % bootstrap intervals over {units}.

| score | value |  |
|---|---|---|
{figures}

## Limits

It knows what is in its training data: these channels, pictures of this kind and pixel size, these diseases. On other
scanners, or with other findings, it is wrong without a word. It was never tested on patients.
"""


def card(localizer: NetLocalizer, splits: Splits, *, command: str, seconds: float, title: str) -> str:
    """What a reader must know before using a model, on one page."""
    test = [sample for sample in splits.test if sample.boxes is not None]
    found = localizer.predict(test)
    where, groups = any_class(test, found), [sample.group for sample in test]
    figures = [_figure(s.title, s.explanation, _read(s, where, groups)) for s in SCORES]
    for iou in (0.3, 0.5) if localizer.tells_classes else ():
        by_class = average_precision(test, found, iou=iou)
        figures += [_figure(f"AP {iou} of {name}", "told apart", value) for name, value in by_class.per_class.items()]
        figures.append(_figure(f"mAP {iou}", "mean over the classes", by_class.mean))
    if localizer.metric == "Dice":
        scores = organ_scores(test, found)
        for name, dice, center in zip(localizer.classes_, scores.dice.T, scores.center.T, strict=True):
            figures.append(_figure(f"Dice of {name}", "of its mask", bootstrap(dice, groups)))
            figures.append(_figure(f"Centre mm of {name}", "of its box", bootstrap(center, groups)))
        figures.append(_figure("mean Dice", "mean over the classes", bootstrap(scores.dice.mean(1), groups)))
    elif localizer.tells_classes and all(s.mask is not None for s in test) and any(d.masks is not None for d in found):
        overlap = dice_by_class(test, found)
        for k, name in enumerate(localizer.classes_):
            figures.append(_figure(f"Dice of {name}", "of masks; mean over images", bootstrap(overlap[:, k], groups)))
    if hasattr(localizer, "probability"):
        figures += _whether(localizer, test, groups)
    simulator = next((s.meta["simulator"] for s in test if "simulator" in s.meta), "")
    licence = f"Licence: {registry.info(splits.name.partition(':')[0]).licence}." if is_named(splits.name) else ""
    return PAGE.format(
        title=title,
        localizer=localizer,
        what=inspect.cleandoc(type(localizer).__doc__ or "").splitlines()[0],
        data=splits.name,
        simulated=f", simulated (simulator {simulator})" if simulator else "",
        train=len(splits.train),
        validation=len(splits.validation or ()),
        test=len(test),
        units="patients" if all(groups) else "images",
        patients=f"of {len(set(groups))} patients" if all(groups) else "patients not named",
        notes="".join(f" {text[0].upper()}{text[1:].rstrip('.')}." for text in (licence, splits.note) if text),
        channels=", ".join(localizer.channels_),
        classes=", ".join(localizer.classes_),
        minutes=seconds / 60,
        version=__version__,
        commit=commit(),
        command=command,
        figures="\n".join(figures),
    )


def commit() -> str:
    """The commit of the code, with a plus where it was changed since; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + (
            "+" if git("status", "--porcelain", "--", str(here.parent)) else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _read(score: Any, where: Any, groups: list[str]) -> Interval:
    matches = match(*where, iou=score.iou, size_mm=score.size_mm)
    return bootstrap(lambda weights: score.read(matches, weights), groups)


def _whether(localizer: Any, test: list[Sample], groups: list[str]) -> list[str]:
    from medloc_lib.deep.localizers.classifier import diseased

    sick, known = diseased(test)
    sure = localizer.probability(test)[known]
    who = [group for group, k in zip(groups, known, strict=True) if k]
    rows = {
        "balanced accuracy": bootstrap(lambda w: balanced_accuracy(sick[known], sure, weights=w), who),
        "AUROC": bootstrap(lambda w: auroc(sick[known], sure, weights=w), who),
    }
    return [_figure(name, "of whether an image shows a disease", value) for name, value in rows.items()]


def _figure(name: str, explanation: str, value: Interval | float) -> str:
    middle = value.value if isinstance(value, Interval) else value
    shown = "–" if math.isnan(middle) else str(value) if isinstance(value, Interval) else f"{value:.3f}"
    return f"| {name} | {shown} | {explanation} |"
