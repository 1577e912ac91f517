"""One network in training: its optimiser, the maps of the current cycle, and a single step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..errors import EngineError, InputError
from .floor import noise_of
from .gradient import edge_strength
from .held_out import held_out
from .inputs import assemble
from .losses import blind2grad_loss
from .masks import blind_probability, detail_strength, even_scores, masks_drawn, uniform_blind
from .network import build, multiple
from .noise import NoiseCurve, told
from .optimizer import Adam, AdamW, Muon
from .predict import Predictor
from .replay import Replay, records
from .sampling import Sampler
from .spectrum import spectra
from .stack import Planes
from .standout import Standout, edge_gate

#: The paper's thresholds are given on this scale.
SCALE = 255.0
_WARM_UP = 0.15
_CLIP = 1.0
#: Learning rate of Muon's weights against that of the others.
_MUON = 4.0


def learning_rate(config: Config, progress: float) -> float:
    """Return the learning rate at `progress` (0 to 1) of the run.

    Plain Adam keeps its rate (section 5.1.1). The others warm up linearly over the first 15 %, then fall
    along a half cosine to a thousandth.
    """
    if config.optimizer == "adam":
        return config.lr
    if progress < _WARM_UP:
        return config.lr * (0.05 + 0.95 * progress / _WARM_UP)
    falling = min(1.0, (progress - _WARM_UP) / (1.0 - _WARM_UP))
    return config.lr * (0.001 + 0.999 * 0.5 * (1.0 + math.cos(math.pi * falling)))


def seed_of(config: Config, group: int) -> int:
    """Return the seed of network number `group` of a run: each starts from one of its own."""
    return config.seed + 1_000_003 * group


class Training:
    """A network, what it trains on, and the maps of its current cycle.

    Parameters
    ----------
    planes
        What to train on.
    config
        Settings; replace :attr:`config` to change live ones.
    dtype
        Type to compute in.
    seed
        Start of all draws.
    shared
        Whether neighbouring pixels share their noise, whose spectrum then counts.

    Attributes
    ----------
    medium
        ``x_m``, the denoised planes of the last cycle, shape (P, S, H, W); None in the first cycle.
    detail, gate
        Detail map and T-standout gate η made from it, bool, shape (P, 1, H, W).
    targets
        Valid pixels that the loss may ask for, bool, shape (P, 1, H, W). The other valid ones are *held out*:
        the network sees them like any other, but never learns to predict their values.
    noise
        The estimated noise.
    predictor
        Runs the network over whole planes.
    """

    def __init__(
        self, planes: Planes, config: Config, dtype: torch.dtype, seed: int, *, shared: bool = False
    ) -> None:
        device = planes.noisy.device
        samples = planes.noisy.shape[1]
        self.planes = planes
        self.config = config
        self.dtype = dtype
        network = build(samples, planes.neighbours.shape[1] * samples, config, seed)
        network.standardise(*_moments(planes))
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizers = self._make_optimizers(device)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.sampler = Sampler(planes, config, multiple(config), self.generator)
        self.noise: NoiseCurve = noise_of(planes.noisy, planes.valid, white=not shared)
        if shared:
            self.noise = replace(self.noise, spectra=spectra(planes, self.noise_at))
        self.predictor = Predictor(self.network, planes, config, dtype, seed)
        self.targets = self._choose_targets()
        self.medium: Tensor | None = None
        self.detail = torch.zeros_like(planes.valid)
        self.gate = torch.zeros_like(planes.valid)
        self._shares: dict[int, float] = {}
        self._pending: list[Tensor] = []
        self._replay: Replay | None = None
        if records(device, self.sampler.pixels):
            self._replay = Replay(self.generator)

    def _choose_targets(self) -> Tensor:
        held = [held_out(self.planes, self.predictor.seed, i) for i in range(len(self.planes))]
        return self.planes.valid & ~torch.stack(held)

    def _make_optimizers(self, device: torch.device) -> list[torch.optim.Optimizer]:
        """Return the optimisers; the first one's gradients are clipped, and a second one is Muon."""
        fused, lr = device.type in ("cpu", "cuda"), self.config.lr
        replayed = records(device)
        if self.config.optimizer == "adam":
            return [Adam(self.parameters, lr=lr, fused=fused, capturable=replayed)]
        muon = self.config.optimizer == "muon"
        kernels = [p for p in self.parameters if muon and p.ndim == 4 and p.shape[-1] > 1]
        chosen = {id(p) for p in kernels}
        rest = [p for p in self.parameters if id(p) not in chosen]
        adamw = AdamW(
            rest, lr=lr, betas=(0.9, 0.99), weight_decay=1e-4, fused=fused, capturable=replayed
        )
        return [adamw, Muon(kernels, lr=_MUON * lr)] if kernels else [adamw]

    @property
    def work(self) -> float:
        """Pixels passed through the network in one step, forward and backward counted as three."""
        passes = 3.0 if self.config.revisible == "cycle" or self.config.omega == 0 else 4.0
        return passes * self.sampler.pixels

    def steer(self, config: Config) -> None:
        """Take over changed live parameters; thresholds act on the maps of the current cycle at once."""
        before, self.config = self.config, config
        self.predictor.config = config
        self.rest()
        if (before.eps_g, before.eps_s) != (config.eps_g, config.eps_s):
            self._shares.clear()
            for plane in range(len(self.planes)):
                self._map(plane)

    def begin_cycle(self, medium: Tensor) -> None:
        """Start a cycle from the denoised planes `medium` (eq. 3.10): new detail map and gate."""
        self.medium = medium
        self.rest()
        self._shares.clear()
        for plane in range(len(self.planes)):
            self._map(plane)

    def rest(self) -> None:
        """Let go of what only further steps like the last ones need."""
        if self._replay is not None:
            self._replay.forget()

    def _map(self, plane: int) -> None:
        if self.medium is None:
            return
        one = slice(plane, plane + 1)
        self.detail[one] = self.details(plane, self.medium[one])
        self.gate[one] = self.edges(self.medium[one])

    def noise_at(self, plane: int) -> NoiseCurve:
        """Return the noise of one plane: the camera's, if the settings tell it, or as estimated."""
        channel = self.planes.index[plane][0]
        return told(self.noise, self.config, self.planes.maps[channel])

    def share(self, channel: int) -> float:
        """Return the share of detail pixels in all planes of `channel`.

        The masks of prediction go by it, and not by each plane's own, so that a plane's mask is the same
        whether the plane is seen whole or in parts. Waits for the device, once in a cycle.
        """
        if channel not in self._shares:
            own = [i for i, (c, _, _) in enumerate(self.planes.index) if c == channel]
            self._shares[channel] = float(self.detail[own].float().mean())
        return self._shares[channel]

    def details(self, plane: int, medium: Tensor) -> Tensor:
        """Return the detail map of one plane from `medium` (1, S, H, W): bool, shape (1, 1, H, W)."""
        one = slice(plane, plane + 1)
        planes, kind = self.planes, self.config.detail
        noise = self.noise_at(plane)
        distance = detail_strength(planes.noisy[one], planes.valid[one], medium, noise, kind)
        return distance >= self.config.eps_g / SCALE

    def edges(self, medium: Tensor) -> Tensor:
        """Return the T-standout gate of `medium` (B, S, H, W): bool, shape (B, 1, H, W)."""
        return edge_gate(edge_strength(medium), self.config.eps_s / SCALE).unsqueeze(1)

    def step(self, progress: float) -> None:
        """Train for one step (Algorithm 1, lines 3 to 8); nothing here waits for the device.

        Parameters
        ----------
        progress
            Share of the run done, for the learning rate.
        """
        lr = learning_rate(self.config, progress)
        replay = self._replay
        self._pending.append(replay(self.train, lr) if replay else self.train(lr))

    def train(self, lr: float | Tensor) -> Tensor:
        """Train once with the learning rate `lr`; return the losses, shape (3,)."""
        config, planes = self.config, self.planes
        patches = self.sampler.draw()
        noisy = patches.take(planes.noisy)  # (B, S, h, w)
        valid = patches.take(planes.valid)  # (B, 1, h, w)
        context = patches.take_context(planes.context, planes.neighbours)  # (B, K·S, h, w)
        gate = patches.take(self.gate).float() if self.medium is not None else None  # (B, 1, h, w)
        blind, chance = self._draw_blind(noisy, patches.take(self.detail))  # (B, S or 1, h, w)
        blind = blind.expand_as(noisy)
        keep = (~blind & valid).float()
        weight = (blind & patches.take(self.targets)).float()
        if config.importance:
            weight = weight * (config.mask_rate / chance)
        standout = Standout(gate, config.dropout, self.generator)
        center = self.network.center
        inputs = assemble(noisy, keep, context, config, center)
        with torch.autocast(noisy.device.type, self.dtype, enabled=self.dtype != torch.float32):
            masked = self.network(inputs.x, inputs.mask, inputs.filled, standout).float()
            whole = None
            if config.omega > 0 and config.revisible == "cycle":
                whole = patches.take(self.medium) if self.medium is not None else None
            elif config.omega > 0:
                with torch.set_grad_enabled(config.revisible == "full"):
                    every = valid.float().expand_as(noisy)
                    shown = assemble(noisy, every, context, config, center)
                    whole = self.network(shown.x, shown.mask, shown.filled).float()
        loss = blind2grad_loss(
            masked,
            noisy,
            whole,
            weight,
            omega=config.omega,
            gamma=config.gamma,
            gradient=config.gradient,
            form=config.form,
        )
        self._descend(loss.total, lr)
        return torch.stack([part.detach() for part in loss])

    def _draw_blind(self, noisy: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
        b, samples, h, w = noisy.shape
        shape = (b, masks_drawn(samples, self.config), h, w)
        scores = torch.rand(shape, generator=self.generator, device=noisy.device)
        rate = self.config.mask_rate
        if self.config.mask == "uniform":
            return uniform_blind(scores, rate), torch.full_like(scores[:, :1], rate)
        if self.config.even:
            scores = even_scores(scores)
        if self.config.mask == "bernoulli" or self.medium is None:
            return scores < rate, torch.full_like(scores[:, :1], rate)
        chance = blind_probability(detail, rate, self.config.rho)  # (B, 1, h, w)
        return scores < chance, chance.clamp_min(1e-3)

    def _descend(self, loss: Tensor, lr: float | Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        # In units of the image's spread, so that one clipping threshold suits all images.
        (loss / self.network.spread**2).backward()
        if self.config.optimizer != "adam":
            first = self.optimizers[0].param_groups[0]["params"]
            torch.nn.utils.clip_grad_norm_(first, _CLIP)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * (_MUON if isinstance(optimizer, Muon) else 1.0)
            optimizer.step()

    def take_losses(self) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Fetch the losses of the steps since the last call: shape (steps, 3). Waits for the device.

        Raises
        ------
        EngineError
            If the training has diverged.
        """
        if not self._pending:
            return np.zeros((0, 3), np.float32)
        losses = torch.stack(self._pending).float().cpu().numpy()
        self._pending.clear()
        if not np.isfinite(losses).all():
            raise EngineError(
                "The training diverged (its loss is no longer a number). Lower the learning rate or ω."
            )
        return losses


def _moments(planes: Planes) -> tuple[float, float]:
    """Return the mean and the standard deviation of the valid pixels, outliers cut off.

    Raises
    ------
    InputError
        If no pixel is valid in all its samples.
    """
    values = planes.noisy[planes.valid.expand_as(planes.noisy)]
    if values.numel() == 0:
        raise InputError("No pixel has a finite value in all its colour samples.")
    # On the CPU: not every device has double precision.
    some = values[:: max(1, values.numel() // 1_000_000)].cpu().double().clamp(-0.5, 1.5)
    return float(some.mean()), float(some.std(correction=0))
