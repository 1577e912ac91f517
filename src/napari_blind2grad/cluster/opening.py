"""Workers on this computer, or those of a scheduler that runs already."""

from __future__ import annotations

import logging
import re
import tempfile
from contextlib import ExitStack
from importlib import metadata
from typing import Any

from .. import __version__
from ..errors import ConfigError, InputError
from . import preload
from .on_dask import OnDask

_MISSING = "Work on a cluster needs dask.distributed: pip install 'napari-blind2grad[cluster]'."
#: Seconds that a scheduler may take to answer.
_PATIENCE = 20
#: dask makes a worker return freed memory to the system at once, and each step of a training then asks for
#: it again: 30 % of a batch's processor time was the system's. None leaves it to the C library, as in a run
#: of its own.
_MALLOC = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}


def local_workers(text: str) -> int:
    """Return N of ``local:N``.

    Raises
    ------
    ConfigError
        If `text` is something else.
    """
    found = re.fullmatch(r"local:([1-9]\d{0,3})", text)
    if found is None:
        raise ConfigError(f"{text!r} is no cluster: write local:N, N worker processes here.")
    return int(found.group(1))


def open_executor(
    cluster: str | None = None, scheduler: str | None = None, *, retries: int = 0
) -> OnDask:
    """Start workers on this computer, or connect to a scheduler.

    Parameters
    ----------
    cluster
        ``"local:N"``: N worker processes of one thread each, which are started, and ended when the executor
        is closed.
    scheduler
        Address of a dask scheduler, such as ``"tcp://node7:8786"``; it and its workers stay when the
        executor is closed.
    retries
        How often a piece is tried again that raised an exception. One whose worker died always is.

    Raises
    ------
    ConfigError
        If neither or both are given, `cluster` is unknown, or dask.distributed is not installed.
    InputError
        If no scheduler answers, or one of its workers has another version of this package.
    """
    if (cluster is None) == (scheduler is None):
        raise ConfigError("Give either a cluster or the address of a scheduler.")
    count = local_workers(cluster) if cluster is not None else 0
    try:
        import dask.config
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigError(_MISSING) from error
    with ExitStack() as stack:
        if count:
            place = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="blind2grad-", ignore_cleanup_errors=True)
            )
            # Memory is the operating system's business, as without workers: dask's own limit of an even share
            # for each would kill a worker that needs a little more.
            with dask.config.set(_MALLOC):
                address = stack.enter_context(
                    LocalCluster(
                        n_workers=count,
                        threads_per_worker=1,
                        processes=True,
                        memory_limit=0,
                        # None would be dask's usual port, open to the network, with a warning if it is taken.
                        dashboard_address="127.0.0.1:0",
                        local_directory=place,
                        silence_logs=logging.CRITICAL,
                        preload=[preload.__name__],
                    )
                )
        else:
            address = scheduler
        try:
            client = stack.enter_context(Client(address, timeout=_PATIENCE, set_as_default=False))
        except (OSError, ValueError) as error:
            raise InputError(
                f"No scheduler answers at {scheduler} ({error!s:.200}). Check the address, which "
                "dask-scheduler prints when it starts, and that its version of dask is the same."
            ) from error
        if scheduler is not None:
            _check(client)
        return OnDask(client, stack.pop_all(), retries)
    raise AssertionError


def _check(client: Any) -> None:
    """Refuse workers that have another version of this package, which work would kill one after another."""
    # A function that each worker has, whatever is installed there.
    found = client.run(metadata.version, "napari-blind2grad", on_error="return")
    for address, version in found.items():
        if version != __version__:
            what = "no" if isinstance(version, Exception) else f"version {version} of"
            raise InputError(
                f"The worker at {address} has {what} napari-blind2grad, and this is {__version__}. Install "
                "the same on all workers, and start them again."
            )
