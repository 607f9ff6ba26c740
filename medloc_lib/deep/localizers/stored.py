"""Fitted localizers as files, and by name those that come with the kit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import medloc_lib
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers.base import NetLocalizer
from medloc_lib.deep.localizers.classifier import ImageClassifier
from medloc_lib.deep.localizers.detector import HeatmapLocalizer
from medloc_lib.deep.localizers.onebox import OneBoxLocalizer
from medloc_lib.deep.localizers.organ import OrganLocalizer
from medloc_lib.deep.localizers.segmenter import UnetLocalizer
from medloc_lib.deep.nets import count
from medloc_lib.deep.storage import read_tensors, restore, write_tensors
from medloc_lib.errors import InputError, MedlocError, ReadError

KINDS: dict[str, type[NetLocalizer]] = {
    kind.__name__: kind for kind in (HeatmapLocalizer, ImageClassifier, OneBoxLocalizer, OrganLocalizer, UnetLocalizer)
}
"""What a file may name; nothing else is made from it."""

FILE = "model.safetensors"


def models_folder() -> Path:
    """The folder ``models``: in an installed package inside it, in a checkout beside it."""
    package = Path(medloc_lib.__file__).resolve().parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def models() -> tuple[str, ...]:
    """Names of the models that come with the kit."""
    return tuple(sorted(path.parent.name for path in models_folder().glob(f"*/{FILE}")))


def save_model(localizer: NetLocalizer, path: Path, *, about: Mapping[str, Any] | None = None) -> None:
    """Write a fitted localizer as one file of safetensors: weights in half precision, the rest as JSON in its header.

    Parameters
    ----------
    about : what else shall stand there, as far as JSON can hold it.

    Raises
    ------
    InputError
        If it is not fitted.
    ReadError
        If the file cannot be written.
    """
    if not hasattr(localizer, "net_"):
        raise InputError(f"this {type(localizer).__name__} is not fitted: call fit(samples) first")
    trained = {name for name, _ in localizer.net_.named_parameters()}
    weights = {name: w.half() if name in trained else w for name, w in localizer.net_.state_dict().items()}
    facts = {
        "localizer": type(localizer).__name__,
        "parameters": {name: _plain(value) for name, value in localizer.get_params(deep=False).items()},
        "channels": list(localizer.channels_),
        "classes": list(localizer.classes_),
        "ndim": localizer.ndim_,
        "learned": {name: getattr(localizer, name) for name in localizer.learned},
        "about": dict(about or {}),
    }
    write_tensors(path, weights, facts)


def load_model(model: str | Path) -> NetLocalizer:
    """A fitted localizer: one of `models()` by name, or from a file or folder that `save_model` wrote. Runs no code of
    the file's.

    Raises
    ------
    ReadError
        If there is no such model, or the file is damaged or something else.
    """
    place = models_folder() / model / FILE if model in models() else Path(model)
    place = place / FILE if place.is_dir() else place
    if not place.exists():
        raise ReadError(place, f"there is no such model; there is: {', '.join(models())}, or a file of your own")
    weights, facts = read_tensors(place)
    try:
        localizer = KINDS[facts["localizer"]](**{k: _own(k, v) for k, v in facts["parameters"].items()})
        localizer.channels_, localizer.classes_ = tuple(facts["channels"]), tuple(facts["classes"])
        localizer.ndim_ = int(facts["ndim"])
        for name in localizer.learned:
            setattr(localizer, name, facts["learned"][name])
        net = localizer._build().eval()
    except (KeyError, TypeError, AttributeError, MedlocError) as error:
        raise ReadError(place, f"is no model that this version knows ({error}); train it anew") from error
    restore(net.state_dict(), weights, place)
    localizer.net_, localizer.history_, localizer.n_parameters_ = net, None, count(net)
    return localizer


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if isinstance(value, Augment) else value


def _own(name: str, value: Any) -> Any:
    if name in ("device", "precision"):
        return "auto"
    if name == "augment" and value is not None:
        given: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        return Augment(**given)
    return tuple(value) if isinstance(value, list) else value
