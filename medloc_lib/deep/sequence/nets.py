"""Networks that read a sequence and answer at each of its steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from medloc_lib.errors import InputError

KINDS = ("slice", "rnn", "lstm", "bilstm", "tcn")
DILATIONS = (1, 2, 4, 8)
"""Steps between the taps of each layer of the temporal convolution: together it looks 15 steps to each side."""


class SequenceNet(nn.Module):
    """One number at each step of a sequence, from what stands before it, around it, or there alone.

    Each step's features become `width` numbers by a linear layer and ReLU; the core mixes them along the sequence and
    is added to them; a linear layer answers. Sequences of several lengths go together: recurrent cores get them packed,
    so that none sees what another was filled up with, and the convolution has the filling set to 0 in every layer.

    Parameters
    ----------
    features : of each step.
    kind : the core. "slice": two linear layers, which see this step alone. "rnn": h = tanh(W x + U h + b) (J. Elman,
        Cognitive Science 14, 1990). "lstm" (S. Hochreiter and J. Schmidhuber, Neural Computation 9, 1997), "bilstm":
        two of half the width, one from each end (A. Graves and J. Schmidhuber, Neural Networks 18, 2005). "tcn":
        residual dilated convolutions (S. Bai, J. Kolter and V. Koltun, arXiv:1803.01271; here they look both ways).
    width : numbers in each layer, even.
    dropout : chance of each of a step's numbers to be left out in training.

    Raises
    ------
    InputError
        If there is no such kind, or the width is odd.

    Examples
    --------
    >>> net = SequenceNet(5, kind="bilstm")
    >>> net(torch.zeros(2, 7, 5), torch.tensor([7, 3])).shape
    torch.Size([2, 7])
    """

    def __init__(self, features: int, *, kind: str, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        if kind not in KINDS or width < 2 or width % 2:
            raise InputError(
                f"kind must be one of {', '.join(KINDS)}, and width an even number; got {kind!r} and {width}"
            )
        self.step = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Dropout(dropout))
        core: Any
        if kind == "slice":
            core = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        elif kind == "rnn":
            core = nn.RNN(width, width, batch_first=True)
        elif kind == "tcn":
            core = nn.ModuleList(nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in DILATIONS)
        else:
            both = kind == "bilstm"
            core = nn.LSTM(width, width // (2 if both else 1), batch_first=True, bidirectional=both)
        self.core = core
        self.answer = nn.Linear(width, 1)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(n, steps, features) and (n,) to (n, steps); what is answered behind a sequence's end means nothing."""
        seen = self.step(x)
        if isinstance(self.core, nn.RNNBase):
            packed = pack_padded_sequence(seen, lengths.cpu(), batch_first=True, enforce_sorted=False)
            mixed, _ = pad_packed_sequence(self.core(packed)[0], batch_first=True, total_length=x.shape[1])
        elif isinstance(self.core, nn.ModuleList):
            there = (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, None]
            mixed = seen.transpose(1, 2)
            for layer in self.core:
                mixed = mixed + torch.relu(layer(mixed * there))
            mixed = mixed.transpose(1, 2)
        else:
            mixed = self.core(seen)
        answer: Tensor = self.answer(seen + mixed)[..., 0]
        return answer


def gradient_by_distance(cell: nn.Module, steps: int, features: int, *, seed: int = 0, n: int = 64) -> Tensor:
    """How much a recurrent layer's last state depends on what it saw 0, 1, 2 … steps before.

    The length of the gradient of the last state's sum along a random direction, with respect to the input at each
    step; the mean over `n` random sequences. Where it vanishes, nothing can be learned from that far back (Y. Bengio,
    P. Simard and P. Frasconi, IEEE Trans. Neural Networks 5, 1994).

    Parameters
    ----------
    cell : `torch.nn.RNN`, `LSTM` or `GRU` with batch_first=True.
    steps, features : of the sequences, which are standard normal.

    Returns
    -------
    float32 (steps,), nearest step first.

    Examples
    --------
    A cell that remembers nothing:

    >>> cell = nn.RNN(2, 2, batch_first=True)
    >>> _ = cell.weight_hh_l0.data.zero_()
    >>> gradient_by_distance(cell, 3, 2)[1:]
    tensor([0., 0.])
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, steps, features, generator=generator).requires_grad_()
    last = cell(x)[0][:, -1]
    direction = torch.randn(last.shape, generator=generator)
    (gradient,) = torch.autograd.grad((last * direction).sum(), x)
    by_distance: Tensor = gradient.norm(dim=2).mean(0).flip(0)
    return by_distance
