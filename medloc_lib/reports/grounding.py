"""Grounding: a sentence picks its box out of a picture.

The picture's side begins where the stored detector ends: its features at each cell, and where in the head the cell
lies. The sentence's side is a recurrent network over words and what the vocabulary says of them. Both end in vectors of
length 1, and their product says how well a cell answers a sentence; the box of the best cell is the detector's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep import tensors
from medloc_lib.deep.localizers import HeatmapLocalizer
from medloc_lib.deep.storage import read_tensors, restore, write_tensors
from medloc_lib.errors import InputError, ReadError
from medloc_lib.reports.terms import TAGS, tags
from medloc_lib.reports.tokens import Vocabulary, tokens
from medloc_lib.sample import Sample

HEAT = slice(0, 3)
"""Which features are the detector's logits, a quarter of them."""

WHOLE = 144
"""Numbers that say what slice it is: the detector's coarsest features, averaged."""

PLACE = 8
"""Numbers that say where in the head a cell lies; the second and the seventh change sign in the mirror."""

LONGEST = 48
"""Words of a sentence that are read."""

NUMBER = re.compile(r"\d+(\.\d+)?")
"""A word that is a number; not every digit is one, such as the raised 2."""


@dataclass(frozen=True)
class Cells:
    """What the picture's side begins with.

    Parameters
    ----------
    features : (features, rows, cols), at every cell.
    heat : (rows, cols), the detector's chance that a lesion has its centre there.
    boxes : (4, rows, cols), the detector's box of each cell, in pixels.
    """

    features: Tensor
    heat: Tensor
    boxes: Tensor


def cells(detector: HeatmapLocalizer, sample: Sample) -> Cells:
    """What the detector makes of a picture: fine and coarse features of every cell, its chance, its box, its place."""
    net: Any = detector.net_
    picture = tensors.pictures([sample], detector.channels_)[0].float()[None]
    kept = []
    with torch.no_grad():
        x = picture
        for stage in net.down:
            x = stage(x)
            kept.append(x)
        coarse = kept[1:]
        x = kept.pop()
        for narrow, up in zip(net.narrow, net.up, strict=True):
            skip = kept.pop()
            x = functional.interpolate(narrow(x), size=skip.shape[2:], mode=net.mode, align_corners=False)
            x = up(x + skip)
        heat, extents = net.heat(x)[0], net.extents(x)[0]
        size = x.shape[2:]
        wide = [functional.interpolate(c, size=size, mode="bilinear", align_corners=False)[0] for c in coarse[:2]]
        whole = coarse[-1].mean(dim=(2, 3))[0][:, None, None].expand(-1, *size)
        parts = [heat.clamp(-8, 8) / 4, x[0], extents[2:], *wide, whole, _place(picture[0], size)]
    return Cells(torch.cat(parts), heat.sigmoid().amax(0), _boxes(extents, detector.stride))


def _place(picture: Tensor, size: Sequence[int]) -> Tensor:
    """Where each cell lies in the head, whose border is where the first channel rises over air: (PLACE, rows, cols)."""
    inside = picture[0] > picture[0].amin() + 0.5
    axes = []
    for axis in (0, 1):
        known = torch.nonzero(inside.float().mean(1 - axis) > 0.05)[:, 0].float()
        low, high = (
            (known.min(), known.max())
            if len(known)
            else (torch.tensor(0.0), torch.tensor(float(picture.shape[1 + axis])))
        )
        step = picture.shape[1 + axis] / size[axis]
        at = (torch.arange(size[axis]) + 0.5) * step
        axes.append(2 * (at - (low + high) / 2) / (high - low).clamp(min=1))
    row, col = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([row, col, col.abs(), row**2, col**2, row * col.abs(), torch.tanh(8 * col), torch.cos(3 * row)])


def _boxes(extents: Tensor, stride: int) -> Tensor:
    """The box that each cell answers, (4, rows, cols), as in `medloc_lib.deep.heatmap.decode`."""
    rows, cols = extents.shape[1:]
    at = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")) + 0.5
    center, half = (at + extents[:2]) * stride, extents[2:].clamp(max=8).exp() * stride / 2
    return torch.cat([center - half, center + half])


class GroundingNet(nn.Module):
    """Two encoders that end in one space, which has two halves: *what* a cell looks like, and *where* in the head
    it lies.

    A sentence has a unit vector in each half. That of the looks is matched with what the detector's features say of the
    cell, that of the place with where the cell lies and with what slice it is; a place tells nothing of the kind so.

    Parameters
    ----------
    features : of a cell. words : of the vocabulary. dims : of each half.

    Examples
    --------
    >>> net = GroundingNet(469, 100)
    >>> words = torch.ones(2, 7, dtype=torch.long)
    >>> net.match(net.see(torch.zeros(5, 469)), net.hear(words, words, torch.zeros(2, 7))).shape
    torch.Size([5, 2])
    """

    def __init__(self, features: int, words: int, *, dims: int = 24, width: int = 64) -> None:
        super().__init__()
        looks = features - WHOLE - PLACE
        self.norm = nn.LayerNorm(looks)
        self.looks = nn.Sequential(nn.Linear(looks, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, dims))
        self.slice = nn.Sequential(nn.LayerNorm(WHOLE), nn.Dropout(0.3), nn.Linear(WHOLE, 8))
        self.place = nn.Sequential(nn.Linear(PLACE + 8, width), nn.ReLU(), nn.Linear(width, dims))
        self.words = nn.Embedding(words, 24, padding_idx=0)
        self.told = nn.Embedding(len(TAGS) + 1, 24)
        self.size = nn.Linear(1, 24)
        self.text = nn.GRU(24, width // 2, batch_first=True, bidirectional=True)
        self.project = nn.Linear(width, 2 * dims)
        self.scale = nn.Parameter(torch.tensor([1.8, 1.8]))
        self.trust = nn.Parameter(torch.tensor(2.0))
        self.bias = nn.Parameter(torch.tensor(-6.0))

    def see(self, features: Tensor) -> Tensor:
        """Cells (..., features) -> a unit vector of looks and one of place, and the detector's logit of the
        likeliest kind: (..., 2 * dims + 1)."""
        looks, whole, place = (
            features[..., : -WHOLE - PLACE],
            features[..., -WHOLE - PLACE : -PLACE],
            features[..., -PLACE:],
        )
        what = functional.normalize(self.looks(self.norm(looks)), dim=-1)
        where = functional.normalize(self.place(torch.cat([place, self.slice(whole)], -1)), dim=-1)
        return torch.cat([what, where, features[..., HEAT].amax(-1, keepdim=True)], -1)

    def hear(self, words: Tensor, told: Tensor, size: Tensor) -> Tensor:
        """Sentences as numbers of words and concepts and, at numbers, log mm, each (n, longest) -> two unit vectors
        each, (n, 2 * dims)."""
        if self.training:
            other = (torch.rand(words.shape, device=words.device) < 0.3) & (words > 0)
            words = torch.where(other, torch.ones_like(words), words)
        x = self.words(words) + self.told(told) + self.size(size[..., None]) * (size[..., None] != 0)
        there = told > 0
        packed = nn.utils.rnn.pack_padded_sequence(x, there.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        out, _ = nn.utils.rnn.pad_packed_sequence(self.text(packed)[0], batch_first=True, total_length=x.shape[1])
        what, where = self.project(out.masked_fill(~there[..., None], -1e4).amax(1)).chunk(2, -1)
        return torch.cat([functional.normalize(what, dim=-1), functional.normalize(where, dim=-1)], -1)

    def match(self, seen: Tensor, said: Tensor) -> Tensor:
        """How well each cell answers each sentence, as a logit, (..., sentences): how like the vectors of looks and
        of place are, and how much of a lesion the detector sees there."""
        what, where = said.chunk(2, -1)
        dims = what.shape[-1]
        looks, place, lesion = seen[..., :dims], seen[..., dims:-1], seen[..., -1:]
        scale = self.scale.exp()
        logits: Tensor = scale[0] * looks @ what.T + scale[1] * place @ where.T + self.trust * lesion + self.bias
        return logits


def mirrored(features: Tensor) -> Tensor:
    """Features of the same cells in the mirror: only where they lie changes sides."""
    signs = torch.ones(features.shape[-1])
    signs[[-PLACE + 1, -PLACE + 6]] = -1
    return features * signs


def contrastive_loss(logits: Tensor, right: Tensor, care: Tensor) -> Tensor:
    """Of each sentence that has a right cell, its chance among the cells of all pictures of the batch, as −log.

    The chance is the softmax's, summed over the right cells. (A. van den Oord et al., arXiv:1807.03748 (2018); between
    text and picture: A. Radford et al., ICML 2021.)

    Parameters
    ----------
    logits : (cells, sentences). right, care : bool of the same shape; cells without care stand aside.

    Examples
    --------
    >>> right = torch.tensor([[True], [False], [False]])
    >>> contrastive_loss(torch.zeros(3, 1), right, torch.ones(3, 1, dtype=torch.bool))
    tensor(1.0986)
    """
    kept = logits.masked_fill(~care, -1e4)
    all_cells = torch.logsumexp(kept, 0)
    own = torch.logsumexp(kept.masked_fill(~right, -1e4), 0)
    has = (right & care).any(0)
    return (all_cells - own)[has].mean() if has.any() else logits.sum() * 0


def box_loss(logits: Tensor, right: Tensor, care: Tensor) -> Tensor:
    """Whether each cell answers each sentence, as cross-entropy; right and wrong weigh the same. A sentence that is
    wrong of all pictures has no right cell: that is how it learns to find none. (X. Zhai et al., ICCV 2023.)

    >>> right = torch.tensor([[True], [False]])
    >>> round(float(box_loss(torch.zeros(2, 1), right, torch.ones_like(right))), 4)
    1.3863
    """
    losses = functional.binary_cross_entropy_with_logits(logits, right.float(), reduction="none")
    yes, no = right & care, ~right & care
    hard = losses[no]
    worst = hard.topk(max(1, len(hard) // 20)).values if len(hard) else hard
    return losses[yes].mean() + worst.mean() if yes.any() else worst.mean()


@dataclass(frozen=True)
class Grounding:
    """What a sentence found, at the best of the detector's peaks.

    Parameters
    ----------
    score : from 0 to 1. at : (row, col) of the best cell's centre, in pixels. box : (4,), in pixels.
    heat : (rows, cols) of the picture's shape, how well each place answers.
    """

    score: float
    at: tuple[float, float]
    box: NDArray[np.float64]
    heat: NDArray[np.float32]


class Grounder:
    """The two encoders, the vocabulary, the detector that they stand on, and the score from which a box is found.

    Parameters
    ----------
    net, vocabulary, detector : as trained.
    threshold : under this score a sentence finds nothing; chosen on validation pictures.
    """

    def __init__(
        self, net: GroundingNet, vocabulary: Vocabulary, detector: HeatmapLocalizer, threshold: float = 0.5
    ) -> None:
        self.net, self.vocabulary, self.detector, self.threshold = net.eval(), vocabulary, detector, threshold

    def look(self, sample: Sample) -> Cells:
        """What `on` is asked about, once for many sentences."""
        return cells(self.detector, sample)

    def ground(self, sample: Sample, text: str) -> Grounding:
        """Where in the picture the sentence is true, whatever the threshold.

        Raises
        ------
        InputError
            If the text has no word, or the sample lacks a channel of the detector.
        """
        return self.on(self.look(sample), sample.shape, text)

    def on(self, seen: Cells, shape: Sequence[int], text: str) -> Grounding:
        """The same on what `look` made of a picture of this shape, for many sentences on one picture."""
        with torch.no_grad():
            said = self.net.hear(*numbers([text], self.vocabulary))
            logits = self.net.match(self.net.see(seen.features.movedim(0, -1)), said)[..., 0]
        heat = functional.interpolate(logits.sigmoid()[None, None], size=tuple(shape), mode="bilinear")[0, 0]
        peaks = functional.max_pool2d(seen.heat[None], 3, 1, 1)[0] == seen.heat
        best = int(logits.masked_fill(~peaks, -1e4).argmax())
        row, col = (np.array(divmod(best, logits.shape[1])) + 0.5) * np.asarray(shape) / np.asarray(logits.shape)
        box = seen.boxes.flatten(1)[:, best].double().numpy()
        inside = np.clip(box, 0, np.tile(np.asarray(shape, dtype=np.float64), 2))
        return Grounding(float(logits.flatten()[best].sigmoid()), (float(row), float(col)), inside, heat.numpy())

    def save(self, path: Path) -> None:
        """Write it as one file of safetensors, without the detector."""
        weights = {name: weight.half() for name, weight in self.net.state_dict().items()}
        facts = {
            "grounder": [self.net.norm.normalized_shape[0] + WHOLE + PLACE, len(self.vocabulary)],
            "words": list(self.vocabulary.words),
            "threshold": self.threshold,
        }
        write_tensors(path, weights, facts)

    @classmethod
    def load(cls, path: Path, detector: HeatmapLocalizer) -> Self:
        """One that `save` wrote, on the detector that it was trained on.

        Raises
        ------
        ReadError
            If there is no such file, or it is something else.
        """
        weights, facts = read_tensors(path)
        try:
            net, vocabulary = GroundingNet(*facts["grounder"]), Vocabulary(tuple(facts["words"]))
            threshold = float(facts["threshold"])
        except (KeyError, TypeError, InputError) as error:
            raise ReadError(path, f"holds no grounding network ({error})") from error
        restore(net.state_dict(), weights, path)
        return cls(net, vocabulary, detector, threshold)


def numbers(texts: Sequence[str], vocabulary: Vocabulary) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences as `GroundingNet.hear` takes them: words, concepts, and log mm at sizes, each (n, longest).

    Raises
    ------
    InputError
        If one has no word.

    Examples
    --------
    >>> numbers(["a mass, 12 mm"], Vocabulary(("<pad>", "<unknown>", "mass")))[2].round(decimals=1)
    tensor([[0.0000, 0.0000, 0.0000, 2.5000, 0.0000]])
    """
    cut = [tokens(text)[:LONGEST] for text in texts]
    for text, sentence in zip(texts, cut, strict=True):
        if not sentence:
            raise InputError(f"needs a sentence with words; got {text!r}")
    shape = (len(cut), max(map(len, cut)))
    words, told, size = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
    for i, sentence in enumerate(cut):
        n = len(sentence)
        words[i, :n] = torch.tensor(vocabulary.numbers(sentence))
        told[i, :n] = torch.tensor([1 + TAGS.index(tag) for tag in tags(sentence)])
        for j, word in enumerate(sentence[:-1]):
            if NUMBER.fullmatch(word) and sentence[j + 1] in ("mm", "cm"):
                mm = float(word) * (10 if sentence[j + 1] == "cm" else 1)
                size[i, j] = math.log(max(mm, 1.1))
    return words, told, size
