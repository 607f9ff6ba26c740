"""Two recipes made of the parts: the brain inside a head, and white cells in a stained smear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.segmentation.boundary import gradient
from medloc_lib.segmentation.checks import Floats, Labels, as_picture, grown, relabeled, shrunk
from medloc_lib.segmentation.feature import multi_otsu

NECK = 4.0
"""mm: what holds the brain to the rest of the head in a picture is thinner than twice this."""
PURPLE, REDDER = 30.0, 10.0
"""How much more blue than green a nucleus is, and more red than blue a red cell, of 255."""
NUCLEUS, LOBES, REACH = 1200, 9, 40
"""Least pixels of a nucleus, half the gap between its lobes, and how far from it its cell ends. These and the two above
were chosen on the training split of `bccd`."""


def brain(image: ArrayLike, *, spacing: float | Sequence[float] = 1.0) -> Labels:
    """The brain and the fluid around it in a T2-weighted picture of a head.

    Bone gives no signal, and fluid a bright one, so that a dark ring parts brain from scalp. What is over the lower of
    two Otsu thresholds is shrunk by 4 mm, which breaks the bridges; the largest part is kept, grown back, and its holes
    are filled.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    spacing : mm per axis, or one number for all.

    Returns
    -------
    int32 label map: 1 inside. Where nothing is thick enough, it is all that is over the threshold; of a constant image
    it is everything.

    References
    ----------
    The idea: J.-F. Mangin et al., "From 3D magnetic resonance images to structural representations of the cortex
    topography using topology preserving deformations", J. Math. Imaging Vis. 5 (1995).

    Examples
    --------
    Scalp, bone and brain as rings:

    >>> rows, cols = np.mgrid[-32:33, -32:33]
    >>> away = np.hypot(rows, cols)
    >>> head = np.select([away < 20, away < 24, away < 28], [100, 5, 80], 0)
    >>> found = brain(head) == 1
    >>> bool((found <= (away < 20)).all() and found.sum() > 0.99 * (away < 20).sum())
    True
    """
    picture, known = as_picture(image)
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape not in ((), (picture.ndim,)) or not (steps > 0).all():
        raise InputError(f"spacing must be positive mm, one or {picture.ndim} numbers; got {spacing}")
    steps = np.broadcast_to(steps, picture.ndim)
    levels = multi_otsu(picture)
    bright = levels > 1 if levels.max() > 1 else levels > 0
    if bright.all():
        return relabeled(bright, known)
    parts, _ = ndimage.label(shrunk(bright, NECK, spacing=steps))
    sizes = np.bincount(parts.ravel())[1:]
    if len(sizes) == 0:
        return relabeled(bright, known)
    core = parts == np.argmax(sizes) + 1
    back = grown(core, NECK + steps.max() / 2, spacing=steps)
    return relabeled(ndimage.binary_fill_holes(back & bright), known)


def white_cells(image: ArrayLike) -> Labels:
    """White blood cells in a smear with Giemsa's or Wright's stain, which turns their nuclei purple.

    Nuclei are where blue exceeds green, red being no guide: they are found by a threshold, their lobes joined, and
    what is small left out (platelets are purple too). From each nucleus, and from the red cells and the clear ground
    around, the colour's gradient is flooded: the cell ends where the floods meet.

    Parameters
    ----------
    image : (rows, cols, 3) or (3, rows, cols), red, green and blue from 0 to 255.

    Returns
    -------
    int32 label map, one number per cell.

    References
    ----------
    F. Meyer and S. Beucher, "Morphological segmentation", J. Vis. Commun. Image Represent. 1 (1990).

    Examples
    --------
    >>> image = np.full((120, 120, 3), 220)
    >>> rows, cols = np.mgrid[:120, :120]
    >>> image[np.hypot(rows - 60, cols - 60) < 30] = 200, 170, 205
    >>> image[np.hypot(rows - 60, cols - 60) < 22] = 120, 60, 160
    >>> cells = white_cells(image)
    >>> cells.max(), bool(abs((cells > 0).sum() / (np.pi * 30**2) - 1) < 0.1)
    (np.int32(1), True)
    """
    from skimage.filters import threshold_otsu
    from skimage.segmentation import watershed

    colors = _colors(image)
    red, green, blue = (ndimage.gaussian_filter(color, 2) for color in colors)
    parts, n = ndimage.label(shrunk(grown(blue - green > PURPLE, LOBES), LOBES))
    large = np.bincount(parts.ravel(), minlength=n + 1) >= NUCLEUS
    large[0] = False
    nuclei, n = ndimage.label(large[parts])
    if n == 0 or np.ptp(green) == 0:
        return np.asarray(nuclei, dtype=np.int32)
    ground = ((green > threshold_otsu(green)) | (red - blue > REDDER)) & (nuclei == 0)
    around = shrunk(ground, 2) | ~grown(nuclei > 0, REACH)
    steep = np.sqrt(sum(gradient(color, sigma=1.5) ** 2 for color in colors))
    cells = watershed(steep, np.where(around, n + 1, nuclei))
    return np.where(cells > n, 0, cells).astype(np.int32)


def _colors(image: ArrayLike) -> list[Floats]:
    """Red, green and blue, (rows, cols) each."""
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[-1] == 3 != array.shape[0]:
        array = np.moveaxis(array, -1, 0)
    if array.ndim != 3 or len(array) != 3:
        raise InputError(f"a colour picture must be (rows, cols, 3) or (3, rows, cols); got {np.shape(image)}")
    return [as_picture(color, ndim=(2,))[0] for color in array]
