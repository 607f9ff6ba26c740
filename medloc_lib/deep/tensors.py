"""Samples as tensors: standardized, stacked, and small enough to lie on the device at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.errors import InputError
from medloc_lib.localizer.first import robust_z
from medloc_lib.sample import Sample

Batch = dict[str, Tensor]

LINEAR = {2: "bilinear", 3: "trilinear"}
"""What torch calls linear interpolation, by number of spatial axes."""

FARTHEST = 10.0
"""Standardized values are cut off here: beyond lies fat, metal or noise, and a half-precision number holds it well."""


@dataclass(frozen=True)
class Data:
    """What a network is trained on or asked about: tensors that share their first axis, and a name for each item.

    Parameters
    ----------
    tensors : by name, each (n, ...).
    ids : (n,), what an error calls the items.

    Raises
    ------
    InputError
        If lengths differ, or there is nothing.

    Examples
    --------
    >>> data = Data({"images": torch.zeros(3, 1, 4, 4), "sick": torch.tensor([0, 1, 0])}, ids=("a", "b", "c"))
    >>> len(data), data[1:].ids
    (3, ('b', 'c'))
    """

    tensors: Mapping[str, Tensor]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {name: len(tensor) for name, tensor in self.tensors.items()}
        if not self.ids or not lengths or set(lengths.values()) != {len(self.ids)}:
            raise InputError(f"tensors need one first axis, and as many ids; got {lengths} and {len(self.ids)} ids")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: slice) -> Data:
        return Data({name: tensor[index] for name, tensor in self.tensors.items()}, self.ids[index])

    @property
    def bytes(self) -> int:
        """Memory that the tensors take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


def standardize(image: NDArray[Any]) -> NDArray[np.float32]:
    """An image with values of the same meaning on every scanner, most of them between -3 and 3.

    Eight-bit pictures, such as photographs, are what a screen shows: 0 becomes -2 and 255 becomes 2. In all others the
    unit is unknown, and each channel is counted in robust standard deviations from its foreground's median
    (`medloc_lib.localizer.first.robust_z`), cut off at ±10. A constant channel is 0.

    Parameters
    ----------
    image : (channels, *spatial).

    Examples
    --------
    >>> standardize(np.array([[[0, 255]]], dtype=np.uint8))
    array([[[-2.,  2.]]], dtype=float32)
    """
    if image.dtype == np.uint8:
        return image.astype(np.float32) * np.float32(4 / 255) - np.float32(2)
    return np.stack([np.clip(robust_z(channel), -FARTHEST, FARTHEST) for channel in image])


def pictures(samples: Sequence[Sample], channels: Sequence[str], *, scale: float = 1.0) -> list[Tensor]:
    """The named channels of each sample, standardized, float16 (channels, *spatial), resized by `scale`.

    Raises
    ------
    InputError
        If a sample lacks a channel, or some are 2-D and some 3-D.
    """
    if len({sample.ndim for sample in samples}) > 1:
        raise InputError("samples must all be 2-D or all 3-D; got both")
    made = []
    for sample in samples:
        lacking = [name for name in channels if name not in sample.channels]
        if lacking:
            raise InputError(f"sample {sample.id!r} has no channel {lacking[0]!r}; it has {', '.join(sample.channels)}")
        chosen = [sample.channels.index(name) for name in channels]
        picture = torch.from_numpy(standardize(sample.image[chosen]))
        made.append(resize(picture, scaled(sample.shape, scale)).to(torch.float16))
    return made


def masks(samples: Sequence[Sample], *, scale: float = 1.0) -> list[Tensor]:
    """The mask of each sample, uint8 (1, *spatial), resized by `scale`.

    Raises
    ------
    InputError
        If a sample has none.
    """
    made = []
    for sample in samples:
        if sample.mask is None:
            raise InputError(f"it learns from masks; sample {sample.id!r} has none")
        labels = torch.from_numpy(np.array(sample.mask)).to(torch.uint8)[None]
        made.append(resize(labels, scaled(sample.shape, scale), nearest=True))
    return made


def scaled(shape: Sequence[int], scale: float) -> tuple[int, ...]:
    """A spatial shape times a factor, at least 1 along each axis."""
    return tuple(max(1, round(n * scale)) for n in shape)


def resize(picture: Tensor, shape: Sequence[int], *, nearest: bool = False) -> Tensor:
    """A picture (channels, *spatial) at another size: linear, averaged where it shrinks; or nearest, for labels.

    >>> resize(torch.arange(4.0)[None, None], (1, 2))
    tensor([[[0.5000, 2.5000]]])
    """
    if tuple(picture.shape[1:]) == tuple(shape):
        return picture
    if nearest:
        return functional.interpolate(picture[None].float(), size=tuple(shape), mode="nearest-exact")[0].to(picture)
    shrinks = all(a >= b for a, b in zip(picture.shape[1:], shape, strict=True))
    linear: dict[str, Any] = {"mode": LINEAR[picture.ndim - 1], "align_corners": False}
    how = {"mode": "area"} if shrinks else linear
    return functional.interpolate(picture[None], size=tuple(shape), **how)[0]


def stack(pictures: Sequence[Tensor]) -> Tensor:
    """Pictures of any sizes as one tensor (n, channels, *largest), each at the start, the rest its lowest value."""
    shape = [max(sizes) for sizes in zip(*(p.shape[1:] for p in pictures), strict=True)]
    made = pictures[0].new_empty((len(pictures), len(pictures[0]), *shape))
    for into, picture in zip(made, pictures, strict=True):
        into[...] = picture.flatten(1).amin(1).reshape(-1, *[1] * len(shape))
        into[(slice(None), *map(slice, picture.shape[1:]))] = picture
    return made


def together(pictures: Sequence[Tensor], net: nn.Module) -> Tensor:
    """Pictures of one shape as a network is asked: (n, channels, *spatial), in single precision, on its device.

    They are made single before they are stacked, as the CPU's autocast refuses to stack halves.

    >>> together([torch.zeros(1, 2, 3, dtype=torch.float16)] * 2, nn.Linear(1, 1)).dtype
    torch.float32
    """
    return torch.stack([picture.float() for picture in pictures]).to(next(net.parameters()).device)


def filled(pictures: Tensor, multiple: int) -> Tensor:
    """Pictures (n, channels, *spatial) whose sides are filled up to a multiple with what lies on the border.

    >>> filled(torch.arange(3.0)[None, None, None], 2)
    tensor([[[[0., 1., 2., 2.],
              [0., 1., 2., 2.]]]])
    """
    missing = [-n % multiple for n in reversed(pictures.shape[2:])]
    if not any(missing):
        return pictures
    return functional.pad(pictures, [amount for n in missing for amount in (0, n)], mode="replicate")


def box_tensors(samples: Sequence[Sample], *, scale: float = 1.0) -> Batch:
    """Boxes of all samples, padded to the largest number.

    Returns
    -------
    "boxes", float32 (n, most, 2 * ndim), coordinates times `scale`; "labels", int64 (n, most), -1 where there is no
    box; "ignored", bool (n, most).
    """
    most = max(1, *(len(_boxes(sample)) for sample in samples))
    boxes = torch.zeros(len(samples), most, 2 * samples[0].ndim)
    labels = torch.full((len(samples), most), -1)
    ignored = torch.zeros(len(samples), most, dtype=torch.bool)
    for i, sample in enumerate(samples):
        n = len(_boxes(sample))
        boxes[i, :n] = torch.from_numpy(_boxes(sample) * scale)
        labels[i, :n] = torch.from_numpy(np.array(sample.labels))
        ignored[i, :n] = torch.from_numpy(np.array(sample.ignore))
    return {"boxes": boxes, "labels": labels, "ignored": ignored}


def _boxes(sample: Sample) -> NDArray[Any]:
    if sample.boxes is None:
        raise InputError(f"sample {sample.id!r} has boxes=None: nobody looked; leave it out")
    return sample.boxes
