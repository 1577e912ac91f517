"""What a run knows of itself, and the events that tell of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from .. import __version__
from ..config import Config
from ..events import Event, Progress, Result, Started
from . import device as devices
from .clock import Clock
from .counts import step_if_wanted, with_step
from .floor import channel_sigma
from .maps import plane_maps
from .output import Output
from .snapshot import Keep, Snapshot
from .stack import Stack
from .training import Training
from .warm import Trained, Warm, Weights
from .whiteness import Sharing, found_sharing

_ORDINALS = {2: "second", 3: "third", 4: "fourth"}

Focus = Callable[[], Mapping[str, int]]
Events = Generator[Event, Config | None, None]


def _words(config: Config, step: float) -> list[str]:
    """Return a note on the camera's noise, where it is told, or known as that of photon counts of `step`."""
    if step:
        return [
            f"The values are photon counts, {step:.4g} for each photon: the noise is known by that."
        ]
    if not config.knows_noise:
        return []
    if config.refine:
        return ["The noise is taken as told, not as estimated."]
    return [
        "The noise that was told hardly counts: without the last step (refine) only detail maps use it."
    ]


def of_shared_noise(distance: int, *, refine: bool) -> list[str]:
    """Return a note on what is done about noise that neighbouring pixels share, if anything is."""
    last = "the last step goes by the noise's spectrum"
    if distance == 1:
        return [f"Neighbouring pixels share some of their noise: {last}."] if refine else []
    return [
        f"Neighbouring pixels share their noise: the network looks at every {_ORDINALS[distance]} pixel "
        f"(dilation {distance}){f', and {last}' if refine else ''}."
    ]


class Told:
    """State of a run, from which its events are made.

    Parameters
    ----------
    stack
        The checked input.
    config, should_stop, focus, warm, previews
        As in :func:`~napari_blind2grad.denoise_iter`.
    """

    training: Training
    clock: Clock
    #: What can be done against the treatment of shared noise.
    remedy = " Dilation 1 prevents it."

    def __init__(
        self,
        stack: Stack,
        config: Config,
        should_stop: Callable[[], bool],
        focus: Focus,
        warm: Warm | None,
        previews: bool = True,
    ) -> None:
        self.stack = stack
        self.config = config
        self.step_of_counts = step_if_wanted(stack, config)
        self.should_stop = should_stop
        self.focus = focus
        self.warm = warm
        distance, self.shared, self._seen = self._sharing()
        self.previews = previews
        self.continued = False
        self.notes = [*stack.notes, *_words(config, self.step_of_counts)]
        if distance > config.tap_distance:
            self.config = config.replace(dilation=distance)
        if self.shared and not config.dilation:
            found = of_shared_noise(distance, refine=config.refine)
            self.notes += [note + self.remedy for note in found]
        self.refresh_due = False
        self.trained: list[Trained | None] = []
        self.keep: Keep | None = None
        self.resume: Snapshot | None = None
        self.guide: Weights | None = None
        self.guide_step = 0
        self.final: Tensor | None = None
        self.finished: list[int] = []
        self.device = devices.choose_device(config.device)
        self.dtype = devices.choose_dtype(config.precision, self.device)
        self.groups = stack.groups(config.networks)
        self.group = 0
        self.begun = config.iterations
        self.cycle = 1
        self.step = 0
        self.steps_before = 0
        self.stopped = False
        self.losses: list[npt.NDArray[np.float32]] = []
        self.last_loss: npt.NDArray[np.float32] = np.full(3, np.nan, np.float32)

    def _sharing(self) -> Sharing:
        """Return how far pixels share their noise; networks that go on keep their distance."""
        found = found_sharing(self.stack, self.informed)
        before = [n.dilation for n in self.warm.networks if n] if self.warm is not None else []
        if before and not self.config.dilation:
            return Sharing(before[0], found.shared or before[0] > 1, found.seen)
        return found

    @property
    def informed(self) -> Config:
        """The settings, with the noise of photon counts told, if the image consists of such."""
        return with_step(self.config, self.step_of_counts)

    @cached_property
    def output(self) -> Output:
        """Where the planes go."""
        return Output(self.stack, self.config)

    def _started(self) -> Started:
        seen = self._seen or (1.0,) * len(self.stack.maps)
        return Started(
            shape=self.stack.original.shape,
            axes=self.stack.axes.letters,
            device=devices.describe(self.device),
            precision=str(self.dtype).removeprefix("torch."),
            seed=self.config.seed,
            iterations=self.config.iterations * len(self.groups),
            networks=len(self.groups),
            planes=int(np.prod(self.stack.array.shape[:3])),
            scale=tuple(m.scale for m in self.stack.maps),
            noise=tuple(
                channel_sigma(self.stack, c, white=not self.shared, seen=part)
                for c, part in enumerate(seen)
            ),
            parameters=sum(p.numel() for p in self.training.parameters),
            notes=tuple(self.notes),
        )

    def _progress(self, phase: Literal["train", "predict"], *, fetch: bool) -> Progress:
        if fetch:
            self.fetch_losses()
        self.clock.total = self._work()
        loss, content, deviation = (float(v) for v in self.last_loss)
        return Progress(
            phase=phase,
            iteration=self.steps_before + self.step,
            iterations=self.iterations(),
            cycle=self.cycle,
            cycles=self.config.cycles,
            network=self.group + 1,
            networks=len(self.groups),
            fraction=self.clock.fraction,
            loss=loss,
            content=content,
            deviation=deviation,
            seconds=self.clock.seconds,
            remaining=self.clock.remaining,
        )

    def fetch_losses(self) -> None:
        """Wait for the losses of all steps so far."""
        if len(fresh := self.training.take_losses()):
            self.losses.append(fresh)
            self.last_loss = fresh.mean(0)

    def iterations(self) -> int:
        """Return the steps of the whole run."""
        left = self.config.iterations * (len(self.groups) - self.group)
        return self.steps_before + max(left, self.step)

    def _work(self) -> float:
        """Return the work of the whole run, in the clock's units."""
        planes = self.training.planes
        pixels = planes.noisy[:, 0].numel()
        each = pixels * (self.config.cycles - 1 + self.config.passes + self.config.refine)
        return self.iterations() * self.training.work + float(each) * len(self.groups)

    def _planes_by_interest(self) -> list[int]:
        """Return the plane numbers, the one in focus first."""
        focus = self._focused()
        return [focus, *(p for p in range(len(self.training.planes)) if p != focus)]

    def _focused(self) -> int:
        """Return the number of the plane looked at, or the middle one of this network's."""
        index = self.training.planes.index
        wanted = self.focus()
        middle = index[len(index) // 2]
        place = tuple(wanted.get(letter, middle[i]) for i, letter in enumerate("CTZ"))
        return index.index(place) if place in index else len(index) // 2

    def _preview(self) -> Event:
        began = time.perf_counter()
        plane = self._focused()
        preview = self._show(plane, self.training.predictor.forward(plane, None), maps=True)
        self.clock.preview_made(began)
        return preview

    def _show(
        self, plane: int, estimate: Tensor, *, maps: bool = False, final: bool = False
    ) -> Event:
        """Return the event for one plane; a final one goes to the output too."""
        where = self.training.planes.index[plane]
        image = self.output.plane(estimate, where)
        found = None
        if maps or final:
            scale = self.stack.maps[where[0]].scale
            found = plane_maps(self.training, plane, estimate, scale, turn=0)
            if final:
                self.output.put(where, image, found)
        iteration = self.steps_before + self.step
        return self.output.preview(where, image, found, final=final, iteration=iteration)

    def _result(self, started: Started) -> Result:
        notes = list(self.notes)
        behind = self.group + (1 if self.step else 0)
        untouched = [c for group in self.groups[behind:] for c in group]
        if self.stopped and untouched:
            named = ", ".join(str(c) for c in untouched)
            notes.append(f"Stopped before channel {named} was denoised: it is still noisy.")
        losses = np.concatenate(self.losses) if self.losses else np.zeros((0, 3), np.float32)
        return Result(
            image=self.output.image,
            axes=self.stack.axes.letters,
            **self.output.maps,
            losses={name: losses[:, i] for i, name in enumerate(("loss", "content", "deviation"))},
            config=self.config,
            seed=self.config.seed,
            device=started.device,
            version=__version__,
            seconds=self.clock.seconds,
            iterations=self.steps_before,
            stopped=self.stopped,
            started=started,
            notes=tuple(notes),
            state=self._state(),
        )

    def _state(self) -> Warm:
        return Warm(tuple(self.trained), self.stack.maps, self.stack.array.shape[3])
