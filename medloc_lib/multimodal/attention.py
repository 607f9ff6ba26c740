"""Attention over sources: each is a token, those that are missing are masked."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from medloc_lib.multimodal.fusion import Blocks, EarlyFusion, Floats, present


class AttentionNet(nn.Module):
    """A token for each source, one learned question to all of them, and a logit from the answer.

    a_s = softmax_s(q · K t_s / √d) over the sources that are there, and the logit is w · Σ_s a_s V t_s + b, with t_s a
    linear map of the source's columns plus the source's own vector. (A. Vaswani et al., "Attention is all you need",
    NeurIPS 2017, equation 1, with one head and one question.)

    Examples
    --------
    >>> net = AttentionNet((3, 2))
    >>> logit, weights = net(torch.zeros(4, 5), torch.tensor([[True, False]] * 4))
    >>> logit.shape, weights[0].tolist()
    (torch.Size([4]), [1.0, 0.0])
    """

    def __init__(self, widths: tuple[int, ...], *, size: int = 8) -> None:
        super().__init__()
        self.widths, self.size = widths, size
        self.token = nn.ModuleList(nn.Linear(width, size) for width in widths)
        self.ask = nn.Parameter(torch.randn(size) / size**0.5)
        self.key, self.value = nn.Linear(size, size), nn.Linear(size, size)
        self.answer = nn.Linear(size, 1)

    def forward(self, x: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        parts = torch.split(x, list(self.widths), dim=1)
        tokens = torch.stack([token(part) for token, part in zip(self.token, parts, strict=True)], dim=1)
        heat = self.key(tokens) @ self.ask / self.size**0.5
        weights = heat.masked_fill(~there, -torch.inf).softmax(dim=1)
        pooled = (weights[..., None] * self.value(tokens)).sum(dim=1)
        return self.answer(pooled)[:, 0], weights


class AttentionFusion(EarlyFusion):
    """`AttentionNet`, trained with the cross-entropy on standardized columns; a single missing value counts as average.

    In each step every source is hidden from a fifth of the patients, so that the network learns to do without.

    Parameters
    ----------
    blocks : as for all fusions. steps, rate, decay : of the training (AdamW, all patients at once).
    hide : share of the sources that are hidden in training.
    nets : so many networks with other beginnings, whose answers are averaged.
    """

    def __init__(
        self,
        blocks: Blocks,
        steps: int = 60,
        rate: float = 0.01,
        decay: float = 0.3,
        hide: float = 0.2,
        nets: int = 3,
        random_state: int = 0,
    ) -> None:
        self.blocks = blocks
        self.steps = steps
        self.rate = rate
        self.decay = decay
        self.hide = hide
        self.nets = nets
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from a table (n, columns) and outcomes (n,)."""
        table = np.asarray(X, dtype=np.float64)
        self.classes_ = np.unique(np.asarray(y))
        self.mean_ = np.nan_to_num(np.nanmean(table, axis=0))
        self.spread_ = np.nan_to_num(np.nanstd(table, axis=0)) + 1e-9
        wanted = torch.from_numpy(np.asarray(y) == self.classes_[1]).float()
        widths = tuple(len(range(*part.indices(table.shape[1]))) for part in self.blocks.values())
        x, there = self._tensors(table)
        self.nets_ = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            for _ in range(self.nets):
                net = AttentionNet(widths)
                self._train(net, x, there, wanted)
                self.nets_.append(net.eval())
        return self

    def _train(self, net: AttentionNet, x: Tensor, there: Tensor, wanted: Tensor) -> None:
        step = torch.optim.AdamW(net.parameters(), lr=self.rate, weight_decay=self.decay)
        for _ in range(self.steps):
            seen = there & (torch.rand(there.shape) >= self.hide)
            seen = torch.where(seen.any(dim=1, keepdim=True), seen, there)
            loss = nn.functional.binary_cross_entropy_with_logits(net(x, seen)[0], wanted)
            step.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            step.step()

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Probabilities (n, 2)."""
        x, there = self._tensors(np.asarray(X, dtype=np.float64))
        with torch.no_grad():
            p = torch.stack([net(x, there)[0] for net in self.nets_]).mean(dim=0).sigmoid().numpy().astype(np.float64)
        return np.stack([1 - p, p], axis=1)

    def attention(self, X: ArrayLike) -> Floats:  # noqa: N803
        """The weight of each source for each patient, (n, sources), adding up to 1. They are no importances."""
        x, there = self._tensors(np.asarray(X, dtype=np.float64))
        with torch.no_grad():
            weights = torch.stack([net(x, there)[1] for net in self.nets_]).mean(dim=0)
        return np.asarray(weights.numpy(), dtype=np.float64)

    def _tensors(self, table: Floats) -> tuple[Tensor, Tensor]:
        scaled = np.nan_to_num((table - self.mean_) / self.spread_)
        ordered = np.concatenate([scaled[:, part] for part in self.blocks.values()], axis=1)
        there = present(table, self.blocks)
        return torch.from_numpy(ordered).float(), torch.from_numpy(there | ~there.any(axis=1, keepdims=True))
