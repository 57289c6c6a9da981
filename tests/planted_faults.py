"""Models and attacks with a fault that was planted on purpose: what the checks must catch."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from biorobust.attacks.base import ImageAttack, Manner, Model
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.norms import NORMS, per_image
from biorobust.models.base import ImageClassifier


class Around(nn.Module):
    """A model around a sound one, in eval mode."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.eval()


class Probabilities(Around):
    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).softmax(1)


class Times(Around):
    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__(model)
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * self.model(images)


class Rounded(Around):
    """Pixels in bytes, as an image file has them; rounding has no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        return self.model((255 * images).round() / 255)


class RoundedWithPretendedGradient(Around):
    def forward(self, images: Tensor) -> Tensor:
        rounded = (16 * images).round() / 16
        return self.model(images + (rounded - images).detach())


class Noisy(Around):
    def forward(self, images: Tensor) -> Tensor:
        return self.model(images + 0.1 * torch.randn_like(images))


class RandomGaze(Around):
    """A model of fixations that sees a test image as it sees one in training."""

    model: ImageClassifier

    def forward(self, images: Tensor) -> Tensor:
        draws = torch.rand(len(images), self.model.draws_per_image, device=images.device)
        labels = torch.zeros(len(images), dtype=torch.int64)
        return self.model.training_outputs(images, labels, draws)[0]


class GradientsFlipped(Around):
    """Hardly any noise in the logits, but so much in their gradients that one pass misleads.

    What one pass adds the next one takes away, so that the mean of an even number is sound.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.sign = 1.0

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(images)
        self.sign = -self.sign
        generator = torch.Generator().manual_seed(0)
        drawn = 1000 * torch.randn(images.shape[1:], generator=generator)
        along = (drawn * (images - images.detach())).flatten(1).sum(1, keepdim=True)
        noise = self.sign * torch.randn(logits.shape[1], generator=generator)
        return logits + (1e-3 + along) * noise


class Detached(Around):
    def forward(self, images: Tensor) -> Tensor:
        return self.model(images.detach())


class HalfDetached(Around):
    """Half of what the model sees is cut off from the pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return self.model(0.5 * images + 0.5 * images.detach())


def batch_norm_in_training_mode(model: nn.Module) -> nn.Module:
    """A copy whose normalisation uses the batch, as the flags of its modules tell."""
    changed = copy.deepcopy(model)
    for module in changed.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return changed


def batch_norm_without_statistics(model: nn.Module) -> nn.Module:
    """A copy whose normalisation uses the batch although every module is in eval mode."""
    changed = copy.deepcopy(model)
    for module in changed.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = None
    return changed


class FaultyDescent(ImageAttack):
    """A plain PGD on the textbook cross-entropy, without a fault yet; subclasses have one."""

    def __init__(
        self, *, norm: str = "linf", steps: int = 20, relative_step: float = 1 / 3
    ) -> None:
        self.norm, self.steps, self.relative_step = norm, steps, relative_step

    def attack(
        self, model: Model, stretches: Iterator[Images], *, seed: int, manner: Manner
    ) -> Iterator[Finished]:
        del seed, manner
        for images in stretches:
            yield self._attacked(model, images)

    def radii(self, images: Images) -> Tensor:
        return images.epsilons[:, 0]

    def moved(self, before: Tensor, after: Tensor, images: Images) -> Tensor:
        """Where a step ends that led from `before` to `after`: back in the ball."""
        del before
        change = NORMS[self.norm].project(after - images.images, self.radii(images))
        return images.images + change

    def kept(self, logits: Tensor, images: Images, last: bool) -> Tensor:
        """Which iterates the attack returns, should they be its first: booleans [n]."""
        del last
        return logits.argmax(1) != images.labels

    def _attacked(self, model: Model, images: Images) -> Finished:
        with torch.no_grad():
            clean = model(images.images)
        attacked = clean.argmax(1) == images.labels
        iterates = images.images
        results, outputs = iterates.clone(), clean.clone()
        done = ~attacked
        for step in range(self.steps + 1):
            pixels = iterates.clone().requires_grad_()
            logits = model(pixels)
            last = step == self.steps
            kept = (self.kept(logits, images, last) | last) & ~done & (step > 0)
            results[kept], outputs[kept] = iterates[kept], logits.detach()[kept]
            done |= kept
            if last or done.all():
                break
            (gradient,) = torch.autograd.grad(
                cross_entropy(logits, images.labels, reduction="sum"), pixels
            )
            direction = NORMS[self.norm].direction(gradient)
            after = iterates + per_image(self.relative_step * self.radii(images)) * direction
            iterates = self.moved(iterates, after, images).clamp(0, 1)
        predictions = outputs.argmax(1)
        zeros = torch.zeros_like(images.numbers)
        return Finished(
            numbers=images.numbers,
            rungs=zeros,
            originals=images.images,
            iterates=results,
            labels=images.labels,
            clean_predictions=clean.argmax(1),
            predictions=predictions,
            losses=cross_entropy(outputs, images.labels, reduction="none"),
            steps=zeros + self.steps,
            broken=(predictions != images.labels) & attacked,
        )


class ClippedAroundThePreviousIterate(FaultyDescent):
    """As the formula of thesis 2.2 has it: an iterate stays near the last one, not the image."""

    def moved(self, before: Tensor, after: Tensor, images: Images) -> Tensor:
        return before + NORMS[self.norm].project(after - before, self.radii(images))


class ProjectedOutOfTheBall(FaultyDescent):
    """Each pixel is clipped, whatever the norm: in L2 and RMS that is a cube around the ball."""

    def moved(self, before: Tensor, after: Tensor, images: Images) -> Tensor:
        length = self.radii(images)
        return images.images + NORMS["linf"].project(after - images.images, length)


class DescendingTheLoss(FaultyDescent):
    """Goes where the model is surer."""

    def moved(self, before: Tensor, after: Tensor, images: Images) -> Tensor:
        return super().moved(before, 2 * before - after, images)


class InPixelsOf255(FaultyDescent):
    """Divides an epsilon by 255 that was divided already."""

    def radii(self, images: Images) -> Tensor:
        return images.epsilons[:, 0] / 255


class RmsTakenForL2(FaultyDescent):
    """Takes an epsilon in RMS for one in true L2."""

    def radii(self, images: Images) -> Tensor:
        return images.epsilons[:, 0] / images.images[0].numel() ** 0.5


class L2TakenForRms(FaultyDescent):
    """Takes an epsilon in true L2 for one in RMS."""

    def radii(self, images: Images) -> Tensor:
        return images.epsilons[:, 0] * images.images[0].numel() ** 0.5


class JudgedByTheLastIterate(FaultyDescent):
    """Steps across the ball and back, and only looks where it happens to end."""

    def __init__(self, *, norm: str = "linf", steps: int = 20, relative_step: float = 2.0) -> None:
        super().__init__(norm=norm, steps=steps, relative_step=relative_step)

    def kept(self, logits: Tensor, images: Images, last: bool) -> Tensor:
        return torch.full_like(images.labels, last, dtype=torch.bool)
