"""What `medloc bench` runs: localizers by name or module, samples of a data set or of a folder."""

from __future__ import annotations

import ast
import importlib
import inspect
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medloc_lib.bench import named
from medloc_lib.data import registry
from medloc_lib.data.annotations import read_folder
from medloc_lib.data.annotations.entries import OnBad
from medloc_lib.data.lazy import LazySamples
from medloc_lib.errors import InputError
from medloc_lib.localizer import as_localizer
from medloc_lib.sample import Sample

SHARES = (0.6, 0.2)
"""Of the patients of a folder, for training and for validation; the rest is the test set."""


@dataclass(frozen=True)
class Splits:
    """Samples to learn from, to choose by, and to score on."""

    name: str
    train: Sequence[Sample]
    validation: Sequence[Sample] | None
    test: Sequence[Sample]
    note: str = ""


def localizers(specs: Sequence[str]) -> dict[str, Any]:
    """Localizers by what the user wrote: a known name, a lesson's name for all of its own, or ``module:Name`` of a
    class, function or made localizer.

    Raises
    ------
    InputError
        If one is not known or cannot be imported, or one is named twice.
    """
    made: dict[str, Any] = {}
    for spec in specs:
        own = ":" in spec
        for name, make in ({spec: lambda spec=spec: _own(spec)} if own else named.find(spec)).items():
            if name in made:
                raise InputError(f"each localizer may be named once; got {name} twice in {', '.join(specs)}")
            made[name] = make()
    short = [name.rpartition(":")[2] for name in made]
    return dict(zip(short, made.values(), strict=True)) if len(set(short)) == len(short) else made


def _own(spec: str) -> Any:
    """The user's own class, function or made localizer."""
    module, _, name = spec.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # the user's module: anything may come
        raise InputError(f"{spec} cannot be imported: {type(error).__name__}: {error}") from error
    if inspect.isclass(found):
        try:
            return found()
        except TypeError as error:
            raise InputError(
                f"{spec} cannot be made without arguments: {error}; make one in the module, name that"
            ) from error
        except (Exception, SystemExit) as error:  # the user's own
            raise InputError(f"{spec} cannot be made: {type(error).__name__}: {error}") from error
    return found if hasattr(found, "predict") or not callable(found) else as_localizer(found)


def splits(
    dataset: str, *, group_by: str | None = None, on_bad: OnBad = "raise", with_validation: bool = False
) -> Splits:
    """The splits of a named data set, or a seeded split of a folder by patient.

    A name may be followed by options of the data set: ``brain_lesions:dims=3,site='A'``.

    Parameters
    ----------
    with_validation : whether the validation samples are learned from too, as is right once all choices are made;
        there are none to choose by then.

    Raises
    ------
    InputError
        If there is no such data set or folder, or it cannot be split.
    """
    folder = Path(dataset)
    if is_named(dataset):
        if group_by is not None:
            raise InputError(f"--group-by is for folders; {dataset} has its own splits")
        made = _named(dataset)
    elif folder.is_dir():
        made = _folder(folder, group_by, on_bad)
    else:
        raise InputError(f"{dataset!r} is neither a folder nor a data set; there is: {', '.join(registry.names())}")
    return joined(made) if with_validation else made


def _placed(place: tuple[Sequence[Sample], int]) -> Sample:
    samples, index = place
    return samples[index]


def joined(made: Splits) -> Splits:
    """The validation samples beside the training samples.

    Raises
    ------
    InputError
        If there are none.
    """
    if made.validation is None:
        raise InputError(f"{made.name} has no validation samples that could be learned from")
    parts = (made.train, made.validation)
    places = [(part, i) for part in parts for i in range(len(part))]
    note = "; ".join(text for text in (made.note, f"learned from train and validation, {len(places)} images") if text)
    return Splits(made.name, LazySamples(places, _placed), None, made.test, note)


def is_named(dataset: str) -> bool:
    """Whether this is a data set of the registry, with options or without."""
    return dataset.partition(":")[0] in registry.names()


def _named(dataset: str) -> Splits:
    name, _, text = dataset.partition(":")
    try:
        options = eval_options(text)
    except (ValueError, SyntaxError) as error:
        raise InputError(f"options of a data set look like {name}:dims=3,site='A'; got {dataset!r}") from error
    about = registry.info(name)
    if not {"train", "test"} <= set(about.splits):
        raise InputError(
            f"{name} cannot be benched: it needs the splits train and test; it has {', '.join(about.splits)}"
        )
    train, test = (registry.load(name, split=split, **options) for split in ("train", "test"))
    return Splits(dataset, train, registry.load(name, split="val", **options) if "val" in about.splits else None, test)


def eval_options(text: str) -> dict[str, Any]:
    """Options as they are written in a call; plain values only.

    >>> eval_options("dims=3, site='A'")
    {'dims': 3, 'site': 'A'}
    """
    call = ast.parse(f"f({text})", mode="eval").body
    if not isinstance(call, ast.Call) or call.args or any(keyword.arg is None for keyword in call.keywords):
        raise ValueError("options have names")
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


def _folder(folder: Path, group_by: str | None, on_bad: OnBad) -> Splits:
    samples = read_folder(folder, group_by=group_by, on_bad=on_bad)
    known, patient = [], []
    for i in range(len(samples)):
        sample = samples[i]
        if sample.boxes is not None:
            known.append(i)
            patient.append(sample.group or f"\0{i}")  # an unknown patient is one of their own
    patients = sorted(set(patient))
    if not known:
        raise InputError(
            f"{folder}: none of the {len(samples)} images there has boxes or a mask; "
            "medloc_lib.data.annotations.read_folder says in which form they are found"
        )
    if len(patients) < 3:
        raise InputError(
            f"{folder}: boxes are known for images of {len(patients)} patients; "
            "at least 3 are needed, one each to train, to choose and to test"
        )
    order = np.random.default_rng(0).permutation(len(patients))
    ends = [max(1, round(share * len(patients))) for share in np.cumsum(SHARES)]
    ends = [min(ends[0], len(patients) - 2), min(max(ends), len(patients) - 1)]
    part = {patients[k]: int(np.searchsorted(ends, place, side="right")) for place, k in enumerate(order)}
    chosen = [[i for i, who in zip(known, patient, strict=True) if part[who] == p] for p in range(3)]
    train, validation, test = (LazySamples(index, samples.__getitem__) for index in chosen)
    unnamed = sum(p.startswith("\0") for p in patients)
    who = {0: "patients", len(patients): "images (no patients are named)"}.get(unnamed, "patients and unnamed images")
    counts = [sum(p == k for p in part.values()) for k in range(3)]
    left = f"; {len(samples) - len(known)} images without known boxes are left out" if len(known) < len(samples) else ""
    note = (
        f"split of {len(patients)} {who} by seed 0: {counts[0]} train, {counts[1]} validation, {counts[2]} test{left}"
    )
    return Splits(folder.resolve().name, train, validation, test, note)


def command(dataset: str, options: Mapping[str, str | None], specs: Sequence[str]) -> str:
    """The command that makes these rows again."""
    words = ["medloc", "bench", "--dataset", source(dataset), *option_words(options)]
    return shlex.join([*words, *(word for spec in specs for word in ("--localizer", spec))])


def source(dataset: str) -> str:
    """A data set in a command that others read: of a folder its name alone, as paths say whose machine it was."""
    return dataset if is_named(dataset) else Path(dataset).resolve().name


def option_words(options: Mapping[str, str | None]) -> list[str]:
    """Options in a command; those that are None are left out, and one that is "" is a switch.

    >>> option_words({"seed": "3", "on-bad": None, "with-validation": ""})
    ['--seed', '3', '--with-validation']
    """
    given = {f"--{name}": value for name, value in options.items() if value is not None}
    return [word for name, value in given.items() for word in ((name, value) if value else (name,))]
