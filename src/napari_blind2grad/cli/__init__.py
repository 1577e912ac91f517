"""The command ``blind2grad``. PyTorch loads only once the arguments are understood."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import Blind2GradError, ConfigError
from .options import build_parser
from .terminal import complain, never_fail_to_print

__all__ = ["DONE", "FAILED", "INTERRUPTED", "WRONG_ARGUMENTS", "main"]

#: Exit codes.
DONE, FAILED, WRONG_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process when None.

    Returns
    -------
    int
        0 done, 1 failed in words, 2 wrong arguments, 130 interrupted.

    Raises
    ------
    SystemExit
        By argparse, for ``--help`` and ``--version`` (0) and arguments it does not understand (2).
    """
    never_fail_to_print()
    args = build_parser().parse_args(argv)
    try:
        if args.command == "info":
            from .info import run_info

            return run_info(args)
        if args.command == "apply":
            from .apply import run_apply

            return run_apply(args)
        if args.command == "batch":
            from .batch import run_batch

            return run_batch(args)
        if args.command == "export":
            from .export import run_export

            return run_export(args)
        from .denoise import run_denoise

        return run_denoise(args)
    except KeyboardInterrupt:
        complain("Interrupted. No unfinished file was left behind.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone; keep Python from complaining about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Blind2GradError as error:
        if args.debug:
            raise
        complain(f"Error: {error}")
        return WRONG_ARGUMENTS if isinstance(error, ConfigError) else FAILED
    except Exception as error:  # the one place where anything unforeseen ends
        if args.debug:
            raise
        complain(
            f"Error: something unforeseen happened ({type(error).__name__}: {error}). "
            "Run the same command with --debug to see where, and please report it."
        )
        return FAILED
