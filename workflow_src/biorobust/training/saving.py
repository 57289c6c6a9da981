"""When training saves its checkpoint, and when it stops before its end."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint

from biorobust.errors import Unfinished
from biorobust.training.ranks import Ranks
from biorobust.training.resuming import ResumeFolder
from biorobust.training.time_limit import TimeLimit


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
        origin: str,
        *,
        ranks: Ranks,
        interval_seconds: float,
        limit: TimeLimit,
        say: Callable[[str], None],
    ) -> None:
        self._file, self._origin = resume.file, origin
        self._ranks, self._interval, self._limit, self._say = ranks, interval_seconds, limit, say
        self._steps = 0
        self._batches = 1
        self._asked_to_end = False
        self._warning: threading.Timer | None = None

    @property
    def epochs_run(self) -> float:
        """Epochs trained here, a begun one by its share of steps."""
        return self._steps / self._batches

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Count time from here, listen, and watch that there is time for a step at all.

        Lightning's own answer to SIGTERM would end the process with status 0 wherever it is. It
        puts back at the end of training what it replaced at the start.
        """
        self._asked_to_end = trainer.received_sigterm
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._ask)
        self._batches = int(trainer.num_training_batches)
        self._saved = self._stepped = time.monotonic()
        if self._limit.minutes is not None:
            self._warning = threading.Timer(max(0, self._limit.spare_seconds), self._warn)
            self._warning.daemon = True
            self._warning.start()

    def _ask(self, number: int, frame: Any) -> None:
        self._asked_to_end = True

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
        stop = self._to_stop()
        if self._ranks.decided(stop or now - self._saved >= self._interval):
            self._save(trainer)
            self._stop_if(self._ranks.decided(stop), trainer)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Save; stop if there is more to do and no time for it."""
        self._save(trainer)
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._stop_if(self._ranks.decided(self._to_stop()), trainer)

    def _to_stop(self) -> bool:
        return self._limit.near or self._asked_to_end

    def _save(self, trainer: lightning.Trainer) -> None:
        started = time.monotonic()
        trainer.save_checkpoint(self._file, weights_only=False)
        self._saved = self._stepped = time.monotonic()
        self._limit.note(self._saved - started)

    def _stop_if(self, stop: int, trainer: lightning.Trainer) -> None:
        if not stop:
            return
        where = f"in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        if not self._limit.near:
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
        checkpoint["origin"] = self._origin
