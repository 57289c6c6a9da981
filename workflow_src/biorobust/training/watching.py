"""How far a training is, for a person who waits for it."""

from typing import Any

from pytorch_lightning.callbacks import Checkpoint

from biorobust.progress import Progress


class Watching(Checkpoint):
    """Reports every batch, with the last finished epoch's loss and accuracy.

    `batches` is how many an epoch has, each of which is a step of the optimizer. A Checkpoint by
    name, since Lightning calls those alone after the module's own hook, which computes the
    epoch's loss.
    """

    def __init__(self, progress: Progress, batches: int) -> None:
        self._progress, self._batches = progress, batches

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Count the time from here, where an earlier process may have left it."""
        self._progress.begin(trainer.global_step / self._batches)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Report a batch; an epoch's last is reported with its loss."""
        if trainer.global_step % self._batches:
            self._report(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report an epoch."""
        self._report(trainer, pl_module)

    def _report(self, trainer: Any, pl_module: Any) -> None:
        note = ""
        if pl_module.history:
            last = pl_module.history[-1]
            note = f"loss {last['loss']:.4f}, accuracy {last['accuracy']:.1%}"
        self._progress.update(trainer.global_step / self._batches, note)
