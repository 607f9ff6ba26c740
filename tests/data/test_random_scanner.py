"""Scanners from wide ranges: what is randomized, and that the sites lie inside."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from medloc_lib.data.lesions import machine, random_scanner, simulate

CONTRAST = {"tesla", "t1", "t2", "flair"}
BASE = machine("train", "A", 0)


def changed(made):
    return {f.name for f in dataclasses.fields(made) if getattr(made, f.name) != getattr(BASE, f.name)} - {"name"}


def draws(n=300, **options):
    return [random_scanner(np.random.default_rng(k), BASE, **options) for k in range(n)]


def test_only_what_is_asked_for_is_random():
    some = draws(20, acquisition=False)
    assert set().union(*map(changed, some)) == CONTRAST
    hardware = set().union(*map(changed, draws(20, contrast=False)))
    assert hardware == {"thickness", "matrix", "noise", "bias", "shine", "ghost", "pet_blur", "pet_counts"}
    assert changed(draws(1, contrast=False, acquisition=False)[0]) == set()


def test_the_parts_are_those_of_the_whole():
    both, contrast, rest = draws(1)[0], draws(1, acquisition=False)[0], draws(1, contrast=False)[0]
    assert (both.t1, both.flair) == (contrast.t1, contrast.flair)
    assert (both.noise, both.thickness) == (rest.noise, rest.thickness)


@pytest.mark.parametrize("name", ["thickness", "bias", "pet_blur", "pet_counts"])
def test_the_machines_of_both_sites_lie_in_the_ranges(name):
    values = [getattr(one, name) for one in draws()]
    for site in "AB":
        for k in range(4):
            assert min(values) <= getattr(machine("test", site, k), name) <= max(values)


def test_the_same_head_looks_different():
    usual = simulate(3, kind="plaque", scanner=BASE)
    other = simulate(3, kind="plaque", scanner=draws(1)[0])
    np.testing.assert_array_equal(usual.boxes.shape[1], other.boxes.shape[1])
    ratio = [s["T1"][s.layers["tissue"] == 2].mean() / s["T1"][s.layers["tissue"] == 3].mean() for s in (usual, other)]
    assert abs(ratio[0] - ratio[1]) > 0.02
