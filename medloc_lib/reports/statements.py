"""What a report can state: a kind of finding, whether it is there, and where. Readers and writers share it."""

from dataclasses import dataclass
from typing import Literal

Whether = Literal["present", "possible", "denied"]

KINDS = ("mass", "plaque", "infarct")
SIDES = ("left", "right", "midline")
REGIONS = (
    "frontal lobe",
    "parietal lobe",
    "temporal lobe",
    "occipital lobe",
    "insula",
    "periventricular white matter",
    "basal ganglia",
    "thalamus",
    "cerebellum",
    "brainstem",
)


@dataclass(frozen=True)
class Statement:
    """One thing that a report says: a kind, whether it is there, and where (`""` where it does not say).

    >>> Statement("mass", "present", "left", "frontal lobe").side
    'left'
    """

    kind: str
    whether: Whether
    side: str = ""
    region: str = ""
    mm: float = 0.0
