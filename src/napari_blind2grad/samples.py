"""A sample stack that needs no download: generated nuclei, noisy and clean.

NumPy alone is used, so that the API, the command line and the tests can have it without any extra. All is
computed in float64 and the noise is drawn from the clean volume as stored, so that the last bits in which
machines differ do not reach the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Stored value of full brightness: the clean volume's 1.0.
FULL_SCALE = 10_000
#: Expected photons at full brightness.
PHOTONS = 30.0

Volume = npt.NDArray[np.uint16]
_Floats = npt.NDArray[np.float64]
_Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Sample:
    """A noisy image whose clean original is known.

    Attributes
    ----------
    noisy, clean
        Stored as uint16: brightness 1.0 is :data:`FULL_SCALE`.
    axes
        One letter for each dimension.
    scale
        Voxel size along each axis, in `units`.
    units
        Unit of `scale`.
    name
        Name for a layer or a file.
    """

    noisy: Volume
    clean: Volume
    axes: str
    scale: tuple[float, ...]
    units: str
    name: str


def planaria_like(
    shape: tuple[int, int, int] = (24, 256, 256), *, photons: float = PHOTONS, seed: int = 0
) -> Sample:
    """Return a stack of densely packed nuclei, as in a stained flatworm, with photon noise.

    Ellipsoidal nuclei of varied size, direction and brightness with a chromatin texture lie in a dim,
    uneven background; an anisotropic Gaussian stands for the microscope's blur. With the clean volume `x`
    in 0 to 1 and λ = `photons`, the noisy one is ``Poisson(λ x) / λ``. Both are stored times
    :data:`FULL_SCALE`, rounded and saturated.

    Parameters
    ----------
    shape
        Planes, rows and columns.
    photons
        Expected photons λ where the clean volume is 1; fewer are noisier.
    seed
        Start of the random draws.

    Returns
    -------
    Sample
        Voxels of 2 × 0.5 × 0.5 µm.
    """
    random = np.random.default_rng(seed)
    # Tissue is not evenly dense, and where it is dense its background is brighter.
    density = np.clip(0.5 + _smooth_noise(shape, (6.0, 24.0, 24.0), random) / 4, 0, 1)
    volume = _blur(_nuclei(density, random), (0.7, 0.9, 0.9)) + 0.035 + 0.045 * density
    clean = _stored(np.clip(volume, 0, 1))
    noisy = _stored(random.poisson(photons / FULL_SCALE * clean) / photons)
    return Sample(
        noisy=noisy,
        clean=clean,
        axes="ZYX",
        scale=(2.0, 0.5, 0.5),
        units="µm",
        name="planaria-like nuclei",
    )


def _nuclei(density: _Floats, random: np.random.Generator) -> _Floats:
    """Paint nuclei, fewer where `density` is low, into an empty volume; the brighter one wins."""
    shape = density.shape
    volume = np.zeros(shape)
    chromatin = _smooth_noise(shape, (0.6, 1.3, 1.3), random)
    count = max(1, density.size // 420)
    centres = random.uniform(0, 1, (count, 3)) * shape
    radii = random.uniform((1.5, 5.5, 4.0), (2.6, 10.5, 7.0), (count, 3))  # in voxels
    angles = random.uniform(0, np.pi, count)
    brightness = 0.15 + 0.85 * random.beta(1.6, 2.2, count)
    kept = random.uniform(0, 1, count) < 0.25 + 0.75 * density[tuple(centres.astype(int).T)]
    for centre, radius, angle, bright in zip(
        centres[kept], radii[kept], angles[kept], brightness[kept], strict=True
    ):
        reach = np.array([radius[0], radius[1], radius[1]])
        low = np.maximum(np.floor(centre - reach), 0).astype(int)
        high = np.minimum(np.ceil(centre + reach) + 1, shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        z, y, x = (g - c for g, c in zip(np.ogrid[box], centre, strict=True))
        along = (np.cos(angle) * y + np.sin(angle) * x) / radius[1]
        across = (np.cos(angle) * x - np.sin(angle) * y) / radius[2]
        distance = np.sqrt((z / radius[0]) ** 2 + along**2 + across**2)
        inside = np.clip((1 - distance) * 5, 0, 1)  # edges a fifth of a radius wide
        texture = np.clip(1 + 0.32 * chromatin[box], 0.25, 1.7)
        np.maximum(volume[box], bright * inside * texture, out=volume[box])
    return volume


def _transfer(shape: tuple[int, ...], sigma: _Triple) -> _Floats:
    """Return the real Fourier transform of a Gaussian of `sigma` voxels, for a volume of `shape`."""
    frequencies = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    axes = [np.exp(-2 * (np.pi * s * f) ** 2) for s, f in zip(sigma, frequencies, strict=True)]
    transfer: _Floats = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    return transfer


def _filtered(volume: _Floats, sigma: _Triple) -> _Floats:
    """Blur with a Gaussian; the volume counts as periodic."""
    spectrum = np.fft.rfftn(volume) * _transfer(volume.shape, sigma)
    return np.fft.irfftn(spectrum, s=volume.shape, axes=(0, 1, 2))


def _blur(volume: _Floats, sigma: _Triple) -> _Floats:
    """Blur with a Gaussian; edges are mirrored, so that opposite sides do not leak into one another."""
    margin = [(int(np.ceil(4 * s)),) * 2 for s in sigma]
    inner = tuple(slice(m, m + n) for (m, _), n in zip(margin, volume.shape, strict=True))
    return _filtered(np.pad(volume, margin, mode="symmetric"), sigma)[inner]


def _smooth_noise(shape: tuple[int, ...], sigma: _Triple, random: np.random.Generator) -> _Floats:
    """Return a random field of mean 0 and standard deviation 1, smooth over `sigma` voxels."""
    field = _filtered(random.standard_normal(shape), sigma)
    field -= field.mean()
    return field / max(float(field.std()), 1e-9)


def _stored(volume: npt.NDArray[np.floating]) -> Volume:
    stored: Volume = np.clip(np.rint(volume * FULL_SCALE), 0, 65535).astype(np.uint16)
    return stored
