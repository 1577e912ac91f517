"""Sample data for napari's *File > Open Sample* menu."""

from __future__ import annotations

from typing import Any

from ..samples import planaria_like as _planaria_like

LayerData = tuple[Any, dict[str, Any], str]


def planaria_like() -> list[LayerData]:
    """Return the generated nuclei as layers: the noisy stack, and below it, hidden, the clean one."""
    sample = _planaria_like()
    shared = {
        "scale": sample.scale,
        "units": sample.units,
        "axis_labels": tuple(sample.axes.lower()),
        # One range for both, so that switching between them compares like with like.
        "contrast_limits": (0, int(sample.clean.max())),
    }
    clean = {"name": f"{sample.name} (clean)", "visible": False, **shared}
    return [
        (sample.clean, clean, "image"),
        (sample.noisy, {"name": sample.name, **shared}, "image"),
    ]
