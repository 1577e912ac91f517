"""Image files in and out: TIFF, ImageJ TIFF, OME-TIFF and OME-Zarr with axes, sizes, units and dtype."""

from __future__ import annotations

from .lazy import LazyArray
from .read import ImageFile, read_image, read_parameters, stem
from .stream import copy_image
from .whole import (
    check_place,
    check_target,
    is_zarr,
    not_written,
    remove_leftovers,
    whole_file,
    whole_folder,
)
from .write import write_image

__all__ = [
    "ImageFile",
    "LazyArray",
    "check_place",
    "check_target",
    "copy_image",
    "is_zarr",
    "not_written",
    "read_image",
    "read_parameters",
    "remove_leftovers",
    "stem",
    "whole_file",
    "whole_folder",
    "write_image",
]
