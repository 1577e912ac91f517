"""Checkpoints as folders: what is named in ``checkpoint.json`` is whole, whenever the power fails."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..engine.snapshot import Snapshot
from ..errors import InputError, OutputError
from ..io import whole_file
from ..preset_files import once
from .identity import check_identity

#: Version of the folders' form.
FORM = 1
_NAME = "checkpoint.json"
_BLOCK = re.compile(r"[a-z]+(-\d+){1,3}")
#: Counters, settings and names of blocks: tens of kilobytes for thousands of planes.
_LONGEST = 50_000_000


class Folder:
    """One checkpoint on the disk.

    Each block is a file that never changes, and ``checkpoint.json`` names those of the last snapshot. It
    is replaced at one stroke once they are all written, and only then do older ones go.

    Parameters
    ----------
    path
        The folder; it is made when the first snapshot is written.

    Attributes
    ----------
    identity
        What the checkpoint belongs to, from :func:`~.identity.identify`; set it before reading and writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.identity: Mapping[str, Any] = {}
        self._stored: dict[str, str] = {}  # name of each block and the hash of its file

    def exists(self) -> bool:
        """Whether there is a checkpoint."""
        return (self.path / _NAME).exists()

    def check(self) -> None:
        """Find out before a long run whether a checkpoint can be kept here.

        Raises
        ------
        OutputError
            If something else lies there, or there is no permission.
        """
        if self.path.is_dir():
            strange = sorted(p.name for p in self.path.iterdir() if not _ours(p))
            if strange:
                raise OutputError(
                    f"The folder {self.path} holds something else ({strange[0]}), and no checkpoint goes "
                    "there. Choose another name."
                )
            place = self.path
        else:
            place = self.path.resolve().parent
            if self.path.exists() or not place.is_dir():
                raise OutputError(
                    f"No checkpoint can be kept in {self.path}: "
                    + ("it is a file." if self.path.exists() else f"there is no folder {place}.")
                    + " Choose another name."
                )
        if not os.access(place, os.W_OK):
            raise OutputError(f"There is no permission to write in {place}. Choose another folder.")

    def write(self, snapshot: Snapshot) -> None:
        """Write `snapshot`; until it is whole the last one stays.

        Raises
        ------
        OutputError
            If the operating system refuses to write; the last snapshot can be read all the same.
        """
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be created: {error.strerror}.") from error
        for name, block in snapshot.blocks.items():
            if name not in self._stored:
                self._stored[name] = self._write_block(name, block())
        content = {
            "blind2grad_checkpoint": FORM,
            "belongs_to": dict(self.identity),
            "run": dict(snapshot.numbers),
            "blocks": {name: self._stored[name] for name in snapshot.blocks},
        }
        with whole_file(self.path / _NAME) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
        _sync(self.path)
        self._clean(set(snapshot.blocks))

    def _write_block(self, name: str, tensors: Mapping[str, Tensor]) -> str:
        data = save({key: value.contiguous() for key, value in tensors.items()})
        with whole_file(self._file(name)) as temporary:
            temporary.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.safetensors"

    def _clean(self, needed: set[str]) -> None:
        """Remove blocks of older snapshots, and what a killed process left half-written."""
        self._stored = {name: value for name, value in self._stored.items() if name in needed}
        keep = {self._file(name).name for name in needed} | {_NAME}
        with contextlib.suppress(OSError):  # they only take room, and the next snapshot tries again
            for path in self.path.iterdir():
                if path.name not in keep and _ours(path):
                    path.unlink()

    def read(self) -> Snapshot | None:
        """Return the snapshot in this folder, None if there is none. Nothing in it is trusted or executed.

        Raises
        ------
        InputError
            If it belongs to another run, or is damaged.
        """
        if not self.exists():
            return None
        content = self._read_json()
        form, belongs = content.get("blind2grad_checkpoint"), content.get("belongs_to")
        if form != FORM or isinstance(form, bool) or not isinstance(belongs, dict):
            raise InputError(
                f"The checkpoint {self.path} was written for another version of blind2grad. Delete it to "
                "begin anew."
            )
        check_identity(belongs, self.identity, self.path)
        numbers, blocks = content.get("run"), content.get("blocks")
        if not isinstance(numbers, dict) or not isinstance(blocks, dict):
            raise self._damaged("it names no state")
        for name, digest in blocks.items():
            if not _BLOCK.fullmatch(name) or not isinstance(digest, str):
                raise self._damaged("it names no blocks of ours")
        self._stored = dict(blocks)
        return Snapshot(numbers, {n: partial(self._read_block, n, d) for n, d in blocks.items()})

    def _read_json(self) -> dict[str, Any]:
        path = self.path / _NAME
        try:
            if path.stat().st_size > _LONGEST:
                raise self._damaged("it is too long")
            content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from error
        except (ValueError, RecursionError) as error:
            raise self._damaged(f"{_NAME} is not JSON") from error
        if not isinstance(content, dict):
            raise self._damaged(f"{_NAME} is no object")
        return content

    def _read_block(self, name: str, digest: str) -> Mapping[str, Tensor]:
        path = self._file(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise self._damaged(f"{path.name} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._damaged(f"{path.name} is not what was written")
        try:
            found: Mapping[str, Tensor] = load(data)
        except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
            raise self._damaged(f"{path.name} is no safetensors file") from error
        return found

    def _damaged(self, why: str) -> InputError:
        return InputError(
            f"The checkpoint {self.path} is damaged ({why}). Delete it to begin anew."
        )

    def remove(self) -> None:
        """Remove the checkpoint; whatever is not part of one stays."""
        with contextlib.suppress(OSError):
            # The one that makes it a checkpoint goes first.
            (self.path / _NAME).unlink(missing_ok=True)
            self._clean(set())
            self.path.rmdir()


def _ours(path: Path) -> bool:
    """Whether a file of this name can be part of a checkpoint."""
    if path.is_dir():
        return False
    if path.name == _NAME or re.fullmatch(r"\.[^/]*\.part", path.name):
        return True
    return path.suffix == ".safetensors" and bool(_BLOCK.fullmatch(path.stem))


def _sync(folder: Path) -> None:
    """Have the names in `folder` reach the disk too, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
