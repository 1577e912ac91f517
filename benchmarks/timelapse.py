"""How to share a network between the time points of a time lapse, measured without a clean image.

    python benchmarks/timelapse.py path/to/stacks/yeast_mitochondria_tzyx_u16.ome.tif --seeds 3

The image ``y`` is split into two halves with independent noise, ``y + n`` and ``y − n``, with Gaussian ``n``
of the noise's own variance (gain and offset as the quality panel fits them). The first is denoised; its mean
squared distance to the second is the squared error and a constant, so that differences between two ways are
those of their errors. Each line names a way, that distance as a multiple of the second half's noise variance,
and seconds.

together   one network for all time points: what blind2grad does
apart      one network for each time point
warm       the network of one time point is trained on for the next, with a quarter of the steps
in time    one network whose context is the neighbours in time instead of those in Z
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_blind2grad import Config, denoise, denoise_iter
from napari_blind2grad.events import Result
from napari_blind2grad.io import read_image
from napari_blind2grad.quality import assess


def halves(noisy: np.ndarray, axes: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both halves and the noise variance of either, all of the shape of `noisy`."""
    noise = assess(noisy, None, axes).noise
    variance = np.clip(noise.gain * noisy + noise.constant, noise.variances.min(), None)
    more = np.random.default_rng(seed).normal(size=noisy.shape) * np.sqrt(variance)
    return noisy + more, noisy - more, 2 * variance


def together(noisy: np.ndarray, config: Config) -> np.ndarray:
    return denoise(noisy, "TZYX", config).image


def apart(noisy: np.ndarray, config: Config) -> np.ndarray:
    return np.stack([denoise(point, "ZYX", config).image for point in noisy])


def warm(noisy: np.ndarray, config: Config) -> np.ndarray:
    state, images = None, []
    for point in noisy:
        for event in denoise_iter(point, "ZYX", config, warm=state, previews=False):
            if isinstance(event, Result):
                images.append(event.image)
                state = event.state
        config = config.replace(
            iterations=max(1, config.iterations // (4 if len(images) == 1 else 1))
        )
    return np.stack(images)


def in_time(noisy: np.ndarray, config: Config) -> np.ndarray:
    return denoise(noisy, "ZTYX", config).image


WAYS: dict[str, Callable[[np.ndarray, Config], np.ndarray]] = {
    "together": together,
    "apart": apart,
    "warm": warm,
    "in time": in_time,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="an image with the axes TZYX")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    image = read_image(options.data)
    noisy = np.asarray(image.data, np.float32)
    print(f"{image.axes} {noisy.shape}")
    for way in options.ways:
        distances, began = [], time.perf_counter()
        for seed in range(options.seeds):
            seen, other, variance = halves(noisy, image.axes, seed)
            config = Config.preset(options.preset, seed=seed)
            made = WAYS[way](seen.astype(np.float32), config)
            distances.append(np.mean(np.square(made - other)) / variance.mean())
        seconds = (time.perf_counter() - began) / options.seeds
        each = " ".join(f"{value:.4f}" for value in distances)
        print(f"{way:9} {np.mean(distances):.4f} ({each}) {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
