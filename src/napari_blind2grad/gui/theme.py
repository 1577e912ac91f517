"""Colours that fit napari's theme, and the fixed ones of the dual mask and the loss curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari.components import ViewerModel
from napari.utils import DirectLabelColormap
from napari.utils.theme import get_theme

#: Colours of the dual mask's classes, told apart also with colour-blind eyes (Okabe and Ito). Visible
#: flat pixels, most of the image, stay clear.
MASK_COLOURS: tuple[str, ...] = ("#00000000", "#0072b2", "#f0e442", "#d55e00")

#: Colours of the curves in the loss plot, legible on light and dark ground.
CURVE_COLOURS: Mapping[str, str] = {
    "loss": "#56b4e9",
    "content": "#e69f00",
    "deviation": "#cc79a7",
    "held_out": "#009e73",
    "noise_left": "#d55e00",
}


@dataclass(frozen=True)
class Palette:
    """The colours of the current theme, as ``#rrggbb``."""

    background: str
    raised: str
    text: str
    accent: str
    warning: str
    error: str


def palette(viewer: ViewerModel) -> Palette:
    """Return the colours of the viewer's theme."""
    theme = get_theme(viewer.theme)
    return Palette(
        background=theme.background.as_hex(),
        raised=theme.foreground.as_hex(),
        text=theme.text.as_hex(),
        accent=theme.current.as_hex(),
        warning=theme.warning.as_hex(),
        error=theme.error.as_hex(),
    )


def mask_colormap() -> DirectLabelColormap:
    """Return the colour map of the dual-mask layer."""
    colours: dict[int | None, str] = dict(enumerate(MASK_COLOURS))
    colours[None] = MASK_COLOURS[0]
    return DirectLabelColormap(color_dict=colours)
