"""Networks, for lessons 08 to 11: the only part of the kit, with `reports` and `multimodal`, that needs PyTorch.

`training.train` is the one training loop, `settings.Settings` how it is told what to do, `tensors.Data` what it is fed,
`augment.Augment` what happens to a batch on the way; `nets` holds the networks, `heatmap` the maths of the detector,
`explain` that of the maps, and `localizers` what keeps the kit's contract.
"""

from __future__ import annotations

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "medloc_lib.deep needs PyTorch, MONAI and Lightning Fabric: pip install 'medloc[deep]'"
    ) from error
