"""What the denoising did wrong: structure that went into the residual, noise that stayed in the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from .blocks import Floats, blocks, high_pass
from .noise import NoiseFit
from .sampling import Sample

Doubles = npt.NDArray[np.float64]

_SIDE = 16
#: Width in pixels of the blur that tells local structure from its surroundings.
_SIGMA = 1.5
#: Shares of blocks that count as flat, and as full of structure.
_FLAT, _BUSY = 0.5, 0.2


@dataclass(frozen=True)
class Leftover:
    """How noise and structure were told apart.

    Attributes
    ----------
    noise_left
        Standard deviation of the noise still in the denoised image, as a share of the noisy one's, 0 to 1.
        Measured in the flatter half of the blocks by what denoised image and residual have in common.
    contrast_lost
        Local contrast that went into the residual, as a share of what the denoised image kept, in the
        fifth of the blocks with the most structure; 0 is ideal.
    structure_in_residual
        Share of the residual's variance there that follows the denoised image's local structure; 0 is
        ideal. This says whether the loss stands out of the noise.
    sharpness
        Steepest edges of the denoised image (percentile 99 of its gradient), as a share of the noisy image's
        range of brightness per pixel.
    """

    noise_left: float
    contrast_lost: float
    structure_in_residual: float
    sharpness: float


def leftover(sample: Sample, noise: NoiseFit) -> Leftover:
    """Compare residual and denoised image of a sample that has one."""
    assert sample.denoised is not None
    denoised, residual = sample.denoised, sample.noisy - sample.denoised
    local = denoised - gaussian_filter(denoised, (0, _SIGMA, _SIGMA))
    variance = noise.variance(_means(denoised))  # (N,)
    clipped = _means(sample.clipped)
    inside = clipped <= max(0.05, float(np.median(clipped)))

    def energy(a: Floats, b: Floats) -> Doubles:
        return (_means(a * b) / variance)[inside]

    structure = energy(local, local)
    leak = energy(residual, local)
    total = energy(residual, residual)
    order = np.argsort(structure)
    flat = order[: max(1, int(_FLAT * len(order)))]
    busy = order[-max(1, int(_BUSY * len(order))) :]
    # Noise that is left is in both images too: take off as much as in flat places.
    common = leak[flat].sum() / max(total[flat].sum(), 1e-12)
    own = max(float((leak[busy] - common * total[busy]).sum()), 0.0)
    kept, whole = max(float(structure[busy].sum()), 1e-12), max(float(total[busy].sum()), 1e-12)
    return Leftover(
        noise_left=_noise_left(residual, denoised, variance[inside][flat], inside, flat),
        contrast_lost=own / kept,
        structure_in_residual=min(1.0, own**2 / (kept * whole)),
        sharpness=_sharpness(sample.noisy, denoised),
    )


def _means(planes: npt.NDArray[np.generic]) -> Doubles:
    means: Doubles = blocks(planes, _SIDE).mean((1, 2), dtype=np.float64)
    return means


def _noise_left(
    residual: Floats,
    denoised: Floats,
    variance: Doubles,
    inside: npt.NDArray[np.bool_],
    flat: npt.NDArray[np.intp],
) -> float:
    """Return a, where denoised = clean + a · noise and residual = (1 − a) · noise."""
    if min(residual.shape[1:]) < 3:
        return 0.0
    fine, image = high_pass(residual), high_pass(denoised)
    # Back to the size of the planes, so that blocks are the same.
    pad = [(0, a - b) for a, b in zip(residual.shape, fine.shape, strict=True)]
    fine, image = np.pad(fine, pad), np.pad(image, pad)
    both = (_means(fine * image)[inside][flat] / variance).sum()
    alone = (_means(fine * fine)[inside][flat] / variance).sum()
    return float(np.clip(both / max(both + alone, 1e-12), 0, 1)) if alone > 0 else 1.0


def _sharpness(noisy: Floats, denoised: Floats) -> float:
    low, high = np.percentile(noisy, (0.1, 99.9))
    if high <= low or min(denoised.shape[1:]) < 2:
        return 0.0
    dy, dx = np.gradient(denoised, axis=(1, 2))
    return float(np.percentile(np.hypot(dy, dx), 99) / (high - low))
