"""A picture made ready for classical learning: where to look, every channel on one scale, and what is suspect in it.

Nothing here is learned from labels: all of it comes from the picture itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.localizer.function import main_channel
from medloc_lib.sample import Sample

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

WATER: Mapping[str, float] = {"FLAIR": 1.0, "T2": 0.3, "T1": -0.2}
"""What more water does to a channel, and how much each counts in `suspicion`; most lesions of the brain hold more."""

SCALP, DEEP = 7.0, 24.0  # mm under the skin: surely outside the skull, surely inside
LIMIT = 8.0  # deviations; what lies further out is taken to lie here
CUT = 4.0  # deviations from which on a pixel has no say in a fit


@dataclass(frozen=True, eq=False)
class Scene:
    """What `prepare` makes of a sample.

    Parameters
    ----------
    z : float32 (channels, rows, cols), each channel in robust deviations from what is usual at that place.
    inside : bool (rows, cols), where to look: the inside of the skull if there is one.
    mirrored : float32, as `z`, seen in a mirror along the long axis of `inside`: the other side of the head.
    suspicion : float32 (rows, cols), deviations by which a pixel is other than its channels make one expect.
    main : index of the channel that matters most.
    channels, spacing : the sample's own.
    """

    z: Floats
    inside: Bools
    mirrored: Floats
    suspicion: Floats
    main: int
    channels: tuple[str, ...]
    spacing: tuple[float, float]


def prepare(sample: Sample) -> Scene:
    """Make a 2-D sample ready.

    Raises
    ------
    InputError
        If the sample is a volume.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100, 1, (2, 40, 40))
    >>> image[1, 10:14, 20:26] += 9
    >>> scene = prepare(Sample(image, channels=("T1", "FLAIR")))
    >>> scene.channels[scene.main], bool(scene.suspicion[12, 22] > 4)
    ('FLAIR', True)
    """
    if sample.ndim != 2:
        raise InputError(
            f"classical candidates and features are found slice by slice; {sample.id!r} is a volume of "
            f"{sample.shape}: make a sample of each plane, image[:, k]"
        )
    image = sample.image.astype(np.float32)
    where = head(image, sample.spacing)
    z = standardize(image, where)
    main = sample.channels.index(main_channel(sample))
    spacing = (sample.spacing[0], sample.spacing[1])
    return Scene(z, where, mirror(z, where), suspicion(z, where, sample.channels), main, sample.channels, spacing)


def head(image: Floats, spacing: Sequence[float]) -> Bools:
    """The inside of the skull, bool (rows, cols); without a skull, the body; where the body fills the picture, all.

    The body is the largest connected part over half of the mean brightness. Inside and outside of the skull are parted
    by a watershed whose crest is the bone, dark in every channel; it counts as a skull if it is half as bright as what
    it holds.

    Parameters
    ----------
    image : (channels, rows, cols).
    spacing : mm.

    References
    ----------
    S. Beucher and C. Lantuéjoul, "Use of watersheds in contour detection", Rennes 1979.
    """
    from skimage.segmentation import watershed

    low, high = np.percentile(image.reshape(len(image), -1), (0.5, 99), axis=1)[..., None, None]
    light = np.clip((image - low) / np.maximum(high - low, 1e-9), 0, 1).mean(axis=0)
    light = cv2.GaussianBlur(light, (0, 0), 0.7)
    body = _largest(light > light.mean() / 2)
    if np.concatenate([body[0], body[-1], body[:, 0], body[:, -1]]).mean() > 0.5:
        return np.ones(body.shape, dtype=bool)
    depth = mm_inside(body, spacing)
    seeds = np.where(depth > DEEP, 2, np.where(depth < SCALP, 1, 0)).astype(np.int32)
    if not (seeds == 2).any():
        return body
    within = np.asarray(watershed(-light, seeds) == 2)
    rim = within & (cv2.erode(within.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    return within if np.median(light[rim]) < 0.5 * np.median(light[within]) else body


def mm_inside(mask: Bools, spacing: Sequence[float]) -> Floats:
    """Distance in mm from each pixel to the nearest one outside the mask; beyond the picture all is outside.

    >>> mm_inside(np.ones((3, 5), dtype=bool), (2.0, 2.0)).max()
    np.float32(4.0)
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(distance * np.float32(np.mean(spacing)), dtype=np.float32)


def standardize(image: Floats, where: Bools) -> Floats:
    """Each channel less a smooth surface, in robust deviations: (channels, rows, cols).

    The surface, a polynomial of the second degree in row and column, takes the coil's uneven brightness with it.
    """
    r, c = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in where.shape), indexing="ij")
    terms = np.stack([r, c, r * r, c * c, r * c])
    return np.stack([residual(channel, terms, where) for channel in image])


def suspicion(z: Floats, where: Bools, channels: Sequence[str]) -> Floats:
    """How much brighter each pixel is than linear regression on the other channels says: (rows, cols).

    Grey matter is brighter than white on FLAIR, but also on PET and in other ways on T1 and T2: the other channels say
    what the tissue is, and what they do not explain is suspect. The channels of `WATER` are predicted in its order,
    each from those after it and from all channels that are not in it, and their residuals added up with its weights.
    Without a FLAIR channel: the first one, predicted from the others.

    The regression is fitted to the picture's own pixels, of which nearly all are healthy.
    """
    order = {name: w for name, w in WATER.items() if name in channels}
    if "FLAIR" not in order:
        order = {channels[0]: 1.0}
    total = np.zeros(where.shape, dtype=np.float32)
    left = list(channels)
    for name, weight in order.items():
        left.remove(name)
        others = [channels.index(other) for other in left]
        total += np.float32(weight) * residual(z[channels.index(name)], z[others], where)
    return total


def residual(target: Floats, predictors: Floats, where: Bools, *, rounds: int = 4) -> Floats:
    """What a robust linear regression on `predictors` leaves of `target`, in robust deviations: (rows, cols).

    Fitted inside `where`, on every other pixel of every other row, by weighted least squares, repeated with Tukey's
    weights, so that a lesion has no say in what is usual. A target that is constant leaves 0.

    Parameters
    ----------
    target : (rows, cols). predictors : (n, rows, cols); n may be 0.
    rounds : of weighting.

    References
    ----------
    A. Beaton and J. Tukey, "The fitting of power series, meaning polynomials, illustrated on band-spectroscopic data",
    Technometrics 16 (1974).
    """
    part = np.zeros_like(where)
    part[::2, ::2] = where[::2, ::2]
    part = part if part.sum() > 2 * len(predictors) + 2 else where
    y = target[part].astype(np.float64)
    x = np.concatenate([np.ones((1, len(y))), predictors[:, part].clip(-LIMIT, LIMIT)])
    weight = np.ones_like(y)
    for _ in range(rounds):
        weighted = x * weight
        coefficients = np.linalg.lstsq(weighted @ x.T, weighted @ y, rcond=None)[0]
        rest = y - coefficients @ x
        middle = float(np.median(rest))
        spread = 1.4826 * float(np.median(np.abs(rest - middle))) or float(rest.std())
        if spread < 1e-6 * max(1.0, float(np.abs(y).max())):
            return np.zeros_like(target, dtype=np.float32)
        weight = np.clip(1 - ((rest - middle) / (CUT * spread)) ** 2, 0, None) ** 2 + 1e-6
    fitted = coefficients[0] + np.tensordot(coefficients[1:], predictors.clip(-LIMIT, LIMIT), axes=1)
    return np.asarray((target - fitted - middle) / spread, dtype=np.float32)


def mirror(z: Floats, where: Bools) -> Floats:
    """The picture seen in a mirror that stands along the long axis of `where`: (channels, rows, cols).

    Of the two main axes the one nearer to the rows' direction is taken, as heads are drawn upright.
    """
    middle, along = axis_of(where)
    turn = 2 * np.outer(along, along) - np.eye(2)
    shift = middle - turn @ middle
    matrix = np.array([[turn[1, 1], turn[1, 0], shift[1]], [turn[0, 1], turn[0, 0], shift[0]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = [cv2.warpAffine(c, matrix, c.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE) for c in z]
    return np.stack(turned).astype(np.float32)


def axis_of(where: Bools) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle (row, col) as an index, and the unit vector of the main axis nearest to the rows', pointing down."""
    points = np.argwhere(where).astype(np.float64)
    middle = points.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((points - middle).T) if len(points) > 1 else np.eye(2))
    along = axes[:, int(np.argmax(np.abs(axes[0])))]
    return middle, along * (1 if along[0] >= 0 else -1)


def _largest(mask: Bools) -> Bools:
    """The largest connected part, with its holes filled; everything where there is no part."""
    padded = np.pad(mask.astype(np.uint8), 1)
    n, labels, stats, _ = cv2.connectedComponentsWithStats(padded, connectivity=4)
    if n == 1:
        return np.ones(mask.shape, dtype=bool)
    body = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    _, holes = cv2.connectedComponents((~body).astype(np.uint8), connectivity=4)
    return np.asarray((holes != holes[0, 0])[1:-1, 1:-1])
