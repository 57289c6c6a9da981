"""`PGD`: the engine as a Foolbox attack."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import eagerpy as ep
import foolbox
import torch
from foolbox.attacks.base import FixedEpsilonAttack, get_criterion, raise_if_kwargs
from foolbox.criteria import Misclassification, TargetedMisclassification
from foolbox.distances import Distance, l2, linf

from biorobust.attacks.engine import Finished, Images, Settings, attack_stream
from biorobust.attacks.losses import LOSSES
from biorobust.attacks.norms import NORMS


class RmsDistance(Distance):
    """Root mean square difference of two images; what Foolbox 2 called the L2 distance."""

    def __call__(self, references: Any, perturbed: Any) -> Any:
        """The distance of each pair of images: [B, ...] and [B, ...] -> [B]."""
        x, y = ep.astensor(references), ep.astensor(perturbed)
        return (y - x).square().flatten(start=1).mean(axis=-1).sqrt().raw

    def clip_perturbation(self, references: Any, perturbed: Any, epsilon: float) -> Any:
        """The perturbed images with perturbations scaled down to at most epsilon."""
        (x, y), restore = ep.astensors_(references, perturbed)
        pixels = x[0].raw.numel() if hasattr(x[0].raw, "numel") else x[0].raw.size
        return restore(ep.astensor(l2.clip_perturbation(x, y, epsilon * pixels**0.5)))


_DISTANCES: dict[str, Distance] = {"linf": linf, "l2": l2, "rms": RmsDistance()}


class PGD(FixedEpsilonAttack):
    """Projected gradient descent as the thesis judges it (§2.2, §3.1), as a Foolbox attack.

    Called as any Foolbox attack is: `PGD()(model, images, criterion, epsilons=...)` with a
    `foolbox.PyTorchModel` of bounds (0, 1). Images [B, C, H, W]; labels [B]. Unlike Foolbox's own
    PGD it leaves misclassified images alone and returns each image's first adversarial iterate.

    `norm`: "linf", "l2" (true Euclidean) or "rms" (the thesis's "L2": true L2 divided by
    sqrt(C * H * W)). `relative_step`: step size as a share of epsilon; 1/3 is the published one.
    `loss`: "cross_entropy" or "margin"; both keep their gradient where the model is very sure.

    `batch_size`: images that go through the model at a time; late steps cost a full batch too, so
    a few hundred images want a batch well below their number.

    Raises ValueError for an unknown norm or loss, steps below 1, other bounds or another kind of
    criterion.
    """

    def __init__(
        self,
        norm: str = "linf",
        *,
        steps: int = 20,
        relative_step: float = 1 / 3,
        loss: str = "cross_entropy",
        random_start: bool = False,
        batch_size: int = 64,
    ) -> None:
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {norm!r}")
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not {loss!r}")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.norm, self.steps, self.relative_step = norm, steps, relative_step
        self.loss, self.random_start, self.batch_size = loss, random_start, batch_size

    @property
    def distance(self) -> Distance:
        """Foolbox's distance for the attack's norm."""
        return _DISTANCES[self.norm]

    def stream(
        self,
        model: Callable[[torch.Tensor], torch.Tensor],
        stretches: Iterator[Images],
        *,
        batch_size: int,
        targeted: bool = False,
    ) -> Iterator[Finished]:
        """Attack a stream of images with flat memory; yields each rung of each image once."""
        settings = Settings(
            norm=NORMS[self.norm],
            steps=self.steps,
            relative_step=self.relative_step,
            loss=LOSSES[self.loss],
            random_start=self.random_start,
            targeted=targeted,
        )
        return attack_stream(model, stretches, settings, batch_size)

    def __call__(  # type: ignore[misc]  # Foolbox's is final for type checkers alone
        self,
        model: foolbox.models.Model,
        inputs: Any,
        criterion: Any,
        *,
        epsilons: Any,
        **kwargs: Any,
    ) -> Any:
        """Attack under one epsilon or several; what breaks an image serves all larger epsilons.

        Returns, as every Foolbox attack does, raw images, clipped images and success: for a list
        of K epsilons two lists of K batches and a boolean [K, B], else two batches and a [B]. Raw
        and clipped images are the same, since the iterates never leave the ball, and success is
        the verdict on just these images; misclassified images count as successes, unchanged.
        """
        raise_if_kwargs(kwargs)
        ladder = list(epsilons) if isinstance(epsilons, Iterable) else [epsilons]
        images, restore = ep.astensor_(inputs)
        found, success = self._climb(model, images.raw, criterion, ladder)
        batches = [restore(ep.astensor(batch)) for batch in found]
        verdicts = restore(ep.astensor(success))
        if isinstance(epsilons, Iterable):
            return batches, list(batches), verdicts
        return batches[0], batches[0], verdicts[0]

    def run(
        self,
        model: foolbox.models.Model,
        inputs: Any,
        criterion: Any,
        *,
        epsilon: float,
        **kwargs: Any,
    ) -> Any:
        """Foolbox's hook: the returned iterate of each image, [B, C, H, W]."""
        return self(model, inputs, criterion, epsilons=epsilon, **kwargs)[0]

    def _climb(
        self, model: foolbox.models.Model, images: torch.Tensor, criterion: Any, ladder: list[float]
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Returned iterates (K times [B, C, H, W]) and success [K, B], in the order of `ladder`."""
        if tuple(model.bounds) != (0, 1):
            raise ValueError(f"the model's bounds must be (0, 1), not {tuple(model.bounds)}")
        classes, targeted = _classes_of(criterion)
        ascending = sorted(range(len(ladder)), key=lambda place: ladder[place])
        sizes = torch.tensor([float(ladder[place]) for place in ascending], device=images.device)
        numbers = torch.arange(len(images), device=images.device)
        whole = Images(numbers, images.detach(), classes, sizes.expand(len(images), -1))
        found = [images.detach().clone() for _ in ladder]
        success = torch.zeros(len(ladder), len(images), dtype=torch.bool, device=images.device)
        for part in self.stream(
            model,
            iter([whole]),
            batch_size=min(self.batch_size, max(1, len(images))),
            targeted=targeted,
        ):
            adversarial = (part.predictions == part.labels) == targeted
            for rung, place in enumerate(ascending):
                # An adversarial image of this rung is one of every larger ball as well.
                here = (part.rungs == rung) | (adversarial & (part.rungs < rung))
                found[place][part.numbers[here]] = part.iterates[here]
                success[place, part.numbers[here]] = adversarial[here]
        return found, success


def _classes_of(criterion: Any) -> tuple[torch.Tensor, bool]:
    """The labels to leave, or the classes to reach and True. Raises ValueError for others."""
    criterion = get_criterion(criterion)
    if isinstance(criterion, Misclassification):
        return criterion.labels.raw, False
    if isinstance(criterion, TargetedMisclassification):
        return criterion.target_classes.raw, True
    raise ValueError("the criterion must be Misclassification or TargetedMisclassification")
