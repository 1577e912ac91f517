"""What people see of one plane beside its image: dual mask, gradients and T-standout gate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..config import Config
from . import noise
from .gradient import edge_strength
from .held_out import shown_scores
from .masks import dual_mask_labels, exact_blind
from .training import Training

#: Side of the part in which the noise left is estimated.
_MIDDLE = 256


@dataclass(frozen=True)
class PlaneMaps:
    """The maps of one plane, cropped, on the CPU; gradients in image units per pixel.

    `held_out` and `noise_left` are described in :class:`~napari_blind2grad.events.Preview`.
    """

    dual_mask: npt.NDArray[np.uint8]
    gradient: npt.NDArray[np.float32]
    gradient_deviation: npt.NDArray[np.float32]
    standout_gate: npt.NDArray[np.uint8]
    held_out: float
    noise_left: float


def shown_blind(scores: Tensor, detail: Tensor, config: Config) -> Tensor:
    """Return the hidden pixels that are shown for a plane with a `detail` map: bool, shape (Y, X)."""
    rho = config.rho if config.mask == "dual" else 0.0
    return exact_blind(scores, detail, config.mask_rate, rho)


def shown_keep(training: Training, plane: int, detail: Tensor, turn: int) -> tuple[Tensor, Tensor]:
    """Return the mask that is shown for one plane, and its labels.

    Pixels that are held out go first among those that are hidden.
    The share of blind pixels is exact, so that what is seen adds up to the mask rate.

    Returns
    -------
    keep : Tensor
        Ω, floats, shape (1, 1, H, W).
    labels : Tensor
        uint8, shape (Y, X), cropped; see :data:`napari_blind2grad.events.DUAL_MASK_CLASSES`.
    """
    planes, config = training.planes, training.config
    y, x = planes.height, planes.width
    seed = training.predictor.seed
    scores = shown_scores(planes, seed, plane, turn, config)[:y, :x]
    inside = detail[0, 0, :y, :x]
    blind = shown_blind(scores, inside, config)
    keep = torch.zeros_like(planes.valid[:1], dtype=torch.float32)
    keep[0, 0, :y, :x] = (~blind).float()
    return keep, dual_mask_labels(blind, inside)


def _noise_left(estimate: Tensor) -> float:
    """Return the variance of what changes from pixel to pixel in the middle of a denoised plane."""
    y, x = (max(0, (n - _MIDDLE) // 2) for n in estimate.shape[-2:])
    middle = estimate[..., y : y + _MIDDLE, x : x + _MIDDLE]
    everywhere = torch.ones_like(middle[:, :1], dtype=torch.bool)
    return noise.estimate(middle, everywhere).sigma ** 2


def plane_maps(
    training: Training, plane: int, estimate: Tensor, scale: float, turn: int
) -> PlaneMaps:
    """Return the maps of one plane for its present `estimate` of ``f(y)``.

    Parameters
    ----------
    training
        The network and its settings.
    plane
        Number of the plane.
    estimate
        Denoised plane, shape (1, S, H, W), in the network's units.
    scale
        Image units per unit of the network.
    turn
        Which mask to show.
    """
    planes = training.planes
    y, x = planes.height, planes.width
    detail = training.detail[plane : plane + 1]
    keep, labels = shown_keep(training, plane, detail, turn)
    masked = training.predictor.forward(plane, keep.expand_as(estimate))
    gradient = edge_strength(estimate)[0]  # (H, W)
    deviation = edge_strength(estimate - masked)[0]
    gate = training.gate[plane, 0]
    asked = (keep[0] == 0) & planes.valid[plane] & ~training.targets[plane]  # (1, H, W)
    loss = (masked - planes.noisy[plane : plane + 1]).square().mean(1)[asked]  # (N,)
    return PlaneMaps(
        dual_mask=labels.cpu().numpy(),
        gradient=(gradient[:y, :x] * scale).cpu().numpy(),
        gradient_deviation=(deviation[:y, :x] * scale).cpu().numpy(),
        standout_gate=gate[:y, :x].to(torch.uint8).cpu().numpy(),
        held_out=float(loss.mean()) if loss.numel() else math.nan,
        noise_left=_noise_left(estimate[..., :y, :x]),
    )
