"""`PGD`: the engine as a Foolbox attack."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import eagerpy as ep
import foolbox
import torch
from foolbox.attacks.base import FixedEpsilonAttack, get_criterion, raise_if_kwargs
from foolbox.criteria import Misclassification, TargetedMisclassification
from foolbox.distances import Distance, l2, linf
from torch import Tensor

from biorobust.attacks.engine import Finished, Images, Logits, attack_stream
from biorobust.attacks.fast_pass import PRECISIONS, attack_fast_first, finding_model
from biorobust.attacks.losses import LOSSES
from biorobust.attacks.moves import Settings
from biorobust.attacks.norms import NORMS
from biorobust.attacks.sanity import require_epsilons, require_eval_mode


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
    `random_start`: begin at a random point of the ball; `restarts`: how often, each time only with
    the images that survived. `expectation`: for models that draw random numbers, how many draws a
    pass is the mean of (Athalye et al. 2018); verdicts are those of the mean logits.

    How it runs: `batch_size`: images that go through the model at a time. `precision` ("float32",
    "tf32", "bfloat16") and `compiled` (torch.compile) are of a first pass that may find, but not
    judge: see `fast_pass`. `channels_last` hands the model images in that memory order.

    Raises ValueError for an unknown norm, loss or precision, for steps, restarts, expectation or
    a batch size below 1, a relative step that is not above 0, several restarts without a random
    start, and when called with other bounds or another kind of criterion; and
    `sanity.UnfitForAttack`, which is a ValueError too, for a model in training mode, pixels outside
    [0, 1], labels that the model does not have, an epsilon that is negative or not finite, and
    outputs that are probabilities or not finite.
    """

    def __init__(
        self,
        norm: str = "linf",
        *,
        steps: int = 20,
        relative_step: float = 1 / 3,
        loss: str = "cross_entropy",
        random_start: bool = False,
        restarts: int = 1,
        expectation: int = 1,
        batch_size: int = 64,
        precision: str = "float32",
        compiled: bool = False,
        channels_last: bool = False,
    ) -> None:
        for name, value, known in (
            ("norm", norm, NORMS),
            ("loss", loss, LOSSES),
            ("precision", precision, PRECISIONS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        counts = {"steps": steps, "restarts": restarts, "expectation": expectation}
        for name, number in {**counts, "batch_size": batch_size}.items():
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"{name} must be a whole number, at least 1, not {number!r}")
        if not 0 < relative_step < math.inf:
            raise ValueError(f"relative_step must be more than 0, not {relative_step!r}")
        if restarts > 1 and not random_start:
            raise ValueError(f"restarts is {restarts}, but without random_start all are the same")
        self.norm, self.steps, self.relative_step, self.loss = norm, steps, relative_step, loss
        self.random_start, self.restarts, self.expectation = random_start, restarts, expectation
        self.batch_size = batch_size
        self.precision, self.compiled, self.channels_last = precision, compiled, channels_last
        self._finding: tuple[Any, Logits] | None = None

    @property
    def distance(self) -> Distance:
        """Foolbox's distance for the attack's norm."""
        return _DISTANCES[self.norm]

    def stream(
        self,
        model: Logits,
        stretches: Iterator[Images],
        *,
        batch_size: int,
        targeted: bool = False,
        seed: int = 0,
        say: Callable[[str], None] = warnings.warn,
    ) -> Iterator[Finished]:
        """Attack a stream of images with flat memory; yields each rung that an image needs.

        Random starts follow from `seed` and the images' numbers; `say` is told of halved batches.
        With a fast pass the ladders must have one epsilon.
        """
        require_eval_mode(model)
        settings = Settings(
            norm=NORMS[self.norm],
            steps=self.steps,
            relative_step=self.relative_step,
            loss=LOSSES[self.loss],
            random_start=self.random_start,
            restarts=self.restarts,
            seed=seed,
            expectation=self.expectation,
            targeted=targeted,
        )
        judging = self._in_memory_order(model)
        if not self._has_fast_pass:
            return attack_stream(judging, stretches, settings, batch_size, say)
        finding = self._finding_model(model)
        return attack_fast_first(
            finding, judging, stretches, settings, batch_size, say, precision=self.precision
        )

    @property
    def _has_fast_pass(self) -> bool:
        return self.precision != "float32" or self.compiled

    def _finding_model(self, model: Logits) -> Logits:
        # Kept, since compiling anew for each epsilon would cost more than it saves.
        if self._finding is None or self._finding[0] is not model:
            found = finding_model(model, self.precision, compiled=self.compiled)
            self._finding = model, self._in_memory_order(found)
        return self._finding[1]

    def _in_memory_order(self, model: Logits) -> Logits:
        if not self.channels_last:
            return model
        return lambda images: model(images.contiguous(memory_format=torch.channels_last))

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

        `epsilons`: a number, K numbers, or a tensor [K, B] of each image's own. Returns, as every
        Foolbox attack does, raw images, clipped images and success: for K epsilons two lists of K
        batches and a boolean [K, B], else two batches and a [B]. Raw and clipped images are the
        same, since the iterates never leave the ball, and success is the verdict on just these
        images; misclassified images count as successes, unchanged.

        Random starts are drawn from torch's generator.
        """
        raise_if_kwargs(kwargs)
        several = isinstance(epsilons, Iterable) and getattr(epsilons, "ndim", 1) > 0
        images, restore = ep.astensor_(inputs)
        found, success = self._climb(
            model, images.raw, criterion, list(epsilons) if several else [epsilons]
        )
        batches = [restore(ep.astensor(batch)) for batch in found]
        verdicts = restore(ep.astensor(success))
        if several:
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
        self, model: foolbox.models.Model, images: Tensor, criterion: Any, epsilons: list[Any]
    ) -> tuple[list[Tensor], Tensor]:
        """Returned iterates (K times [B, C, H, W]) and success [K, B], in the given order."""
        if tuple(model.bounds) != (0, 1):
            raise ValueError(
                f"the model's bounds must be (0, 1), not {tuple(model.bounds)}; "
                "attack model.transform_bounds((0, 1)), with epsilons and images to match"
            )
        if not isinstance(images, Tensor):
            raise ValueError(f"images must be PyTorch tensors, not {type(images).__name__}")
        if not epsilons:
            raise ValueError("there is no epsilon to attack at")
        classes, targeted = _classes_of(criterion)
        sizes = [torch.as_tensor(e, dtype=torch.float32, device=images.device) for e in epsilons]
        table = torch.stack([size.expand(len(images)) for size in sizes], dim=1)  # [B, K]
        require_epsilons(table)
        ladders, places = table.sort(dim=1)
        found = images.detach().expand(len(epsilons), *images.shape).clone()  # [K, B, C, H, W]
        success = torch.zeros(found.shape[:2], dtype=torch.bool, device=images.device)
        numbers = torch.arange(len(images), device=images.device)
        seed = int(torch.randint(2**31, ())) if self.random_start else 0
        # A fast pass takes one rung at a time, with the images that the last one left.
        width = 1 if self._has_fast_pass else len(epsilons)
        for lowest in range(0, len(epsilons), width):
            left = numbers[~success[places[:, lowest], numbers]]
            ladder = ladders[left, lowest : lowest + width]
            parts = self.stream(
                model,
                iter([Images(left, images.detach()[left], classes[left], ladder)]),
                batch_size=max(1, min(self.batch_size, len(left))),
                targeted=targeted,
                seed=seed,
            )
            for part in parts:
                adversarial = (part.predictions == part.labels) == targeted
                for rung in range(len(epsilons)):
                    place = places[part.numbers, rung]
                    climbed = part.rungs + lowest
                    # An adversarial image of this rung is one of every larger ball as well.
                    here = adversarial & (climbed <= rung)
                    here |= (climbed == rung) & ~success[place, part.numbers]
                    found[place[here], part.numbers[here]] = part.iterates[here]
                    success[place[here], part.numbers[here]] = adversarial[here]
        return list(found), success


def _classes_of(criterion: Any) -> tuple[Tensor, bool]:
    """The labels to leave, or the classes to reach and True. Raises ValueError for others."""
    criterion = get_criterion(criterion)
    if isinstance(criterion, Misclassification):
        return criterion.labels.raw, False
    if isinstance(criterion, TargetedMisclassification):
        return criterion.target_classes.raw, True
    raise ValueError("the criterion must be Misclassification or TargetedMisclassification")
