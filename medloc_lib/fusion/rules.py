"""The rules by name, and one way to call them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.fusion.multiscale import laplacian_pyramid, wavelet
from medloc_lib.fusion.pixel import (
    Floats,
    as_channels,
    as_weights,
    average,
    geometric_mean,
    maximum,
    minimum,
    pca,
    product,
    weighted,
)

RULES: Mapping[str, Callable[[ArrayLike], Floats]] = MappingProxyType(
    {
        "average": average,
        "product": product,
        "geometric_mean": geometric_mean,
        "maximum": maximum,
        "minimum": minimum,
        "pca": pca,
        "laplacian_pyramid": laplacian_pyramid,
        "wavelet": wavelet,
    }
)
"""The rules that need nothing but the channels, by name."""


def combine(scaled: ArrayLike, rule: str = "weighted", *, weights: ArrayLike | None = None) -> Floats:
    """Fuse channels on a common scale by the name of a rule, with a say for each channel.

    "weighted" takes the weights as they are. For every other rule their sign alone counts: a channel of negative weight
    is turned over first, 1 - x, so that what is dark in it counts as bright. A weight of 0 leaves a channel out, and so
    does a lack of contrast (a missing channel is 0 throughout), unless none has any.

    Parameters
    ----------
    scaled : (channels, *spatial) of values from 0 to 1, as `common_scale` gives them.
    rule : "weighted" or a name of `RULES`.
    weights : (channels,), not all 0; default 1 for all.

    Raises
    ------
    InputError
        If the image or the weights are malformed, or there is no such rule.

    Examples
    --------
    >>> t1, flair = [[0.25, 1.0, 0.0]], [[1.0, 1.0, 0.0]]
    >>> combine([t1, flair], "product", weights=(-1, 1)), combine([t1, flair], weights=(-1, 1))
    (array([[0.75, 0.  , 0.  ]]), array([[0.375, 0.   , 0.   ]]))
    """
    channels = as_channels(scaled)
    w = as_weights(np.ones(len(channels)) if weights is None else weights, len(channels))
    if rule not in (*RULES, "weighted"):
        raise InputError(f"rule must be weighted or one of {', '.join(RULES)}; got {rule!r}")
    flat = channels.reshape(len(channels), -1)
    speaks = (w != 0) & (flat.max(axis=1) > flat.min(axis=1))
    speaks = speaks if speaks.any() else w != 0
    channels, w = channels[speaks], w[speaks]
    if rule == "weighted":
        return weighted(channels, w)
    turned = np.stack([1 - x if sign < 0 else x for x, sign in zip(channels, w, strict=True)])
    return RULES[rule](turned)
