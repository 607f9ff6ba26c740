"""Boxes, masks, and the way between pixel index and patient millimetre.

Three things that are easily confused have three names here:

index
    Integer position of a pixel along each array axis. Pixel ``i`` has its *centre* at index ``i``.
coordinate
    Position on the pixel grid where pixel ``i`` covers ``[i, i + 1)``: its centre is at ``i + 0.5``. Boxes are
    given in coordinates, half-open, in array-axis order: ``(row0, col0, row1, col1)`` in 2-D and
    ``(plane0, row0, col0, plane1, row1, col1)`` in 3-D. The edge ``e`` of a box lies at index ``e - 0.5``.
millimetre (mm)
    Patient space in LPS: x to the patient's left, y to posterior, z to superior.

An *affine* is a 4×4 matrix from index ``(plane, row, col, 1)`` to ``(x, y, z, 1)`` in mm, pixel centre to point. A 2-D
image is plane 0 of its affine. See ``CONVENTIONS.md`` for a drawing.
"""

from __future__ import annotations

from medloc_lib.geometry.boxes import (
    area,
    as_affine,
    as_boxes,
    as_label_map,
    boxes_to_mask,
    centers,
    clip,
    iou,
    mask_to_boxes,
    nms,
    transform,
)
from medloc_lib.geometry.formats import (
    boxes_from_coco,
    boxes_from_voc,
    boxes_from_xyxy,
    boxes_to_coco,
    boxes_to_voc,
    boxes_to_xyxy,
)
from medloc_lib.geometry.space import (
    affine_from,
    boxes_to_mm,
    index_to_mm,
    mm_to_index,
    spacing_of,
)

__all__ = [
    "affine_from",
    "area",
    "as_affine",
    "as_boxes",
    "as_label_map",
    "boxes_from_coco",
    "boxes_from_voc",
    "boxes_from_xyxy",
    "boxes_to_coco",
    "boxes_to_mask",
    "boxes_to_mm",
    "boxes_to_voc",
    "boxes_to_xyxy",
    "centers",
    "clip",
    "index_to_mm",
    "iou",
    "mask_to_boxes",
    "mm_to_index",
    "nms",
    "spacing_of",
    "transform",
]
