"""Apply a trained network to other layers, save it, and load one."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from .network import Application, Network, NetworkFiles


class Reuse(QWidget):
    """Which network is in hand, and what can be done with it.

    Parameters
    ----------
    offered
        Returns the layers that it could be applied to.
    parent
        Qt parent.

    Attributes
    ----------
    network
        The network in hand, or None.
    """

    chosen = Signal(object)  # the layer to apply it to
    told = Signal(str)
    failed = Signal(str)  # in words

    def __init__(
        self, offered: Callable[[], Sequence[Image]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._offered = offered
        self._idle = True
        self.network: Network | None = None
        self.files = NetworkFiles(self)
        self.files.saved.connect(self._on_saved)
        self.files.loaded.connect(self._on_loaded)
        self.files.failed.connect(self.failed)
        self._label = QLabel(self)
        self._label.setObjectName("network")
        self._label.setWordWrap(True)
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._apply = self._button("apply_to", "Apply to…")
        self._apply.setMenu(self._menu)
        self._exposure = QCheckBox("Other exposure", self)
        self._exposure.setObjectName("other_exposure")
        self._exposure.setToolTip(
            "For an image that was exposed otherwise than the one trained on: its range of grey values is "
            "mapped to that of training (the intensity 'image'). Off: grey values mean what they meant then."
        )
        self._save = self._button("save_network", "Save network…")
        self._save.clicked.connect(self._ask_save)
        self._load = self._button("load_network", "Load network…")
        self._load.setToolTip(
            "Take a network that was saved here or by blind2grad denoise --save-model. Nothing in such a "
            "folder can run code."
        )
        self._load.clicked.connect(self._ask_load)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label, 0, 0, 1, 2)
        for place, part in enumerate((self._apply, self._exposure, self._save, self._load), 2):
            layout.addWidget(part, *divmod(place, 2))
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)
        self._show()

    def hold(self, network: Network | None) -> None:
        """Take `network` in hand, in the place of the one before; None changes nothing."""
        if network is not None:
            self.network = network
            self._show()

    def application(self) -> Application | None:
        """Return the network in hand and how it is to be applied; None if there is none."""
        if self.network is None:
            return None
        return Application(self.network, "image" if self._exposure.isChecked() else "model")

    def set_idle(self, idle: bool) -> None:
        """Say whether a run could be started."""
        self._idle = idle
        self._show()

    def save(self, path: str | Path) -> None:
        """Write the network in hand as the folder `path`, in the background."""
        if self.network is None:
            self.failed.emit("There is no network to save yet: run first.")
            return
        self.told.emit(f"Saving the network as {path}…")
        self.files.save(self.network, Path(path))

    def load(self, path: str | Path) -> None:
        """Take the network in the folder `path` in hand, in the background."""
        self.told.emit(f"Reading {path}…")
        self.files.load(Path(path))

    # ------------------------------------------------------------------------------- slots

    def _on_saved(self, path: Path) -> None:
        self._show()
        self.told.emit(f"Saved the network as {path}.")

    def _on_loaded(self, network: Network) -> None:
        self.hold(network)
        self.told.emit(
            f"Loaded the network “{network.name}”: apply it to an image of the same kind."
        )

    def _fill_menu(self) -> None:
        self._menu.clear()
        for layer in self._offered():
            action = self._menu.addAction(layer.name.replace("&", "&&"))
            # The entry stays until the menu opens again, and a layer may be large.
            action.triggered.connect(partial(self._choose, weakref.ref(layer)))
        if self._menu.isEmpty():
            self._menu.addAction("no image open").setEnabled(False)

    def _choose(self, of: weakref.ref[Image], _checked: bool = False) -> None:
        layer = of()
        if layer is not None:
            self.chosen.emit(layer)

    def _ask_save(self) -> None:
        dialog = self._dialog("Save the network as a folder", "save_network_dialog")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # an older one is replaced
        name = self.network.name if self.network is not None else "network"
        dialog.selectFile(f"{name.replace('/', '_')}-network")
        dialog.fileSelected.connect(self.save)
        dialog.show()

    def _ask_load(self) -> None:
        dialog = self._dialog("Choose the folder of a network", "load_network_dialog")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.load)
        dialog.show()

    # ----------------------------------------------------------------------------- helpers

    def _dialog(self, title: str, name: str) -> QFileDialog:
        folder = self.network.entry["folder"] if self.network is not None else None
        start = Path(folder).parent if folder else Path.home()
        dialog = QFileDialog(self, title, str(start))
        dialog.setObjectName(name)
        dialog.finished.connect(dialog.deleteLater)
        return dialog

    def _show(self) -> None:
        network = self.network
        self._apply.setEnabled(self._idle and network is not None)
        self._save.setEnabled(network is not None)
        self._load.setEnabled(self._idle)
        if network is None:
            self._label.setText("Network: none yet")
            self._apply.setToolTip("There is no trained network yet: run first, or load one.")
            self._save.setToolTip("There is no network to save yet: run first.")
            return
        folder = network.entry["folder"]
        steps = network.config.iterations
        self._label.setText(
            f"Network: {network.name}" if folder else f"Network: of “{network.name}”, not saved"
        )
        self._label.setToolTip(f"{steps} steps, axes {network.axes}.\n{folder or 'Not saved yet.'}")
        self._apply.setToolTip(
            "Denoise a layer with this network, without training; best for images of the same kind, "
            "taken in the same way."
        )
        self._save.setToolTip(
            "Save it as a folder, for another day, somebody else or blind2grad apply."
        )

    def _button(self, name: str, text: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        return button
