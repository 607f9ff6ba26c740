"""A function as a localizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import area, mask_to_boxes
from medloc_lib.localizer.contract import Localizer
from medloc_lib.sample import Detections, Sample

Array = NDArray[Any]


class FunctionLocalizer(Localizer):
    """A function from array to mask, label map or `Detections`, as a `Localizer`. It learns nothing.

    Parameters
    ----------
    function : takes a read-only array, (rows, cols) or (planes, rows, cols), and gives one of: a bool mask or a label
        map of the same shape (each connected component becomes a box; value 1 is class 0, value 2 is class 1, …; its
        score is the share of the picture that its box covers, as a larger find is the surer one); or `Detections`.
    channel : which channel the function gets; None: "FLAIR" if there is one, else the first; "all": the whole
        (channels, *spatial) image.
    params : keyword arguments for the function, or None.

    Raises
    ------
    InputError
        By `predict`, if the function gives something else.

    Examples
    --------
    >>> image = np.zeros((1, 4, 6))
    >>> image[0, 1:3, 2:5] = 1
    >>> bright = FunctionLocalizer(lambda picture, level: picture > level, params={"level": 0.5})
    >>> found = bright.predict([Sample(image)])[0]
    >>> found.boxes, found.scores
    (array([[1., 2., 3., 5.]]), array([0.25]))
    """

    def __init__(
        self,
        function: Callable[..., Any],
        channel: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.channel = channel
        self.params = params

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The function's answer for each sample, as boxes."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Detections:
        picture = sample.image if self.channel == "all" else pick_channel(sample, self.channel)
        answer = self.function(picture, **(self.params or {}))
        if isinstance(answer, Detections):
            return answer
        name = getattr(self.function, "__name__", "the function")
        if np.shape(answer) != sample.shape:
            got = type(answer).__name__ if np.ndim(answer) == 0 else f"an array of shape {np.shape(answer)}"
            raise InputError(f"{name} must give a mask of the image's shape {sample.shape}, or Detections; got {got}")
        mask = np.asarray(answer)
        try:
            boxes, values = mask_to_boxes(mask)
        except InputError as error:
            raise InputError(f"{name} must give a mask or label map, or Detections: {error}") from error
        if (values < 0).any():
            raise InputError(f"{name} gave a label map with negative values; 0 is background, 1 the first class")
        return Detections(boxes, area(boxes) / mask.size, values - 1)


def as_localizer(function: Callable[..., Any], *, channel: str | None = None, **params: Any) -> FunctionLocalizer:
    """A function as a localizer, in one line; also a decorator. See `FunctionLocalizer`.

    >>> as_localizer(lambda picture: picture > 0.5).predict([Sample(np.eye(3)[None])])
    [Detections: 1 box, scores 1 to 1]
    """
    return FunctionLocalizer(function, channel, params or None)


def pick_channel(sample: Sample, name: str | None) -> Array:
    """One channel: the named one, or by default the `main_channel`."""
    return sample[main_channel(sample) if name is None else name]


def main_channel(sample: Sample) -> str:
    """Name of the channel to look at where none is named: "FLAIR" if there is one, else the first."""
    return "FLAIR" if "FLAIR" in sample.channels else sample.channels[0]
