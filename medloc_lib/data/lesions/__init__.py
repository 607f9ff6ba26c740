"""`brain_lesions`: simulated MR and PET of heads with masses, plaques and infarcts. Everything here is simulated.

`load` gives the data set, `simulate` one case with parameters of your own. The anatomy is a real average brain
(`template`), deformed (`anatomy`); the brightness of each tissue follows from signal equations (`signal`); `lesions`
and `mimics` are put in; `scanner` measures; `evidence` writes what stands beside the pictures.
"""

from __future__ import annotations

from medloc_lib.data.lesions.cases import MACHINES, VERSION, machine
from medloc_lib.data.lesions.dataset import SIZES, LesionSet, load, simulate
from medloc_lib.data.lesions.lesions import CLASSES
from medloc_lib.data.lesions.randomized import random_scanner
from medloc_lib.data.lesions.scanner import CHANNELS, Scanner, sample_scanner
from medloc_lib.data.lesions.signal import NAMES as TISSUES

__all__ = [
    "CHANNELS",
    "CLASSES",
    "MACHINES",
    "SIZES",
    "TISSUES",
    "VERSION",
    "LesionSet",
    "Scanner",
    "load",
    "machine",
    "random_scanner",
    "sample_scanner",
    "simulate",
]
