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
        layout.setHorizontalSpacing(6)
        layout.setVerticalSpacing(2)
        self._shares: list[QLabel] = []
        for value, name in enumerate(DUAL_MASK_CLASSES):
            swatch = QLabel(self)
            swatch.setFixedSize(12, 12)
            fill = MASK_COLOURS[value] if value else "transparent"
            swatch.setStyleSheet(f"background: {fill}; border: 1px solid gray;")
            share = QLabel(self)
            share.setObjectName(f"share_{value}")
            row, column = divmod(value, 2)
            layout.addWidget(swatch, row, 3 * column)
            layout.addWidget(QLabel(name, self), row, 3 * column + 1)
            layout.addWidget(share, row, 3 * column + 2)
            self._shares.append(share)
        layout.setColumnStretch(2, 1)
        layout.setColumnStretch(5, 1)

    def show_mask(self, mask: np.ndarray) -> None:
        """Show the shares of the classes in one plane."""
        step = max(1, min(mask.shape) // 512)  # exact up to 1024 pixels, and never slow
        counts = np.bincount(mask[::step, ::step].ravel(), minlength=len(self._shares))
        for label, count in zip(self._shares, counts, strict=False):
            label.setText(f"{100 * count / counts.sum():.0f} %")

    def clear(self) -> None:
        """Forget the shares."""
        for label in self._shares:
            label.clear()
