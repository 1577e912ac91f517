"""The napari window; the only place that imports napari, Qt or magicgui."""
