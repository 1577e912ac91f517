"""``python -m napari_blind2grad`` is the command ``blind2grad``."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
