"""What a run tells the outside while it goes on: frozen events with plain CPU arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .config import Config

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

#: Values of the dual-mask maps and what they mean, in order.
DUAL_MASK_CLASSES: tuple[str, ...] = (
    "visible, flat",
    "hidden, flat",
    "visible, detail",
    "hidden, detail",
)

#: The maps a run can give beside the image, by their names in :class:`Preview` and :class:`Result`.
MAPS: tuple[str, ...] = ("dual_mask", "gradient", "gradient_deviation", "standout_gate")


@dataclass(frozen=True)
class Started:
    """First event of a run.

    Attributes
    ----------
    shape, axes
        Of the input; all maps and images of the run share its spatial axes.
    device, precision
        Where and how the run computes, for people: ``"CPU (Intel Xeon)"``, ``"bfloat16"``.
    seed
        The seed in use.
    iterations
        Training steps of the whole run: per-network steps times networks.
    networks
        How many networks are trained one after another.
    planes
        How many (T, C, Z) planes the image has.
    scale
        Width of the robust range in the image's own units for each channel: a threshold of `t` on the
        0-255 scale is `t / 255 * scale` in image units.
    noise
        Estimated noise standard deviation for each channel, in the image's own units.
    parameters
        Weights in one network.
    notes
        Things the user should know: clipped pixels, blank channels, ignored options.
    """

    shape: tuple[int, ...]
    axes: str
    device: str
    precision: str
    seed: int
    iterations: int
    networks: int
    planes: int
    scale: tuple[float, ...]
    noise: tuple[float, ...]
    parameters: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """A few times a second: how far the run is.

    Attributes
    ----------
    phase
        ``"train"`` or ``"predict"``.
    iteration, iterations
        Training steps done and planned, over all networks.
    cycle, cycles
        The current cycle, from 1.
    network, networks
        The network being trained, from 1.
    fraction
        Share of the whole run done, 0 to 1, prediction included.
    loss, content, deviation
        Mean since the last event of the loss (3.9), of ``‖d_c‖²`` and of ``‖d_g‖²`` over hidden pixels;
        ``nan`` before the first step.
    seconds, remaining
        Time since the start, and estimated time left.
    """

    phase: Literal["train", "predict"]
    iteration: int
    iterations: int
    cycle: int
    cycles: int
    network: int
    networks: int
    fraction: float
    loss: float
    content: float
    deviation: float
    seconds: float
    remaining: float


@dataclass(frozen=True)
class Preview:
    """One plane as the network sees it now.

    Attributes
    ----------
    index
        Where the plane lies: a mapping from axis letter (those of T, C, Z that the input has) to index.
    image
        Denoised plane in the result's dtype and units; its axes are Y, X and, for colour, S in the
        order of the input.
    maps
        By the names of :data:`MAPS`; axes Y and X in the order of the input. ``dual_mask`` holds the
        indices of :data:`DUAL_MASK_CLASSES`, ``standout_gate`` 0 or 1 (both uint8), the gradients are
        float32 in the image's own units per pixel. May be empty.
    final
        Whether the plane is finished: it will not change again in this run.
    iteration
        Training step at which it was made.
    held_out
        ``‖d_c‖²`` over pixels of this plane that are never trained on (2 % of them, drawn from the seed),
        hidden for the prediction: noise variance plus error, without the flattery of pixels that the
        network has learnt by heart. On the scale of the losses, where the robust range is 1; ``nan``
        without maps and for planes of fewer than 1024 pixels.
    noise_left
        Estimated variance of the noise still in the plane, same scale; fine texture counts too.
    """

    index: Mapping[str, int]
    image: Array
    maps: Mapping[str, Array]
    final: bool
    iteration: int
    held_out: float = float("nan")
    noise_left: float = float("nan")


@dataclass(frozen=True)
class Result:
    """Last event of a run, and what :func:`napari_blind2grad.denoise` returns.

    Attributes
    ----------
    image
        Denoised image: shape and axes of the input, dtype by ``config.dtype``.
    axes
        Axes of the input; the maps have the same without ``S``.
    dual_mask, standout_gate
        uint8 maps, see :class:`Preview`.
    gradient
        ``|∇f(y)|``, float32, image units per pixel.
    gradient_deviation
        ``|d_g| = |∇f(y) − ∇f(Ωy)|`` (eq. 3.4), float32, image units per pixel.
    losses
        ``"loss"``, ``"content"`` and ``"deviation"``: float32 arrays with one value for each step.
    config, seed, device, version
        What made the result.
    seconds, iterations
        Time taken and steps done.
    stopped
        Whether `should_stop` ended the run before its last step.
    started
        The run's first event.
    notes
        What the user should know about this result; the notes of `started` come first.
    state
        The trained networks, for the argument `warm` of
        :func:`~napari_blind2grad.denoise_iter` and for :meth:`save_model`; nothing to look into.
    """

    image: Array
    axes: str
    dual_mask: Labels
    gradient: Floats
    gradient_deviation: Floats
    standout_gate: Labels
    losses: Mapping[str, Floats]
    config: Config
    seed: int
    device: str
    version: str
    seconds: float
    iterations: int
    stopped: bool
    started: Started
    notes: tuple[str, ...] = ()
    state: Any = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        """Return what it is of in a line, without its pixels."""
        shape = " × ".join(map(str, self.image.shape))
        noise = ", ".join(f"{sigma:.3g}" for sigma in self.started.noise)
        return (
            f"<Result: {self.axes} {shape} {self.image.dtype}, preset {self.config.base}, "
            f"{self.iterations} iterations in {self.seconds:.1f} s on {self.device}, noise σ ≈ {noise}>"
        )

    @property
    def map_axes(self) -> str:
        """Axes of the maps: those of the image without ``S``."""
        return self.axes.replace("S", "")

    def save_model(self, path: str | os.PathLike[str]) -> Path:
        """Save the trained networks as a folder, for :func:`napari_blind2grad.apply`.

        Parameters
        ----------
        path
            The folder; an older model there is replaced, anything else is not.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        OutputError
            If there is no trained network, or the folder cannot be written; nothing is left behind then.
        """
        from . import save_model

        return save_model(path, self)


Event = Started | Progress | Preview | Result
