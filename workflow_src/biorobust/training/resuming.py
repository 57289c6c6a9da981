"""Checkpoints at the end of each epoch, whole, checked, and of this very job or not used at all."""

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from biorobust.files import sha256_of_file, whole_file

_SEAL = 64  # hex digits of a SHA-256


class DamagedCheckpoint(Exception):
    """A checkpoint whose bytes are not the ones that were written."""


class SealedCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, behind their SHA-256; loads tensors only.

    torch notices a truncated checkpoint, but not a flipped byte.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint. Raises UserError where the disk is full."""
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


class ResumeFolder(Checkpoint):
    """Saves after each epoch in a folder named by the job's origin, and goes when it is done."""

    def __init__(self, folder: Path, origin: str) -> None:
        self._parent = folder
        self.folder = folder / f".resume-{origin[:16]}"
        self.file = self.folder / "last.ckpt"
        self.epochs_run = 0

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Runs after the module's own hook, so the epoch's history is in the checkpoint."""
        del pl_module
        trainer.save_checkpoint(self.file, weights_only=False)
        self.epochs_run += 1

    def usable(self, say: Callable[[str], None]) -> Path | None:
        """The checkpoint to go on from; None, with a line, where there is none that can be used."""
        if not self.file.is_file():
            return None
        try:
            SealedCheckpointIO().load_checkpoint(self.file)
        except (DamagedCheckpoint, OSError, RuntimeError):
            say(f"{self.file} is damaged and not used; training starts over")
            self.file.unlink()
            return None
        say(f"goes on from {self.file} ({sha256_of_file(self.file)[:12]})")
        return self.file

    def clear(self) -> None:
        """Remove the checkpoints of this job and of earlier plans for the same place."""
        for folder in self._parent.glob(".resume-*"):
            shutil.rmtree(folder)
