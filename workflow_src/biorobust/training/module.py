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
from biorobust.training.ranks import Ranks
from biorobust.training.synced_norm import sync_norms

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
    augment. History, diagnostics and the running sums of an epoch are part of the checkpoint, so
    that a resumed run hands on the same bytes as one that was never interrupted.

    Of several `ranks` each takes a share of every batch. The gradient is that of the whole batch's
    mean loss all the same, normalisation is over the whole batch, and the sums are over all.
    """

    def __init__(
        self,
        model: ImageClassifier,
        batches: EpochBatches,
        config: dict[str, Any],
        seed: int,
        ranks: Ranks,
    ) -> None:
        super().__init__()
        self.model, self.batches, self.config, self.seed = model, batches, config, seed
        self.history: list[dict[str, float]] = []
        self.diagnostics: dict[str, list[Tensor]] = {}
        self._ranks = ranks
        self._norms = sync_norms(model) if ranks.count > 1 else []
        self._sums: dict[str, Tensor] = {}

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

    def _optimizer(self) -> torch.optim.Optimizer:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        return optimizer

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Cross-entropy of the augmented batch plus the model's own extra loss: a scalar.

        Of several ranks, this rank's part of it.
        """
        whole = len(batch.images) == batch.size
        for norm in self._norms:
            norm.apart = whole
        images = to_pixels(batch.images)
        if self.config["augment"]:
            images = augment(images, self._draws(Purpose.AUGMENTATION, batch, DRAWS_PER_IMAGE))
        draws = self._draws(Purpose.MODEL, batch, self.model.draws_per_image)
        logits, extra_loss, diagnostics = self.model.training_outputs(images, batch.labels, draws)
        loss = cross_entropy(logits, batch.labels) + extra_loss
        values = {
            "seen": torch.tensor(len(images)),
            "loss": loss.detach() * len(images),
            "extra_loss": extra_loss.detach() * len(images),
            "correct": (logits.argmax(1) == batch.labels).sum(),
        }
        for name, each in diagnostics.items():
            values[f"diagnostics/{name}"] = each.detach().sum(0)
            values[f"diagnostics/{name}/squared"] = each.detach().square().sum(0)
        # A batch that every rank has whole counts once.
        self._remember(values, counts=not whole or self._ranks.rank == 0)
        if self._ranks.count == 1:
            return loss
        return loss * self._ranks.share(len(images), batch.size)

    def on_after_backward(self) -> None:
        """Make the gradients those of the whole batch."""
        self._ranks.add_gradients(self.parameters())

    def _draws(self, purpose: Purpose, batch: Batch, count: int) -> Tensor:
        return uniform_draws(purpose, self.seed, self.current_epoch, batch.positions, count)

    def _remember(self, values: dict[str, Tensor], *, counts: bool) -> None:
        for name, value in values.items():
            added = value if counts else torch.zeros_like(value)
            # Sums that come from a checkpoint are in main memory.
            before = self._sums.get(name)
            self._sums[name] = added if before is None else before.to(value.device) + added

    def on_train_epoch_end(self) -> None:
        """Turn the epoch's sums into a line of history and the models' remembered values.

        Raises UserError where the loss is not finite any more.
        """
        sums = {name: value.double().sum(0) for name, value in self._gathered_sums().items()}
        seen = int(sums["seen"])
        self._sums = {}
        row = {
            "epoch": self.current_epoch,
            "learning_rate": self._optimizer().param_groups[0]["lr"],
            "loss": float(sums["loss"]) / seen,
            "extra_loss": float(sums["extra_loss"]) / seen,
            "accuracy": float(sums["correct"]) / seen,
        }
        if not math.isfinite(row["loss"]):
            raise UserError(
                f"training diverged: the loss of epoch {self.current_epoch} is {row['loss']}; "
                "lower training.learning_rate"
            )
        self.history.append(row)
        for name in [key for key in sums if key.startswith("diagnostics/")]:
            self.diagnostics.setdefault(name.removeprefix("diagnostics/"), []).append(
                sums[name] / seen
            )
        for key in ("learning_rate", "loss", "accuracy"):
            self.log(key, row[key])

    def _gathered_sums(self) -> dict[str, Tensor]:
        """The running sums of each rank: [...] -> [ranks, ...], in main memory."""
        return {name: self._ranks.gathered(value) for name, value in self._sums.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep with the weights what was remembered. All ranks meet here."""
        checkpoint["history"], checkpoint["diagnostics"] = self.history, self.diagnostics
        checkpoint["sums"] = self._gathered_sums()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up what was remembered where the checkpoint left it."""
        self.history, self.diagnostics = checkpoint["history"], checkpoint["diagnostics"]
        self._sums = {name: self._own(values) for name, values in checkpoint["sums"].items()}

    def _own(self, values: Tensor) -> Tensor:
        """This rank's part of gathered sums: [ranks then, ...] -> [...]."""
        if len(values) == self._ranks.count:
            return values[self._ranks.rank]
        # It goes on with another number of devices, and sums know nothing of ranks.
        return values.sum(0) if self._ranks.rank == 0 else torch.zeros_like(values[0])
