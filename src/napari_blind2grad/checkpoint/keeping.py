"""What a run is given so that it keeps a checkpoint: :class:`Keeper`."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from ..config import Config
from ..engine.snapshot import Snapshot
from ..errors import ConfigError, OutputError
from .folder import Folder
from .identity import identify

#: Seconds between two snapshots.
EVERY = 30.0
#: Writing them takes at most this share of the time.
_SHARE = 0.02


class Keeper:
    """Keeps the checkpoint of one run in a folder.

    Pass :meth:`options` to :func:`napari_blind2grad.denoise_iter`, and call :meth:`remove` once its result is
    safe.

    Parameters
    ----------
    path
        The folder, which is made.
    resume
        Go on with the run whose checkpoint lies there; if there is none, begin.
    every
        Least seconds between two snapshots. They are rarer where writing them takes long.
    tell
        Called with a sentence if one could not be written. The run goes on.

    Attributes
    ----------
    kept
        Whether the folder holds a checkpoint to go on from.
    found
        The snapshot that the run goes on from; None if it begins.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        resume: bool = False,
        every: float = EVERY,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.folder = Folder(path)
        self.resume = resume
        self.every = every
        self.tell = tell
        self.kept = False
        self.found: Snapshot | None = None
        self._told = False
        self._due = 0.0

    def options(self, image: npt.ArrayLike, axes: str | None, config: Config) -> dict[str, Any]:
        """Return what makes the run on `image` keep a checkpoint, and go on from the one that is there.

        Raises
        ------
        InputError
            If the checkpoint belongs to another image, other settings or another version, or is damaged.
        OutputError
            If there is one and it shall not be gone on with, or none can be kept in the folder.
        """
        self.check()
        return self.options_for(identify(image, axes, config))

    def check(self) -> None:
        """Find out whether a checkpoint can be kept, before the image is looked at.

        Raises
        ------
        OutputError
            As in :meth:`options`.
        """
        self.folder.check()
        if not self.resume and self.folder.exists():
            raise OutputError(
                f"There is a checkpoint of an unfinished run in {self.folder.path}. Add --resume (in Python "
                "resume=True) to go on with it, or delete the folder to begin anew."
            )

    def options_for(self, identity: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same for the run with this `identity`, from :func:`~.identity.describe`.

        Raises
        ------
        InputError
            As in :meth:`options`.
        """
        self.folder.identity = identity
        self.found = self.folder.read() if self.resume else None
        self.kept = self.found is not None
        self._due = time.monotonic() + self.every
        return {"keep": self._keep, "resume": self.found}

    def _keep(self, capture: Callable[[], Snapshot], last: bool) -> None:
        """Write a snapshot if one is due."""
        began = time.monotonic()
        if began < self._due and not last:
            return
        try:
            self.folder.write(capture())
            self.kept, self._told = True, False
        except OutputError as error:
            if self.tell is not None and not self._told:
                self.tell(f"No checkpoint could be written; the run goes on. {error}")
            self._told = True
        now = time.monotonic()
        self._due = now + max(self.every, (now - began) / _SHARE if self.every else 0.0)

    def remove(self) -> None:
        """Remove the checkpoint: the result is safe."""
        self.folder.remove()
        self.kept = False


def keeper_at(path: str | os.PathLike[str] | None, *, resume: bool) -> Keeper | None:
    """Return what keeps a checkpoint in `path`, for Python: it warns if one could not be written.

    Raises
    ------
    ConfigError
        If there is something to resume, but no path.
    """
    if path is not None:
        return Keeper(path, resume=resume, tell=lambda words: warnings.warn(words, stacklevel=2))
    if resume:
        raise ConfigError("resume needs the folder of a checkpoint: pass checkpoint=… too.")
    return None
