"""Lesson 06: what is unusual, by eigen-brains, by a self-organizing map, and by clusters; none was shown a lesion.

`..._error` is the plain reconstruction error in all channels; the others count only what looks like more water. The
features for the clusters are read from the cache where ``medloc features brain_lesions`` has put them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from medloc_lib.classical.unsupervised import ClusterLocalizer, EigenbrainLocalizer, SomLocalizer

ROWS: dict[str, Callable[[], Any]] = {
    "eigenbrains": EigenbrainLocalizer,
    "eigenbrains_error": partial(EigenbrainLocalizer, signed=False),
    "som": SomLocalizer,
    "som_error": partial(SomLocalizer, signed=False),
    "clusters": partial(ClusterLocalizer, cached=True),
}
