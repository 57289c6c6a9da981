"""A trained model under examination: what it is given, what was recorded, what it costs."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps

import torch
from torch import Tensor, nn

from biorobust.attacks.losses import Loss
from biorobust.attacks.sanity import UnfitForAttack
from biorobust.checks.findings import Finding, skipped
from biorobust.checks.recorded import Booleans, Recorded
from biorobust.data.counter_hash import epoch_order


@dataclass
class Passes:
    """How many images have gone through a model, forward and backward."""

    forward: int = 0
    backward: int = 0


class DetachedGradient(UnfitForAttack):
    """A model's outputs are cut off from its pixels."""


class NotExamined(Exception):
    """There is nothing for a check to examine; the message is a sentence that says why."""


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
        """The model's own outputs. Raises DetachedGradient where no gradient can come back."""
        self.passes.forward += len(images)
        outputs: Tensor = self.model(images)
        if torch.is_grad_enabled() and images.requires_grad and not outputs.requires_grad:
            raise DetachedGradient("no gradient leads from the model's outputs back to its pixels")
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

    @property
    def correct(self) -> Booleans:
        """Which test images the model classified correctly when it was attacked: [n]."""
        return next(iter(self.recorded.rows.values())).attacked

    def only(self, attack: str) -> "Subject":
        """The same with one attack to be judged, of this name."""
        return replace(self, recorded=self.recorded.only(attack))

    def chosen(self, count: float, among: Booleans | None = None) -> Tensor:
        """The numbers of up to `count` test images, ascending; all, or `among` marks which [n].

        A random choice that follows from the seed, since a test set may be sorted by class.
        """
        order = epoch_order(self.seed, 0, len(self.images))
        if among is not None:
            order = order[torch.from_numpy(among)[order]]
        return order[: int(min(count, len(order)))].sort().values

    def classified(self, count: float) -> Tensor:
        """As `chosen`, of the images that are classified correctly; NotExamined if none is."""
        numbers = self.chosen(count, self.correct)
        if not len(numbers):
            raise NotExamined("The model classifies no image correctly.")
        return numbers

    def ids_of(self, numbers: Tensor | Iterable[int]) -> tuple[str, ...]:
        """The ids of test images, each once, in the order of the test set."""
        return tuple(self.recorded.ids[number] for number in sorted({*map(int, numbers)}))

    def logits(self, images: Tensor) -> Tensor:
        """The model's logits of any images [m, 3, N, N], in batches: [m, classes] on the CPU."""
        with torch.no_grad():
            parts = [self.model(part.to(self.device)).cpu() for part in self.batches(images)]
        return torch.cat(parts)

    def gradients(self, images: Tensor, labels: Tensor, loss: Loss) -> Tensor:
        """Gradients of each image's loss in its pixels: [m, 3, N, N] on the CPU."""
        parts = []
        for part, wanted in zip(self.batches(images), self.batches(labels), strict=True):
            pixels = part.to(self.device).requires_grad_()
            values = loss(self.model(pixels), wanted.to(self.device))
            parts.append(torch.autograd.grad(values.sum(), pixels)[0].cpu())
        return torch.cat(parts)

    def batches(self, images: Tensor) -> Iterator[Tensor]:
        """Tensors [m, ...] cut into as many as go through the model at a time."""
        for start in range(0, len(images), self.batch_size):
            yield images[start : start + self.batch_size]


Check = Callable[[Subject, Mapping[str, float]], Finding]


def examining(name: str, attacks: tuple[str, ...] = ()) -> Callable[[Check], Check]:
    """A check of this name that notes how many passes it took, and fails what it cannot attack.

    `attacks` are the only kinds of attack that the check examines, for those that judge attacks:
    of the experiment's others the finding says that it says nothing.
    """

    def decorated(check: Check) -> Check:
        @wraps(check)
        def examined(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
            passes = subject.model.passes
            before = replace(passes)
            given = subject.recorded.attacks
            others = [each.name for each in given if attacks and each.kind not in attacks]
            # A model that draws random numbers draws the same, whichever checks came before.
            torch.manual_seed(subject.seed)
            try:
                if others and len(others) == len(given):
                    raise NotExamined("Nothing was examined.")
                finding = check(subject, thresholds)
            except NotExamined as reason:
                finding = skipped(name, str(reason))
            except UnfitForAttack as error:
                sentence = f"The model cannot be attacked: {error}."
                finding = Finding(name, math.nan, "", "fail", (), sentence)
            if others:
                finding = finding.says_nothing_of(others, attacks)
            return replace(
                finding,
                forward_passes=passes.forward - before.forward,
                backward_passes=passes.backward - before.backward,
            )

        return examined

    return decorated
