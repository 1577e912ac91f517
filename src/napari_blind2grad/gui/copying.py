"""Copy what repeats a run to the clipboard."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QGuiApplication

from ..axes import Axes
from ..config import Config
from ..crop import crop_text
from ..errors import Blind2GradError
from .adapter import finest
from .inputs import InputBox
from .live import METADATA
from .snippets import Recipe, command_text, python_text, recipe
from .stage import Stage


class Copier(QObject):
    """Make the text for the run that is shown, or for what Run would do now.

    Parameters
    ----------
    chosen
        The input that is chosen.
    stage
        Its layers, which know how they were made.
    config
        Returns the settings.
    parent
        Qt parent.
    """

    copied = Signal(str)  # what, and why it will not give what the window shows
    failed = Signal(str)  # in words

    def __init__(
        self,
        chosen: InputBox,
        stage: Stage,
        config: Callable[[], Config],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._chosen, self._stage, self._config = chosen, stage, config

    def recipe(self) -> Recipe:
        """Return how to repeat it.

        Raises
        ------
        Blind2GradError
            If the axes or the region do not fit the chosen image.
        """
        layer, axes, crop = self._chosen.layer(), self._chosen.axes.text(), ""
        if layer is not None:
            _, axes = self._chosen.checked()
            parsed = Axes(axes, tuple(finest(layer).shape))
            crop = crop_text(parsed, self._chosen.region_of(layer, parsed))
        shown = self._stage.denoised()
        record = shown.metadata[METADATA] if shown is not None else None
        return recipe(self._config(), layer, axes, crop, record)

    def copy_python(self) -> None:
        """Copy Python."""
        self._copy(python_text, "Python code")

    def copy_command(self) -> None:
        """Copy a command line."""
        self._copy(command_text, "command line")

    def _copy(self, text: Callable[[Recipe], str], what: str) -> None:
        try:
            run = self.recipe()
        except Blind2GradError as error:
            self.failed.emit(str(error))
            return
        QGuiApplication.clipboard().setText(text(run))
        self.copied.emit("\n".join([f"Copied the {what}.", *run.notes]))
