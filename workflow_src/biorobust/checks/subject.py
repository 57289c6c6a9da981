"""A trained model under examination: what it is given, what was recorded, what it costs."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps

import torch
from torch import Tensor, nn

from biorobust.checks.findings import Finding
from biorobust.checks.recorded import Recorded
from biorobust.data.counter_hash import epoch_order


@dataclass
class Passes:
    """How many images have gone through a model, forward and backward."""

    forward: int = 0
    backward: int = 0


class CountedModel(nn.Module):
    """A model whose passes are counted; its mode (training or not) is left as it is.

    [B, 3, N, N] -> [B, classes]. A backward pass counts where a gradient comes back to the
    outputs.
    """

    def __init__(self, model: nn.Module, passes: Passes | None = None) -> None:
        super().__init__()
        self.model = model
        self.passes = passes or Passes()
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        """The model's own outputs."""
        self.passes.forward += len(images)
        outputs: Tensor = self.model(images)
        if outputs.requires_grad:
            outputs.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return outputs

    def _count_backward(self, gradient: Tensor) -> None:
        self.passes.backward += len(gradient)

    def in_double(self) -> "CountedModel":
        """A copy in float64, whose passes count as this one's."""
        return CountedModel(copy.deepcopy(self.model).double(), self.passes)


@dataclass(frozen=True)
class Subject:
    """One trained model with the test images, and the rows that the attacks recorded of it.

    `model` is in eval mode, in float32 on `device`, and its parameters take no gradients. `images`
    are float32 [n, 3, N, N] in [0, 1] and `labels` int64 [n], both on the CPU, in the order of
    `recorded`. `transfer_from` is the experiment's plain model of the same seed, None where there
    is none or this is it.
    """

    model: CountedModel
    images: Tensor
    labels: Tensor
    recorded: Recorded
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    batch_size: int = 64
    seed: int = 0
    transfer_from: CountedModel | None = None

    def sample(self, count: int) -> Tensor:
        """The numbers of `count` test images (all, if there are fewer), ascending.

        A random choice that follows from the seed, since a test set may be sorted by class.
        """
        order = epoch_order(self.seed, 0, len(self.images))
        return order[:count].sort().values

    def logits(self, images: Tensor) -> Tensor:
        """The model's logits of any images [m, 3, N, N], in batches: [m, classes] on the CPU."""
        with torch.no_grad():
            parts = [self.model(part.to(self.device)).cpu() for part in self.batches(images)]
        return torch.cat(parts)

    def batches(self, images: Tensor) -> Iterator[Tensor]:
        """Tensors [m, ...] cut into as many as go through the model at a time."""
        for start in range(0, len(images), self.batch_size):
            yield images[start : start + self.batch_size]


Check = Callable[[Subject, Mapping[str, float]], Finding]


def counting(check: Check) -> Check:
    """A check that notes in its finding how many passes it took."""

    @wraps(check)
    def counted(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
        passes = subject.model.passes
        before = replace(passes)
        finding = check(subject, thresholds)
        return replace(
            finding,
            forward_passes=passes.forward - before.forward,
            backward_passes=passes.backward - before.backward,
        )

    return counted
