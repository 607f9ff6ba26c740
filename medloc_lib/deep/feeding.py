"""Data on their way to the network: on the device at once where they fit, else in batches that come ahead of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from medloc_lib.deep.tensors import Batch, Data

SHARE = 0.5
"""Of the device's free memory that the data may take; the rest is for the network."""


class Feed:
    """Batches of `data` on `device`.

    Parameters
    ----------
    data : on the CPU.
    device : where the batches are wanted.
    on_device : whether all data go there at once; None: if they take at most half of its free memory.
    """

    def __init__(self, data: Data, device: torch.device, *, on_device: bool | None = None) -> None:
        self.device = device
        fits = device.type == "cpu" or data.bytes <= SHARE * _free(device)
        self.whole = fits if on_device is None else on_device
        self._tensors = {name: tensor.to(device) if self.whole else tensor for name, tensor in data.tensors.items()}

    def batches(self, indices: Sequence[Tensor]) -> Iterator[tuple[Tensor, Batch]]:
        """Each index, int64 (batch,), with its items. Where data are not on the device a thread gathers the next batch
        into pinned memory while the device works on this one.
        """
        if self.whole:
            for index in indices:
                place = index.to(self.device)
                yield index, {name: tensor[place] for name, tensor in self._tensors.items()}
            return
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(self._gather, index) for index in indices[:1]]
            for k, index in enumerate(indices):
                gathered = ahead.pop().result()
                ahead += [pool.submit(self._gather, following) for following in indices[k + 1 : k + 2]]
                yield index, {name: tensor.to(self.device, non_blocking=True) for name, tensor in gathered.items()}

    def _gather(self, index: Tensor) -> Batch:
        batch = {name: tensor[index] for name, tensor in self._tensors.items()}
        return {name: tensor.pin_memory() for name, tensor in batch.items()} if self.device.type == "cuda" else batch


def _free(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return 0.25 * torch.mps.recommended_max_memory() if device.type == "mps" else float("inf")
