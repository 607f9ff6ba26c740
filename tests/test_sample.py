"""Sample and Detections: every check can fail, and nothing that a record shows can run in a notebook."""

import base64
import copy
import dataclasses
import io
import os
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample

IMAGE = np.arange(24.0).reshape(1, 4, 6)
VOLUME = np.zeros((2, 3, 4, 5), dtype=np.int16)
BOX = [[0, 1, 2, 3]]
TRUTH = ("boxes", "ignore", "labels", "layers", "mask", "outcome")


def with_one(array, value):
    changed = np.array(array, dtype=float)
    changed.flat[3] = value
    return changed


# ---- what is refused


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"image": with_one(IMAGE, np.nan)}, "1 of 24 values are NaN or infinite"),
        ({"image": with_one(IMAGE, np.inf)}, "finite"),
        ({"image": np.array([[[np.inf, -np.inf]]])}, "2 of 2 values"),
        ({"image": IMAGE[0]}, r"image\[None\]"),
        ({"image": np.zeros((1, 1, 1, 1, 1))}, "got shape"),
        ({"image": np.zeros((0, 4, 6))}, "none of them 0"),
        ({"image": np.zeros((1, 0, 6))}, "none of them 0"),
        ({"image": IMAGE + 1j}, "must be numbers"),
        ({"image": [["a"]]}, "must be numbers"),
        ({"image": [[1], [1, 2]]}, "array of numbers"),
        ({"channels": ("T1", "T2")}, "1 channels need"),
        ({"image": VOLUME, "channels": ("T1", "T1")}, "different names"),
        ({"channels": "x"}, "sequence of names"),
        ({"classes": "lesion"}, r"such as \('lesion',\)"),
        ({"spacing": (1,)}, "spacing must be 2"),
        ({"spacing": (1, 1, 1)}, "spacing must be 2"),
        ({"spacing": 2.0}, "spacing must be 2"),
        ({"spacing": (1, 0)}, "positive"),
        ({"spacing": (1, -1)}, "positive"),
        ({"spacing": (1, np.nan)}, "spacing must be finite"),
        ({"spacing": ("a", "b")}, "spacing must be numbers"),
        ({"boxes": [[0, 0, np.nan, 1]]}, "NaN"),
        ({"boxes": [[0, 0, 1]]}, "shape"),
        ({"boxes": [[0, 0, 0, 1, 1, 1]]}, r"\(n, 4\)"),
        ({"boxes": [[2, 2, 1, 1]]}, "stop after they start"),
        ({"boxes": [[0, 0, 1, 1], [0, 0, 5, 3]]}, "box 1.*outside"),
        ({"boxes": [[-1, 0, 1, 1]]}, "outside"),
        ({"boxes": [[0, 0, 1, 7]]}, "outside"),
        ({"boxes": BOX, "labels": [0, 1]}, "as many labels"),
        ({"boxes": BOX, "labels": [[0]]}, "as many labels"),
        ({"boxes": BOX, "labels": []}, "as many labels"),
        ({"boxes": BOX, "labels": [0.0]}, "labels must be integers"),
        ({"boxes": BOX, "labels": [-1]}, "labels index classes"),
        ({"boxes": BOX, "labels": [1], "classes": ("lesion",)}, "labels index classes"),
        ({"boxes": BOX, "ignore": [True, False]}, "as many labels and ignores"),
        ({"boxes": BOX, "ignore": [1]}, "ignore bool"),
        ({"labels": [0]}, "without boxes"),
        ({"ignore": [False]}, "without boxes"),
        ({"boxes": None, "labels": []}, "without boxes"),
        ({"mask": np.zeros((4, 5), dtype=int)}, "mask must have"),
        ({"mask": np.zeros((1, 4, 6), dtype=int)}, "mask must have"),
        ({"mask": np.full((4, 6), 0.5)}, "whole numbers"),
        ({"mask": np.full((4, 6), np.nan)}, "whole numbers"),
        ({"layers": {"tissue": np.zeros((4, 5))}}, "layer 'tissue' must end"),
        ({"layers": {"tissue": np.float64(3)}}, "layer 'tissue' must end"),
        ({"layers": {"clean": np.full((4, 6), np.nan)}}, "layer 'clean' must be finite"),
        ({"affine": np.eye(3)}, "affine must be 4×4"),
        ({"affine": with_one(np.eye(4), np.nan)}, "affine must be finite"),
    ],
)
def test_a_sample_refuses(fields, text):
    with pytest.raises(InputError, match=text):
        Sample(**{"image": IMAGE, **fields})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"boxes": [[0, 0, np.inf, 1]]}, "finite"),
        ({"boxes": [[0, 0, 1]]}, "shape"),
        ({"boxes": [[3, 0, 1, 1]]}, "stop after they start"),
        ({"scores": [0.1, 0.2]}, "as many scores"),
        ({"scores": [np.nan]}, "scores must be finite"),
        ({"scores": ["high"]}, "scores must be numbers"),
        ({"labels": [0, 1]}, "as many scores and labels"),
        ({"labels": [-1]}, "integers from 0"),
        ({"labels": [0.5]}, "integers from 0"),
        ({"masks": np.zeros((2, 4, 6), dtype=bool)}, "as many masks"),
        ({"masks": np.zeros((4, 6), dtype=bool)}, "as many masks"),
        ({"masks": np.array(True)}, "as many masks"),
        ({"heatmap": np.full((4, 6), np.nan)}, "heatmap must be finite"),
        ({"heatmap": np.zeros(6)}, "heatmap must be"),
    ],
)
def test_detections_refuse(fields, text):
    with pytest.raises(InputError, match=text):
        Detections(**{"boxes": BOX, **fields})


# ---- what is accepted


def test_nobody_looked_is_not_found_nothing():
    unknown, empty = Sample(IMAGE), Sample(IMAGE, boxes=[])
    assert unknown.boxes is None and unknown.labels is None and unknown.ignore is None
    assert empty.boxes.shape == (0, 4) and empty.labels.shape == (0,) and empty.ignore.shape == (0,)
    assert empty.labels.dtype == np.int64 and empty.ignore.dtype == bool
    assert "unknown" in repr(unknown) and "looked, found nothing" in repr(empty)
    assert Sample(VOLUME, boxes=[]).boxes.shape == (0, 6)


def test_defaults():
    sample = Sample(IMAGE, boxes=BOX)
    assert sample.channels == ("image",) and sample.spacing == (1.0, 1.0) and sample.shape == (4, 6)
    assert sample.labels.tolist() == [0] and sample.ignore.tolist() == [False]
    volume = Sample(VOLUME)
    assert volume.channels == ("c0", "c1") and volume.spacing == (1.0, 1.0, 1.0) and volume.ndim == 3
    found = Detections(BOX)
    assert found.scores.tolist() == [1] and found.labels.tolist() == [0] and len(found) == 1
    assert len(Detections.none(3)) == 0 and Detections.none(3).boxes.shape == (0, 6)


def test_values_that_overflow_when_added_are_still_finite():
    assert Sample(np.full((1, 300, 300), 60000, dtype=np.float16)).image.dtype == np.float16


def test_a_box_on_the_border_is_inside_and_detections_may_reach_out():
    assert Sample(IMAGE, boxes=[[0, 0, 4, 6]]).boxes.tolist() == [[0, 0, 4, 6]]
    assert Detections([[-3, 0, 40, 6]]).boxes.tolist() == [[-3, 0, 40, 6]]


def test_masks_are_kept_as_whole_numbers():
    assert Sample(IMAGE, mask=np.ones((4, 6), dtype=np.uint8)).mask.dtype == np.uint8
    assert Sample(IMAGE, mask=np.ones((4, 6), dtype=bool)).mask.dtype == np.int64
    assert Sample(IMAGE, mask=np.full((4, 6), 2.0)).mask.max() == 2


def test_layers_may_have_axes_of_their_own_in_front():
    assert Sample(IMAGE, layers={"probability": np.zeros((3, 4, 6))}).layers["probability"].shape == (3, 4, 6)


def test_channels_by_name():
    sample = Sample(np.stack([np.zeros((4, 6)), np.ones((4, 6))]), channels=("T1", "FLAIR"))
    assert sample["FLAIR"].shape == (4, 6) and sample["FLAIR"].min() == 1
    with pytest.raises(InputError, match="no channel 'PET'; this sample has T1, FLAIR"):
        sample["PET"]


# ---- read-only


def test_arrays_are_read_only_views_and_the_callers_stay_writable():
    mine = {"image": IMAGE.copy(), "mask": np.zeros((4, 6), dtype=int), "boxes": np.array(BOX, dtype=float)}
    tissue = np.zeros((4, 6))
    affine, labels, ignore = np.eye(4), np.zeros(1, dtype=int), np.zeros(1, dtype=bool)
    sample = Sample(**mine, labels=labels, ignore=ignore, affine=affine, layers={"tissue": tissue})
    held = [getattr(sample, name) for name in ("image", "mask", "boxes", "labels", "ignore", "affine")]
    for array in [*held, sample.layers["tissue"], sample["image"]]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert np.shares_memory(sample.image, mine["image"])
    for array in (*mine.values(), tissue, affine, labels, ignore):
        array[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.id = "other"


def test_detections_are_read_only():
    found = Detections(BOX, masks=np.zeros((1, 4, 6), dtype=bool), heatmap=np.zeros((4, 6)))
    for name in ("boxes", "scores", "labels", "masks", "heatmap"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(found, name)[...] = 0


def test_a_sample_travels_to_another_process():
    sample = Sample(IMAGE, boxes=BOX, classes=("lesion",), id="a", meta={"seconds": [1, 2]})
    for twin in (pickle.loads(pickle.dumps(sample)), copy.deepcopy(sample)):
        assert repr(twin) == repr(sample) and np.array_equal(twin.image, sample.image) and twin.meta == sample.meta


# ---- replace, only


def test_replace_checks_anew():
    sample = Sample(IMAGE, boxes=BOX, labels=[1], classes=("a", "b"), id="x")
    assert sample.replace(id="y").id == "y" and sample.id == "x"
    assert sample.replace(id="y").labels.tolist() == [1]
    bare = sample.replace(boxes=None)
    assert bare.boxes is None and bare.labels is None and bare.ignore is None
    for none in ([], (), np.zeros((0, 4))):
        empty = sample.replace(boxes=none)
        assert empty.boxes.shape == (0, 4) and empty.labels.shape == empty.ignore.shape == (0,)
    with pytest.raises(InputError, match="as many labels"):
        sample.replace(boxes=[], labels=[1])
    with pytest.raises(InputError, match="outside"):
        sample.replace(image=IMAGE[:, :1])
    with pytest.raises(InputError, match="labels index classes"):
        sample.replace(classes=("a",))


def full():
    return Sample(
        IMAGE,
        channels=("T1",),
        spacing=(2, 3),
        boxes=BOX,
        classes=("lesion",),
        mask=np.ones((4, 6), dtype=int),
        layers={"tissue": np.ones((4, 6))},
        affine=np.eye(4),
        id="a",
        group="p",
        report="a lesion",
        tabular={"age": 50},
        outcome="died",
        meta={"kVp": 120},
    )


def test_only_shows_the_picture_and_what_was_declared():
    seen = full().only(("image", "report"))
    assert np.array_equal(seen.image, IMAGE) and seen.channels == ("T1",) and seen.spacing == (2, 3)
    assert np.array_equal(seen.affine, np.eye(4)) and seen.report == "a lesion"
    for name in (*TRUTH, "classes", "id", "group", "tabular", "meta"):
        assert not getattr(seen, name), name
    assert seen.boxes is None


@pytest.mark.parametrize("name", TRUTH)
def test_only_refuses_the_truth(name):
    assert getattr(full(), name) is not None
    with pytest.raises(InputError, match="holds the answer"):
        full().only(("image", name))


def test_only_refuses_what_is_no_field():
    with pytest.raises(InputError, match="no field of a Sample"):
        full().only(("picture",))


# ---- what is shown


def test_repr_is_one_readable_line():
    sample = Sample(
        VOLUME,
        channels=("T1", "FLAIR"),
        spacing=(5, 0.5, 0.123456),
        boxes=[[0, 0, 0, 1, 1, 1]] * 3,
        labels=[1, 0, 1],
        classes=("mass", "plaque"),
        id="case 7",
    )
    assert repr(sample) == (
        "Sample 'case 7': image 3×4×5 int16, 5×0.5×0.123 mm, channels T1, FLAIR; 3 boxes: 1 mass, 2 plaque"
    )
    assert repr(Sample(IMAGE, boxes=BOX, labels=[4])).endswith("1 box: 1 label 4")
    assert repr(Detections(BOX * 2, scores=[0.25, 0.5])) == "Detections: 2 boxes, scores 0.25 to 0.5"
    assert repr(Detections.none()) == "Detections: 0 boxes"
    odd = Sample(IMAGE, channels=("a\nb",), boxes=BOX, classes=("\x1b[31mred",), id="c\r")
    assert repr(odd).startswith("Sample 'c\\r': ") and repr(odd).isprintable()
    assert r"channels a\nb; 1 box: 1 \x1b[31mred" in repr(odd)


def test_names_that_are_no_unicode_can_be_sent():
    """As they come from names of files on Linux."""
    name = os.fsdecode(b"scan\xe9")
    sample = Sample(IMAGE, channels=(name,), boxes=BOX, classes=(name,), id=name, group=name, report=name)
    assert sample.id == sample.group == sample.report == r"scan\udce9"
    for text in (repr(sample), sample._repr_html_()):
        assert text.encode().decode() == text


def test_html_escapes_every_text():
    script = "<script>alert('x')</script>\"onload='y'"
    sample = Sample(
        IMAGE, channels=(script,), boxes=BOX, classes=(script,), id=script, group=script, report=f"{script} & more"
    )
    page = sample._repr_html_()
    assert "<script" not in page and "alert('x')" not in page and "\"onload='y'" not in page
    assert page.count("&lt;script&gt;") == 6  # alt text, title, group, channel, class, report
    assert "&amp; more" in page


def test_html_takes_ids_that_are_numbers():
    assert "<b>7</b>" in Sample(IMAGE, id=7, group=3)._repr_html_()


@pytest.mark.parametrize(
    ("image", "mode", "size"),
    [
        (IMAGE, "L", (6, 4)),
        (np.full((1, 4, 6), 7.0), "L", (6, 4)),
        (np.zeros((1, 4, 6), dtype=bool), "L", (6, 4)),
        (np.zeros((3, 300, 200), dtype=np.uint8), "RGB", (67, 100)),
        (VOLUME, "L", (5, 4)),
    ],
)
def test_html_has_a_thumbnail(image, mode, size):
    data = re.search(r"base64,([^']+)'", Sample(image)._repr_html_()).group(1)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.mode == mode and picture.size == size


def test_the_thumbnail_shows_the_middle_plane():
    volume = np.zeros((1, 3, 4, 5))
    volume[0, 1, :, 2:] = 1
    data = re.search(r"base64,([^']+)'", Sample(volume)._repr_html_()).group(1)
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).tolist() == [[0, 0, 255, 255, 255]] * 4
