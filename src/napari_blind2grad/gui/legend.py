"""The legend of the dual mask, with how much of the plane each class takes."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from ..events import DUAL_MASK_CLASSES
from .theme import MASK_COLOURS


class MaskLegend(QWidget):
    """Colour, meaning and share of each class of the dual mask.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("legend")
        self.setToolTip(
            "Colours of the dual-mask layer, and the share of each class in its last plane"
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(4)
        layout.setVerticalSpacing(2)
        self._labels: list[QLabel] = []
        for value, name in enumerate(DUAL_MASK_CLASSES):
            swatch = QLabel(self)
            swatch.setFixedSize(12, 12)
            fill = MASK_COLOURS[value] if value else "transparent"
            swatch.setStyleSheet(f"background: {fill}; border: 1px solid gray;")
            label = QLabel(name, self)
            label.setStyleSheet("padding: 0")
            label.setObjectName(f"share_{value}")
            row, column = divmod(value, 2)
            layout.addWidget(swatch, row, 2 * column)
            layout.addWidget(label, row, 2 * column + 1)
            layout.setColumnStretch(2 * column + 1, 1)
            self._labels.append(label)

    def show_mask(self, mask: np.ndarray) -> None:
        """Show the shares of the classes in one plane."""
        step = max(1, min(mask.shape) // 512)  # exact up to 1024 pixels, and never slow
        counts = np.bincount(mask[::step, ::step].ravel(), minlength=len(self._labels))
        shares = 100 * counts / counts.sum()
        for label, name, share in zip(self._labels, DUAL_MASK_CLASSES, shares, strict=False):
            label.setText(f"{name} {share:.0f} %")

    def clear(self) -> None:
        """Forget the shares."""
        for label, name in zip(self._labels, DUAL_MASK_CLASSES, strict=True):
            label.setText(name)
