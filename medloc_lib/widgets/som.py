"""`explore_som`: a self-organizing map, the patches at the unit that is clicked, and the slices they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from medloc_lib.classical.unsupervised import SomLocalizer
from medloc_lib.classical.unsupervised.atlas import SHOWN, U_MATRIX, SomAtlas
from medloc_lib.errors import InputError
from medloc_lib.localizer.function import main_channel
from medloc_lib.plot import pictures, som_map
from medloc_lib.plot.maps import WINDOW, place_mark, tile_mark, told
from medloc_lib.sample import Sample
from medloc_lib.widgets.base import Parcel, Widget, mark_facts, pack, script

SIZE = 300
"""Longer side of the slice on the screen, in CSS pixels."""


def explore_som(localizer: SomLocalizer, samples: Sequence[Sample], *, plane: str = U_MATRIX) -> SomExplorer:
    """Look at a self-organizing map and at what lies at its units.

    Choose what colours the map: the U-matrix, one of the channels (a component plane), how many pixels each unit has,
    or how many of them lie in lesions. Click a unit, or walk with the arrow keys, and see the patches that fit it best,
    each of another slice; choose one of them, and see where it comes from.

    Parameters
    ----------
    localizer : fitted.
    samples : slices to take patches from; twenty or so.
    plane : to begin with.

    Returns
    -------
    A widget whose `plane`, `unit` (counted row by row) and `patch` can be read and set; `atlas` holds the rest.

    Raises
    ------
    InputError
        If the localizer is not fitted, there is no sample or no such plane, or the channels are others.
    """
    return SomExplorer(localizer, samples, plane)


class SomExplorer(Widget):
    """The widget that `explore_som` gives.

    Parameters
    ----------
    localizer, samples, plane : as in `explore_som`.
    """

    _esm = script("ramp", "som")
    plane = traitlets.Unicode(help="What colours the map.").tag(sync=True)
    unit = traitlets.Int(0, help="Which unit is looked at, counted row by row.").tag(sync=True)
    patch = traitlets.Int(0, help="Which of its patches.").tag(sync=True)

    def __init__(self, localizer: SomLocalizer, samples: Sequence[Sample], plane: str) -> None:
        self.atlas = atlas = SomAtlas(localizer, samples)
        facts = {
            "title": f"map of {atlas.side}×{atlas.side} units, {len(atlas.samples)} slices",
            "size": SIZE,
            "side": atlas.side,
            "most": SHOWN,
            "planes": list(atlas.planes),
            "values": [np.round(atlas.plane(name), 5).ravel().tolist() for name in atlas.planes],
            "palette": list(pictures.COLORS),
            "colors": dict(pictures.KINDS),
            "spacing": list(atlas.samples[0].spacing),
            "negative": False,
        }
        super().__init__(_facts=facts, plane=plane, unit=int(np.argmax(atlas.counts)))
        self.observe(lambda _: self._tell("patches", "place"), names=["unit"])
        self.observe(lambda _: self._tell("place"), names=["patch"])
        self.on_msg(self._answer)

    @traitlets.validate("plane")
    def _a_plane(self, proposal: Any) -> str:
        if proposal["value"] not in self.atlas.planes:
            raise InputError(f"there is no plane {proposal['value']!r}; there are {', '.join(self.atlas.planes)}")
        return str(proposal["value"])

    @traitlets.validate("unit")
    def _a_unit(self, proposal: Any) -> int:
        self.atlas.places(proposal["value"])
        return int(proposal["value"])

    @traitlets.validate("patch")
    def _a_patch(self, proposal: Any) -> int:
        tile_mark(proposal["value"])
        return int(proposal["value"])

    def still(self) -> Figure:
        """The present state as a figure: `plot.som_map`."""
        figure = Figure(figsize=(11, 4), layout="constrained")
        axes = list(figure.subplots(1, 3, width_ratios=(1.2, 1, 1)))
        som_map(self.atlas, plane=self.plane, unit=self.unit, patch=self.patch, axes=axes)
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        return f"SomExplorer: {self._facts['title']}, {self.plane}; {told(self.atlas, self.unit)}"

    def _answer(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if content.get("ready"):
            self._tell("patches", "place")

    def _tell(self, *what: str) -> None:
        """The patches of a new unit, or the slice of a new patch, for the front end."""
        parcel = Parcel()
        state: dict[str, Any] = {}
        places = self.atlas.places(self.unit)
        if "patches" in what:
            mosaic = parcel.put(pack(self.atlas.mosaic(self.unit)))
            state["patches"] = {"mosaic": mosaic, "window": list(WINDOW), "told": told(self.atlas, self.unit)}
        chosen = min(self.patch, len(places) - 1)
        state["count"] = len(places)
        state["tile"] = mark_facts([tile_mark(chosen)] if places else [])
        if places:
            sample = self.atlas.samples[places[chosen].image]
            channel = main_channel(sample)
            state["place"] = {
                "picture": parcel.put(pack(sample[channel])),
                "window": list(pictures.default_window(sample, channel)),
                "marks": mark_facts([*pictures.truth_marks(sample), place_mark(places[chosen])]),
                "name": f"{sample.id or 'slice'}, {channel}",
            }
        self.send({"state": state}, parcel.buffers)
