"""Checkpoints on the way, whole, checked, and of this very job or not used at all."""

import hashlib
import io
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from biorobust.errors import Unfinished
from biorobust.files import sha256_of_file, whole_file
from biorobust.training.ranks import Ranks
from biorobust.training.time_limit import TimeLimit

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


class ResumeFolder:
    """The folder, named by the job's digest, of the one checkpoint from which it can go on."""

    def __init__(self, parent: Path, digest: str) -> None:
        self._parent, self._digest = parent, digest
        self.folder = parent / f".resume-{digest[:16]}"
        self.file = self.folder / "last.ckpt"

    def usable(self, say: Callable[[str], None]) -> Path | None:
        """The checkpoint to go on from; None where there is none.

        Whatever cannot be used is removed, with a line: checkpoints that are damaged, and those of
        another plan for the same place.
        """
        for folder in sorted(self._parent.glob(".resume-*")):
            if folder != self.folder:
                say(f"{folder} is of other code, config or data, and removed; training starts over")
                shutil.rmtree(folder)
        if not self.file.is_file():
            # A process may have been killed before its first checkpoint was whole.
            shutil.rmtree(self.folder, ignore_errors=True)
            return None
        try:
            whose = self.read().get("digest")
        except (DamagedCheckpoint, OSError, RuntimeError):
            fault = "is damaged"
        else:
            if whose == self._digest:
                say(f"goes on from {self.file} ({sha256_of_file(self.file)[:12]})")
                return self.file
            fault = "is of other code, config or data"
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


class Saving(Checkpoint):
    """Saves at the end of each epoch, and in long ones after each interval; stops in time.

    It stops at the end of a step, saved, when the time limit is near or the process is asked to
    end (SIGTERM); never before the first step, so that every start makes progress. `epochs_run`
    says how many epochs, and parts of one, were trained in this process.

    A Checkpoint by name, since Lightning calls those alone after the module's own hook, so that
    an epoch's history is in the checkpoint of its end.
    """

    def __init__(
        self,
        resume: ResumeFolder,
        digest: str,
        *,
        ranks: Ranks,
        interval_seconds: float,
        limit: TimeLimit,
        say: Callable[[str], None],
    ) -> None:
        self._file, self._digest = resume.file, digest
        self._ranks, self._interval, self._limit, self._say = ranks, interval_seconds, limit, say
        self._steps = 0
        self._batches = 1
        self._warning: threading.Timer | None = None

    @property
    def epochs_run(self) -> float:
        """Epochs trained here, a begun one by its share of steps."""
        return self._steps / self._batches

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Count time from here, and watch that there is time for a step at all."""
        self._batches = int(trainer.num_training_batches)
        self._saved = self._stepped = time.monotonic()
        if self._limit.minutes is not None:
            self._warning = threading.Timer(max(0, self._limit.spare_seconds), self._warn)
            self._warning.daemon = True
            self._warning.start()

    def _warn(self) -> None:
        self._say(
            f"the time limit of {self._limit.minutes:g} minutes is near, and not one step of "
            "training is done; if the job is ended now, nothing was gained: give it more time"
        )

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save, and perhaps stop, in the middle of an epoch."""
        self._steps += 1
        now = time.monotonic()
        self._limit.note(now - self._stepped)
        self._stepped = now
        if self._warning:
            self._warning.cancel()
        # The end of the epoch saves more.
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return
        stop = self._to_stop(trainer)
        if self._ranks.decided(stop or now - self._saved >= self._interval):
            self._save(trainer)
            self._stop_if(self._ranks.decided(stop), trainer)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Save; stop if there is more to do and no time for it."""
        self._save(trainer)
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._stop_if(self._ranks.decided(self._to_stop(trainer)), trainer)

    def _to_stop(self, trainer: lightning.Trainer) -> bool:
        return self._limit.near or trainer.received_sigterm

    def _save(self, trainer: lightning.Trainer) -> None:
        started = time.monotonic()
        trainer.save_checkpoint(self._file, weights_only=False)
        self._saved = self._stepped = time.monotonic()
        self._limit.note(self._saved - started)

    def _stop_if(self, stop: int, trainer: lightning.Trainer) -> None:
        if not stop:
            return
        where = f"in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        if trainer.received_sigterm or self._limit.minutes is None:
            reason = "it was asked to end"
        else:
            reason = f"the time limit of {self._limit.minutes:g} minutes is near"
            if self._steps == 1:
                reason += ", which left time for just one step: give the job more time"
        raise Unfinished(
            f"training is not finished: stopped {where}, since {reason}; "
            "all is saved, and the same job goes on from there when it is started again"
        )

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Warn no more."""
        if self._warning:
            self._warning.cancel()

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Name the job in its checkpoint."""
        checkpoint["digest"] = self._digest
