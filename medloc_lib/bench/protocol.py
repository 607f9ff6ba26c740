"""How every row is made: same data, same rules, same code."""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from medloc_lib import __version__
from medloc_lib.bench import child
from medloc_lib.bench.row import SCORES, Row
from medloc_lib.bench.stored import dump, holds, store
from medloc_lib.bench.table import Leaderboard
from medloc_lib.errors import InputError, MedlocError, MedlocWarning
from medloc_lib.localizer import any_class, inputs_of
from medloc_lib.localizer.check import seed_localizer, seed_parameters
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.metrics import Matches, bootstrap, match, paired_difference
from medloc_lib.sample import Detections, Sample

PRIMARY = "ap_0.3"


def evaluate(
    localizer: Any,
    train: Sequence[Sample],
    test: Sequence[Sample],
    *,
    validation: Sequence[Sample] | None = None,
    name: str | None = None,
    seeds: Sequence[int] = (0,),
    data: str = "",
    simulator: str = "",
    command: str = "",
    note: str = "",
    timeout: float | None = None,
) -> Row:
    """Fit one localizer on `train`, score it on `test`. Takes what `leaderboard` takes, and gives its one row.

    >>> from medloc_lib.localizer import MeanBoxLocalizer
    >>> train = [Sample(np.zeros((1, 8, 8)), boxes=[[2, 2, 6, 6]])] * 4
    >>> evaluate(MeanBoxLocalizer(), train, train)
    Row 'MeanBoxLocalizer': AP 0.3 1.000 [1.000, 1.000], FROC 1.000 [1.000, 1.000]
    """
    return leaderboard(
        {name or _name(localizer): localizer},
        train,
        test,
        validation=validation,
        seeds=seeds,
        data=data,
        simulator=simulator,
        command=command,
        note=note,
        timeout=timeout,
        progress=False,
    ).rows[0]


def leaderboard(
    localizers: Mapping[str, Any] | Sequence[Any],
    train: Sequence[Sample],
    test: Sequence[Sample],
    *,
    validation: Sequence[Sample] | None = None,
    seeds: Sequence[int] = (0,),
    data: str = "",
    simulator: str = "",
    command: str = "",
    note: str = "",
    timeout: float | None = None,
    progress: bool = True,
) -> Leaderboard:
    """Fit and score localizers by one protocol.

    Each is cloned, and fitted in a process of its own on `train` (with `validation` to choose by). It then predicts the
    test samples, all in one call, from which everything is taken away that it did not declare in `inputs`; the truth
    never enters its process. Its boxes come back as plain numbers and are scored here. A localizer that fails, by an
    error, a crash, for want of memory or of time, gets a row that says why; the others go on. What this cannot catch is
    a localizer that fetches the test set by itself. The samples are copied to the folder for temporary files meanwhile.

    Parameters
    ----------
    localizers : by name, or a sequence that is named by type. scikit-learn pipelines and searches that end in a
        localizer are welcome.
    train, test, validation : samples; those in `test` must all have known boxes.
    seeds : a localizer with a parameter `random_state` or `seed` is run once per seed and its scores are averaged;
        others are run once.
    data, simulator : name of the data set and version of its simulator (by default the samples' own,
        ``meta["simulator"]``), written beside each figure.
    command, note : what the user typed, and what else must be said, written beside each figure.
    timeout : seconds that one fit and predict may take; None: no limit.
    progress : show a progress bar.

    Raises
    ------
    InputError
        If there is nothing to run, a test sample has ``boxes=None``, something is no localizer, or `timeout` is not
        over 0.

    Warns
    -----
    MedlocWarning
        If patients of the test set are in the training or validation set too. The rows say so as well.
    """
    named = _by_name(localizers)
    if len(train) == 0 or len(test) == 0:
        raise InputError(f"needs samples to train and to test on; got {len(train)} and {len(test)}")
    if timeout is not None and not timeout > 0:
        raise InputError(f"timeout must be over 0 seconds, or None for no limit; got {timeout}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="medloc-bench-", ignore_cleanup_errors=True) as folder:
        files = _Files(Path(folder), train, validation, test)
        group_of = tuple(s.group for s in files.truth)
        blank = Row(
            "",
            data=data,
            simulator=simulator or files.simulator,
            command=command,
            note="; ".join(text for text in (note, files.shared_patients(), files.nothing_to_find()) if text),
            images=len(files.truth),
            groups=len(set(group_of)) if all(group_of) else 0,
            group_of=group_of,
            date=datetime.now(UTC).date().isoformat(),
            version=__version__,
        )
        bar = tqdm(named.items(), disable=not progress, unit="row", leave=False)
        for name, localizer in bar:
            bar.set_description(name)
            rows.append(_row(dataclasses.replace(blank, name=name, _known={}), localizer, files, seeds, timeout))
    return Leaderboard(tuple(_compared(rows)))


class _Files:
    """Copies of the samples on disk for the processes, and the truth here, without its pixels.

    Copies, as a sequence that reads samples when they are asked for may know its whole data set, the test split too.
    """

    def __init__(
        self, folder: Path, train: Sequence[Sample], validation: Sequence[Sample] | None, test: Sequence[Sample]
    ) -> None:
        self.folder = folder
        self.truth: list[Sample] = []
        self.seen: set[str] = set()
        self.simulator = ""
        self._test = test
        self._tests: dict[tuple[str, ...], Path] = {}
        for i, sample in enumerate(test):
            if sample.boxes is None:
                raise InputError(f"test sample {sample.id!r} (number {i}) has boxes=None: nobody looked; leave it out")
            self.simulator = self.simulator or str(sample.meta.get("simulator", ""))
            self.truth.append(without_pixels(sample))
        self.secrets = {id(test)}
        if isinstance(test, list | tuple):
            self.secrets |= {id(part) for s in test for part in (s, s.boxes, s.mask) if part is not None}
        parts = {"train": train, "validation": validation}
        copies = [None if part is None else self._copy(part, name) for name, part in parts.items()]
        self.splits = folder / "splits"
        dump(tuple(copies), self.splits)

    def test(self, inputs: tuple[str, ...]) -> Path:
        """File of the test samples as a localizer with these inputs may see them."""
        if inputs not in self._tests:
            name = f"test-{len(self._tests)}"
            stripped = (s.only(inputs) for s in self._test)
            in_memory = isinstance(self._test, list | tuple)
            self._tests[inputs] = self.folder / name
            dump(list(stripped) if in_memory else store(stripped, self.folder / f"{name}-samples"), self.folder / name)
        return self._tests[inputs]

    def shared_patients(self) -> str:
        """A warning, given and returned, if patients are on both sides; else ""."""
        both = {s.group for s in self.truth} & self.seen - {""}
        if not both:
            return ""
        text = (
            f"{len(both)} patients of the test set are in the training or validation set too: the scores are too good"
        )
        warnings.warn(text, MedlocWarning, stacklevel=3)
        return text

    def nothing_to_find(self) -> str:
        """What must be said where no score can be had; else ""."""
        if all(s.ignore is None or s.ignore.all() for s in self.truth):
            return "the test images have no box to find, so there is no score"
        return ""

    def _copy(self, samples: Sequence[Sample], name: str) -> Sequence[Sample]:
        """What is in memory here will be there; what is read when it is asked for is read there too."""

        def noted() -> Iterator[Sample]:
            for sample in samples:
                self.seen.add(sample.group)
                yield sample

        return list(noted()) if isinstance(samples, list | tuple) else store(noted(), self.folder / name)


def _row(row: Row, localizer: Any, files: _Files, seeds: Sequence[int], timeout: float | None) -> Row:
    from sklearn.base import clone

    if holds(localizer, files.secrets):
        return dataclasses.replace(
            row, reason="it holds samples of the test set, as a parameter or as a global variable"
        )
    outcomes = []
    try:
        test = files.test(inputs_of(localizer))
        copies = [clone(localizer)]
        used = tuple(seeds) if seed_parameters(copies[0]) else ()
        if used:
            copies = [seed_localizer(clone(localizer), seed) for seed in used]
    except Exception as error:  # the user's own class: anything may come
        return dataclasses.replace(row, reason=" ".join(f"clone: {type(error).__name__}: {error}".split()))
    row = dataclasses.replace(row, seeds=used)
    ndim = files.truth[0].ndim
    for copy in copies:
        outcome = child.run(copy, files.splits, test, ndim=ndim, timeout=timeout)
        if outcome.reason:
            return dataclasses.replace(row, reason=outcome.reason, trace=outcome.trace)
        outcomes.append(outcome)
    row = dataclasses.replace(
        row,
        fit_seconds=float(np.mean([o.fit_seconds for o in outcomes])),
        predict_seconds=float(np.mean([o.predict_seconds for o in outcomes])),
        memory_mib=max(o.memory_mib for o in outcomes),
        parameters=outcomes[0].parameters,
    )
    try:
        return _scored(row, files.truth, [list(o.found) for o in outcomes])
    except MedlocError as error:  # such as a label that no class has
        return dataclasses.replace(row, reason=f"score: {error}")


def _scored(row: Row, truth: list[Sample], answers: list[list[Detections]]) -> Row:
    matches = []
    for found in answers:
        where = any_class(truth, found)
        matches.append({at: match(*where, iou=at[0], size_mm=at[1]) for at in {(s.iou, s.size_mm) for s in SCORES}})
    row = dataclasses.replace(row, matches=tuple(matches))
    scores = {score.key: bootstrap(row.statistic(score.key), row.group_of) for score in SCORES}
    tells = any(label.any() for found in answers for label in (np.asarray(d.labels) for d in found))
    by_class = {iou: [match(truth, found, iou=iou) for found in answers] if tells else [] for iou in (0.3, 0.5)}
    classes, half = (_per_class(made, row.group_of) for made in by_class.values())
    return dataclasses.replace(row, scores=scores, classes=classes, classes_half=half)


def _per_class(matches: Sequence[Matches], group_of: Sequence[str]) -> dict[str, Any]:
    if not matches:
        return {}

    def reading(name: str) -> Callable[[Any], float]:
        def compute(weights: Any) -> float:
            all_seeds = [m.average_precision(weights) for m in matches]
            return float(np.mean([ap.mean if name == "mean" else ap.per_class[name] for ap in all_seeds]))

        return compute

    names = [name for name in matches[0].classes if name != "mean"]
    return {name: bootstrap(reading(name), group_of) for name in ("mean", *names)}


def _compared(rows: list[Row]) -> list[Row]:
    """Each row with the names of those that it beats."""
    fine = [row for row in rows if row.matches]

    def beats(row: Row, other: Row) -> bool:
        return paired_difference(row.statistic(PRIMARY), other.statistic(PRIMARY), row.group_of).better

    better = {row.name: tuple(o.name for o in fine if o is not row and beats(row, o)) for row in fine}
    return [dataclasses.replace(row, better_than=better.get(row.name, ())) for row in rows]


def _by_name(localizers: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    items = list(localizers.items()) if isinstance(localizers, Mapping) else [(_name(x), x) for x in localizers]
    named = dict(items)
    if not named:
        raise InputError("needs at least one localizer; got none")
    if len(named) < len(items):
        raise InputError(f"names must differ; got {[name for name, _ in items]}: give a dict of name -> localizer")
    for name, localizer in named.items():
        if isinstance(localizer, type) or not (hasattr(localizer, "fit") and hasattr(localizer, "predict")):
            hint = "make one: add ()" if isinstance(localizer, type) else "wrap a function with as_localizer"
            raise InputError(f"{name} is no localizer, it is {type(localizer).__name__} {localizer!r}; {hint}")
    return named


def _name(localizer: Any) -> str:
    last = localizer.steps[-1][1] if hasattr(localizer, "steps") else localizer
    function = getattr(last, "function", None)
    name = getattr(function, "__name__", "")
    return name if name and name != "<lambda>" else type(last).__name__
