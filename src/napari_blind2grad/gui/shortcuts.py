"""Keys for what is done most often.

napari (0.6 to 0.9) reads no key bindings from a plugin's manifest, so these belong to the dock: they work
while its window is the active one, and go away with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractButton, QShortcut, QWidget
from superqt import QCollapsible


@dataclass(frozen=True)
class Key:
    """One shortcut.

    Attributes
    ----------
    keys
        In Qt's words; Ctrl is Cmd on macOS.
    target
        Name of the button or the section that it presses or opens.
    words
        What it does.
    """

    keys: str
    target: str
    words: str


KEYS: tuple[Key, ...] = (
    Key("Ctrl+Alt+R", "run", "run"),
    Key("Ctrl+Alt+J", "pause", "pause or resume"),
    Key("Ctrl+Alt+K", "stop", "stop and keep"),
    Key("Ctrl+Alt+A", "apply", "apply to the stack"),
    Key("Ctrl+Alt+U", "tune", "keep tuning, on or off"),
    Key("Ctrl+Alt+W", "swipe", "swipe between noisy and denoised, on or off"),
    Key("Ctrl+Alt+H", "thresholds", "open or close Thresholds by eye"),
    Key("Ctrl+Alt+C", "compare", "open or close Compare"),
)


def with_keys(target: str, text: str) -> str:
    """Return the tool tip `text` of `target` with its keys, if it has any and they are not there yet."""
    shown = [
        QKeySequence(key.keys).toString(QKeySequence.SequenceFormat.NativeText)
        for key in KEYS
        if key.target == target
    ]
    return text if "\nKeys: " in text else "\nKeys: ".join([text, *shown])


def add_shortcuts(widget: QWidget) -> Mapping[str, QShortcut]:
    """Give `widget` the :data:`KEYS` for its children, and return them by target."""
    made = {}
    for key in KEYS:
        target = widget.findChild(QWidget, key.target)
        shortcut = QShortcut(QKeySequence(key.keys), widget)
        shortcut.setObjectName(f"key_{key.target}")
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(_presser(target))
        target.setToolTip(with_keys(key.target, target.toolTip()))
        made[key.target] = shortcut
    return made


def _presser(target: QWidget):
    def press() -> None:
        if isinstance(target, QAbstractButton):
            target.click()  # does nothing while it is disabled
        elif isinstance(target, QCollapsible):
            (target.collapse if target.isExpanded() else target.expand)()

    return press
