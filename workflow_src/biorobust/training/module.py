"""The LightningModule: what one training step, one epoch and one checkpoint are."""

import math
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from biorobust.data.augmentation import DRAWS_PER_IMAGE, augment
from biorobust.data.batches import Batch, EpochBatches, to_pixels
from biorobust.data.counter_hash import Purpose, uniform_draws
from biorobust.errors import UserError
from biorobust.models.base import ImageClassifier

# Keras's default, with which the published models were trained; torch's own is 1e-8.
_ADAM_EPSILON = 1e-7


def learning_rate(base: float, steps: list[tuple[float, float]], epoch: int, epochs: int) -> float:
    """The learning rate of an epoch (counted from 0) under a step schedule.

    `steps` are (share of the epochs, factor), ascending; a factor holds once epoch > share *
    epochs. The published schedule for 400 epochs steps after epochs 160, 240, 320 and 360.
    """
    factors = [factor for share, factor in steps if epoch > share * epochs]
    return base * (factors[-1] if factors else 1.0)


class TrainingModule(lightning.LightningModule):
    """Trains a model on the batches of a fixed order, with draws that depend on nothing else.

    `config` is the training section of the plan: epochs, learning_rate, learning_rate_steps,
    augment. History and diagnostics are part of the checkpoint, so that a resumed run hands on
    the same bytes as one that was never interrupted.
    """

    def __init__(
        self, model: ImageClassifier, batches: EpochBatches, config: dict[str, Any], seed: int
    ) -> None:
        super().__init__()
        self.model, self.batches, self.config, self.seed = model, batches, config, seed
        self.history: list[dict[str, float]] = []
        self.diagnostics: dict[str, list[Tensor]] = {}
        self._sums: dict[str, Tensor] = {}
        self._seen = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with the published settings (thesis §3.1); the rate is set epoch by epoch."""
        return torch.optim.Adam(
            self.model.parameters(), lr=self.config["learning_rate"], eps=_ADAM_EPSILON
        )

    def on_train_epoch_start(self) -> None:
        """Choose the epoch's order and learning rate."""
        self.batches.epoch = self.current_epoch
        rate = learning_rate(
            self.config["learning_rate"],
            self.config["learning_rate_steps"],
            self.current_epoch,
            self.config["epochs"],
        )
        for group in self._optimizer().param_groups:
            group["lr"] = rate
        self._sums, self._seen = {}, 0

    def _optimizer(self) -> torch.optim.Optimizer:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        return optimizer

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Cross-entropy of the augmented batch plus the model's own extra loss: a scalar."""
        images = to_pixels(batch.images)
        if self.config["augment"]:
            images = augment(images, self._draws(Purpose.AUGMENTATION, batch, DRAWS_PER_IMAGE))
        draws = self._draws(Purpose.MODEL, batch, self.model.draws_per_image)
        logits, extra_loss, diagnostics = self.model.training_outputs(images, batch.labels, draws)
        loss = cross_entropy(logits, batch.labels) + extra_loss
        self._remember("loss", loss.detach() * len(images))
        self._remember("extra_loss", extra_loss.detach() * len(images))
        self._remember("correct", (logits.argmax(1) == batch.labels).sum())
        for name, values in diagnostics.items():
            self._remember(f"diagnostics/{name}", values.detach().sum(0))
            self._remember(f"diagnostics/{name}/squared", values.detach().square().sum(0))
        self._seen += len(images)
        return loss

    def _draws(self, purpose: Purpose, batch: Batch, count: int) -> Tensor:
        return uniform_draws(purpose, self.seed, self.current_epoch, batch.positions, count)

    def _remember(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def on_train_epoch_end(self) -> None:
        """Turn the epoch's sums into a line of history and the models' remembered values.

        Raises UserError where the loss is not finite any more.
        """
        sums = {name: value.double().cpu() for name, value in self._sums.items()}
        row = {
            "epoch": self.current_epoch,
            "learning_rate": self._optimizer().param_groups[0]["lr"],
            "loss": float(sums["loss"]) / self._seen,
            "extra_loss": float(sums["extra_loss"]) / self._seen,
            "accuracy": float(sums["correct"]) / self._seen,
        }
        if not math.isfinite(row["loss"]):
            raise UserError(
                f"training diverged: the loss of epoch {self.current_epoch} is {row['loss']}; "
                "lower training.learning_rate"
            )
        self.history.append(row)
        for name in [key for key in sums if key.startswith("diagnostics/")]:
            self.diagnostics.setdefault(name.removeprefix("diagnostics/"), []).append(
                sums[name] / self._seen
            )
        for key in ("learning_rate", "loss", "accuracy"):
            self.log(key, row[key])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep history and diagnostics with the weights."""
        checkpoint["history"], checkpoint["diagnostics"] = self.history, self.diagnostics

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up history and diagnostics where the checkpoint left them."""
        self.history, self.diagnostics = checkpoint["history"], checkpoint["diagnostics"]
