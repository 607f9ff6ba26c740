"""`mark` without a browser: what is drawn, computed, told and sent."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets

from medloc_lib import plot
from medloc_lib.errors import InputError
from medloc_lib.sample import Sample
from medloc_lib.segmentation import PixelClassifier, grow, pixel_features, watershed
from medloc_lib.widgets import mark
from tests.widgets.front import Front, unpacked

RNG = np.random.default_rng(0)
IMAGE = RNG.random((20, 24)) + 5 * (np.hypot(*(np.indices((20, 24)) - np.array([10, 12]).reshape(2, 1, 1))) < 5)
SOLID = Sample(RNG.random((2, 4, 20, 24)), channels=("T1", "FLAIR"))


def test_a_click_grows_a_region(monkeypatch):
    widget = mark(grow, IMAGE, brush=1, tolerance=(0.0, 4.0), score=lambda labels: int((labels == 1).sum()))
    assert widget.result is None and "nothing marked" in repr(widget)
    front = Front(widget, monkeypatch)
    front.say(mark={"points": [[10, 12]], "label": 1, "brush": 1, "first": True})
    seeds = np.zeros(IMAGE.shape, int)
    seeds[10, 12] = 1
    np.testing.assert_array_equal(widget.marks, seeds)
    np.testing.assert_array_equal(widget.result, grow(IMAGE, seeds, tolerance=2.0))
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    np.testing.assert_array_equal(unpacked(state["marks"], buffers[state["marks"]["buffer"]])[0], seeds)
    mask = state["after"]["mask"]
    np.testing.assert_array_equal(unpacked(mask, buffers[mask["buffer"]])[0], widget.result)
    assert state["score"] == f"score {(widget.result == 1).sum()}"
    front.set(_raw={"tolerance": 0.0})
    np.testing.assert_array_equal(widget.result, grow(IMAGE, seeds, tolerance=0.0))


def test_a_stroke_in_parts_is_one_to_undo(monkeypatch):
    widget = mark(watershed, IMAGE, sigma=(0.5, 3.0))
    front = Front(widget, monkeypatch)
    front.say(mark={"points": [[2, 2]], "label": 2, "brush": 3, "first": True})
    front.say(mark={"points": [[2, 2], [2, 9]], "label": 2, "brush": 3, "first": False})
    wanted = np.zeros(IMAGE.shape, int)
    wanted[1:4, 1:11] = 2
    np.testing.assert_array_equal(widget.marks, wanted)
    front.say(mark={"points": [[10, 12]], "label": 1, "brush": 5, "first": True})
    assert (widget.marks == 1).sum() == 21  # a disc: no corners
    assert set(np.unique(widget.result)) == {1, 2}
    front.say(mark={"undo": True})
    np.testing.assert_array_equal(widget.marks, wanted)
    front.say(mark={"points": [[2, 5]], "label": 0, "brush": 1, "first": True})
    assert widget.marks[2, 5] == 0
    front.say(mark={"clear": True})
    assert not widget.marks.any() and widget.result is None
    front.say(mark={"undo": True})
    assert widget.marks[2, 6] == 2


def test_by_code_as_by_hand():
    widget = mark(grow, IMAGE, tolerance=(0.0, 4.0), labels=("lesion", "rest", "air"))
    widget.paint([(0, 0), (3, 4)], label=3, brush=1)
    np.testing.assert_array_equal(np.argwhere(widget.marks), [[0, 0], [1, 1], [2, 2], [2, 3], [3, 4]])
    widget.label, widget.brush = 2, 5
    widget.paint([(25, 30), (19, 23)])
    assert widget.marks[19, 23] == 2
    widget.undo()
    widget.undo()
    widget.undo()
    assert not widget.marks.any()
    widget.marks = np.eye(20, 24, dtype=int)
    assert widget.result is not None and "20 pixels marked lesion" in repr(widget)


def test_planes_have_marks_of_their_own(monkeypatch):
    widget = mark(lambda plane, marks: marks, SOLID)
    front = Front(widget, monkeypatch)
    widget.paint([(5, 5)], brush=1)
    assert np.argwhere(widget.marks).tolist() == [[2, 5, 5]]
    front.set(plane=3)
    assert widget.result is None
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    assert not unpacked(state["marks"], buffers[state["marks"]["buffer"]]).any()
    front.set(channel="FLAIR")
    front.set(plane=2)
    assert widget.result[5, 5] == 1


def test_a_classifier_learns_and_errors_are_told():
    features = pixel_features(IMAGE)

    def learn(picture, strokes):
        if (strokes == 2).any() and not (strokes == 1).any():
            raise ValueError("paint\nboth")
        return PixelClassifier().fit(features, strokes).predict(features)

    widget = mark(learn, IMAGE)
    widget.paint([(1, 1), (1, 20)], label=2)
    assert widget.error == "ValueError: paint both" and widget.still().axes
    widget.paint([(10, 12)], label=1)
    assert widget.error == ""
    assert widget.result[10, 11] == 1 and widget.result[18, 3] == 2


def test_refusals():
    with pytest.raises(InputError, match="1 to 7 names of labels"):
        mark(grow, IMAGE, labels=(), tolerance=(0, 4))
    with pytest.raises(InputError, match="marks must have the picture's shape"):
        mark(grow, IMAGE, marks=np.zeros((3, 3), int), tolerance=(0, 4))
    with pytest.raises(InputError, match="labels from 0 to 2"):
        mark(grow, IMAGE, marks=np.full(IMAGE.shape, 3), tolerance=(0, 4))
    widget = mark(grow, IMAGE, tolerance=(0.0, 4.0))
    for name, value in (("brush", 4), ("brush", 27), ("label", 3), ("label", -1)):
        with pytest.raises((InputError, traitlets.TraitError)):
            setattr(widget, name, value)
    with pytest.raises(InputError, match=r"points must be \(n, 2\)"):
        widget.paint([1, 2])
    with pytest.raises(InputError, match="brush must be odd"):
        widget.paint([(1, 2)], brush=2)
    assert not widget.marks.any()


def test_the_stored_output_has_a_picture_and_a_sentence():
    widget = mark(grow, IMAGE, marks=np.eye(20, 24, dtype=int), tolerance=(0.0, 4.0), score=lambda labels: 0.5)
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == "Marker: grow(tolerance=2), 20 pixels marked object, score 0.500"
    assert len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"]


class TestTwin:
    def test_marks_and_result(self):
        seeds = np.zeros(IMAGE.shape, int)
        seeds[10, 12], seeds[0, :] = 1, 2
        axes = plot.marked(IMAGE, seeds, grow(IMAGE, seeds, tolerance=1), names=("object", "rest"), title="grown")
        assert [ax.get_title() for ax in axes] == ["marks", "grown"]
        assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["object", "rest"]
        assert len(axes[0].patches) == 2 and not axes[1].patches  # rings around what is small
        tint = axes[1].get_images()[1].get_array()
        np.testing.assert_array_equal(tint[..., 3] > 0, grow(IMAGE, seeds, tolerance=1) > 0)

    def test_a_plane_and_no_result_yet(self):
        axes = plot.marked(SOLID, np.zeros((20, 24), int), plane=1, channel="FLAIR")
        assert len(axes) == 2 and axes[0].get_legend() is None

    def test_shapes_must_fit(self):
        with pytest.raises(InputError, match="must have the picture's shape"):
            plot.marked(IMAGE, np.zeros((3, 3), int))
