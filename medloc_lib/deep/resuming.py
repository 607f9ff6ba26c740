"""What a run must remember to go on after it was killed, in one file that is replaced in one step."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medloc_lib.deep.settings import Epoch, Settings
from medloc_lib.deep.storage import read_tensors, restore, write_tensors
from medloc_lib.errors import InputError

NAME = "checkpoint.safetensors"

FREE = ("device", "devices", "precision", "compile", "channels_last", "on_device")
"""Settings that may differ where a run goes on."""


@dataclass
class State:
    """Where a run is after an epoch.

    Parameters
    ----------
    step : steps done.
    history : epochs done.
    best : the one whose weights are kept, or None.
    kept : its weights.
    """

    step: int
    history: list[Epoch]
    best: Epoch | None
    kept: dict[str, Tensor]


def identity(settings: Settings, ids: tuple[str, ...]) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    told = {name: value for name, value in dataclasses.asdict(settings).items() if name not in FREE}
    return {**told, "data": f"{len(ids)} items, {hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:16]}"}


def save(
    folder: Path,
    state: State,
    nets: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    *,
    run: Mapping[str, Any],
    scaler: Mapping[str, Any],
) -> None:
    """Write the checkpoint of a run into its folder.

    Parameters
    ----------
    nets : by name; those that go on changing.
    run : its `identity`.
    scaler : state of the mixed precision.

    Raises
    ------
    ReadError
        If the file cannot be written.
    """
    tensors = {f"{head}.{name}": w for head, net in nets.items() for name, w in net.state_dict().items()}
    tensors |= {f"best.{name}": weight for name, weight in state.kept.items()}
    for i, known in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": torch.as_tensor(value) for name, value in known.items()}
    facts = {
        "run": dict(run),
        "step": state.step,
        "history": [dataclasses.asdict(epoch) for epoch in state.history],
        "best": None if state.best is None else state.best.epoch,
        "scaler": dict(scaler),
    }
    write_tensors(folder / NAME, tensors, facts)


def resume(
    folder: Path,
    nets: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    *,
    run: Mapping[str, Any],
) -> tuple[State, dict[str, Any]] | None:
    """Put networks and optimizer back to where the checkpoint in the folder has them; None if there is none.

    Returns
    -------
    The state, and that of the mixed precision.

    Raises
    ------
    InputError
        If the checkpoint is of another run.
    ReadError
        If it is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    tensors, facts = read_tensors(path)
    for name, value in run.items():
        if facts["run"].get(name) != value:
            raise InputError(
                f"{path} is of another run: its {name} was {facts['run'].get(name)}, now it is {value}; give another "
                "folder, or delete the file to begin anew"
            )

    def part(head: str) -> dict[str, Tensor]:
        return {name[len(head) + 1 :]: t for name, t in tensors.items() if name.startswith(f"{head}.")}

    for head, net in nets.items():
        restore(net.state_dict(), part(head), path)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    known: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimizer").items():
        i, key = name.split(".", 1)
        into = torch.empty_like(weights[int(i)], requires_grad=False) if value.ndim else torch.empty_like(value)
        known.setdefault(int(i), {})[key] = into.copy_(value)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": known})
    history = [Epoch(**epoch) for epoch in facts["history"]]
    best = None if facts["best"] is None else history[facts["best"] - 1]
    kept = {name: t.to(weights[0].device) for name, t in part("best").items()}
    return State(facts["step"], history, best, kept), facts["scaler"]
