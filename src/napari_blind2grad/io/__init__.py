"""Image files in and out: TIFF, ImageJ TIFF and OME-TIFF with axes, pixel sizes, units and dtype."""

from __future__ import annotations

from .read import ImageFile, read_image, read_parameters
from .whole import check_place, check_target, whole_file, whole_folder
from .write import write_image

__all__ = [
    "ImageFile",
    "check_place",
    "check_target",
    "read_image",
    "read_parameters",
    "whole_file",
    "whole_folder",
    "write_image",
]
