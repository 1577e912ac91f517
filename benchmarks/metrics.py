"""How a result is measured against the clean image. Nothing here is seen by a method.

Every result is clipped to the data range first. PSNR is over the whole array. SSIM is scikit-image's with
the Gaussian window of its paper (σ = 1.5, no sample covariance), of planes one by one and averaged in stacks.
LPIPS (AlexNet) is given for planes if the package ``lpips`` and its weights are on this machine; they are
never downloaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


def fitted(image: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return `image` with the gain and offset that bring it closest to `clean`."""
    x = image.astype(np.float64).ravel()
    gain, offset = np.polyfit(x, clean.astype(np.float64).ravel(), 1) if np.ptp(x) else (1.0, 0.0)
    return gain * image.astype(np.float64) + offset


def psnr(image: np.ndarray, clean: np.ndarray, peak: float) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = np.mean((image.astype(np.float64) - clean.astype(np.float64)) ** 2)
    return float(10 * np.log10(peak**2 / error)) if error > 0 else float("inf")


def ssim(image: np.ndarray, clean: np.ndarray, peak: float, axes: str) -> float:
    """Return the structural similarity."""
    from skimage.metrics import structural_similarity

    settings = dict(
        data_range=peak,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if "S" in axes else None,
    )
    pairs = zip(image, clean, strict=True) if "Z" in axes else [(image, clean)]
    each = [
        structural_similarity(a.astype(np.float64), b.astype(np.float64), **settings)
        for a, b in pairs
    ]
    return float(np.mean(each))


def lpips(image: np.ndarray, clean: np.ndarray, peak: float, axes: str) -> float | None:
    """Return the learned perceptual distance, or None where its weights are not at hand."""
    try:
        import lpips as package
        import torch
    except ImportError:
        return None
    cached = Path(torch.hub.get_dir()) / "checkpoints"
    if "Z" in axes or not any(cached.glob("alexnet*.pth")):
        return None
    model = package.LPIPS(net="alex", verbose=False)

    def tensor(array: np.ndarray) -> torch.Tensor:
        rgb = array if "S" in axes else np.repeat(array[..., None], 3, axis=-1)
        scaled = np.moveaxis(rgb, -1, 0)[None].astype(np.float32) / peak * 2 - 1
        return torch.from_numpy(np.ascontiguousarray(scaled))

    with torch.no_grad():
        return float(model(tensor(image), tensor(clean)))


def measure(
    image: np.ndarray, clean: np.ndarray, peak: float, axes: str, fit: bool
) -> dict[str, float | None]:
    """Return all measures of a result.

    Raises
    ------
    ValueError
        If the result has another shape or holds values that are not finite.
    """
    if image.shape != clean.shape:
        raise ValueError(f"The result is {image.shape}, the image {clean.shape}.")
    if not np.isfinite(image).all():
        raise ValueError("The result holds values that are not finite.")
    found = fitted(image, clean) if fit else image
    found = np.clip(found, 0, peak)
    return {
        "psnr": round(psnr(found, clean, peak), 4),
        "ssim": round(ssim(found, clean, peak, axes), 5),
        "lpips": lpips(found, clean, peak, axes),
    }
