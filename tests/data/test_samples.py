"""The data sets that come inside packages, and that they need no network."""

from __future__ import annotations

import pickle
import socket

import numpy as np
import pytest
from nilearn.datasets import load_mni152_gm_template, load_mni152_template
from nilearn.image import coord_transform
from skimage.data import retina

from medloc_lib.data.samples import BROKEN, dicom_samples, fundus, mni152, sample_files
from medloc_lib.errors import InputError, ReadError
from medloc_lib.geometry import index_to_mm


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a built-in data set asked for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_dicom_samples_are_the_images_among_the_files():
    samples = dicom_samples()
    names = [path.name for path in samples.records]
    assert len(names) == len(set(names)) > 150
    assert {"CT_small.dcm", "MR_small.dcm", "693_J2KI.dcm", "US1_UNCI.dcm", "RG1_UNCI.dcm", "17106"} <= set(names)
    assert not {"rtplan.dcm", "DICOMDIR", "README.txt", *BROKEN} & set(names)
    assert {path.name for path in sample_files()} >= BROKEN
    for index, path in enumerate(samples.records):
        if path.stat().st_size < 40_000:
            sample = samples[index]
            assert sample.id == path.name
            assert sample.boxes is None
            assert isinstance(sample.meta["modality"], str)


def test_broken_samples_are_broken():
    from medloc_lib.data.dicom import read

    for path in sample_files():
        if path.name in BROKEN:
            with pytest.raises(ReadError):
                read(path)


def test_dicom_samples_by_name():
    samples = dicom_samples(names=["CT_small.dcm", "MR_small.dcm"], rescale=True)
    assert [sample.id for sample in samples] == ["CT_small.dcm", "MR_small.dcm"]
    assert samples[0]["CT"].min() == -896
    assert pickle.loads(pickle.dumps(samples))[1].id == "MR_small.dcm"
    with pytest.raises(InputError, match="dicom_samples has no image 'none'"):
        dicom_samples(names=["none"])


@pytest.mark.parametrize("loader", [dicom_samples, mni152, fundus])
def test_there_is_one_split(loader):
    with pytest.raises(InputError, match="has one split, 'all'; got 'train'"):
        loader(split="train")


@pytest.mark.parametrize("resolution", [1, 3])
def test_mni152_against_nilearn(resolution):
    (sample,) = mni152(resolution=resolution)
    image, grey = (load(resolution=resolution) for load in (load_mni152_template, load_mni152_gm_template))
    assert sample.spacing == (resolution,) * 3
    values, truth = np.asarray(image.dataobj), np.asarray(grey.dataobj)
    rng = np.random.default_rng(0)
    indices = np.stack([rng.integers(n, size=200) for n in sample.shape], axis=1)
    for index, (x, y, z) in zip(indices, index_to_mm(indices, sample.affine), strict=True):
        there = tuple(round(c) for c in coord_transform(-x, -y, z, np.linalg.inv(image.affine)))  # LPS to RAS
        assert sample["T1"][tuple(index)] == pytest.approx(values[there], abs=1e-6)
        assert sample.layers["grey"][tuple(index)] == pytest.approx(np.clip(truth[there], 0, 1), abs=1e-6)
    first, last = index_to_mm([[0, 0, 0], np.array(sample.shape) - 1], sample.affine)
    assert (first < last).all()  # right to left, anterior to posterior, inferior to superior


def test_mni152_tissues():
    (sample,) = mni152()
    assert sample.classes == ("grey matter", "white matter", "other")
    assert set(np.unique(sample.mask)) == {0, 1, 2, 3}
    shares = [sample.layers["grey"], sample.layers["white"]]
    shares.append(1 - shares[0] - shares[1])
    inside = sample.mask > 0
    for value, share in enumerate(shares, start=1):
        assert (share[sample.mask == value] >= np.max(shares, axis=0)[sample.mask == value] - 1e-6).all()
    litres = inside.sum() / 1e6
    assert 1.5 < litres < 2.2  # the template is of adults, and larger than a mean brain
    means = [sample["T1"][sample.mask == value].mean() for value in (1, 2, 3)]
    assert means[1] > means[0] > means[2]  # T1: white matter bright, fluid dark
    with pytest.raises(InputError, match="resolution must be a whole number of mm from 1 to 8"):
        mni152(resolution=0)


def test_fundus():
    (sample,) = fundus()
    assert sample.channels == ("R", "G", "B")
    np.testing.assert_array_equal(np.moveaxis(sample.image, 0, -1), retina())
    assert sample["R"].mean() > sample["G"].mean() > sample["B"].mean()
