"""Files of weights: whole or not at all, and never code."""

from __future__ import annotations

import pickle
import stat

import pytest
import torch

from medloc_lib.deep import storage
from medloc_lib.deep.storage import read_tensors, restore, write_tensors
from medloc_lib.errors import ReadError

WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7), "c": torch.randn(2, 3, 4, 4)}


def test_there_and_back_again(tmp_path):
    path = tmp_path / "new" / "w.safetensors"
    laid = WEIGHTS | {"c": WEIGHTS["c"].contiguous(memory_format=torch.channels_last)}
    write_tensors(path, laid, {"epochs": [1, None, "ü"]})
    tensors, facts = read_tensors(path)
    assert facts == {"epochs": [1, None, "ü"]}
    assert all(torch.equal(tensors[name], WEIGHTS[name]) for name in WEIGHTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    write_tensors(path, WEIGHTS, {})
    before = path.read_bytes()

    def full(tensors, draft, metadata):
        draft.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(ReadError, match=r"cannot be written: .*No space"):
        write_tensors(path, WEIGHTS, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


class Attack:
    def __reduce__(self):
        return (pytest.fail, ("code of a file was run",))


@pytest.mark.parametrize("kind", ["pickle", "torch", "empty", "half", "other"])
def test_what_is_no_such_file_is_refused_and_not_run(tmp_path, kind):
    path = tmp_path / "w.safetensors"
    write_tensors(path, WEIGHTS, {})
    whole = path.read_bytes()
    if kind == "torch":
        torch.save(Attack(), path)
    elif kind == "other":
        storage.save_file(WEIGHTS, path, metadata={"format": "pt"})
    else:
        path.write_bytes({"pickle": pickle.dumps(Attack()), "empty": b"", "half": whole[: len(whole) // 2]}[kind])
    with pytest.raises(ReadError, match="no file of weights that MedLoc wrote"):
        read_tensors(path)


def test_no_file(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read_tensors(tmp_path / "w.safetensors")


def test_weights_of_another_network_are_refused(tmp_path):
    into = {"a": torch.zeros(3, 2), "b": torch.tensor(0)}
    with pytest.raises(ReadError, match="another network: a and 1 more do not fit"):
        restore(into, WEIGHTS, tmp_path)
    assert (into["a"] == 0).all()


def test_restored_weights_keep_their_layout(tmp_path):
    into = {"c": torch.zeros(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)}
    restore(into, {"c": WEIGHTS["c"]}, tmp_path)
    assert torch.equal(into["c"], WEIGHTS["c"])
    assert into["c"].is_contiguous(memory_format=torch.channels_last)
