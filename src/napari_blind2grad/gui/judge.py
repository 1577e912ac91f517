"""Has images judged in the background and shows what comes of it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Slot
from superqt.utils import create_worker

from ..errors import Blind2GradError
from .adapter import Snapshot, finest
from .quality import QualityBox

if TYPE_CHECKING:
    from ..quality import Quality

#: Milliseconds that a choice must stand before it is looked at.
_PATIENCE = 300


class Judge(QObject):
    """Fill a :class:`~napari_blind2grad.gui.quality.QualityBox`; news of former questions are dropped.

    Parameters
    ----------
    box
        What to fill.
    parent
        Qt parent.
    """

    def __init__(self, box: QualityBox, parent: QObject) -> None:
        super().__init__(parent)
        self._box = box
        self._asked = 0
        self._about: tuple[Any, ...] = ()
        self._question: dict[str, Any] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PATIENCE)
        self._timer.timeout.connect(self._ask)

    def look_at(self, layer: Image | None, axes: str, plane: Mapping[str, int]) -> None:
        """Judge the noise of `layer` in a moment, unless it is what was judged last.

        Parameters
        ----------
        layer
            The input; None shows that there is nothing to judge.
        axes
            Axes of its data, which fit.
        plane
            Where the user looks; the channel counts.
        """
        if layer is None:
            self._about = ()
            self._forget()
            self._box.clear()
            return
        data = finest(layer)
        about = (weakref.ref(layer), id(data), axes)
        if about == self._about:
            return
        self._about = about
        self._forget()
        self._box.clear("Looking at the noise…")
        self._question = _question(data, None, axes, plane, layer.scale, layer.units, layer.rgb)
        self._timer.start()

    def judge(self, snapshot: Snapshot, denoised: Any, plane: Mapping[str, int]) -> None:
        """Judge the image that a run on `snapshot` gave now."""
        self._forget()
        self._question = _question(
            snapshot.lazy(),
            denoised,
            snapshot.axes.letters,
            plane,
            snapshot.scale,
            snapshot.units,
            snapshot.rgb,
        )
        self._ask()

    def _forget(self) -> None:
        self._timer.stop()
        self._asked += 1

    @Slot()
    def _ask(self) -> None:
        worker = create_worker(_answer, self._asked, self._question)
        self._question = {}
        worker.returned.connect(self._on_answer)
        worker.start()

    @Slot(object)
    def _on_answer(self, answer: tuple[int, Quality | str]) -> None:
        asked, found = answer
        if asked != self._asked:
            return
        if isinstance(found, str):
            self._box.clear(found)
        else:
            self._box.show_quality(found)


def _question(
    noisy: Any,
    denoised: Any,
    axes: str,
    plane: Mapping[str, int],
    scale: Sequence[float],
    units: Sequence[Any],
    rgb: bool,
) -> dict[str, Any]:
    letters = axes.replace("S", "") if rgb else axes
    y, x = letters.index("Y"), letters.index("X")
    pixel = (float(scale[y]), float(scale[x])) if max(y, x) < len(scale) else (1.0, 1.0)
    unit = f"{units[y]:~}" if max(y, x) < len(units) and units[y] == units[x] else ""
    if unit in ("", "px", "pixel"):
        pixel, unit = (1.0, 1.0), "px"
    return {
        "noisy": noisy,
        "denoised": denoised,
        "axes": axes,
        "channel": plane.get("C", 0),
        "pixel": pixel,
        "unit": unit,
    }


def _answer(asked: int, question: dict[str, Any]) -> tuple[int, Quality | str]:
    from ..quality import assess  # not before it is needed, and not in the GUI thread

    try:
        return asked, assess(**question)
    except Blind2GradError as error:
        return asked, f"Cannot be judged: {error}"
