"""The network in hand: that of the last training, or one that was loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Signal, Slot
from superqt.utils import create_worker

from ..config import Config
from ..errors import Blind2GradError
from ..events import Result
from . import preload


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network and where it is from.

    Attributes
    ----------
    state
        The weights; nothing to look into.
    config, axes
        Settings of its training, and axes of the image trained on.
    entry
        What the records of images made with it say: its ``name`` and the ``folder`` that it is saved in,
        or None. Shared with those records, so that they know of a folder that it is saved in later.
    """

    state: Any
    config: Config
    axes: str
    entry: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it was trained on, or the folder it came from."""
        return str(self.entry["name"])


@dataclass(frozen=True)
class Application:
    """A network to be applied to an image.

    Attributes
    ----------
    network
        The network.
    intensity
        As in :func:`~napari_blind2grad.engine.apply.apply_iter`.
    """

    network: Network
    intensity: str = "model"

    def config(self, wishes: Config) -> Config:
        """Return the settings of its training, with the device and the type of pixels that are wished now."""
        names = ("device", "precision", "threads", "dtype")
        return self.network.config.replace(**{name: getattr(wishes, name) for name in names})


def trained_in(result: Result, name: str) -> Network | None:
    """Return the network of a run on the image `name`; None if the run ended before its first step."""
    state = result.state
    if state is None or not any(network is not None for network in state.networks):
        return None
    return Network(state, result.config, result.axes, {"name": name, "folder": None})


class NetworkFiles(QObject):
    """Saves and loads networks in the background and tells how it went."""

    saved = Signal(object)  # where, a Path
    loaded = Signal(object)  # the Network
    failed = Signal(str)  # why not, in words

    def save(self, network: Network, path: Path) -> None:
        """Start to write `network` as the folder `path`."""
        self._start(self._on_saved, _save, network, path)

    def load(self, path: Path) -> None:
        """Start to read the folder `path`."""
        self._start(self._on_loaded, _load, path)

    def _start(self, slot: Callable[[Any], None], *work: Any) -> None:
        worker = create_worker(*work, _ignore_errors=True)
        worker.returned.connect(slot)
        worker.errored.connect(self._on_error)
        worker.start()

    @Slot(object)
    def _on_saved(self, written: tuple[Network, Path]) -> None:
        network, path = written
        network.entry["folder"] = str(path)
        self.saved.emit(path)

    @Slot(object)
    def _on_loaded(self, network: Network) -> None:
        self.loaded.emit(network)

    @Slot(object)
    def _on_error(self, error: Exception) -> None:
        if isinstance(error, Blind2GradError):
            self.failed.emit(str(error))
            return
        self.failed.emit(f"An unexpected error: the network was not saved or loaded: {error!r}.")
        notification_manager.receive_error(type(error), error, error.__traceback__)


def _save(network: Network, path: Path) -> tuple[Network, Path]:
    from ..model import Model, save_model

    model = Model(network.config, network.axes, "", network.state)
    return network, save_model(path.absolute(), model)


def _load(path: Path) -> Network:
    preload.engine()  # PyTorch's first import is its business
    from ..model import load_model

    path = path.absolute()
    model = load_model(path)
    return Network(model.state, model.config, model.axes, {"name": path.name, "folder": str(path)})
