"""`curves` without a browser: what it takes note of, says and sends; and the table of numbers in `explore`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.widgets import curves, explore
from medloc_lib.widgets.controls import controls_for
from medloc_lib.widgets.curves import MOST
from tests.widgets.front import Front

STEPS, EPOCHS = 12, 3


def progress(step, history=(), loss=1.0):
    return SimpleNamespace(step=step, steps=STEPS, epochs=EPOCHS, loss=loss, history=tuple(history), metric="AP")


def epoch(number, score):
    return SimpleNamespace(epoch=number, loss=1 / number, score=score)


def trained(widget):
    """Call it as `train` does; the step at which it said stop."""
    history = []
    for step in range(1, STEPS + 1):
        if widget(progress(step, history, loss=1 / step)):
            return step
        if step % 4 == 0:
            history.append(epoch(step // 4, step / 20))
            if widget(progress(step, history, loss=1 / step)):
                return step
    return None


def test_it_says_where_a_training_is():
    widget = curves("Heat map")
    assert repr(widget) == "Heat map: not begun"
    assert trained(widget) is None
    assert repr(widget) == "Heat map: step 12 of 12, loss 0.083, best AP 0.600"


def test_what_the_front_end_is_told():
    widget = curves()
    assert widget._state == {}
    trained(widget)
    state = widget._state
    assert [step for step, _ in state["losses"]] == list(range(1, 13))
    assert state["scores"] == [[4, 0.2], [8, 0.4], [12, 0.6]]
    assert state["over"]
    assert state["metric"] == "AP"


def test_the_button_ends_the_training(monkeypatch):
    widget = curves()
    front = Front(widget, monkeypatch)
    widget(progress(1))
    front.set(stop=True)
    assert widget(progress(2)) is True
    assert trained(widget) is None  # another training begins with the button up


def test_a_long_training_is_thinned_out():
    widget = curves()
    for step in range(1, 5000):
        widget(SimpleNamespace(step=step, steps=5000, epochs=1, loss=1.0, history=(), metric="AP"))
    steps = [step for step, _ in widget.losses]
    assert MOST / 3 < len(steps) <= MOST
    assert len(set(np.diff(steps))) <= 2
    assert steps[-1] > 4900


def test_epochs_without_a_score_are_no_points():
    widget = curves()
    widget(progress(4, [epoch(1, None)]))
    widget._tell()
    assert widget._state["scores"] == []
    assert repr(widget) == "Training: step 4 of 12, loss 1.000"


def test_its_stored_output_has_a_picture_and_words():
    widget = curves("Mine")
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == "Mine: not begun"
    assert data["image/png"].startswith("iVBOR")
    assert metadata["image/png"]["alt"] == "Mine: not begun"
    trained(widget)
    left, right = widget.still().axes
    assert list(left.lines[0].get_xdata()) == [1, 2, 3]
    assert list(right.lines[0].get_ydata()) == [0.2, 0.4, 0.6]


# A table of numbers in `explore`

KERNEL = np.array([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])


def convolve(picture, kernel):
    return ndimage.correlate(picture, kernel)


def test_an_array_becomes_a_table():
    (made,) = controls_for(convolve, {"kernel": KERNEL})
    assert made.kind == "matrix"
    assert made.start == KERNEL.tolist()
    np.testing.assert_array_equal(made.value(made.raw(2 * KERNEL)), 2 * KERNEL)


@pytest.mark.parametrize("value", [np.ones((2, 3)), np.full((3, 3), np.nan), 1])
def test_a_table_keeps_its_shape_and_is_finite(value):
    (made,) = controls_for(convolve, {"kernel": KERNEL})
    with pytest.raises(InputError, match=r"kernel must be finite numbers of shape \(3, 3\)"):
        made.raw(value)


@pytest.mark.parametrize("spec", [np.zeros((0, 2)), np.zeros(3), np.full((1, 1), np.inf)])
def test_what_is_no_table(spec):
    with pytest.raises(InputError, match="'kernel'"):
        controls_for(convolve, {"kernel": spec})


def test_the_function_is_given_the_table_as_it_is_edited(monkeypatch):
    picture = np.random.default_rng(0).random((9, 8))
    widget = explore(convolve, picture, kernel=KERNEL)
    np.testing.assert_allclose(widget.result, ndimage.correlate(picture, KERNEL))
    front = Front(widget, monkeypatch)
    rows = KERNEL.tolist()
    rows[1][1] = 5.5
    front.set(_raw={"kernel": rows})
    assert widget.values["kernel"][1, 1] == 5.5
    np.testing.assert_allclose(widget.result, ndimage.correlate(picture, np.array(rows)))
    assert "kernel=0 -1 0; -1 5.5 -1; 0 -1 0" in repr(widget)
