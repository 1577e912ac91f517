"""Compare settings: a grid of them on one region, as thumbnails with figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..axes import Axes
from ..config import Config, Parameter, parameters
from ..errors import Blind2GradError, ConfigError, InputError
from ..events import Result
from .adapter import Snapshot
from .fields import guard_wheel, shrinkable
from .figures import figures
from .focus import looked_at
from .live import METADATA
from .record import record_of
from .section import Section
from .series import Series
from .worker import DenoiseWorker, leave_a_core

#: What can be compared: all but where and in what type the computation is done.
_OFFERED = {p.name: p for p in parameters() if p.group != "run"}
#: Values on offer when a parameter is chosen.
_USUAL: Mapping[str, str] = {
    "omega": "0, 0.4, 0.8, 1.2",
    "gamma": "0.25, 0.5, 1",
    "eps_g": "10, 20, 40",
    "eps_s": "10, 25, 50",
    "mask_rate": "0.15, 0.25, 0.4",
}
#: More runs than this are a mistake.
_MOST = 36
_SIDE = 118
_COLUMNS = 2


def parse_values(parameter: Parameter, text: str) -> list[Any]:
    """Return the values of `parameter` in a `text` such as ``0, 0.4, 0.8``.

    Raises
    ------
    ConfigError
        If there are none, or one is not acceptable.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ConfigError(f"Give the values of {parameter.label} to compare, separated by commas.")
    return [parameter.check(_value(parameter, word)) for word in words]


def _value(parameter: Parameter, word: str) -> Any:
    if parameter.kind is bool:
        return {"yes": True, "true": True, "no": False, "false": False}.get(word.lower(), word)
    if parameter.kind is str:
        return word
    try:
        return float(word)
    except ValueError:
        raise ConfigError(f"{parameter.name} must be a number, not {word!r}.") from None


def thumbnail(plane: np.ndarray, limits: tuple[float, float]) -> QPixmap:
    """Return a small picture of a `plane` (Y, X) or (Y, X, S), black and white at `limits`."""
    step = max(1, max(plane.shape[:2]) // (2 * _SIDE))
    values = plane[::step, ::step, ...].astype(np.float64)
    low, high = limits
    grey = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    pixels = np.ascontiguousarray(np.round(255 * grey).astype(np.uint8))
    height, width = pixels.shape[:2]
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., :3] if pixels.shape[-1] > 2 else pixels[..., 0])
    colour = pixels.ndim == 3
    kind = QImage.Format.Format_RGB888 if colour else QImage.Format.Format_Grayscale8
    image = QImage(pixels.tobytes(), width, height, width * (3 if colour else 1), kind).copy()
    mode = Qt.TransformationMode.SmoothTransformation
    return QPixmap.fromImage(image).scaled(
        QSize(_SIDE, _SIDE), Qt.AspectRatioMode.KeepAspectRatio, mode
    )


class _Choice(QWidget):
    """One parameter and its values."""

    def __init__(self, name: str, first: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.combo = QComboBox(self)
        self.combo.setObjectName(name)
        self.combo.setToolTip("The parameter to compare values of.")
        shrinkable(self.combo)
        guard_wheel(self.combo)
        if not first:
            self.combo.addItem("nothing else", "")
        for parameter in _OFFERED.values():
            self.combo.addItem(parameter.label, parameter.name)
        self.values = QLineEdit(self)
        self.values.setObjectName(f"{name}_values")
        self.values.setToolTip("The values, separated by commas.")
        self.values.setMinimumWidth(60)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.combo, 1)
        row.addWidget(self.values, 1)
        self.combo.currentIndexChanged.connect(self._on_chosen)
        self.combo.setCurrentIndex(max(0, self.combo.findData(first)))
        self._on_chosen()

    def chosen(self) -> tuple[str, list[Any]] | None:
        """Return the parameter's name and its values; None if nothing is chosen."""
        name = self.combo.currentData()
        return (name, parse_values(_OFFERED[name], self.values.text())) if name else None

    def _on_chosen(self) -> None:
        name = self.combo.currentData()
        parameter = _OFFERED.get(name)
        self.values.setEnabled(parameter is not None)
        usual = ", ".join(parameter.choices) if parameter is not None else ""
        if parameter is not None and parameter.kind is bool:
            usual = "no, yes"
        self.values.setText(_USUAL.get(name, usual))


class Compare(Section):
    """The section of the dock.

    Parameters
    ----------
    viewer
        Where results are opened.
    present
        Returns the input and its region; raises
        :class:`~napari_blind2grad.errors.Blind2GradError` if there is none.
    config
        Returns the settings that all runs share.
    hold
        Told of each worker.
    occupied
        Whether a run goes on in the window.
    parent
        Qt parent.
    """

    started = Signal()
    finished_one = Signal(int)  # number of the run whose thumbnail is there
    over = Signal()
    failed = Signal(str)  # in words
    chosen = Signal(object)  # the settings to use, a dictionary

    def __init__(
        self,
        viewer: ViewerModel,
        present: Callable[[], tuple[Image, Snapshot]],
        config: Callable[[], Config],
        hold: Callable[[DenoiseWorker], object],
        occupied: Callable[[], bool],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Compare", parent)
        self.setObjectName("compare")
        self.setToolTip(
            "Run several settings on the region, one after another, and see them together"
        )
        self._viewer, self._present, self._config, self._hold = viewer, present, config, hold
        self._occupied = occupied
        self._series: Series | None = None
        self._changes: list[dict[str, Any]] = []
        self._first = _Choice("compare_first", "omega", self)
        self._second = _Choice("compare_second", "", self)
        self._steps = QSpinBox(self)
        self._steps.setObjectName("compare_iterations")
        self._steps.setRange(1, 100_000)
        self._steps.setSingleStep(50)
        self._steps.setValue(150)
        self._steps.setSuffix(" steps each")
        self._steps.setToolTip("Training steps of each run. Few tell the settings apart already.")
        guard_wheel(self._steps)
        self.button = QPushButton("Compare", self)
        self.button.setObjectName("compare_run")
        self.button.setToolTip(
            "Run all combinations on the chosen region, from the same seed. A small region is quickest."
        )
        self.button.clicked.connect(self._on_clicked)
        row = QWidget(self)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._steps, 1)
        layout.addWidget(self.button, 1)
        self._status = QLabel(self)
        self._status.setObjectName("compare_status")
        self._status.setWordWrap(True)
        self._cells = QWidget(self)
        self._grid = QGridLayout(self._cells)
        self._grid.setContentsMargins(0, 0, 0, 0)
        for part in (self._first, self._second, row, self._status, self._cells):
            self.addWidget(part)
        self._status.hide()

    @property
    def running(self) -> bool:
        """Whether a comparison goes on."""
        return self._series is not None

    def start(self) -> None:
        """Start the comparison; what stands in its way is told."""
        if self._series is not None:
            return
        try:
            if self._occupied():
                raise InputError("A run or a batch goes on: stop it first, then compare.")
            self._changes = self._combinations()
            layer, snapshot = self._present()
            snapshot.require_held("A comparison")
            config = self._config()
            steps = self._steps.value()
            short = {"cycles": min(config.cycles, 2), "passes": min(config.passes, 4)}
            configs = [
                leave_a_core(config.replace(**{"iterations": steps, **short, **change}))
                for change in self._changes
            ]
        except Blind2GradError as error:
            self._say(str(error))
            self.failed.emit(str(error))
            return
        self._clear()
        place = looked_at(self._viewer, layer, snapshot.axes, {})
        offset, axes = snapshot.offset, Axes(snapshot.axes.letters, snapshot.shape)
        index = {c: min(max(i - offset[c], 0), axes.length(c) - 1) for c, i in place.items()}
        limits = (0, 255) if layer.rgb else tuple(layer.contrast_limits)
        look = {} if layer.rgb else {"colormap": layer.colormap, "contrast_limits": limits}
        series = Series(snapshot, configs, self._hold, self)
        series.progressed.connect(self._on_progress)
        series.finished_one.connect(
            lambda number, result, noisy: self._on_result(
                number, result, noisy, snapshot, index, limits, look
            )
        )
        series.failed.connect(self._on_failed)
        series.over.connect(self._on_over)
        self._series = series
        self.button.setText("Cancel")
        self._say(f"Run 1 of {len(configs)}…")
        self.started.emit()
        series.start()

    def cancel(self) -> None:
        """End the comparison; what is finished stays."""
        if self._series is not None:
            self._series.cancel()

    def _combinations(self) -> list[dict[str, Any]]:
        chosen = [c for c in (self._first.chosen(), self._second.chosen()) if c is not None]
        if len(chosen) == 2 and chosen[0][0] == chosen[1][0]:
            raise ConfigError("Choose two different parameters to compare.")
        names = [name for name, _ in chosen]
        found = [
            dict(zip(names, values, strict=True)) for values in product(*(v for _, v in chosen))
        ]
        if len(found) > _MOST:
            raise ConfigError(
                f"{len(found)} runs are too many: choose at most {_MOST} combinations."
            )
        return found

    # ------------------------------------------------------------------------------- slots

    def _on_clicked(self) -> None:
        if self.running:
            self.cancel()
        else:
            self.start()

    def _on_progress(self, number: int, fraction: float) -> None:
        self._say(f"Run {number + 1} of {len(self._changes)}: {100 * fraction:.0f} %")

    def _on_result(
        self,
        number: int,
        result: Result,
        noisy: np.ndarray,
        snapshot: Snapshot,
        index: Mapping[str, int],
        limits: tuple[float, float],
        look: Mapping[str, Any],
    ) -> None:
        change = self._changes[number]
        name = ", ".join(
            f"{_short(n)} = {v if isinstance(v, str) else f'{v:g}'}" for n, v in change.items()
        )
        axes = Axes(result.axes, result.image.shape)
        plane = result.image[axes.plane_slices(index)]
        spatial = [c for c in axes.letters if c in "YXS"]
        plane = plane.transpose([spatial.index(c) for c in "YXS" if c in spatial])
        found = figures(noisy, result, index)
        cell = QWidget(self._cells)
        picture = QToolButton(cell)
        picture.setObjectName(f"compare_open_{number}")
        picture.setIcon(QIcon(thumbnail(plane, limits)))
        picture.setIconSize(QSize(_SIDE, _SIDE))
        picture.setToolTip(f"{name}\nClick to open as a layer.")
        picture.setAccessibleName(f"Open the result with {name}")
        words = QLabel(
            f"<b>{name}</b><br>error {_brief(found.error)}<br>residual corr. "
            f"{_signed(found.autocorrelation)}<br>sharpness {_brief(found.sharpness)} / px",
            cell,
        )
        words.setObjectName(f"compare_figures_{number}")
        words.setToolTip(
            "error: how far hidden pixels were missed in the last steps, mean square, where the image's "
            "range of brightness is 1. Lower is better.\n"
            "residual corr.: correlation, from -1 to 1, of neighbouring pixels in what was removed. Near 0 "
            "is noise; clearly above it, structure was removed, or the noise itself is correlated.\n"
            "sharpness: steepness of the strongest 1 % of edges, image units per pixel. Higher is sharper, "
            "or noisier."
        )
        use = QPushButton("Use these settings", cell)
        use.setObjectName(f"compare_use_{number}")
        use.setToolTip("Take these values over into the form above.")
        use.clicked.connect(lambda _: self.chosen.emit(change))

        def open_layer() -> None:
            self._viewer.add_image(
                result.image,
                name=f"{snapshot.name} {name}",
                rgb=snapshot.rgb,
                metadata={METADATA: record_of(result, snapshot, [])},
                **look,
                **snapshot.placement(),
            )

        picture.clicked.connect(lambda _: open_layer())
        layout = QVBoxLayout(cell)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for part in (picture, words, use):
            layout.addWidget(part)
        self._grid.addWidget(cell, *divmod(number, _COLUMNS), Qt.AlignmentFlag.AlignTop)
        self.finished_one.emit(number)

    def _on_failed(self, text: str) -> None:
        self._say(text)
        self.failed.emit(text)

    def _on_over(self) -> None:
        self._series = None
        self.button.setText("Compare")
        done = self._grid.count()
        if done == len(self._changes):
            self._say("Done. Click a picture to open it as a layer.")
        elif self._status.text().startswith("Run "):
            self._say(f"Cancelled after {done} of {len(self._changes)} runs.")
        self.over.emit()

    def _say(self, text: str) -> None:
        self._status.setText(text)
        self._status.show()

    def _clear(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            item.widget().deleteLater()


def _signed(value: float) -> str:
    return f"{value:+.2f}" if math.isfinite(value) else "–"


def _brief(value: float) -> str:
    if not math.isfinite(value):  # nothing to measure, as in an image of one row
        return "–"
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _short(name: str) -> str:
    parameter = _OFFERED[name]
    return parameter.symbol if parameter.symbol and len(parameter.symbol) < 4 else parameter.label
