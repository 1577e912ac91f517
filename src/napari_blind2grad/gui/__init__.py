"""The window in napari: the only part of the package that imports napari, Qt and magicgui."""
