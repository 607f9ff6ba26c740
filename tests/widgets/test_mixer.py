"""`mix` without a browser: what is fused, found, told and sent."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets

from medloc_lib import plot
from medloc_lib.errors import InputError
from medloc_lib.fusion import RULES, combine, common_scale
from medloc_lib.plot.pictures import default_window
from medloc_lib.sample import Detections, Sample
from medloc_lib.widgets import mix
from tests.widgets.front import Front, unpacked

RNG = np.random.default_rng(0)
FLAT = Sample(
    RNG.random((3, 12, 10)) * np.array([900, 300, 2e4]).reshape(3, 1, 1),
    channels=("T1", "FLAIR", "PET"),
    boxes=[[2, 3, 6, 8]],
    classes=("mass",),
    id="a",
)
SOLID = Sample(RNG.random((2, 5, 12, 10)), channels=("T1", "PET"), boxes=[[1, 2, 3, 3, 6, 8]])


def test_it_fuses_at_once_and_with_every_change(monkeypatch):
    widget = mix(FLAT, {"T1": -0.5, "PET": 1})
    scaled = common_scale(FLAT.image[[0, 2]])
    np.testing.assert_array_equal(widget.fused, combine(scaled, weights=(-0.5, 1)))
    front = Front(widget, monkeypatch)
    front.set(_weights={"T1": 0.25, "PET": 0})
    np.testing.assert_array_equal(widget.fused, scaled[0])
    assert widget.weights == {"T1": 0.25, "PET": 0}
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    assert "sources" not in state  # they have not changed
    sent = unpacked(state["fused"]["image"], buffers[0])[0]
    np.testing.assert_array_equal(sent, scaled[0].astype(np.float32))
    assert state["fused"]["window"] == list(default_window(Sample(widget.fused[None])))
    front.set(rule="product")
    np.testing.assert_array_equal(widget.fused, combine(scaled, "product", weights=(0.25, 0)))


@pytest.mark.parametrize("rule", ["weighted", *RULES])
def test_every_rule(rule):
    widget = mix(FLAT, rule=rule)
    np.testing.assert_array_equal(widget.fused, combine(common_scale(FLAT.image), rule))
    assert repr(widget) == f"Mixer: {rule} of T1 1, FLAIR 1, PET 1"


def test_what_is_found_is_drawn_beside_the_truth_and_scored(monkeypatch):
    def brightest(picture):
        row, col = np.unravel_index(picture.argmax(), picture.shape)
        return Detections([[row, col, row + 1, col + 1]], [0.5])

    widget = mix(FLAT, find=brightest, score=lambda found: {"boxes": len(found)})
    front = Front(widget, monkeypatch)
    front.say(ready=True)
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    assert [m["kind"] for m in state["fused"]["marks"]] == ["truth", "found"]
    assert state["score"] == "boxes 1"
    assert list(state["sources"]) == ["T1", "FLAIR", "PET"]
    for name, source in state["sources"].items():
        np.testing.assert_array_equal(
            unpacked(source["image"], buffers[source["image"]["buffer"]])[0], FLAT[name].astype(np.float32)
        )
        assert source["window"] == list(default_window(FLAT, name))
        assert [m["text"] for m in source["marks"]] == ["mass"]
    masked = mix(FLAT, find=lambda picture: picture > 0.5)
    front = Front(masked, monkeypatch)
    front.say(ready=True)
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    mask = unpacked(state["fused"]["mask"], buffers[state["fused"]["mask"]["buffer"]])[0]
    np.testing.assert_array_equal(mask, masked.fused > 0.5)


def test_planes_of_a_volume_on_the_scale_of_the_whole(monkeypatch):
    widget = mix(SOLID)
    assert widget.plane == 2
    front = Front(widget, monkeypatch)
    front.set(plane=4)
    scaled = common_scale(SOLID.image)
    np.testing.assert_array_equal(widget.fused, combine(scaled[:, 4]))
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    np.testing.assert_array_equal(
        unpacked(state["sources"]["PET"]["image"], buffers[2])[0], SOLID["PET"][4].astype(np.float32)
    )
    assert not state["fused"]["marks"]
    assert "plane 4 of 5" in repr(widget)
    with pytest.raises(InputError, match="plane must be 0 to 4"):
        widget.plane = 5


def test_errors_are_one_line_and_the_last_picture_stays(monkeypatch):
    def fussy(picture):
        if picture.min() < 0:
            raise ValueError("too\n  dark")
        return picture > 0.5

    widget = mix(FLAT, find=fussy, score=np.sum)
    before = widget.result
    widget.weights = {"T1": -1}
    assert widget.error == "ValueError: too dark"
    assert widget.score is None and widget.result is before
    widget.weights = {"T1": 0, "FLAIR": 0, "PET": 0}
    assert "not all 0" in widget.error
    assert widget.still().get_axes()
    widget.weights = {"FLAIR": 1}
    assert widget.error == ""


def test_refusals():
    with pytest.raises(InputError, match="no channel 'CT'"):
        mix(FLAT, ("T1", "CT"))
    with pytest.raises(InputError, match="two channels or more to mix; got T1"):
        mix(FLAT, ("T1",))
    with pytest.raises(InputError, match="weight of PET must be between -1 and 1; got 2"):
        mix(FLAT, {"T1": 1, "PET": 2})
    with pytest.raises(InputError, match="rule must be weighted or one of average"):
        mix(FLAT, rule="median")
    widget = mix(FLAT)
    with pytest.raises(InputError, match="no weight of 'T2'; there are T1, FLAIR, PET"):
        widget.weights = {"T2": 1}
    with pytest.raises((InputError, traitlets.TraitError)):
        widget.weights = {"T1": -3}
    assert widget.weights["T1"] == 1


def test_the_stored_output_has_a_picture_and_a_sentence():
    widget = mix(FLAT, {"T1": -0.5, "FLAIR": 1}, find=lambda picture: [[0, 0, 2, 2]], score=len)
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == "Mixer: weighted of T1 −0.5, FLAIR 1, score 1"
    assert len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"]


class TestTwin:
    def test_channels_with_their_weights_and_the_fusion(self):
        axes = plot.mixture(FLAT, {"T1": -0.5, "PET": 1}, detections=Detections([[0, 0, 2, 2]]))
        assert [ax.get_title() for ax in axes] == ["T1 × −0.5", "PET × 1", "weighted"]
        fused = combine(common_scale(FLAT.image[[0, 2]]), weights=(-0.5, 1))
        low, high = default_window(Sample(fused[None]))
        np.testing.assert_allclose(axes[-1].get_images()[0].get_array(), np.clip((fused - low) / (high - low), 0, 1))
        assert [len(ax.patches) for ax in axes] == [1, 1, 2]

    def test_a_plane_of_a_volume(self):
        axes = plot.mixture(SOLID, {"T1": 1, "PET": -1}, rule="product", plane=1)
        fused = combine(common_scale(SOLID.image)[:, 1], "product", weights=(1, -1))
        low, high = default_window(Sample(fused[None]))
        np.testing.assert_allclose(axes[-1].get_images()[0].get_array(), np.clip((fused - low) / (high - low), 0, 1))
        assert [len(ax.patches) for ax in axes] == [1, 1, 1]

    def test_axes_must_fit(self):
        with pytest.raises(InputError, match="2 channels and their fusion; got 2 axes"):
            plot.mixture(FLAT, {"T1": 1, "PET": 1}, axes=list(plot.mixture(FLAT, {"T1": 1, "PET": 1}))[:2])
