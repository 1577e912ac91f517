"""Trained networks on other images: :func:`apply_iter`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Literal

import numpy.typing as npt

from ..config import Config
from ..errors import InputError, translated
from ..events import Event, Started
from . import device as devices
from .clock import Clock
from .normalize import IntensityMap
from .run import Run
from .stack import Stack, check, context_planes
from .told import Events, Focus
from .training import Training, seed_of
from .warm import Trained, Warm
from .whiteness import Sharing, found_sharing

Intensity = Literal["model", "image"]

#: An upper end of the grey values that differs by more than this factor is worth a word.
_FAR = 3.0


def apply_iter(
    state: Warm,
    image: npt.ArrayLike,
    axes: str | None = None,
    config: Config | None = None,
    *,
    intensity: Intensity = "model",
    should_stop: Callable[[], bool] | None = None,
    focus: Focus | None = None,
) -> Generator[Event, Config | None, None]:
    """Denoise `image` with networks that are trained already.

    On the image that they were trained on, with the same settings, device and threads, the result is
    bit for bit that of the run.

    Parameters
    ----------
    state
        :attr:`Result.state <napari_blind2grad.events.Result.state>` of a run.
    image, axes
        As in :func:`napari_blind2grad.denoise`. There must be as many channels and colour samples as
        in the image trained on; all other lengths are free.
    config
        Settings of the run that trained the networks; only device, precision and threads may differ. The
        dilation is always theirs.
    intensity
        ``"model"``: grey values mean what they meant in training. ``"image"``: the robust range of this
        image is mapped to that of the image trained on, for other exposures.
    should_stop, focus
        As in :func:`~napari_blind2grad.denoise_iter`; after a stop, the planes that are not finished are
        made by one quick pass each.

    Yields
    ------
    Event
        As :func:`~napari_blind2grad.denoise_iter`, with 0 iterations; nothing can be steered.

    Raises
    ------
    InputError
        If the image cannot be used, or not by these networks.
    ConfigError, OutOfMemory, EngineError
        As :func:`~napari_blind2grad.denoise_iter`.
    """
    config = config or Config()
    with translated(), devices.computing(config.threads):
        stack = check(image, axes)
        check_fit(state, stack.array.shape, config)
        run = Application(state, stack, config, intensity, should_stop or _never, focus or dict)
        yield from run.events()


def _never() -> bool:
    return False


def check_fit(state: Warm, shape: tuple[int, ...], config: Config) -> None:
    """Raise :class:`InputError` where the networks cannot take an image of `shape`, ``CTZSYX``."""
    channels, samples, depth = (shape[i] for i in (0, 3, 2))
    if not any(state.networks):
        raise InputError("The run was stopped before any network had learnt anything.")
    if channels != len(state.maps):
        raise InputError(
            f"The network was trained on {_count(len(state.maps), 'channel')}, but the image has "
            f"{channels}. Pick the same channels, or train anew."
        )
    if samples != state.samples:
        raise InputError(
            f"The network was trained on {_colours(state.samples)} images, but this one is in "
            f"{_colours(samples)}. Convert it, or train anew."
        )
    needed = max(network.context for network in state.networks if network)
    if needed and context_planes(config.replace(dimensions="2.5D", context=needed), depth) < needed:
        raise InputError(
            f"The network sees {_count(needed, 'neighbouring plane')} on each side and needs stacks of "
            f"at least {needed + 1} planes; this image has {depth}. Train anew with --dimensions 2D."
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _colours(samples: int) -> str:
    return "grey" if samples == 1 else "colour" if samples == 3 else f"{samples}-sample"


class Application(Run):
    """A run without training: ``x_m`` from the guides, then the usual prediction."""

    remedy = ""  # the settings are those of the networks

    def __init__(
        self,
        state: Warm,
        stack: Stack,
        config: Config,
        intensity: Intensity,
        should_stop: Callable[[], bool],
        focus: Focus,
    ) -> None:
        own = stack.maps
        # All networks of a run look over the same distance, whatever noise this image has.
        distance = next(n.dilation for n in state.networks if n)
        if distance != config.tap_distance:
            config = config.replace(dilation=distance)
        if intensity == "model":
            stack = replace(stack, maps=state.maps)
        super().__init__(stack, config, should_stop, focus, None)
        # The networks are numbered as in their run: their seeds go by it.
        trained_on = replace(stack, maps=state.maps).groups(config.networks)
        self.state = state
        self.todo = [
            (number, [c for c in group if own[c].scale > 0])
            for number, group in enumerate(trained_on)
            if number < len(state.networks) and state.networks[number] is not None
        ]
        self.todo = [(number, group) for number, group in self.todo if group]
        self.groups = [group for _, group in self.todo]
        if not self.groups:
            raise InputError("No channel of the image has a trained network.")
        denoised = [c for group in self.groups for c in group]
        self.notes += _without_network(own, denoised)
        if intensity == "model":
            self.notes += _other_ranges(own, state.maps, denoised)

    def events(self) -> Events:
        """Yield all events: each network predicts its planes."""
        self.clock = Clock()
        self.training = self.begin(0)
        started = self._started()
        yield from self._tell(started)
        for group in range(len(self.groups)):
            if group:
                self.training = self.begin(group)
            yield from self._details()
            yield from self._tell(self._progress("predict", fetch=False))
            yield from self._predict()
            if self.stopped:
                break
        self.group += 1  # so many are done
        yield from self._end(started)

    def _network(self) -> tuple[int, Trained]:
        number = self.todo[self.group][0]
        found = self.state.networks[number]
        assert found is not None
        return number, found

    def _begin(self, group: int) -> Training:
        number, found = self._network()
        sees = (
            dict(dimensions="2.5D", context=found.context)
            if found.context
            else dict(dimensions="2D")
        )
        layout = self.config.replace(**sees)
        planes = self._load(self.groups[group], layout)
        training = self._training(planes, seed_of(self.config, number))
        training.network.standardise(found.center, found.spread)
        training.network.load_state_dict(dict(found.weights))
        return training

    def _details(self) -> Events:
        """Make the detail maps and gates of the last cycle, from the network that made them then."""
        _, found = self._network()
        if found.guide is None:
            return
        self.training.network.load_state_dict(dict(found.guide))
        yield from self._refresh()
        self.training.network.load_state_dict(dict(found.weights))

    def _tell(self, event: Event) -> Events:
        yield event  # and take nothing over

    def _started(self) -> Started:
        return replace(super()._started(), iterations=0)

    def _sharing(self) -> Sharing:
        # The noise is this image's own.
        found = found_sharing(self.stack, self.informed)
        return found._replace(
            distance=self.config.tap_distance, shared=found.shared or self.config.tap_distance > 1
        )

    def iterations(self) -> int:
        """Return 0: nothing is trained."""
        return 0

    def _steps(self) -> int:
        return self.config.iterations  # those of its run

    def _work(self) -> float:
        pixels = self.training.planes.noisy[:, 0].numel()
        _, found = self._network()
        rounds = (found.guide is not None) + self.config.passes + self.config.refine
        return float(pixels * rounds * len(self.groups))

    def _state(self) -> Warm:
        return self.state


def _without_network(maps: tuple[IntensityMap, ...], denoised: list[int]) -> list[str]:
    """Return a note on the channels that stay as they are, blank ones left out."""
    left = [str(c) for c, m in enumerate(maps) if m.scale > 0 and c not in denoised]
    if not left:
        return []
    return [f"Channel {', '.join(left)} has no trained network and is passed through unchanged."]


def _other_ranges(
    own: tuple[IntensityMap, ...], trained_on: tuple[IntensityMap, ...], denoised: list[int]
) -> list[str]:
    """Return a note where grey values lie far from those that the network has seen."""
    notes = []
    for c in denoised:
        seen, now = trained_on[c], own[c]
        low, high = ((v - seen.low) / seen.scale for v in (now.low, now.low + now.scale))
        if low < -1.0 or not 1 / _FAR < high < _FAR:
            notes.append(
                f"Channel {c} has grey values from {now.low:.4g} to {now.low + now.scale:.4g}, the "
                f"network was trained on {seen.low:.4g} to {seen.low + seen.scale:.4g}. If the exposure "
                "differs, choose the intensity 'image'."
            )
    return notes
