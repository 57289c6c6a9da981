"""Checkpoints on the way, whole, checked, and of this very job or not used at all."""

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from biorobust.files import sha256_of_file, whole_file

_SEAL = 64  # hex digits of a SHA-256


class DamagedCheckpoint(Exception):
    """A checkpoint whose bytes are not the ones that were written."""


class SealedCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, behind their SHA-256; loads tensors only.

    torch notices a truncated checkpoint, but not a flipped byte. `writes` is false for the ranks
    that leave writing to another.
    """

    def __init__(self, *, writes: bool = True) -> None:
        super().__init__()
        self._writes = writes

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint. Raises UserError where the disk is full."""
        if not self._writes:
            return
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        payload = buffer.getvalue()
        with whole_file(Path(path)) as file:
            file.write(hashlib.sha256(payload).hexdigest().encode())
            file.write(payload)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint. Raises DamagedCheckpoint where its seal does not fit."""
        data = Path(path).read_bytes()
        seal, payload = data[:_SEAL], data[_SEAL:]
        if hashlib.sha256(payload).hexdigest().encode() != seal:
            raise DamagedCheckpoint(str(path))
        loaded: dict[str, Any] = torch.load(
            io.BytesIO(payload), map_location=map_location or "cpu", weights_only=True
        )
        return loaded


_OTHER = "is of other code, config, data or versions"


class ResumeFolder:
    """The folder, named by the job's origin, of the one checkpoint from which it can go on."""

    def __init__(self, parent: Path, origin: str) -> None:
        self._parent, self._origin = parent, origin
        self.folder = parent / f".resume-{origin[:16]}"
        self.file = self.folder / "last.ckpt"

    def usable(self, say: Callable[[str], None]) -> Path | None:
        """The checkpoint to go on from; None where there is none.

        Whatever cannot be used is removed, with a line: checkpoints that are damaged, and those of
        another plan for the same place.
        """
        for folder in sorted(self._parent.glob(".resume-*")):
            if folder != self.folder:
                say(f"{folder} {_OTHER}, and removed; training starts over")
                shutil.rmtree(folder)
        if not self.file.is_file():
            # A process may have been killed before its first checkpoint was whole.
            shutil.rmtree(self.folder, ignore_errors=True)
            return None
        try:
            whose = self.read().get("origin")
        except (DamagedCheckpoint, OSError, RuntimeError):
            fault = "is damaged"
        else:
            if whose == self._origin:
                say(f"goes on from {self.file} ({sha256_of_file(self.file)[:12]})")
                return self.file
            fault = _OTHER
        say(f"{self.file} {fault} and not used; training starts over")
        shutil.rmtree(self.folder)
        return None

    def read(self) -> dict[str, Any]:
        """The checkpoint's content. Raises DamagedCheckpoint where its seal does not fit."""
        return SealedCheckpointIO().load_checkpoint(self.file)

    def clear(self) -> None:
        """Remove the checkpoints of this job and of earlier plans for the same place."""
        for folder in self._parent.glob(".resume-*"):
            shutil.rmtree(folder)
