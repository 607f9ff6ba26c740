"""Tensors and facts in one file: safetensors, whose header holds JSON. Loading runs no code, whoever wrote the file."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from medloc_lib.errors import ReadError

KEY = "medloc"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors, and facts that JSON can hold, at once: whoever reads the file, even after a crash or a loss of
    power, finds the old one or the new one.

    Raises
    ------
    ReadError
        If the file cannot be written there.
    """
    header = {KEY: json.dumps(facts, allow_nan=False)}
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        draft = Path(name)
        try:
            save_file(whole, draft, metadata=header)
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
    except (OSError, SafetensorError) as error:
        raise ReadError(path, f"cannot be written: {error}") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, on the CPU, and facts, as `write_tensors` wrote them.

    Raises
    ------
    ReadError
        If there is no such file, it is damaged, or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})[KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - it is no dict
    except FileNotFoundError as error:
        raise ReadError(path, "there is no such file") from error
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ReadError(path, f"is no file of weights that MedLoc wrote ({error}); make it anew") from error


def restore(into: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors by name into those that are there, keeping their type, device and layout.

    Raises
    ------
    ReadError
        If names or shapes differ.
    """
    wrong = sorted(
        name
        for name in into.keys() | tensors.keys()
        if name not in into or name not in tensors or into[name].shape != tensors[name].shape
    )
    if wrong:
        raise ReadError(path, f"holds the weights of another network: {wrong[0]} and {len(wrong) - 1} more do not fit")
    with torch.no_grad():
        for name, tensor in into.items():
            tensor.copy_(tensors[name])
