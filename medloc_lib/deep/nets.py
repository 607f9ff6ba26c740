"""The networks of the course, small on purpose: each trains in minutes on a laptop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep import tensors
from medloc_lib.errors import InputError

CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
NORM: dict[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
DROP: dict[int, Any] = {2: nn.Dropout2d, 3: nn.Dropout3d}

SIDE = 224
"""Rows and columns that the whole-image networks take."""


class TextbookCNN(nn.Module):
    """The CNN of many a textbook: does a picture of 224×224×3 show a disease or not?

    Three times a convolution of 3×3 with ReLU and a max-pooling of 2×2, with 32, 64 and 128 features; these are laid
    out in a row and go through a fully connected layer of 512 with ReLU to one number, the logit (its sigmoid is the
    probability). It has 44,396,609 parameters, of which 44,302,848 lie in the first fully connected layer.

    Examples
    --------
    >>> net = TextbookCNN()
    >>> net(torch.zeros(2, 3, 224, 224)).shape, sum(p.numel() for p in net.parameters())
    (torch.Size([2, 1]), 44396609)
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 3), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(128 * 26 * 26, 512), nn.ReLU(), nn.Linear(512, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


class PooledCNN(nn.Module):
    """The same depth and features, with batch normalization, and a global pooling in place of the dense layer.

    One linear layer makes of the 128 features of each place p how much that place speaks for a disease, M(p); the logit
    is their soft maximum, (1 / r) ln mean_p exp(r M(p)), plus a bias. With sharpness r going to 0 that is the average
    of the map, which is the same as a linear layer on the average of each feature map; there a lesion of a few pixels
    drowns in the thousands of others. (M. Lin, Q. Chen and S. Yan, "Network in network", ICLR 2014; P. O. Pinheiro and
    R. Collobert, "From image-level to pixel-level labeling with convolutional networks", CVPR 2015, equation 4; S.
    Ioffe and C. Szegedy, "Batch normalization", ICML 2015.) It takes pictures of any size.

    Parameters
    ----------
    channels : of the pictures.
    sharpness : r; 0 for the average.

    Examples
    --------
    >>> net = PooledCNN()
    >>> net(torch.zeros(2, 3, 224, 224)).shape, sum(p.numel() for p in net.parameters())
    (torch.Size([2, 1]), 93601)
    """

    def __init__(self, channels: int = 3, *, sharpness: float = 4.0) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.features = nn.Sequential(
            *(ConvBlock(2, channels, 32), nn.MaxPool2d(2)),
            *(ConvBlock(2, 32, 64), nn.MaxPool2d(2)),
            ConvBlock(2, 64, 128),
        )
        self.fc = nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        evidence = functional.linear(self.features(x).movedim(1, -1), self.fc.weight).flatten(1).float()
        r = self.sharpness
        soft = (torch.logsumexp(r * evidence, 1) - math.log(evidence.shape[1])) / r if r else evidence.mean(1)
        return soft[:, None] + self.fc.bias


class ConvBlock(nn.Sequential):
    """Convolution, batch normalization, ReLU; in 2-D or 3-D.

    Parameters
    ----------
    ndim : spatial axes.
    before, after : number of feature maps.
    kernel, stride : of the convolution; the picture becomes `stride` times smaller.
    """

    def __init__(self, ndim: int, before: int, after: int, *, kernel: int = 3, stride: int = 1) -> None:
        conv = CONV[ndim](before, after, kernel, stride=stride, padding=(kernel - 1) // 2, bias=False)
        super().__init__(conv, NORM[ndim](after), nn.ReLU())


class Residual(nn.Module):
    """Two convolutions whose result is added to what came in (K. He et al., CVPR 2016)."""

    def __init__(self, ndim: int, width: int) -> None:
        super().__init__()
        conv = CONV[ndim](width, width, 3, padding=1, bias=False)
        self.change = nn.Sequential(ConvBlock(ndim, width, width), conv, NORM[ndim](width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.change(x))


class HeatmapNet(nn.Module):
    """A heat map of centres for each class, and extents, at a fraction of the picture's size.

    An encoder halves the size from stage to stage; a decoder adds what it knows back to the finer stages (T.-Y. Lin et
    al., "Feature pyramid networks", CVPR 2017); two small heads answer at the first stage's size.

    Parameters
    ----------
    channels, classes : of the pictures, and kinds of object.
    ndim : 2 or 3.
    stride : pixels from one cell of the answer to the next, 1, 2 or 4.
    widths : feature maps of each stage; the first two stages have one residual block, the coarser ones two.
    dropout : chance of a feature map of the coarsest stage, and before the heads, to be left out in training.

    Examples
    --------
    >>> heat, extents = HeatmapNet(4, 3)(torch.zeros(1, 4, 32, 48))
    >>> heat.shape, extents.shape
    (torch.Size([1, 3, 16, 24]), torch.Size([1, 4, 16, 24]))
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        ndim: int = 2,
        stride: int = 2,
        widths: Sequence[int] = (16, 48, 96, 144),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if stride not in (1, 2, 4):
            raise InputError(f"stride must be 1, 2 or 4; got {stride}")
        before = (channels, *widths[:-1])
        stem = ConvBlock(ndim, channels, widths[0], kernel=3 if stride == 1 else 2 * stride, stride=stride)
        self.down = nn.ModuleList(
            nn.Sequential(
                ConvBlock(ndim, before[i], width, stride=2) if i else stem,
                *(Residual(ndim, width) for _ in range(2 if i > 1 else 1)),
            )
            for i, width in enumerate(widths)
        )
        finer = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.narrow = nn.ModuleList(CONV[ndim](coarse, fine, 1, bias=False) for coarse, fine in finer)
        self.up = nn.ModuleList(ConvBlock(ndim, fine, fine) for _, fine in finer)
        self.drop = DROP[ndim](dropout)
        first = widths[0]
        self.heat = nn.Sequential(ConvBlock(ndim, first, first), CONV[ndim](first, classes, 1))
        self.extents = nn.Sequential(ConvBlock(ndim, first, first), CONV[ndim](first, 2 * ndim, 1))
        self._start(ndim)
        self.mode = tensors.LINEAR[ndim]

    def _start(self, ndim: int) -> None:
        """Begin with hardly any object anywhere, as in equation 1's source (focal loss), and boxes of three cells."""
        heat: Any = self.heat[-1]
        extents: Any = self.extents[-1]
        nn.init.constant_(heat.bias, -math.log(99))
        nn.init.zeros_(extents.weight)
        nn.init.zeros_(extents.bias)
        nn.init.constant_(extents.bias[ndim:], math.log(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept = []
        for stage in self.down:
            x = stage(x)
            kept.append(x)
        x = self.drop(kept.pop())
        for narrow, up in zip(self.narrow, self.up, strict=True):
            skip = kept.pop()
            x = functional.interpolate(narrow(x), size=skip.shape[2:], mode=self.mode, align_corners=False)
            x = up(x + skip)
        x = self.drop(x)
        return self.heat(x), self.extents(x)


class BoxNet(nn.Module):
    """One box for a whole picture, by regression: the logit that there is one, and four shares of the picture's sides.

    Four times a convolution block and a pooling, then two fully connected layers, which know where in the picture each
    feature lies. The shares are the box's centre and its sides.

    Parameters
    ----------
    channels : of the pictures.
    shape : rows and columns, each a multiple of 16.

    Examples
    --------
    >>> BoxNet(4, (80, 80))(torch.zeros(2, 4, 80, 80)).shape
    torch.Size([2, 5])
    """

    def __init__(self, channels: int, shape: tuple[int, int], *, width: int = 16) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width, 4 * width)
        stages = [(ConvBlock(2, a, b), nn.MaxPool2d(2)) for a, b in pairwise(widths)]
        self.features = nn.Sequential(*(layer for stage in stages for layer in stage))
        size = widths[-1] * (shape[0] // 16) * (shape[1] // 16)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(size, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 5))

    def forward(self, x: Tensor) -> Tensor:
        answer = self.head(self.features(x))
        return torch.cat([answer[:, :1], answer[:, 1:].sigmoid()], dim=1)


def unet(
    channels: int, classes: int, *, ndim: int = 2, widths: Sequence[int] = (16, 32, 64, 128), finest: int = 2
) -> nn.Module:
    """MONAI's U-Net: a logit for the background and for each class at every pixel.

    The first stage sees each `finest`-th pixel; 1 is dear, and keeps borders sharp. Each further stage sees half the
    size. Pictures of any size: they are filled up to a multiple of its strides, and the answer is cut again. (O.
    Ronneberger, P. Fischer and T. Brox, MICCAI 2015; with residual units: E. Kerfoot et al., STACOM 2018.)

    >>> unet(4, 3)(torch.zeros(1, 4, 30, 33)).shape
    torch.Size([1, 4, 30, 33])
    """
    from monai.networks.nets.unet import UNet

    strides = [finest, *[2] * (len(widths) - 2)]
    net = UNet(ndim, channels, classes + 1, channels=widths, strides=strides, num_res_units=2, norm="batch")
    return Padded(net, math.prod(strides))


class Padded(nn.Module):
    """A network that needs sides divisible by `multiple`, for pictures of any size."""

    def __init__(self, net: nn.Module, multiple: int) -> None:
        super().__init__()
        self.net, self.multiple = net, multiple

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape[2:]
        answer: Tensor = self.net(tensors.filled(x, self.multiple))
        cut: Any = (..., *map(slice, shape))
        return answer[cut]


def count(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in net.parameters())
