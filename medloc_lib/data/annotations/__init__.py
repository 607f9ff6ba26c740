"""Boxes and masks from annotation files: COCO, Pascal VOC, CSV, and mask pictures; COCO is also written.

Every reader gives a sequence of Samples that are decoded when asked for. Boxes are checked when the annotation is read,
against the size in each picture's header. What cannot be right is named with its file and line (for COCO: annotation
id) and handled as `on_bad` says:

``"raise"``
    refuse all, and list what is bad (the default).
``"drop"``
    leave bad boxes and pictures out, and count them in one `MedlocWarning`.
``"clip"``
    cut boxes that reach outside their picture, leave the rest out, and count both.

Bad is: a box of no area, outside its picture, with NaN or of an unknown class; a picture that is missing, not readable,
of another size than the annotation says, or listed twice.

A picture that the annotation lists without boxes was looked at: its boxes are empty. One that it does not mention was
not: its boxes are None.
"""

from __future__ import annotations

from medloc_lib.data.annotations.coco import read_coco, write_coco
from medloc_lib.data.annotations.folder import read_folder
from medloc_lib.data.annotations.masks import read_masks
from medloc_lib.data.annotations.table import read_csv
from medloc_lib.data.annotations.voc import read_voc

__all__ = ["read_coco", "read_csv", "read_folder", "read_masks", "read_voc", "write_coco"]
