"""What the thresholds ε_g and ε_s compare, and the masks that they give, without any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from ..axes import Axes
from ..config import Config
from ..errors import InputError, translated
from .counts import photon_step, with_step
from .floor import noise_of
from .gradient import edge_strength
from .grids import cut, join
from .held_out import shown_scores
from .inputs import fill
from .maps import shown_blind
from .masks import detail_strength, dual_mask_labels
from .network import multiple
from .noise import NoiseCurve, told
from .spectrum import spectra
from .stack import Planes, check, load
from .standout import edge_gate
from .training import SCALE, seed_of
from .whiteness import Sharing, found_sharing

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Distances:
    """What the thresholds are compared with in one plane.

    Attributes
    ----------
    detail
        ``|y − x_m|`` as the detail map takes it (eq. 3.1), shape (Y, X), in the network's units.
    edges
        ``|∇x_m|``, shape (Y, X), in the network's units per pixel.
    scores
        Random numbers that decide which pixels are hidden, shape (Y, X).
    scale
        Image units per unit of the network: a threshold of `t` on the 0-255 scale is
        ``t / 255 * scale`` in image units.
    trained
        Whether ``x_m`` was denoised, and not the smoothed image that stands for it before any training.
    """

    detail: Tensor
    edges: Tensor
    scores: Tensor
    scale: float
    trained: bool

    def in_image_units(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return `detail` and `edges` as arrays in image units (per pixel)."""
        return tuple((part * self.scale).numpy() for part in (self.detail, self.edges))  # type: ignore[return-value]


class Sketch:
    """Draws the masks that the engine would draw for given thresholds, on the CPU.

    Parameters
    ----------
    image, axes, config
        As in :func:`napari_blind2grad.denoise`. What changes in `config` later is given to the methods;
        here count the seed and how networks, neighbours and padding are laid out.

    Raises
    ------
    InputError
        If the image cannot be denoised.
    """

    def __init__(self, image: npt.ArrayLike, axes: str | None, config: Config) -> None:
        self._config = config
        with translated():
            self._stack = check(image, axes)
        self._groups = self._stack.groups(config.networks)
        self._loaded: dict[int, tuple[Planes, NoiseCurve]] = {}
        self._step: float | None = None

    @property
    def scales(self) -> tuple[float, ...]:
        """Width of the robust range of each channel in image units, as in ``Started.scale``."""
        return tuple(m.scale for m in self._stack.maps)

    def distances(
        self, index: Mapping[str, int], denoised: Array | None, config: Config
    ) -> Distances:
        """Return what the thresholds compare in the plane at `index`.

        Parameters
        ----------
        index
            Position along T, C and Z; missing ones are 0.
        denoised
            ``x_m`` of that plane in image units, with its Y, X and S in the order of the input. None
            takes the smoothed image, from which the compact network starts.
        config
            For the kind of detail map, and a camera's noise.
        """
        with translated(), torch.no_grad():
            where = (index.get("C", 0), index.get("T", 0), index.get("Z", 0))
            group = next((g for g, channels in enumerate(self._groups) if where[0] in channels), -1)
            if group < 0:
                raise InputError(f"Channel {where[0]} is constant: there is nothing to denoise.")
            planes, noise = self._load(group)
            plane = planes.index.index(where)
            one = slice(plane, plane + 1)
            noisy, valid = planes.noisy[one], planes.valid[one]
            visible, center = valid.float().expand_as(noisy), float(noisy.mean())
            distance = self._found.tap_distance
            evenly = config.replace(dilation=distance)
            grids = fill(cut(noisy, distance), cut(visible, distance), center)
            medium = join(grids, distance)
            if denoised is not None:
                medium = self._mapped(denoised, where[0], medium)
            noise = told(noise, self._counted(config), planes.maps[where[0]])
            detail = detail_strength(noisy, valid, medium, noise, config.detail)
            y, x = planes.height, planes.width
            seed = seed_of(self._config, group)
            return Distances(
                detail=detail[0, 0, :y, :x],
                edges=edge_strength(medium)[0, :y, :x],
                scores=shown_scores(planes, seed, plane, 0, evenly)[:y, :x],
                scale=self._stack.maps[where[0]].scale,
                trained=denoised is not None,
            )

    @staticmethod
    def masks(
        distances: Distances, config: Config
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Return the dual mask and the T-standout gate of one plane, uint8, shape (Y, X)."""
        detail = distances.detail >= config.eps_g / SCALE
        blind = shown_blind(distances.scores, detail, config)
        gate = edge_gate(distances.edges, config.eps_s / SCALE)
        return dual_mask_labels(blind, detail).numpy(), gate.to(torch.uint8).numpy()

    def _counted(self, config: Config) -> Config:
        """Return `config` with what a run would find out of photon counts."""
        if self._step is None:
            self._step = photon_step(self._stack)
        return with_step(config, self._step)

    @cached_property
    def _found(self) -> Config:
        """The settings with the distance of the pixels that a network sees together, as a run finds it."""
        return self._config.replace(dilation=self._sharing.distance)

    @cached_property
    def _sharing(self) -> Sharing:
        return found_sharing(self._stack, self._counted(self._config))

    def _load(self, group: int) -> tuple[Planes, NoiseCurve]:
        if group not in self._loaded:
            counted, config = self._counted(self._config), self._found
            device = torch.device("cpu")
            planes = load(self._stack, self._groups[group], config, device, multiple(config))
            noise = noise_of(planes.noisy, planes.valid, white=not self._sharing.shared)
            if self._sharing.shared:
                maps = [planes.maps[channel] for channel, _, _ in planes.index]
                curves = [told(noise, counted, m) for m in maps]
                noise = replace(noise, spectra=spectra(planes, curves.__getitem__))
            self._loaded[group] = planes, noise
        return self._loaded[group]

    def _mapped(self, denoised: Array, channel: int, like: Tensor) -> Tensor:
        """Return a plane in image units as (1, S, H, W) in the network's, padded by its last pixels."""
        letters = [c for c in self._stack.axes.letters if c in "SYX"]
        shape = denoised.shape
        canonical = Axes("".join(letters), shape).to_canonical(denoised)[0, 0, 0]  # (S, Y, X)
        mapped = self._stack.maps[channel].forward(canonical[: like.shape[1]])
        plane = torch.from_numpy(np.nan_to_num(mapped).astype(np.float32))[None]
        right, below = like.shape[-1] - plane.shape[-1], like.shape[-2] - plane.shape[-2]
        return F.pad(plane, (0, right, 0, below), mode="replicate")
