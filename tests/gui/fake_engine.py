"""An engine that learns nothing, at once: it keeps every promise that the window builds on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from napari_blind2grad.axes import Axes, parse_axes
from napari_blind2grad.config import Config, parameters
from napari_blind2grad.events import Preview, Progress, Result, Started


class FakeEngine:
    """Stands for ``denoise_iter``; what it is asked and when it ends is kept for the tests.

    Attributes
    ----------
    pace
        Seconds that one iteration takes.
    refusal
        Raised before the run has started.
    error
        Raised at iteration `error_at`.
    previews
        Iterations between two previews.
    edges
        Value of the gradient in previews; 0 in the result, too, if it is 0.
    """

    def __init__(self) -> None:
        self.pace = 0.002
        self.previews = 5
        self.edges = 3.0
        self.refusal: Exception | None = None
        self.error: Exception | None = None
        self.error_at = 3
        self.iteration = 0
        self.warm: list[Any] = []
        self.applied: list[tuple[Any, str, Config | None]] = []
        self.images: list[np.ndarray] = []
        self.axes: list[str | None] = []
        self.configs: list[Config] = []
        self.looked_at: list[Mapping[str, int]] = []
        self.threads: list[str] = []
        self.closed = threading.Event()

    def __call__(
        self,
        image: np.ndarray,
        axes: str | None = None,
        config: Config | None = None,
        *,
        should_stop: Callable[[], bool] | None = None,
        focus: Callable[[], Mapping[str, int]] | None = None,
        warm: Any = None,
    ) -> Any:
        self.warm.append(warm)
        self.images.append(image)
        self.axes.append(axes)
        self.closed.clear()
        return self._events(
            image,
            parse_axes(axes, image.shape),
            config or Config(),
            should_stop or (lambda: False),
            focus or dict,
        )

    def apply(
        self,
        state: Any,
        image: np.ndarray,
        axes: str | None = None,
        config: Config | None = None,
        *,
        intensity: str = "model",
        should_stop: Callable[[], bool] | None = None,
        focus: Callable[[], Mapping[str, int]] | None = None,
    ) -> Any:
        """Stand for ``apply_iter``."""
        self.applied.append((state, intensity, config))
        events = self(image, axes, config, should_stop=should_stop, focus=focus)
        for event in events:
            yield _applied(event, state)  # whatever is sent is lost

    def _events(
        self,
        image: np.ndarray,
        axes: Axes,
        config: Config,
        should_stop: Callable[[], bool],
        focus: Callable[[], Mapping[str, int]],
    ) -> Any:
        try:
            if self.refusal is not None:
                raise self.refusal
            self.iteration = 0
            self.threads.append(threading.current_thread().name)
            started = Started(
                shape=image.shape,
                axes=axes.letters,
                device="Pocket calculator",
                precision="float32",
                seed=config.seed,
                iterations=config.iterations,
                networks=1,
                planes=int(np.prod([axes.length(c) for c in axes.planes])),
                scale=(510.0,),
                noise=(12.5,),
                parameters=1,
                notes=("A note.",),
            )
            config = self._heard(config, (yield started))
            while self.iteration < config.iterations and not should_stop():
                self.iteration += 1
                if self.error is not None and self.iteration >= self.error_at:
                    raise self.error
                time.sleep(self.pace)
                config = self._heard(config, (yield self._progress(config)))
                if self.iteration % self.previews == 0:
                    self.looked_at.append(dict(focus()))
                    preview = self._preview(image, axes, self.looked_at[-1], final=False)
                    config = self._heard(config, (yield preview))
            for index in np.ndindex(*(axes.length(c) for c in axes.planes)):
                place = dict(zip(axes.planes, map(int, index), strict=True))
                yield self._preview(image, axes, place, final=True)
            yield self._result(image, axes, config, started, stopped=should_stop())
        finally:
            self.closed.set()

    def _heard(self, config: Config, answer: Config | None) -> Config:
        if answer is None:
            return config
        self.configs.append(answer)
        return config.replace(**{p.name: getattr(answer, p.name) for p in parameters() if p.live})

    def _progress(self, config: Config) -> Progress:
        fraction = self.iteration / config.iterations
        return Progress(
            phase="train",
            iteration=self.iteration,
            iterations=config.iterations,
            cycle=min(config.cycles, 1 + self.iteration * config.cycles // config.iterations),
            cycles=config.cycles,
            network=1,
            networks=1,
            fraction=fraction,
            loss=1 / self.iteration,
            content=2 / self.iteration,
            deviation=0.0,
            seconds=fraction,
            remaining=1 - fraction,
        )

    def _preview(
        self, image: np.ndarray, axes: Axes, index: Mapping[str, int], *, final: bool
    ) -> Preview:
        plane = image[axes.plane_slices(index)]
        order = [c for c in axes.letters if c in "YXS"]
        plane = plane.transpose([order.index(c) for c in "YXS" if c in order])
        maps = self._maps(plane.shape[:2], self.edges)
        return Preview(
            index,
            denoised(plane),
            maps,
            final,
            self.iteration,
            held_out=3 / (self.iteration + 1),
            noise_left=1e-3,
        )

    def _result(
        self, image: np.ndarray, axes: Axes, config: Config, started: Started, *, stopped: bool
    ) -> Result:
        curve = np.ones(self.iteration, np.float32)
        return Result(
            image=denoised(image),
            axes=axes.letters,
            **self._maps(axes.without("S").shape, 5.0 if self.edges else 0.0),
            losses={"loss": curve, "content": curve, "deviation": curve},
            config=config,
            seed=config.seed,
            device="Pocket calculator",
            version="0",
            seconds=0.5,
            iterations=self.iteration,
            stopped=stopped,
            started=started,
            state=SimpleNamespace(networks=({},)),
        )

    @staticmethod
    def _maps(shape: tuple[int, ...], value: float) -> dict[str, np.ndarray]:
        mask = np.arange(np.prod(shape)).reshape(shape) % 4
        return {
            "dual_mask": mask.astype(np.uint8),
            "gradient": np.full(shape, value, np.float32),
            "gradient_deviation": np.full(shape, value / 2, np.float32),
            "standout_gate": np.ones(shape, np.uint8),
        }


def _applied(event: Any, state: Any) -> Any:
    """Return `event` as a run tells it that does not train."""
    if isinstance(event, Progress):
        return replace(event, phase="predict", iteration=0, iterations=0, loss=float("nan"))
    if isinstance(event, Started):
        return replace(event, iterations=0)
    if isinstance(event, Result):
        started = replace(event.started, iterations=0)
        return replace(event, started=started, iterations=0, state=state)
    return event


def denoised(image: np.ndarray) -> np.ndarray:
    """What the fake takes for denoised: one less everywhere."""
    return (image - 1).astype(image.dtype)
