"""DICOM files and folders into Samples.

`read` gives one Sample, `scan` lists what a folder holds. Headers of regular files are read by a small reader of our
own, all others by pydicom; compressed pixels are decoded in a child process, so that no damaged file can take this one
down.
"""

from medloc_lib.data.dicom.intensity import Lut, apply_window
from medloc_lib.data.dicom.reading import read, read_series, scan
from medloc_lib.data.dicom.series import SeriesInfo

__all__ = ["Lut", "SeriesInfo", "apply_window", "read", "read_series", "scan"]
