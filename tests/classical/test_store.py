"""Described pictures of a data set in the cache: computed once, found again by their pixels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from medloc_lib import cli
from medloc_lib.classical import SupervisedLocalizer, describe, features
from medloc_lib.classical.features import store, tables
from medloc_lib.errors import DatasetError
from tests.classical import scenes


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """Six heads as the data set "heads", with a cache folder of their own."""
    made = scenes.many(6)
    monkeypatch.setenv("MEDLOC_CACHE", str(tmp_path))
    about = SimpleNamespace(default_split="train", splits={"train": 6})
    monkeypatch.setattr(store.registry, "load", lambda name, split=None: made)
    monkeypatch.setattr(store.registry, "info", lambda name: about)
    return made


def test_what_is_kept_is_what_describe_gives_and_is_computed_once(samples, monkeypatch):
    found = features.load("heads", n=10)
    for item, sample in zip(found, samples, strict=True):
        fresh = describe(sample, n=10)
        np.testing.assert_array_equal(item.boxes, fresh.boxes)
        np.testing.assert_allclose(item.values, fresh.values, rtol=1e-4, atol=1e-4)  # one thread there, many here
        assert item.columns == fresh.columns and item.sample.id == sample.id
        assert item.sample.image.strides[-1] == 0  # no pixels are kept
    monkeypatch.setattr(store, "describe", None)
    again = features.load("heads", n=10)
    np.testing.assert_array_equal(again[3].values, found[3].values)


def test_a_picture_is_known_by_its_pixels_alone(samples, monkeypatch):
    found = features.load("heads", n=10)
    known = features.kept(n=10)
    assert len(known) == 6 and features.kept(n=11) == {}
    blind = [s.only(("image",)) for s in samples]
    monkeypatch.setattr(tables, "describe", None)
    taken = tables.described(blind, n=10, kept=known)
    for item, same in zip(taken, found, strict=True):
        np.testing.assert_array_equal(item.values, same.values)
        assert item.columns == same.columns and item.sample.boxes is None
    brighter = samples[0].replace(image=samples[0].image + 1)
    assert tables.digest(brighter) not in known


def test_a_localizer_that_may_read_the_cache_finds_the_same(samples, monkeypatch):
    one = SupervisedLocalizer(candidates=10, mining=1).fit(samples).predict(samples)
    features.load("heads", n=10)
    monkeypatch.setattr(tables, "describe", None)
    other = SupervisedLocalizer(candidates=10, mining=1, cached=True).fit(samples).predict(samples)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-3)
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-3)  # one thread there, many here


def test_other_code_has_another_file_and_the_old_one_goes(samples, tmp_path, monkeypatch):
    features.load("heads", n=10)
    (old,) = (tmp_path / "features").glob("*.npz")
    monkeypatch.setattr(store, "_code", lambda: "another")
    features.load("heads", n=10)
    (new,) = (tmp_path / "features").glob("*.npz")
    assert new != old


def test_damage_and_a_locked_folder_are_said(samples, tmp_path, monkeypatch):
    features.load("heads", n=10)
    (file,) = (tmp_path / "features").glob("*.npz")
    file.write_bytes(b"nonsense")
    with pytest.raises(DatasetError, match="is damaged"):
        features.load("heads", n=10)
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("MEDLOC_CACHE", str(blocked))
    with pytest.raises(DatasetError, match="MEDLOC_CACHE to a folder that can be written"):
        features.load("heads", n=10)


def test_the_command_says_what_it_made(samples, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["features", "heads", "--candidates", "10"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == "heads train: 6 pictures, 60 candidates, 281 features\n"
