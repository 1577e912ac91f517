"""The images that the benchmark measures on, and the noise that is put on them.

Conventions, the same for every method:

- Gaussian noise: σ on the 0-255 scale, not clipped. Images of 8 bit keep that scale (data range 255),
  stacks are scaled to 0 to 1 and get σ / 255 (data range 1).
- Poisson noise: ``Poisson(λ·x) / λ`` with x in 0 to 1 (data range 1).
- ``real``: a pair from a camera or microscope, as it is in its file (data range 255).

The noise of a case comes from a seed of its own, so that each method gets the same array. The halves:
images of a set alternate, sorted by name, between ``report`` and ``tune``; those that choices were made on
before the halves were drawn are ``tune`` too. Parameters may be chosen on ``tune``; headline figures are
means over ``report`` alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import phantom

SIGMAS = (25, 50, 75, 100)
#: Planes of the nuclei stack: those that the parameters were chosen on, and others of the same depth.
NUCLEI = {"planes22": (22, 38, "tune"), "planes40": (40, 56, "report")}
#: Images outside their half that choices were made on all the same.
USED = frozenset({"House256rgb", "BPAE_B", "BPAE_R", "fish"})
PHANTOMS = {"one": (1, "tune"), "two": (2, "report")}
SUITES = ("quick", "micro", "stacks", "paper")


@dataclass(frozen=True)
class Case:
    """One noisy image with the clean one to measure against.

    Attributes
    ----------
    name
        ``set/image/noise``.
    axes
        One letter for each dimension.
    kind
        What a method may know of the noise: ``type`` (gaussian, poisson, unknown), ``sigma`` or ``lam``
        where the noise was made, and ``peak``, the data range.
    split
        ``tune`` or ``report``.
    load
        Returns the noisy and the clean array.
    fit
        Whether results are brought to the clean image by a gain and an offset before they are measured,
        as both images of a pair were rescaled each by itself.
    """

    name: str
    axes: str
    kind: Mapping[str, object]
    split: str
    load: Callable[[], tuple[np.ndarray, np.ndarray]] = field(repr=False)
    fit: bool = False

    @property
    def peak(self) -> float:
        """The data range of PSNR and SSIM."""
        return float(self.kind["peak"])

    @property
    def group(self) -> str:
        """The row of a table that the case belongs to: its set and its noise."""
        parts = self.name.split("/")
        return f"{parts[0]}/{parts[-1]}"


def seed_of(name: str) -> int:
    """Return the noise seed of the case `name`."""
    return zlib.crc32(name.encode())


def gaussian(clean: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Return `clean` with noise of standard deviation `sigma`, in the units of `clean`."""
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    return (clean + sigma * noise).astype(np.float32)


def poisson(clean: np.ndarray, lam: float, seed: int) -> np.ndarray:
    """Return ``Poisson(lam · clean) / lam`` for `clean` in 0 to 1."""
    counts = np.random.default_rng(seed).poisson(lam * clean.astype(np.float64))
    return (counts / lam).astype(np.float32)


def with_noise(
    name: str, axes: str, split: str, clean: Callable[[], np.ndarray], peak: float, seed: int | None
) -> Case:
    """Return a case whose noise is made; the last part of `name` tells which: ``g25`` or ``p30``."""
    letter, level = name.rsplit("/", 1)[1][0], float(name.rsplit("/", 1)[1][1:])
    chosen = seed_of(name) if seed is None else seed
    kind: dict[str, object] = {"peak": peak}
    if letter == "g":
        sigma = level * peak / 255
        kind |= {"type": "gaussian", "sigma": sigma}
    else:
        kind |= {"type": "poisson", "lam": level}

    def load() -> tuple[np.ndarray, np.ndarray]:
        image = clean()
        if letter == "g":
            return gaussian(image, sigma, chosen), image
        return poisson(image, level, chosen), image

    return Case(name, axes, kind, split, load)


def read(path: Path) -> np.ndarray:
    """Return the image in the file `path`."""
    if path.suffix in (".tif", ".tiff"):
        import tifffile

        return np.asarray(tifffile.imread(path))
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image)


def _axes(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        return "YXS" if image.mode == "RGB" else "YX"


def _split(index: int, image: str) -> str:
    return "tune" if index % 2 or image in USED else "report"


def natural(data: Path, folder: str, sigmas: tuple[int, ...] = SIGMAS) -> Iterator[Case]:
    """Yield the cases of a set of clean 8-bit images."""
    files = sorted(p for p in (data / folder).glob("*") if p.suffix in (".png", ".bmp"))
    for sigma in sigmas:
        for index, path in enumerate(files):
            image = path.stem.removeprefix("image_")
            name = f"{path.parent.name}/{image}/g{sigma}"

            def clean(path: Path = path) -> np.ndarray:
                return read(path).astype(np.float32)

            yield with_noise(name, _axes(path), _split(index, image), clean, 255, None)


def pairs(
    data: Path, noisy: str, clean: Callable[[Path], Path], *, axes: str, fit: bool = False
) -> Iterator[Case]:
    """Yield the cases of a set of real pairs; `noisy` is a pattern of files within `data`."""
    for index, path in enumerate(sorted(data.glob(noisy))):
        folder = path.parent.name if axes == "YXS" else path.parent.parent.name

        def load(path: Path = path) -> tuple[np.ndarray, np.ndarray]:
            return read(path), read(clean(path)).astype(np.float32)

        kind = {"type": "unknown", "peak": 255.0}
        stem = path.stem.removesuffix("_real").removeprefix("input_avg1_")
        yield Case(f"{folder}/{stem}/real", axes, kind, _split(index, stem), load, fit)


def nuclei(data: Path) -> Iterator[Case]:
    """Yield the cases of a near-clean stack of nuclei, scaled as in ``parts.py``."""
    path = data / "stacks" / "nuclei_zyx_u16.tif"
    for block, (low, high, split) in NUCLEI.items() if path.is_file() else ():

        def clean(low: int = low, high: int = high) -> np.ndarray:
            volume = read(path)[low:high].astype(np.float64)
            span = np.percentile(volume, 99.9) - volume.min()
            return np.clip((volume - volume.min()) / span, 0, 1).astype(np.float32)

        for noise in ("p30", "p50", "g25"):
            # the array that parts.py measures
            seed = 7 if (block, noise) == ("planes22", "p30") else None
            yield with_noise(f"nuclei/{block}/{noise}", "ZYX", split, clean, 1, seed)


def phantoms() -> Iterator[Case]:
    """Yield the cases of the generated volume, which is exact."""
    for name, (seed, split) in PHANTOMS.items():

        def clean(seed: int = seed) -> np.ndarray:
            return phantom.volume(seed)

        yield with_noise(f"phantom/{name}/p30", "ZYX", split, clean, 1, None)


def micro(data: Path) -> Iterator[Case]:
    """Yield the real pairs from microscopes."""
    folder = data / "microscopy_pairs"
    yield from pairs(
        folder, "FMD/noisy/*.tif", lambda p: p.parent.parent / "clean" / p.name, axes="YX"
    )

    def average(path: Path) -> Path:
        name = path.name.replace("input_avg1", "target_avg400")
        return path.parent.parent / "clean_avg400" / name

    yield from pairs(folder, "W2S/noisy_avg1/*.tif", average, axes="YX", fit=True)


def camera(data: Path) -> Iterator[Case]:
    """Yield the real pairs from cameras."""

    def mean(path: Path) -> Path:
        return path.with_name(path.name.replace("_real", "_mean"))

    for folder in ("CC", "PolyU"):
        yield from pairs(data / "camera_noise", f"{folder}/*_real.*", mean, axes="YXS")


def catalogue(suite: str, data: Path) -> list[Case]:
    """Return the cases of `suite` for which `data` has the files."""
    if suite == "quick":
        wanted = set(QUICK)
        found = [*phantoms(), *micro(data), *natural(data, "natural_rgb/Set9", (25,))]
        return [case for case in found if case.name in wanted]
    if suite == "micro":
        return list(micro(data))
    if suite == "stacks":
        return [*phantoms(), *nuclei(data)]
    found = []
    for name in ("Set9", "Kodak24", "Set14", "CBSD68", "Urban100"):
        found += natural(data, f"natural_rgb/{name}")
    return [*found, *natural(data, "natural_gray/BSD68"), *camera(data)]


#: The cases of the suite ``quick``, each with the peers that it has time for.
QUICK: dict[str, tuple[str, ...]] = {
    "phantom/two/p30": ("bm4d",),
    "FMD/fish/real": ("bm3d_vst", "wavelet", "tv", "nlm"),
    "W2S/081_0/real": ("bm3d_vst",),
    "Set9/House256rgb/g25": ("bm3d", "zs_n2n", "n2v"),
}
