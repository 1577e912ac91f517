"""Noise2Void through CAREamics, trained on the one image; volumes with its 3D network.

A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void - Learning denoising from single noisy images", CVPR 2019; the
package ``careamics`` (0.3). What it asks for is at odds with the versions that this project pins, so it
wants an environment of its own, which ``run.py --python n2v=PATH`` takes::

    python -m venv .venv-n2v
    .venv-n2v/bin/pip install "careamics>=0.3.5" scikit-image

Checked against: the paper trains on many images (BSD68, σ = 25: 27.71 dB); from a single one it states no
figure, and this peer may stay behind that.
"""

from __future__ import annotations

import tempfile

import numpy as np
from careamics import CAREamist
from careamics.config import create_n2v_config
from lightning.pytorch import seed_everything

from peers import Kind, _torch

#: Steps of one epoch, of 16 patches of 64 × 64 (4 of 8 × 64 × 64 in volumes).
STEPS = 100


def denoise(
    noisy: np.ndarray,
    axes: str,
    kind: Kind,  # noqa: ARG001
    seed: int,
    epochs: int = 30,
) -> np.ndarray:
    """Denoise an image or a volume."""
    seed_everything(seed)
    volume, colour = "Z" in axes, "S" in axes
    # the network halves each side twice
    pads = [
        (0, 0) if letter == "S" else (0, -n % 8)
        for letter, n in zip(axes, noisy.shape, strict=True)
    ]
    image = np.pad(noisy.astype(np.float32), pads, mode="reflect")
    with tempfile.TemporaryDirectory() as folder:
        config = create_n2v_config(
            "n2v",
            "array",
            axes.replace("S", "C"),
            [8, 64, 64] if volume else [64, 64],
            4 if volume else 16,
            num_epochs=epochs,
            num_steps=STEPS,
            n_val_patches=2,
            n_channels=noisy.shape[axes.index("S")] if colour else None,
        )
        if _torch.device().type == "cpu":
            config.training_config.trainer_params["accelerator"] = "cpu"
        careamist = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        careamist.train(train_data=image)
        found, _ = careamist.predict(image)
    result = np.asarray(found[0]).reshape(image.shape)
    return result[tuple(slice(n) for n in noisy.shape)]
