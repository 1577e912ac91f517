"""Keep tuning: after a change, train on from the network of the last run."""

from __future__ import annotations

import weakref
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from ..config import Config

#: Training steps, cycles and passes of a continued run, at most: it starts from what is learnt already.
STEPS, CYCLES, PASSES = 150, 2, 4
#: Milliseconds without a further change before a run starts.
_CALM = 250


def short(config: Config) -> Config:
    """Return `config` for a continued run."""
    return config.replace(
        iterations=min(config.iterations, STEPS),
        cycles=min(config.cycles, CYCLES),
        passes=min(config.passes, PASSES),
    )


class Tuner(QCheckBox):
    """The switch, and the trained networks of each input.

    Parameters
    ----------
    parent
        Qt parent.
    """

    due = Signal()  # something was changed, and it is time to train on

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Keep tuning", parent)
        self.setObjectName("tune")
        self.setToolTip(
            "After a run, each change of a setting or of the region trains the same network on for a "
            f"moment (at most {STEPS} steps), so that its effect shows within seconds. Run and Apply to "
            "stack still start anew, so that their results can be repeated."
        )
        self._states: weakref.WeakKeyDictionary[Image, Any] = weakref.WeakKeyDictionary()
        self._again = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_CALM)
        self._timer.timeout.connect(self.due)
        self.toggled.connect(self._on_toggled)

    @property
    def waiting(self) -> bool:
        """Whether a run is about to start."""
        return self._timer.isActive()

    def state(self, layer: Image | None) -> Any:
        """Return the trained networks of `layer`, or None."""
        return self._states.get(layer) if layer is not None else None

    def changed(self, layer: Image | None, *, running: bool) -> None:
        """Take note that a setting or the region of `layer` has changed.

        While a run goes on, the change acts in it; once it has ended, another one goes on from there.
        """
        if not self.isChecked():
            return
        if running:
            self._again = True
        elif self.state(layer) is not None:
            self._timer.start()
        else:
            self._timer.stop()  # what was about to start was on another layer

    def keep(self, layer: Image, state: Any) -> None:
        """Keep the networks of a run on `layer` that has ended; they hold no image."""
        if state is not None and any(network is not None for network in state.networks):
            self._states[layer] = state
        again, self._again = self._again, False
        if again:
            self.changed(layer, running=False)

    def _on_toggled(self, on: bool) -> None:
        if not on:
            self._again = False
            self._timer.stop()
