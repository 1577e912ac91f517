"""``blind2grad export``: a saved network for other programs."""

from __future__ import annotations

import argparse

from .terminal import say


def run_export(args: argparse.Namespace) -> int:
    """Write the network that `args` name as a package, and return the exit code.

    Raises
    ------
    Blind2GradError
        In words for the user.
    """
    from ..model.export import export_model

    path = export_model(
        args.model,
        args.output,
        channel=args.channel,
        name=args.name,
        authors=args.author,
        license_id=args.license,
    )
    if not args.quiet:
        say(f"{path}: package of the BioImage Model Zoo; test it with: bioimageio test {path}")
    return 0
