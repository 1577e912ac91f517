"""Lines for people, on standard output and standard error."""

from __future__ import annotations

import io
import sys


def say(text: str) -> None:
    """Print `text` as a line of output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print `text` as a line beside the output: an error or a note."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def never_fail_to_print() -> None:
    """Replace characters that the terminal's encoding lacks, such as ω on an old Windows console."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
