"""A volume as a sequence: each slice by a few hundred numbers from a detector's backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medloc_lib.deep import tensors
from medloc_lib.deep.localizers.base import AT_ONCE
from medloc_lib.deep.localizers.detector import HeatmapLocalizer
from medloc_lib.errors import InputError
from medloc_lib.sample import Sample

PIXEL = 1.40625
"""mm of a pixel that the stored detector knows: the middle of what it was trained on."""

Features = NDArray[np.float32]


def planes_of(sample: Sample) -> list[Sample]:
    """The planes of a volume as 2-D samples, with their pixels alone: no truth goes along.

    Raises
    ------
    InputError
        If it is no volume.

    Examples
    --------
    >>> planes = planes_of(Sample(np.zeros((1, 3, 8, 6)), spacing=(5, 2, 2), id="head"))
    >>> len(planes), planes[1].shape, planes[1].spacing, planes[1].id
    (3, (8, 6), (2.0, 2.0), 'head-1')
    """
    if sample.ndim != 3:
        raise InputError(f"needs a 3-D sample; {sample.id!r} is {sample.ndim}-D")
    return [
        Sample(
            sample.image[:, k],
            channels=sample.channels,
            spacing=sample.spacing[1:],
            id=f"{sample.id}-{k}",
            group=sample.group,
        )
        for k in range(sample.shape[0])
    ]


def slice_features(detector: HeatmapLocalizer, planes: Sequence[Sample], *, scale: float = 1.0) -> Features:
    """What a fitted 2-D detector makes of each slice of a stack.

    Parameters
    ----------
    detector : its coarsest stage gives the mean and the maximum of each of its feature maps, its heat the logit of the
        strongest cell of each class.
    planes : 2-D samples, such as `planes_of` gives. A channel that a plane lacks is taken as 0 throughout.
    scale : size at which the network sees them, as a factor; the stored detector knows pixels of `PIXEL` mm.

    Returns
    -------
    float32 (planes, 2 * coarsest maps + classes).

    Raises
    ------
    InputError
        If the detector is not fitted or not 2-D, or there is no plane.
    """
    if getattr(detector, "ndim_", None) != 2 or not len(planes):
        raise InputError("needs a fitted 2-D detector, and one plane at least")
    filled = [_with_channels(plane, detector.channels_) for plane in planes]
    deepest: list[Tensor] = []
    found: list[Tensor] = []
    with detector._in_use() as net:
        coarsest: Any = net.down
        hook = coarsest[-1].register_forward_hook(lambda module, given, answer: deepest.append(answer))
        try:
            for start in range(0, len(filled), AT_ONCE):
                part = tensors.pictures(filled[start : start + AT_ONCE], detector.channels_, scale=scale)
                heat, _ = net(tensors.together(part, net))
                maps = deepest.pop().float()
                found.append(torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), heat.float().amax((2, 3))], dim=1).cpu())
        finally:
            hook.remove()
    return np.asarray(torch.cat(found).numpy(), dtype=np.float32)


def brain_alone(sample: Sample, channel: str = "T1") -> Sample:
    """One channel of a sample with everything but the brain set to 0, as the true tissue tells: what a perfect skull
    stripping would give, and what `mni152` is.

    Raises
    ------
    InputError
        If nothing tells what is brain: neither a layer "tissue" (of `brain_lesions`) nor one called "grey" (`mni152`).
    """
    if "tissue" in sample.layers:
        tissue = sample.layers["tissue"]
        brain = (tissue >= 1) & (tissue <= 4)  # fluid, grey, white and deep grey matter
        if sample.mask is not None:
            brain = brain | (sample.mask > 0)
    elif "grey" in sample.layers and sample.mask is not None:
        brain = sample.mask > 0
    else:
        raise InputError(
            f"sample {sample.id!r} does not say what is brain; it has {', '.join(sample.layers) or 'none'}"
        )
    return replace(sample, image=(sample[channel] * brain)[None], channels=(channel,))


def _with_channels(plane: Sample, channels: Sequence[str]) -> Sample:
    if all(name in plane.channels for name in channels):
        return plane
    empty = np.zeros(plane.shape, dtype=plane.image.dtype)
    image = np.stack([plane[name] if name in plane.channels else empty for name in channels])
    return replace(plane, image=image, channels=tuple(channels))


@dataclass(frozen=True)
class Projection:
    """Features in fewer numbers: their principal components, each feature counted in its standard deviations.

    Parameters
    ----------
    mean : (features,). basis : (features, kept).

    Examples
    --------
    >>> steps = np.outer(np.arange(5.0), [1, 2, 3])
    >>> Projection.fit([steps], n=1)(steps).shape
    (5, 1)
    """

    mean: Features
    basis: Features

    @classmethod
    def fit(cls, stacks: Sequence[NDArray[Any]], *, n: int, whole: int = 0) -> Projection:
        """Learn from stacks (slices, features) the `n` directions in which they vary most; the last `whole` features
        stay as they are, and come last.
        """
        x = np.concatenate([np.asarray(stack, dtype=np.float64) for stack in stacks])
        maps = x[:, : x.shape[1] - whole]
        if not 1 <= n <= min(maps.shape):
            raise InputError(f"n must be between 1 and {min(maps.shape)}; got {n}")
        mean, spread = maps.mean(0), maps.std(0) + 1e-6
        _, _, directions = np.linalg.svd((maps - mean) / spread, full_matrices=False)
        basis = np.zeros((x.shape[1], n + whole))
        basis[: len(spread), :n] = directions[:n].T / spread[:, None]
        basis[len(spread) :, n:] = np.eye(whole)
        return cls(
            np.asarray(np.concatenate([mean, np.zeros(whole)]), dtype=np.float32), np.asarray(basis, dtype=np.float32)
        )

    def __call__(self, stack: NDArray[Any]) -> Features:
        """(slices, features) to (slices, n + whole)."""
        return np.asarray((np.asarray(stack, dtype=np.float32) - self.mean) @ self.basis, dtype=np.float32)
