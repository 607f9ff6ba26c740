"""Four ways to propose regions of a scene, without labels: each gives boxes and masks, the most promising first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from medloc_lib.classical.scene import Bools, Scene

Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]

LEVELS = 24  # thresholds
SMALLEST, LARGEST = 3, 0.4  # pixels, and share of the head, of a component
MAIN = 1.5  # how much the main channel counts beside the suspicion
BLUR = 0.7  # pixels
NESTED = 5  # boxes of one peak, at most
ALIKE = 0.5  # IoU over which two boxes of one peak are the same
SCALES = (2.0, 3.2, 5.0, 8.0, 12.5)  # mm, of blobs
CELLS = (7.0, 16.0)  # mm between the seeds of superpixels
SIDES = (6.0, 12.0, 24.0, 48.0)  # mm, of windows


@dataclass(frozen=True, eq=False)
class Proposals:
    """Regions, the most promising first.

    Parameters
    ----------
    boxes : int (n, 4), half-open, inside the picture.
    mask : gives the mask of region `i`, of its box's size; made only for those that are kept.
    scores : float (n,), by which they were ordered; their scale differs from method to method.
    """

    boxes: Ints
    mask: Callable[[int], Bools]
    scores: Numbers

    def __len__(self) -> int:
        return len(self.boxes)


def components(scene: Scene) -> Proposals:
    """Connected components at many thresholds: nested regions around each peak of brightness and suspicion.

    Thresholds are set so that the area over them grows evenly from a few pixels to `LARGEST` of the head. All
    components that have their most suspect pixel in common belong to one peak. A peak is as good as the best of its
    components, by mean suspicion times contrast to the surround; of its components the one with the most contrast comes
    first, and each further one, if it is not `ALIKE`, is worth half of the one before.

    References
    ----------
    J. Matas et al., "Robust wide-baseline stereo from maximally stable extremal regions", Image Vision Comput. 22
    (2004): regions as components of thresholds.
    """
    where = scene.inside
    bright = cv2.GaussianBlur((MAIN * scene.z[scene.main] + scene.suspicion) * where, (0, 0), BLUR)
    suspect = cv2.GaussianBlur(scene.suspicion * where, (0, 0), BLUR).ravel()
    pixels = np.flatnonzero(where)
    pixels = pixels[np.argsort(-bright.ravel()[pixels], kind="stable")]
    ends = np.unique(np.geomspace(SMALLEST + 1, max(LARGEST * len(pixels), SMALLEST + 2), LEVELS).astype(np.int64))
    over = np.zeros(where.shape, dtype=np.uint8)
    maps, found = [], []
    for level, end in enumerate(ends):
        over.ravel()[pixels[:end]] = 1
        n, labels, stats, _ = cv2.connectedComponentsWithStats(over, connectivity=8)
        inside = pixels[:end]
        mine = labels.ravel()[inside]
        order = np.lexsort((-suspect[inside], mine))
        peaks = inside[order[np.flatnonzero(np.diff(mine[order], prepend=0))]]
        total = np.bincount(mine, weights=scene.suspicion.ravel()[inside], minlength=n)
        kept = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= SMALLEST)
        col, row, width, height, area = stats[1:][kept].T
        maps.append(labels)
        rest = (area, total[1:][kept], peaks[kept], np.full(len(kept), level), kept + 1)
        found.append(np.stack([row, col, row + height, col + width, *rest], axis=1))
    table = np.concatenate(found)
    boxes = table[:, :4].astype(np.int64)
    peak, levels, label = (table[:, k].astype(np.int64) for k in (6, 7, 8))
    mean, contrast = _stands_out(scene, boxes, table[:, 4], table[:, 5])
    worth = _ranked_by_peak(boxes, peak, mean, contrast)
    best = np.argsort(-worth, kind="stable")[: int(np.isfinite(worth).sum())]

    def mask(i: int) -> Bools:
        k = best[i]
        row0, col0, row1, col1 = boxes[k]
        return np.asarray(maps[levels[k]][row0:row1, col0:col1] == label[k])

    return Proposals(boxes[best], mask, worth[best])


def blobs(scene: Scene) -> Proposals:
    """Discs at the peaks, over place and scale, of the scale-normalized Laplacian of Gaussian.

    Looked for in the suspicion (bright), and in every channel but the main one (bright or dark: a hollow, or a spot
    without uptake, is no brighter than what surrounds it). Responses are counted in deviations of their own map and
    scale.

    References
    ----------
    T. Lindeberg, "Feature detection with automatic scale selection", Int. J. Comput. Vis. 30 (1998).
    """
    where = scene.inside
    step = float(np.mean(scene.spacing))
    found = []
    others = [z for k, z in enumerate(scene.z) if k != scene.main]
    for picture, signs in ((scene.suspicion, (1,)), *((z, (1, -1)) for z in others)):
        flat = np.clip(picture, -8, 8) * where
        smooth = [cv2.GaussianBlur(flat, (0, 0), sigma / step) for sigma in SCALES]
        bright = [-((s / step) ** 2) * cv2.Laplacian(g, cv2.CV_32F) for s, g in zip(SCALES, smooth, strict=True)]
        spread = np.stack(bright)[:, where].std(axis=1) + 1e-9
        for sign in signs:
            stack = sign * np.stack(bright)
            around = np.stack([cv2.dilate(response, np.ones((3, 3), np.uint8)) for response in stack])
            peak = (stack == around) & where & (stack > 0)
            peak[1:] &= stack[1:] > around[:-1]
            peak[:-1] &= stack[:-1] > around[1:]
            k, row, col = np.nonzero(peak)
            found.append(np.stack([stack[k, row, col] / spread[k], k, row, col], axis=1))
    table = np.concatenate(found)
    table = table[np.argsort(-table[:, 0], kind="stable")]
    radius = np.maximum(np.sqrt(2) * np.asarray(SCALES)[table[:, 1].astype(np.int64)] / step, 1)[:, None]
    middle = table[:, 2:] + 0.5
    limits = np.tile(where.shape, 2)
    boxes = np.clip(np.round(np.concatenate([middle - radius, middle + radius], axis=1)), 0, limits).astype(np.int64)

    def mask(i: int) -> Bools:
        height, width = boxes[i, 2:] - boxes[i, :2]
        return _disc(int(height), int(width))

    return Proposals(boxes, mask, table[:, 0])


def superpixels(scene: Scene) -> Proposals:
    """Pieces of even brightness, by a watershed of the gradient from a grid of seeds, at two sizes.

    References
    ----------
    P. Neubert and P. Protzel, "Compact watershed and preemptive SLIC", ICPR 2014: superpixels by seeded watershed.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    where = scene.inside
    bright = cv2.GaussianBlur(MAIN * scene.z[scene.main] + scene.suspicion, (0, 0), BLUR)
    slope = np.hypot(cv2.Sobel(bright, cv2.CV_32F, 1, 0), cv2.Sobel(bright, cv2.CV_32F, 0, 1))
    maps: list[Ints] = []
    found: list[list[float]] = []
    for size in CELLS:
        step = max(round(size / float(np.mean(scene.spacing))), 2)
        seeds = np.zeros(where.shape, dtype=bool)
        seeds[step // 2 :: step, step // 2 :: step] = True
        labels = watershed(slope, ndimage.label(seeds & where)[0], mask=where)
        area = np.bincount(labels[where], minlength=labels.max() + 1)
        total = np.bincount(labels[where], weights=scene.suspicion[where], minlength=labels.max() + 1)
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            if box is not None and area[label] >= SMALLEST:
                (rows, cols), place = box, (len(maps), label)
                found.append([rows.start, cols.start, rows.stop, cols.stop, area[label], total[label], *place])
        maps.append(labels)
    table = np.asarray(found, dtype=np.float64).reshape(-1, 8)
    boxes = table[:, :4].astype(np.int64)
    mean, contrast = _stands_out(scene, boxes, table[:, 4], table[:, 5])
    worth = np.maximum(mean, 0) * np.maximum(contrast, 0)
    best = np.argsort(-worth, kind="stable")

    def mask(i: int) -> Bools:
        k = best[i]
        row0, col0, row1, col1 = boxes[k]
        which, label = table[k, 6:].astype(np.int64)
        return np.asarray(maps[which][row0:row1, col0:col1] == label)

    return Proposals(boxes[best], mask, worth[best])


def windows(scene: Scene) -> Proposals:
    """Squares of four sizes at every place, a third of their side apart, at least half of each inside the head.

    Ordered by mean suspicion times contrast to the surround times side. The oldest way, and blind to shape.

    References
    ----------
    P. Viola and M. Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001: windows at
    all places and scales; sums over boxes by an integral image.
    """
    rows, cols = scene.inside.shape
    grids = []
    for size in SIDES:
        side = max(round(size / float(np.mean(scene.spacing))), 3)
        step = max(side // 3, 1)
        row, col = np.meshgrid(np.arange(0, rows - side + 1, step), np.arange(0, cols - side + 1, step), indexing="ij")
        grids.append(np.stack([row, col, row + side, col + side], axis=-1).reshape(-1, 4))
    boxes = np.concatenate(grids).astype(np.int64)
    area = box_sums(scene.inside, boxes)
    mostly = area >= 0.5 * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    boxes, area = boxes[mostly], area[mostly]
    total = box_sums(scene.suspicion * scene.inside, boxes)
    mean, contrast = _stands_out(scene, boxes, area, total)
    worth = np.maximum(mean, 0) * np.maximum(contrast, 0) * np.sqrt(area)
    best = np.argsort(-worth, kind="stable")
    boxes = boxes[best]
    return Proposals(boxes, lambda i: np.ones(boxes[i, 2:] - boxes[i, :2], dtype=bool), worth[best])


METHODS: Mapping[str, Callable[[Scene], Proposals]] = MappingProxyType(
    {"components": components, "blobs": blobs, "superpixels": superpixels, "windows": windows}
)


def box_sums(picture: NDArray[np.generic], boxes: Ints) -> Numbers:
    """Sum of a picture over each box, float64 (n,), by an integral image.

    >>> box_sums(np.ones((4, 4)), np.array([[0, 0, 2, 3], [1, 1, 4, 4]]))
    array([6., 9.])
    """
    total = cv2.integral(np.ascontiguousarray(picture, dtype=np.float32), sdepth=cv2.CV_64F)
    row0, col0, row1, col1 = boxes.T
    return np.asarray(total[row1, col1] - total[row0, col1] - total[row1, col0] + total[row0, col0])


def grown(boxes: Ints, by: Ints, shape: tuple[int, ...]) -> Ints:
    """Boxes grown on all four sides, cut to the picture.

    >>> grown(np.array([[2, 2, 4, 4]]), np.array([3]), (6, 9))
    array([[0, 0, 6, 7]])
    """
    wide = boxes + by[:, None] * np.array([-1, -1, 1, 1])
    return np.asarray(np.clip(wide, 0, np.tile(shape, 2)), dtype=np.int64)


def keep_apart(boxes: NDArray[np.generic], most: int, *, iou: float) -> Ints:
    """Indices of the first boxes that do not overlap an earlier one by more than `iou`, at most `most`.

    What `geometry.nms` does for boxes that are in order already; it stops at `most`, which for thousands of boxes, of
    which a few are wanted, is many times faster.
    """
    row0, col0, row1, col1 = boxes.T.astype(np.float64)
    area = (row1 - row0) * (col1 - col0)
    alive = np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    while len(kept) < most and alive.any():
        i = int(np.argmax(alive))
        kept.append(i)
        height = np.minimum(row1, row1[i]) - np.maximum(row0, row0[i])
        width = np.minimum(col1, col1[i]) - np.maximum(col0, col0[i])
        shared = np.maximum(height, 0) * np.maximum(width, 0)
        alive &= shared <= iou * (area + area[i] - shared)
        alive[i] = False
    return np.asarray(kept, dtype=np.int64)


def _ranked_by_peak(boxes: Ints, peak: Ints, mean: Numbers, contrast: Numbers) -> Numbers:
    """What each component is worth, see `components`; -inf for those that are left out."""
    score = np.maximum(mean, 0) * np.maximum(contrast, 0)
    worth = np.full(len(boxes), -np.inf)
    by_peak = np.argsort(peak, kind="stable")
    for one in np.split(by_peak, np.flatnonzero(np.diff(peak[by_peak])) + 1):
        order = one[np.argsort(-contrast[one], kind="stable")]
        kept = order[keep_apart(boxes[order], NESTED, iou=ALIKE)]
        worth[kept] = score[one].max(initial=0) * 0.5 ** np.arange(len(kept))
    return worth


def _stands_out(scene: Scene, boxes: Ints, area: Numbers, total: Numbers) -> tuple[Numbers, Numbers]:
    """Mean suspicion of each region, and that mean less the mean of its surround.

    The surround is what a box that is wider by 0.3 times the region's side, 2 pixels at least, holds of the head beside
    the region.
    """
    wide = grown(boxes, np.maximum(2, np.round(0.3 * np.sqrt(area))).astype(np.int64), scene.inside.shape)
    beside = np.maximum(box_sums(scene.inside, wide) - area, 1)
    mean = total / area
    around = (box_sums(scene.suspicion * scene.inside, wide) - total) / beside
    return mean, mean - around


def _disc(height: int, width: int) -> Bools:
    """An ellipse that fills a box."""
    r, c = (np.arange(n) + 0.5 - n / 2 for n in (height, width))
    return np.asarray((r[:, None] / (height / 2)) ** 2 + (c / (width / 2)) ** 2 <= 1)


__all__ = ["METHODS", "Proposals", "blobs", "box_sums", "components", "grown", "keep_apart", "superpixels", "windows"]
