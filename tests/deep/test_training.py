"""The training engine: what it learns, what it keeps, and that nothing which happens to it changes the result."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from medloc_lib.deep import resuming
from medloc_lib.deep.settings import Progress, Settings, TrainingError, fabric_for
from medloc_lib.deep.storage import read_tensors
from medloc_lib.deep.tensors import Data
from medloc_lib.deep.training import train
from medloc_lib.errors import InputError, ReadError
from tests.deep import runs

ROOT = Path(__file__).resolve().parents[2]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def program(folder, moment=""):
    command = [sys.executable, "-m", "tests.deep.runs", str(folder), moment]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed():
    return runs.run()[0]


# Killed and resumed


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("moment", ["step:1", "step:7", "step:10", "step:25", "writing:1", "writing:3"])
def test_killed_at_any_moment_and_resumed_the_weights_are_the_same_bit_for_bit(tmp_path, undisturbed, moment):
    killed = program(tmp_path, moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "final.safetensors").exists()
    resumed = program(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    final, _ = read_tensors(tmp_path / "final.safetensors")
    assert same(final, undisturbed)


def test_a_run_goes_on_where_it_was_and_not_from_its_beginning(tmp_path):
    steps = []
    runs.run(tmp_path, watch=lambda progress: progress.step == 12)  # stopped in its third epoch
    runs.run(tmp_path, watch=lambda progress: steps.append(progress.step))
    assert min(steps) == 11
    assert max(steps) == 25


def test_a_run_that_is_over_is_not_run_again(tmp_path):
    first, history = runs.run(tmp_path)
    again, told = runs.run(tmp_path, watch=lambda progress: pytest.fail("it trains"))
    assert same(first, again)
    assert told == history


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    runs.run(tmp_path)
    with pytest.raises(InputError, match=r"another run: its rate was 0\.01, now it is 0\.02"):
        runs.run(tmp_path, settings=Settings(epochs=5, batch=4, rate=0.02, weight_decay=0.1, ema=0.9, device="cpu"))


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / resuming.NAME).write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(ReadError, match="no file of weights"):
        runs.run(tmp_path)


# What is learned


def test_it_is_the_plain_loop():
    """The same steps as PyTorch's own loop with Adam, on the same batches."""
    told, model, plain = runs.data(), runs.net(), runs.net()
    seen = []

    def loss(net, batch):
        seen.append(batch)
        return runs.loss(net, batch)

    train(model, told, loss, settings=Settings(epochs=2, batch=5, rate=0.01, schedule="constant", device="cpu"))
    assert len(seen) == 8
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01)
    plain.to(memory_format=torch.channels_last).train()  # dropout draws in the order in which the numbers lie
    for step, batch in enumerate(seen):
        torch.manual_seed(_dropout_seed(step))
        optimizer.zero_grad()
        sum(runs.loss(plain, batch).values()).backward()
        optimizer.step()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def _dropout_seed(step):
    import hashlib

    return int.from_bytes(hashlib.sha256(f"0/dropout/{step}/0".encode()).digest()[:8], "big") >> 1


def test_every_item_is_seen_once_an_epoch_and_in_another_order_each():
    seen = []

    def loss(net, batch):
        seen.extend(batch["number"].tolist())
        return runs.loss(net, batch)

    told = runs.data()
    told = Data({**told.tensors, "number": torch.arange(20)}, told.ids)
    train(runs.net(), told, loss, settings=Settings(epochs=2, batch=4, device="cpu"))
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(20))
    assert seen[:20] != seen[20:]


def test_seeds_decide_and_the_callers_random_numbers_are_left_alone(undisturbed):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again = runs.run()[0]
    assert torch.equal(torch.rand(3), expected)
    assert same(again, undisturbed)
    other = runs.run(settings=Settings(epochs=5, batch=4, rate=0.01, ema=0.9, weight_decay=0.1, seed=1, device="cpu"))[
        0
    ]
    assert not same(other, undisturbed)


def test_the_average_is_that_of_pytorch():
    """Each step moves it by the same share as torch.optim.swa_utils does, on the weights that each step had."""
    model = runs.net()
    expected = AveragedModel(model, multi_avg_fn=None, avg_fn=None, use_buffers=True)
    steps = [0]

    def rule(average, now, _):
        keep = min(0.9, (1 + steps[0]) / (10 + steps[0]))
        return average * keep + now * (1 - keep) if average.is_floating_point() else now

    expected.avg_fn = rule
    expected.n_averaged.fill_(1)

    def follow(progress):
        if progress.step > steps[0]:
            steps[0] = progress.step
            expected.update_parameters(model)

    settings = Settings(epochs=3, batch=4, rate=0.01, ema=0.9, device="cpu")
    train(model, runs.data(), runs.loss, settings=settings, watch=follow)
    for ours, theirs in zip(model.parameters(), expected.module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("schedule", "rates"), [("constant", [1, 1, 1]), ("cosine", [0.1, 1, 0.5])])
def test_learning_rates(schedule, rates):
    settings = Settings(rate=1.0, schedule=schedule)
    assert [settings.rate_at(step, 100) for step in (0, 9, 55)] == pytest.approx(rates)
    assert settings.rate_at(99, 100) == pytest.approx(1 if schedule == "constant" else 0, abs=1e-3)


# What is kept


def scores(*values):
    told = iter(values)
    return lambda model: next(told)


def test_the_best_weights_are_kept():
    states = []

    def validate(model):
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return (0.1, 0.9, math.nan, 0.9, 0.2)[len(states) - 1]

    state, history = runs.run(validate=validate)
    assert history.best.epoch == 2
    assert [epoch.score for epoch in history.epochs] == [0.1, 0.9, None, 0.9, 0.2]
    assert same(state, states[1])


def test_while_nothing_is_found_the_latest_weights_are_kept():
    _, history = runs.run(validate=scores(0.0, 0.0, 0.0, 0.0, 0.0))
    assert history.best is history.epochs[-1]


def test_without_a_score_the_last_are_kept():
    _, history = runs.run(validate=None)
    assert history.best is history.epochs[-1]
    assert not history.stopped


def test_it_ends_when_the_score_stays():
    settings = Settings(epochs=9, batch=4, patience=2, device="cpu")
    _, history = runs.run(validate=scores(0.5, 0.6, 0.6, 0.1), settings=settings)
    assert len(history.epochs) == 4
    assert history.stopped
    assert history.best.epoch == 2


def test_validation_may_be_rarer_and_the_last_epoch_always_has_one():
    settings = Settings(epochs=5, batch=4, validate_every=2, device="cpu")
    _, history = runs.run(validate=scores(0.1, 0.2, 0.3), settings=settings)
    assert [epoch.score for epoch in history.epochs] == [None, 0.1, None, 0.2, 0.3]


def test_stopped_in_the_middle_of_an_epoch_the_best_are_kept():
    _, history = runs.run(validate=scores(0.4, 0.9), watch=lambda progress: progress.step >= 8)
    assert history.stopped
    assert [epoch.score for epoch in history.epochs] == [0.4, 0.9]


def test_an_interrupt_stops_a_training_that_is_watched_and_is_raised_in_one_that_is_not():
    def interrupt(progress):
        if progress.step == 3 and not progress.history:
            raise KeyboardInterrupt

    _, history = runs.run(watch=interrupt)
    assert history.stopped
    assert len(history.epochs) == 1

    def loss(net, batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(runs.net(), runs.data(), loss, settings=runs.SETTINGS)


def test_who_watches_is_told_of_every_step_and_epoch():
    told: list[Progress] = []
    _, history = runs.run(watch=told.append)
    assert [p.step for p in told if not told.index(p) or p.step != told[told.index(p) - 1].step] == list(range(1, 26))
    assert {p.steps for p in told} == {25}
    assert told[-1].history == history.epochs
    assert all(math.isfinite(p.loss) for p in told)


# What goes wrong


def test_a_loss_that_is_not_finite_names_the_samples():
    def loss(net, batch):
        return {"bad": net(batch["images"]).mean() / (0 if "s7" in ids(batch) else 1)}

    def ids(batch):
        return [f"s{i}" for i in batch["number"].tolist()]

    told = runs.data()
    told = Data({**told.tensors, "number": torch.arange(20)}, told.ids)
    with pytest.raises(
        TrainingError, match=r"not finite \(bad -?inf\) in epoch 1, in the batch of samples .*s7\b"
    ) as said:
        train(runs.net(), told, loss, settings=Settings(epochs=1, batch=4, device="cpu"))
    assert str(said.value).split("samples ")[1].split(".")[0].count(",") == 3


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_want_of_memory_says_what_to_lower(error):
    def loss(net, batch):
        raise error

    with pytest.raises(TrainingError, match=r"memory ran out with a batch of 4: lower batch \(say to 2\)"):
        train(runs.net(), runs.data(), loss, settings=runs.SETTINGS)


def test_other_errors_come_as_they_are():
    def loss(net, batch):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match=r"^mine$"):
        train(runs.net(), runs.data(), loss, settings=runs.SETTINGS)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 0}, {"rate": 0}, {"ema": 1.0}, {"weight_decay": -1}, {"devices": 0}]
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(InputError, match="must be"):
        Settings(**wrong)


@pytest.mark.parametrize(("instructions", "taken"), [(True, "bf16-mixed"), (False, "32-true")])
def test_fast_is_what_the_processor_computes_with(monkeypatch, instructions, taken):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert fabric_for(Settings(device="cpu", precision="fast"))._precision.precision == taken
    assert fabric_for(Settings(device="cpu"))._precision.precision == "32-true"


def test_a_device_that_is_not_there():
    with pytest.raises(InputError, match="no device 'tpu' here; there is cpu"):
        fabric_for(Settings(device="tpu"))


def test_data_must_fit_together():
    with pytest.raises(InputError, match="one first axis"):
        Data({"a": torch.zeros(3), "b": torch.zeros(2)}, ("x", "y", "z"))


# Several devices, other precision


def test_two_processes_train_one_network(tmp_path):
    """Distributed over two CPU processes, each with half of a batch: the same weights as one process with all of it."""
    for devices in ("1", "2"):
        command = [sys.executable, "-m", "tests.deep.several", devices, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    alone, first, second = (read_tensors(tmp_path / f"{name}.safetensors")[0] for name in ("1-0", "2-0", "2-1"))
    for name in alone:
        torch.testing.assert_close(first[name], alone[name], rtol=1e-4, atol=1e-5)
        assert torch.equal(first[name], second[name])


def test_a_batch_must_be_shared_evenly():
    with pytest.raises(InputError, match="a batch of 3 cannot be shared"):
        train(nn.Linear(1, 1), runs.data(), runs.loss, settings=Settings(batch=3, devices=2, device="cpu"))


def test_mixed_precision_reaches_the_network():
    kinds = []

    def loss(net, batch):
        hooked = next(m for m in net.modules() if isinstance(m, nn.Conv2d))
        hooked.register_forward_hook(lambda module, given, made: kinds.append(made.dtype))
        return runs.loss(net, batch)

    settings = Settings(epochs=1, batch=10, precision="bf16-mixed", device="cpu")
    train(runs.net(), runs.data(), loss, settings=settings)
    assert set(kinds) == {torch.bfloat16}
