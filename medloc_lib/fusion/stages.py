"""What `register` does with SimpleITK: one optimization after another, each with the transform before as its start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name by which it is known
from numpy.typing import NDArray
from tqdm.auto import tqdm

from medloc_lib.errors import InputError
from medloc_lib.fusion.grid import Grid

KINDS = ("rigid", "affine", "bspline")
"""Kinds of transform, in the order in which they are sought."""
SHRINK = (4, 2, 1)
"""How much smaller the pictures are at each level, from coarse to fine."""
POINTS = {"rigid": 40_000, "affine": 40_000, "bspline": 15_000}
"""Points at which the metric is read; where a picture has fewer pixels, at all of them."""
BINS = 32
"""Of the metric's joint histogram."""
STEPS = {"rigid": 300, "affine": 300, "bspline": 100}
"""Steps that each level may take."""
ENDED = ("Step too small", "olerance", "Convergence")
"""What an optimizer says that ended by itself."""
KNOTS_MM = 40.0
"""Distance of a B-spline's control points."""
FEWEST = 16
"""Pixels that a picture must have along each axis in its plane."""


class Course:
    """The way of a moving picture to a fixed one.

    Attributes
    ----------
    transform : what has been found so far, from a point of the fixed picture to the moving one.
    curve : mutual information in nats at each step; starts : where in it each level begins.
    exhausted : why a stage ended, of the stages that ran out of steps.
    """

    def __init__(self, fixed: tuple[NDArray[Any], Grid], moving: tuple[NDArray[Any], Grid], seed: int) -> None:
        self.grid = fixed[1]
        self.fixed, self.moving = fixed[1].image(fixed[0]), moving[1].image(moving[0])
        self.seed = seed
        self.transform = sitk.CompositeTransform(len(self.grid.shape))
        self.transform.AddTransform(_start(fixed[1], moving[1]))
        self.curve: list[float] = []
        self.starts: list[int] = []
        self.exhausted: list[str] = []

    def metric(self) -> float:
        """Mutual information of the pictures as they lie now, in nats, at full resolution."""
        method = self._method("rigid", [1])
        method.SetInitialTransform(self.transform)
        return -float(method.MetricEvaluate(self.fixed, self.moving))

    def run(self, kind: str, bar: tqdm) -> str:
        """Add the best transform of this kind; why the optimizer stopped.

        Raises
        ------
        InputError
            If the pictures come to lie beside each other.
        """
        shrink = [s for s in SHRINK if min(self.grid.shape) // s >= FEWEST // 2] or [1]
        method = self._method(kind, shrink)
        if kind == "bspline":
            pairs = zip(self.fixed.GetSize(), self.fixed.GetSpacing(), strict=True)
            mesh = [max(1, round(n * step / KNOTS_MM)) for n, step in pairs]
            transform = sitk.BSplineTransformInitializer(self.fixed, mesh, 3)
            method.SetOptimizerAsLBFGSB(numberOfIterations=STEPS[kind], costFunctionConvergenceFactor=1e12)
        else:
            transform = _linear(kind, self.grid)
            method.SetOptimizerAsRegularStepGradientDescent(
                learningRate=2.0, minStep=1e-3, numberOfIterations=STEPS[kind], gradientMagnitudeTolerance=1e-8
            )
            method.SetOptimizerScalesFromPhysicalShift()
        method.SetMovingInitialTransform(self.transform)
        method.SetInitialTransform(transform, inPlace=True)

        def stepped() -> None:
            self.curve.append(-method.GetMetricValue())
            bar.update()
            bar.set_postfix(nats=f"{self.curve[-1]:.3f}")

        method.AddCommand(sitk.sitkIterationEvent, stepped)
        method.AddCommand(sitk.sitkMultiResolutionIterationEvent, lambda: self.starts.append(len(self.curve)))
        try:
            method.Execute(self.fixed, self.moving)
        except RuntimeError as error:  # of ITK: such as that all points lie outside of the moving picture
            reason = str(error).strip().splitlines()[-1].strip()
            raise InputError(
                f"the pictures cannot be registered ({reason}): check the affines, or begin nearer to the goal"
            ) from error
        stop = str(method.GetOptimizerStopConditionDescription()).split(": ", 1)[-1].strip()
        if not any(word in stop for word in ENDED):
            self.exhausted.append(f"{kind}: {stop}")
        self.transform.AddTransform(transform)
        return stop

    def _method(self, kind: str, shrink: list[int]) -> Any:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetInterpolator(sitk.sitkLinear)
        pixels = [np.prod([max(1, n // s) for n in self.grid.shape]) for s in shrink]
        if max(pixels) > POINTS[kind]:
            method.SetMetricSamplingStrategy(method.RANDOM)
            shares = [min(1.0, POINTS[kind] / float(n)) for n in pixels]
            method.SetMetricSamplingPercentagePerLevel(shares, self.seed + 1)  # 0 would be the clock
        method.SetShrinkFactorsPerLevel(shrink)
        step = float(self.grid.spacing.max())
        method.SetSmoothingSigmasPerLevel([s / 2 * step if s > 1 else 0.0 for s in shrink])
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        return method


@contextmanager
def one_thread() -> Iterator[None]:
    """SimpleITK in one thread: sums in the same order, and so the same result in every run."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def matrix_of(transform: sitk.Transform, grid: Grid) -> NDArray[np.float64]:
    """A linear transform as a matrix in patient mm, 4×4; a slice's leaves the way across its plane alone."""
    n = len(grid.shape)
    zero = np.array(transform.TransformPoint([0.0] * n))
    inner = np.eye(4)
    inner[:n, :n] = np.stack([np.array(transform.TransformPoint(unit.tolist())) - zero for unit in np.eye(n)], axis=1)
    inner[:n, 3] = zero
    return np.asarray(np.linalg.inv(grid.frame) @ inner @ grid.frame)


def shift_of(transform: sitk.Transform, grid: Grid, image: sitk.Image) -> NDArray[np.float32]:
    """For each pixel the mm, along the array axes, to where it goes: float32 (ndim, *shape)."""
    placed = image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection()
    field = sitk.GetArrayFromImage(sitk.TransformToDisplacementField(transform, sitk.sitkVectorFloat64, *placed))
    unit = grid.axes / grid.spacing
    return np.moveaxis(field @ unit, -1, 0).astype(np.float32)


def resampled(
    picture: NDArray[Any], fixed: Grid, moving: Grid, transform: sitk.Transform, *, nearest: bool = False
) -> NDArray[Any]:
    """A picture of the moving grid on the fixed one; outside of it, its lowest value."""
    target = fixed.image(np.zeros(fixed.shape, np.float32))
    how = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    low = np.float32(picture.min())
    done = sitk.Resample(moving.image(picture - low), target, transform, how, 0.0)
    values: NDArray[Any] = sitk.GetArrayFromImage(done) + low
    return values.round().astype(picture.dtype) if nearest else values


def _start(fixed: Grid, moving: Grid) -> sitk.Transform:
    """Nothing, or the shift of centre onto centre where one centre lies outside of the other picture."""
    ndim = len(fixed.shape)
    apart = moving.center - fixed.center
    half = [np.abs(g.axes) @ (np.array(g.shape) / 2) for g in (fixed, moving)]
    near = bool((np.abs(apart) <= np.minimum(*half)).all())
    return sitk.TranslationTransform(ndim, [0.0] * ndim if near else apart.tolist())


def _linear(kind: str, grid: Grid) -> sitk.Transform:
    """The transform that changes nothing, which turns about the middle of the fixed picture."""
    ndim = len(grid.shape)
    rigid = sitk.Euler2DTransform if ndim == 2 else sitk.Euler3DTransform
    made: Any = sitk.AffineTransform(ndim) if kind == "affine" else rigid()
    made.SetCenter(grid.center.tolist())
    return made  # type: ignore[no-any-return]
