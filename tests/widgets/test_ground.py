"""`ground` without a browser: its state, what is sent, what is stored, and what somebody types."""

from __future__ import annotations

import base64

import numpy as np
import pytest

import medloc_lib as ml
from medloc_lib import plot
from medloc_lib.errors import InputError
from medloc_lib.reports.stored import load_grounder
from medloc_lib.widgets import ground
from tests.widgets.front import Front, unpacked

SENTENCE = "A mass in the left frontal lobe."


@pytest.fixture(scope="module")
def grounder():
    return load_grounder()


@pytest.fixture(scope="module")
def samples():
    val = ml.load("brain_lesions", split="val")
    return [val[i] for i in range(3)]


@pytest.fixture
def widget(grounder, samples):
    return ground(grounder, samples, SENTENCE)


def test_picture_heat_and_verdict_are_sent(widget, samples, monkeypatch):
    front = Front(widget, monkeypatch)
    front.say(ready=True)
    ((message, buffers),) = front.got
    state = message["state"]
    np.testing.assert_array_equal(
        unpacked(state["picture"], buffers[state["picture"]["buffer"]])[0], samples[0]["FLAIR"]
    )
    heat = unpacked(state["heat"], buffers[state["heat"]["buffer"]])
    assert heat.shape == (3, *samples[0].shape)
    assert state["score"] == widget._verdict()


def test_a_sentence_and_a_picture_change_the_answer(widget, grounder, samples, monkeypatch):
    front = Front(widget, monkeypatch)
    front.set(sentence="A right occipital infarct.")
    np.testing.assert_allclose(widget.answer.heat, grounder.ground(samples[0], "A right occipital infarct.").heat)
    front.set(case=2)
    np.testing.assert_allclose(widget.answer.heat, grounder.ground(samples[2], "A right occipital infarct.").heat)
    assert len(front.got) == 2


def test_no_words_are_said_to_be_none(widget, monkeypatch):
    front = Front(widget, monkeypatch)
    front.set(sentence="  ")
    assert "needs a sentence with words" in front.got[-1][0]["state"]["error"]
    assert front.got[-1][0]["state"]["score"] == ""
    front.set(sentence=SENTENCE)
    assert front.got[-1][0]["state"]["error"] == ""


def test_a_still_is_stored(widget):
    data, metadata = widget._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == data["text/plain"] == repr(widget)
    assert set(data) & {"text/html"} == set()


def test_dollars_and_markup_are_drawn_as_they_are(widget):
    widget.sentence = "<b>$x_{$ mass"
    widget.still()


def test_what_is_wrong_is_said(widget, grounder, samples):
    with pytest.raises(InputError, match="case must be 0 to 2"):
        widget.case = 3
    with pytest.raises(InputError, match="needs samples"):
        ground(grounder, [], SENTENCE)
    with pytest.raises(InputError, match="with words"):
        ground(grounder, samples, "")
    with pytest.raises(InputError, match="2 axes"):
        plot.grounded(samples[0], widget.answer, threshold=0.5, axes=[])
