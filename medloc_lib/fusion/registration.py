"""Registration: move one picture until it lies on another, by mutual information."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name by which it is known
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.fusion.grid import Grid, grids
from medloc_lib.fusion.pixel import as_channels
from medloc_lib.fusion.stages import FEWEST, KINDS, Course, matrix_of, one_thread, resampled, shift_of
from medloc_lib.geometry import affine_from
from medloc_lib.sample import Sample

Array = NDArray[Any]

SLACK = 0.01
"""Share of the metric by which pictures that were aligned before may fit worse: it is an estimate."""


@dataclass(frozen=True, eq=False)
class Registration:
    """How one picture was moved onto another.

    Parameters
    ----------
    image : float32 (*fixed shape), the moving picture on the fixed one's grid; where it does not reach, its lowest
        value.
    transform : SimpleITK's, from a point of the fixed picture to where it lies in the moving one, in mm: patient mm for
        a volume, mm in its plane for a slice.
    matrix : the same for "rigid" and "affine", 4×4 in patient mm (LPS); None for "bspline".
    shift : float32 (ndim, *fixed shape), for each pixel of the fixed picture the mm, along its array axes, to where it
        lies in the moving one; as the layer "shift" of `brain_lesions`.
    curve : the metric at each step, mutual information in nats, higher is better. Levels differ in scale: compare
        within one.
    starts : where in `curve` each level begins.
    converged : whether every last level ended by itself, and the pictures do not fit worse than before.
    message : why it ended.
    """

    image: NDArray[np.float32]
    transform: sitk.Transform
    matrix: NDArray[np.float64] | None
    shift: NDArray[np.float32]
    curve: NDArray[np.float64]
    starts: tuple[int, ...]
    converged: bool
    message: str
    _fixed: Grid = field(repr=False)
    _moving: Grid = field(repr=False)

    def apply(self, picture: ArrayLike, *, nearest: bool = False) -> Array:
        """Bring another picture of the moving grid (another channel, a mask) onto the fixed grid.

        Parameters
        ----------
        picture : of the moving picture's shape.
        nearest : take the nearest pixel and keep the type, as labels need; else linear, float32.

        Raises
        ------
        InputError
            If the picture has another shape.
        """
        array = np.asarray(picture)
        if array.shape != self._moving.shape:
            raise InputError(f"needed a picture of the moving one's shape {self._moving.shape}; got {array.shape}")
        return resampled(array, self._fixed, self._moving, self.transform, nearest=nearest)


def register(
    fixed: ArrayLike,
    moving: ArrayLike,
    *,
    kind: str = "rigid",
    affine: ArrayLike | None = None,
    moving_affine: ArrayLike | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Registration:
    """Register a moving picture to a fixed one by mutual information (Mattes), from coarse to fine.

    It begins where the affines put the pictures; where by them the centre of the one lies outside of the other, centre
    on centre. "rigid" turns and shifts; "affine", from there, also scales and shears; "bspline", from there, also
    bends, by control points 40 mm apart. Same input and seed, same result: it runs in one thread.

    Parameters
    ----------
    fixed, moving : (rows, cols) both, or (planes, rows, cols) both. Shapes may differ.
    kind : "rigid", "affine" or "bspline".
    affine, moving_affine : 4×4, index to patient mm (LPS), such as a Sample's; by default pixels of 1 mm, and for the
        moving picture the fixed one's. Of a picture whose spacing alone is known: ``affine_from(spacing)``.
    seed : of the points at which the metric is read in a large picture.
    progress : show a progress bar.

    Raises
    ------
    InputError
        If the pictures are not both 2-D or both 3-D, hold NaN, are smaller than 16 pixels across, or are without
        contrast, or an affine is sheared.

    Warns
    -----
    MedlocWarning
        If it did not converge: a last level ran out of steps, or the pictures fit worse than before.

    References
    ----------
    P. Viola and W. Wells, "Alignment by maximization of mutual information", IJCV 24 (1997); D. Mattes et al., "PET-CT
    image registration in the chest using free-form deformations", IEEE TMI 22 (2003): the metric; D. Rueckert et al.,
    "Nonrigid registration using free-form deformations", IEEE TMI 18 (1999): B-splines.

    Examples
    --------
    The moving picture is the fixed one, three pixels further down, with other grey values.

    >>> rows, cols = np.mgrid[:48, :48]
    >>> head = np.hypot(rows - 24, (cols - 20) * 1.3)
    >>> found = register(head, 100 - np.roll(head, 3, axis=0), progress=False)
    >>> found.shift[:, 20, 20].round(1).tolist()
    [3.0, 0.0]
    """
    first, second = _picture(fixed, "fixed"), _picture(moving, "moving")
    if first.ndim != second.ndim:
        raise InputError(f"needed two slices or two volumes; got shapes {first.shape} and {second.shape}")
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    grid, moving_grid = grids(first.shape, second.shape, affine, moving_affine)
    with one_thread(), tqdm(desc=kind, unit="step", disable=not progress, leave=False) as bar:
        course = Course((first, grid), (second, moving_grid), seed)
        begun = course.metric()
        for stage in KINDS[: KINDS.index(kind) + 1]:
            message = course.run(stage, bar)
        ended = course.metric()
    worse = ended < (1 - SLACK) * begun
    if worse:
        message = f"the pictures fit worse than before ({ended:.4f} < {begun:.4f} nats)"
    elif course.exhausted:
        message = course.exhausted[0]
    converged = not worse and not course.exhausted
    if not converged:
        warnings.warn(
            f"the registration ({kind}) did not converge: {message}. Look at the result before you use it; pictures "
            "that are far apart need a start nearer to the goal (moving_affine)",
            MedlocWarning,
            stacklevel=2,
        )
    return Registration(
        image=resampled(second, grid, moving_grid, course.transform),
        transform=course.transform,
        matrix=None if kind == "bspline" else matrix_of(course.transform, grid),
        shift=shift_of(course.transform, grid, course.fixed),
        curve=np.array(course.curve),
        starts=tuple(course.starts),
        converged=converged,
        message=message,
        _fixed=grid,
        _moving=moving_grid,
    )


def align(sample: Sample, *, reference: str | None = None, kind: str = "rigid", progress: bool = False) -> Sample:
    """A sample with all its channels registered to one of them. Its truth must be that of the reference.

    A channel without contrast (a missing one) stays as it is, and so does one whose registration did not converge, of
    which `register` warns.

    Parameters
    ----------
    sample : channels of one grid.
    reference : name of the channel that stays; default the first.
    kind, progress : as in `register`, which also says what is raised and warned of.
    """
    name = sample.channels[0] if reference is None else reference
    still = sample[name]
    affine = affine_from(sample.spacing) if sample.affine is None else sample.affine
    moved = []
    for other, channel in zip(sample.channels, sample.image, strict=True):
        if other != name and channel.min() < channel.max():
            found = register(still, channel, kind=kind, affine=affine, progress=progress)
            channel = found.image if found.converged else channel
        moved.append(channel)
    return sample.replace(image=np.stack(moved).astype(np.float32))


def _picture(picture: ArrayLike, name: str) -> Array:
    array: Array = as_channels(np.asarray(picture)[None])[0]
    if min(array.shape[-2:]) < FEWEST:
        raise InputError(f"the {name} picture must be at least {FEWEST} pixels across to be registered: {array.shape}")
    if array.min() == array.max():
        raise InputError(f"the {name} picture has no contrast, so nothing says where it belongs")
    return array
