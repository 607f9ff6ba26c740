"""What a whole-image classifier looked at: from *whether* to *where*, without a single box to learn from.

The class activation map is ours, as the lesson shows it; Grad-CAM and occlusion are MONAI's.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from medloc_lib.errors import InputError
from medloc_lib.geometry import mask_to_boxes

Floats = NDArray[np.float64]


def class_activation_map(features: Tensor, weight: Tensor) -> Tensor:
    """Where in the picture the evidence lies: the feature maps, each times its weight in the last layer, summed.

    For a network that averages each feature map over the picture and puts one linear layer on top. As both are linear,
    the average of the map is the network's logit without its bias: M(p) = Σ_k w_k f_k(p). (B. Zhou et al., "Learning
    deep features for discriminative localization", CVPR 2016, equation 2.)

    Parameters
    ----------
    features : (n, k, *cells), what goes into the average.
    weight : (k,), of the class.

    Returns
    -------
    (n, *cells), in units of the logit.

    Examples
    --------
    >>> class_activation_map(torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]]), torch.tensor([2.0, -1.0]))
    tensor([[[ 2., -3.]]])
    """
    if features.shape[1:2] != weight.shape:
        raise InputError(f"needs one weight per feature map; got {tuple(weight.shape)} for {features.shape[1]} maps")
    return torch.einsum("nk...,k->n...", features, weight)


def grad_cam(net: nn.Module, pictures: Tensor, *, layer: str = "features") -> Tensor:
    """Grad-CAM by MONAI: feature maps weighted by how much the logit rises with each, negative sums cut off.

    It asks for no particular last layers. (R. R. Selvaraju et al., ICCV 2017; `monai.visualize.GradCAM`.)

    Parameters
    ----------
    net : pictures (n, channels, *spatial) -> logits (n, 1).
    layer : name of the module whose feature maps are weighted.

    Returns
    -------
    (n, *cells), the cells those of the layer.
    """
    from monai.visualize.class_activation_maps import GradCAM

    weights = {id(w): w for w in (*net.parameters(), *net.buffers())}
    twin = copy.deepcopy(net, weights)  # MONAI leaves hooks in what it is given; the weights are the same, not copies
    explainer: Any = GradCAM(nn_module=twin, target_layers=layer)
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's hooks: the gradient of the picture itself is not asked for
        maps: Tensor = explainer.compute_map(pictures, class_idx=0)
    hooked = explainer.nn_module
    hooked.score = None  # its hooks are held in a circle, which would keep all feature maps until it is collected
    hooked.activations.clear()
    hooked.gradients.clear()
    net.zero_grad()
    return maps[:, 0].detach()


def occlusion(net: nn.Module, picture: Tensor, *, side: int = 32, overlap: float = 0.5) -> Tensor:
    """How much the logit falls where a patch of the picture is hidden, by MONAI; asks for nothing but answers.

    The patch is replaced by the picture's mean. (M. D. Zeiler and R. Fergus, ECCV 2014;
    `monai.visualize.OcclusionSensitivity`.)

    Parameters
    ----------
    net : pictures (n, channels, *spatial) -> logits (n, 1).
    picture : (channels, *spatial).
    side : of the patch, in pixels.
    overlap : share of its side by which neighbouring patches overlap. The network is asked once for each patch.

    Returns
    -------
    (*spatial); 0 where hiding helps.
    """
    from monai.visualize.occlusion_sensitivity import OcclusionSensitivity

    explainer: Any = OcclusionSensitivity(
        nn_module=net, mask_size=side, n_batch=32, verbose=False, mode="mean_img", overlap=overlap, activate=_as_it_is
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how MONAI indexes tensors
        hidden, _ = explainer(picture[None])
        return torch.as_tensor(net(picture[None])[0, 0] - hidden[0, 0]).clamp(min=0)


def map_to_boxes(
    activation: ArrayLike, *, share: float, shape: Sequence[int] | None = None
) -> tuple[Floats, NDArray[np.float64]]:
    """Boxes around what is hot in a map: connected regions over a share of its highest value, as in Zhou et al.

    Parameters
    ----------
    activation : (*cells).
    share : of the highest value, between 0 and 1.
    shape : spatial shape of the picture that the cells cover; default as the map's.

    Returns
    -------
    Boxes (n, 2 * ndim) in the picture's coordinates, and for each the highest value in it. None where no value is
    positive.

    Examples
    --------
    >>> boxes, height = map_to_boxes([[0, 4.0], [1.0, 0]], share=0.5, shape=(20, 20))
    >>> boxes, height
    (array([[ 0., 10., 10., 20.]]), array([4.]))
    """
    if not 0 < share < 1:
        raise InputError(f"share must lie between 0 and 1; got {share}")
    heat = np.asarray(activation, dtype=np.float64)
    if heat.size == 0 or not heat.max() > 0:
        return np.zeros((0, 2 * heat.ndim)), np.zeros(0)
    boxes, _ = mask_to_boxes(heat >= share * heat.max())
    ndim = heat.ndim
    height = [heat[tuple(slice(int(b[k]), int(b[k + ndim])) for k in range(ndim))].max() for b in boxes]
    step = np.asarray(shape or heat.shape) / np.asarray(heat.shape)
    return boxes * np.tile(step, 2), np.asarray(height)


def _as_it_is(logits: Tensor) -> Tensor:
    return logits
