"""MedLoc: learn, teach and prototype medical image localization.

>>> import medloc_lib as ml
>>> ml.info("brain_lesions").classes
('mass', 'plaque', 'infarct')

Samples come from `load`; `Localizer` is what every method is. The rest stands in the modules: `geometry`, `metrics`,
`data`, `localizer`, `bench`, `plot`, `widgets`.
"""

from __future__ import annotations

from medloc_lib.data.registry import info, load
from medloc_lib.errors import MedlocError
from medloc_lib.localizer import Localizer
from medloc_lib.sample import Detections, Sample

__version__ = "0.1.0"

__all__ = ["Detections", "Localizer", "MedlocError", "Sample", "__version__", "info", "load"]
