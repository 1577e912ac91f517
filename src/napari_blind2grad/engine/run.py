"""A whole run: :func:`denoise_iter`, the only optimisation loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from ..config import Config, parameters
from ..errors import translated
from ..events import Event, Started
from . import device as devices
from .clock import Clock
from .network import multiple
from .output import Where
from .predict import Mean
from .refine import network_share, refine
from .snapshot import Keep, Snapshot, capture, restore
from .stack import Planes, check, load
from .told import Events, Focus, Told
from .training import Training, seed_of
from .warm import LATE, Warm, trained, weights_of

#: A pass over all planes is soon done if it takes no longer than about this many training steps.
_MOMENT = 10.0

#: Settings that may change while a run goes on.
LIVE = tuple(p.name for p in parameters() if p.live)


def denoise_iter(
    image: npt.ArrayLike,
    axes: str | None = None,
    config: Config | None = None,
    *,
    should_stop: Callable[[], bool] | None = None,
    focus: Focus | None = None,
    warm: Warm | None = None,
    previews: bool = True,
    keep: Keep | None = None,
    resume: Snapshot | None = None,
) -> Generator[Event, Config | None, None]:
    """Train on `image`, denoise it, and tell what goes on meanwhile.

    Parameters
    ----------
    image, axes, config
        As in :func:`napari_blind2grad.denoise`.
    should_stop
        Polled in every step from the thread that runs the generator. Once it returns true, training ends
        and the result is made by one quick pass over the planes that are not finished; a network that
        has not made a single step leaves its planes as they were.
    focus
        Polled before each preview: the position along T, C and Z of the plane that someone looks at.
    warm
        :attr:`Result.state <napari_blind2grad.events.Result.state>` of an earlier run, on this image or
        another part of it: its networks are trained on, from a late point of the learning rate's
        schedule, so that a few iterations do. A network of another form starts anew, and a note says so.
    previews
        Whether someone watches the training: planes are denoised for that, which takes up to a seventh of
        the time. The result is the same.
    keep
        Called after each step, and each plane of the last pass, with a function that takes a
        :class:`~napari_blind2grad.engine.snapshot.Snapshot` of the run, and whether the run was asked to stop
        so that this is the last one.
    resume
        A snapshot of a run on the same image with the same settings: the run goes on there. On a CPU with
        as many threads its result is that of a run in one go, bit for bit.

    Yields
    ------
    Event
        One :class:`~napari_blind2grad.events.Started`, then
        :class:`~napari_blind2grad.events.Progress` and :class:`~napari_blind2grad.events.Preview` as
        they come, and one :class:`~napari_blind2grad.events.Result` at the end. ``send(config)`` in
        answer to any of them changes the live parameters from the next step on, and a preview follows
        soon; other changes in it are ignored.

    Raises
    ------
    ConfigError, InputError
        If a setting or the image cannot be used.
    OutOfMemory, EngineError
        If the computation fails.
    """
    config = config or Config()
    with translated(), devices.computing(config.threads):
        stack = check(image, axes)
        run = Run(stack, config, should_stop or (lambda: False), focus or dict, warm, previews)
        run.keep, run.resume = keep, resume
        yield from run.events()


class Run(Told):
    """One run; :meth:`events` reads top to bottom."""

    def events(self) -> Events:
        """Yield all events of the run: each network is trained, then predicts its planes."""
        self.clock = Clock()
        if self.resume is not None:
            restore(self, self.resume)
            self.resume = None
        else:
            self.training = self.begin(0)
        started = self._started()
        yield from self._tell(started)
        for group in range(self.group, len(self.groups)):
            if group > self.group:
                self.training = self.begin(group)
            yield from self._train()
            self.trained.append(trained(self.training, self.guide) if self._learnt() else None)
            if self.step:
                yield from self._predict()
            self.steps_before += self.step
            if self.stopped:
                break
        yield from self._end(started)

    def _end(self, started: Started) -> Events:
        yield self._result(started)

    def begin(self, group: int) -> Training:
        """Return the training of network number `group`, which comes next."""
        self.group, self.step, self.cycle = group, 0, 1
        self.final, self.finished = None, []
        self.begun = self.config.iterations
        return self._begin(group)

    def places(self, group: int) -> list[Where]:
        """Return the planes that network number `group` leaves in the output."""
        _, t, z, _, _, _ = self.stack.array.shape
        return [(c, i, j) for c in self.groups[group] for i in range(t) for j in range(z)]

    def own_numbers(self) -> dict[str, Any]:
        """Return what this kind of run adds to its snapshots, as JSON can hold it."""
        return {}

    def take_numbers(self, numbers: Mapping[str, Any]) -> None:
        """Take back what :meth:`own_numbers` returned."""

    def _load(self, channels: list[int], config: Config) -> Planes:
        return load(self.stack, channels, config, self.device, multiple(config))

    def _begin(self, group: int) -> Training:
        planes = self._load(self.groups[group], self.config)
        training = self._training(planes, seed_of(self.config, group))
        self.guide = None
        if self.warm is not None and self.resume is None:
            self.continued = self.warm.into(group, training.network, self.config)
            if not self.continued:
                self.notes.append("No trained network of this form was at hand: it starts anew.")
        return training

    def _training(self, planes: Planes, seed: int) -> Training:
        """Return the training of a network whose draws start from `seed`."""
        return Training(planes, self.informed, self.dtype, seed, shared=self.shared)

    def _learnt(self) -> bool:
        return self.step > 0 or self.continued

    def _train(self) -> Events:
        """Train one network in cycles (Algorithm 1)."""
        if self.continued and not self.step:
            yield from self._refresh()
        while self.step < self.config.iterations and not self._stop():
            cycle = 1 + self.step * self.config.cycles // self.config.iterations
            if cycle > self.cycle:
                self.cycle = cycle
                yield from self._refresh()
            elif self.refresh_due:
                yield from self._refresh()
            if self.stopped:
                break
            self.training.step(self._schedule())
            self.step += 1
            self.clock.done += self.training.work
            self._offer()
            if self.previews and self.clock.preview_due():
                yield from self._tell(self._progress("train", fetch=True))
                yield from self._tell(self._preview())
            elif self.clock.progress_due():
                # Fetching the losses waits for the device; a GPU is better left to run ahead.
                fetch = self.device.type == "cpu"
                yield from self._tell(self._progress("train", fetch=fetch))
        if self.stopped and self.step:
            self._offer(last=True)
        yield from self._tell(self._progress("train", fetch=True))

    def _offer(self, *, last: bool = False) -> None:
        """Offer a snapshot of the run as it stands."""
        if self.keep is not None:
            self.keep(lambda: capture(self), last)

    def _schedule(self) -> float:
        """Return the share of the learning rate's schedule that is done."""
        done = self.step / self.config.iterations
        return LATE + (1.0 - LATE) * done if self.continued else done

    def _refresh(self) -> Events:
        """Denoise all planes once: the medium clean image ``x_m`` of the next cycle (eq. 3.10)."""
        self.refresh_due = False
        weights = weights_of(self.training.network)
        medium = torch.empty_like(self.training.planes.noisy)
        for plane in range(len(medium)):
            if self._stop():
                self.refresh_due = True  # should the run go on one day
                return
            medium[plane] = estimate = self.training.predictor.forward(plane, None)[0]
            self.clock.done += estimate[0].numel()
            yield from self._tell(self._show(plane, estimate[None]))
        self.training.begin_cycle(medium)
        self.guide, self.guide_step = weights, self.step

    def denoised(self) -> Tensor:
        """Return what the network makes of all planes, shape (P, S, H, W), without a word."""
        predictor, noisy = self.training.predictor, self.training.planes.noisy
        return torch.cat([predictor.forward(plane, None) for plane in range(len(noisy))])

    def _predict(self) -> Events:
        """Finish every plane: the mean of stochastic passes; after a stop, a single pass."""
        self.training.rest()
        if self.final is None:
            self.final = torch.empty_like(self.training.planes.noisy)
        final, order = self.final, self._planes_by_interest()
        before = set(self.finished)
        for plane in [p for p in order if p not in before]:
            going = not self.stopped
            if not self._stop():
                estimate = yield from self._average(plane)
            else:
                estimate = self.training.predictor.forward(plane, None)
            final[plane : plane + 1] = estimate
            if not self.stopped:
                self.finished.append(plane)
            if going:
                self._offer(last=self.stopped)
            yield from self._tell(self._show(plane, estimate))
        if self.config.refine:
            yield from self._refine(final)
        self.training.begin_cycle(final)
        for plane in order:
            yield from self._tell(self._show(plane, final[plane : plane + 1], final=True))

    def _refine(self, final: Tensor) -> Events:
        """Filter the noisy planes, guided by the denoised ones in `final`, which take the result."""
        planes = self.training.planes
        inside = (..., slice(planes.height), slice(planes.width))
        noisy = torch.where(planes.valid, planes.noisy, final)
        share = self.network_share()
        for chosen in planes.volumes():
            pilot, shown = final[chosen][inside], noisy[chosen][inside]  # (K, H, W)
            refined = torch.empty_like(pilot)
            noise = self.training.noise_at(
                chosen[0].start if isinstance(chosen[0], slice) else chosen[0]
            )
            for done in refine(shown, pilot, noise, refined, share=share):
                self.clock.done += done
                if self.clock.progress_due():
                    yield from self._tell(self._progress("predict", fetch=False))
            final[chosen][inside] = refined

    def network_share(self) -> float:
        """Return the part that the image of the current network has in the result."""
        training = self.training
        return network_share(self.config, training.noise_at(0), training.planes, self._steps())

    def _steps(self) -> int:
        """Return for how many steps the current network was trained, or about as well."""
        return self.config.iterations if self.continued else self.step

    def _average(self, plane: int) -> Generator[Event, Config | None, Tensor]:
        """Return the mean of predictions under fresh masks (section 5.1.1)."""
        training, config = self.training, self.config
        detail = training.detail[plane : plane + 1]
        gate = training.gate[plane : plane + 1].float() if config.stochastic else None
        channel = training.planes.index[plane][0]
        share = training.share(channel) if config.mask == "dual" else None
        mean = Mean(training.planes.noisy[:1], training.noise_at(plane), config)
        turns = 0
        while turns < config.passes and not (turns and self._stop()):
            mean.add(*training.predictor.masked(plane, turns, detail, gate, share))
            turns += 1
            self.clock.done += detail.numel()
            if self.clock.progress_due():
                yield from self._tell(self._progress("predict", fetch=False))
        return mean.value()

    def _stop(self) -> bool:
        self.stopped = self.stopped or self.should_stop()
        return self.stopped

    def _tell(self, event: Event) -> Events:
        """Yield `event` and take over the settings that are sent in answer."""
        told = time.perf_counter()
        answer = yield event
        self.clock.hold(time.perf_counter() - told)
        if answer is not None:
            live = {name: getattr(answer, name) for name in LIVE}
            before, self.config = self.config, self.config.replace(**live)
            if self.config != before:
                self.training.steer(self.informed)
                self.clock.preview_soon()
                self._hasten(before)

    def _hasten(self, before: Config) -> None:
        """Let new thresholds act in the first cycle already, where that takes but a moment.

        Before its end there is no ``x_m`` that they could be compared with.
        """
        moved = (before.eps_g, before.eps_s) != (self.config.eps_g, self.config.eps_s)
        pixels = self.training.planes.noisy[:, 0].numel()
        if moved and self.training.medium is None and pixels <= _MOMENT * self.training.work:
            self.refresh_due = self.step > 0
