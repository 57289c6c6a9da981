"""What every kind of attack offers to the attack stage, and how its images are judged.

An attack takes a stream of images and gives back, for each of them, the perturbed image and the
verdict on just that image: only images that the model classifies correctly are attacked, and
broken is what the plain model misclassifies in float32, inside [0, 1] and, for an attack under a
budget, inside the ball.

Attacks that draw random numbers, or whose images influence one another, work on blocks: images
0 to 31, 32 to 63 and so on, by their numbers in the test set, whatever the batches that they come
in. A block's draws follow from the seed and the block, so that a row is the same on every run.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import starmap
from typing import ClassVar

import torch
from torch import Tensor, nn

from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.losses import cross_entropy
from biorobust.attacks.norms import NORMS, per_image
from biorobust.attacks.sanity import (
    require_epsilons,
    require_eval_mode,
    require_finite,
    require_images,
    require_logits,
)
from biorobust.data.counter_hash import Purpose, hash_keys

BLOCK = 32
"""Images that are attacked together: enough to fill a GPU at 320 x 320 pixels."""

Model = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Manner:
    """How an attack runs, beside what it asks; see `pgd.PGD` for what each means.

    Attacks on blocks take a block at a time in float32, whatever is asked, and say nothing.
    """

    batch_size: int
    precision: str = "float32"
    compiled: bool = False
    channels_last: bool = False
    say: Callable[[str], None] = print


class ImageAttack(ABC):
    """An attack on a stream of images; its constructor takes its options, keyword-only.

    `norm` names the size that it keeps below epsilon or makes small: "linf", "l2", "rms" or "l0"
    (how many pixels are changed). A `minimal` attack searches for the smallest perturbation and
    has no epsilon.
    """

    norm: str
    minimal: ClassVar[bool] = False

    @abstractmethod
    def attack(
        self, model: Model, stretches: Iterator[Images], *, seed: int, manner: Manner
    ) -> Iterator[Finished]:
        """Attack each image of the stream once; yields results as they are ready.

        The model is deterministic, in eval mode, and gives logits. Numbers ascend along the
        stream. `Images.epsilons` are [n, 1], or [n, 0] where the attack is minimal. `seed`
        decides all randomness. Raises `sanity.UnfitForAttack` for what cannot be attacked.
        """


class Queried(nn.Module):
    """A model that counts, for each image of a block, the forward passes it took part in."""

    def __init__(self, model: Model, images: int) -> None:
        super().__init__()
        self.passes = torch.zeros(images, dtype=torch.int64)
        # In a list, a module is not taken for a part of this one and put into another mode.
        self._model = [model]
        self.eval()

    def forward(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        """Logits in float32. `rows` [B] tell whose pass each one is; by default it is everyone's.

        An image may occur several times in `rows`.
        """
        if rows is None:
            self.passes += 1
        else:
            self.passes += torch.bincount(rows.cpu(), minlength=len(self.passes))
        return in_halves(self._model[0], images).float()


def in_halves(model: Model, images: Tensor) -> Tensor:
    """Logits of a batch, in halves of it where the device's memory does not suffice for all."""
    try:
        return model(images)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    first, second = images.tensor_split(2)
    return torch.cat([in_halves(model, first), in_halves(model, second)])


class BlockAttack(ImageAttack):
    """An attack on one block at a time, which is always a batch."""

    def attack(
        self, model: Model, stretches: Iterator[Images], *, seed: int, manner: Manner
    ) -> Iterator[Finished]:
        """See `ImageAttack.attack`. `Finished.steps` counts forward passes of the search."""
        del manner
        require_eval_mode(model)
        for block in blocks(stretches):
            # Left before the result is handed out: the caller's random numbers are its own.
            with seeded(seed, int(block.numbers[0]) // BLOCK, block.images.device):
                finished = self._attack_block(model, block)
            yield finished

    def _attack_block(self, model: Model, block: Images) -> Finished:
        require_images(block.images)
        require_epsilons(block.epsilons)
        with torch.no_grad():
            logits = in_halves(model, block.images).float()
        require_logits(logits, block.labels)
        clean = logits.argmax(1)
        attacked = clean == block.labels
        iterates, steps = block.images.clone(), torch.zeros_like(block.numbers)
        broken = torch.zeros_like(attacked)
        if attacked.any():
            originals, labels = block.images[attacked], block.labels[attacked]
            epsilons = block.epsilons[attacked]
            queried = Queried(model, len(originals))
            found = self.search(queried, originals, labels, epsilons).detach().clamp(0, 1)
            with torch.no_grad():
                found_logits = in_halves(model, found).float()
            require_finite(found_logits)
            success = found_logits.argmax(1) != labels
            success &= self.inside(found - originals, epsilons)
            kept = success | (not self.minimal)
            iterates[attacked] = torch.where(per_image(kept), found, originals)
            logits[attacked] = torch.where(kept[:, None], found_logits, logits[attacked])
            steps[attacked] = queried.passes.to(steps.device)
            broken[attacked] = success
        return self._finished(block, clean, iterates, logits, steps, broken)

    def _finished(
        self,
        block: Images,
        clean: Tensor,
        iterates: Tensor,
        logits: Tensor,
        steps: Tensor,
        broken: Tensor,
    ) -> Finished:
        return Finished(
            numbers=block.numbers,
            rungs=torch.zeros_like(block.numbers),
            originals=block.images,
            iterates=iterates,
            labels=block.labels,
            clean_predictions=clean,
            predictions=logits.argmax(1),
            losses=cross_entropy(logits, block.labels),
            steps=steps,
            broken=broken,
        )

    @abstractmethod
    def search(self, model: Queried, images: Tensor, labels: Tensor, epsilons: Tensor) -> Tensor:
        """Perturbed images, broken or not, for images that the model classifies correctly.

        images: [n, C, H, W] in [0, 1]; labels: [n]; epsilons as in `ImageAttack.attack`. Random
        numbers come from torch's own generator, which is seeded.
        """

    @abstractmethod
    def inside(self, perturbations: Tensor, epsilons: Tensor) -> Tensor:
        """Which perturbations [n, C, H, W] are allowed: booleans [n]."""


class BudgetAttack(BlockAttack):
    """A block attack with an epsilon. What leaves the ball is brought back, then judged."""

    def inside(self, perturbations: Tensor, epsilons: Tensor) -> Tensor:
        """Which perturbations are in the ball, up to the rounding of float32."""
        radii = epsilons[:, 0].double()
        return NORMS[self.norm].size(perturbations.double()) <= radii * (1 + 1e-5) + 1e-7

    def search(self, model: Queried, images: Tensor, labels: Tensor, epsilons: Tensor) -> Tensor:
        """See `BlockAttack.search`. Raises ValueError unless all images have the same epsilon."""
        epsilon = float(epsilons[0, 0])
        if not (epsilons == epsilon).all() or epsilons.shape[1] != 1:
            raise ValueError("all images of a block must have one epsilon, and the same")
        if epsilon == 0:
            return images
        pixels = images.shape[1:].numel()
        radius = epsilon * math.sqrt(pixels) if self.norm == "rms" else epsilon
        found = self.perturb(model, images, labels, radius)
        back = images + NORMS[self.norm].project(found - images, epsilons[:, 0])
        allowed = self.inside(found - images, epsilons)
        return torch.where(per_image(allowed), found, back)

    @property
    def geometry(self) -> str:
        """What libraries call the norm: "linf" or "l2"; an RMS ball is an L2 ball as well."""
        return "linf" if self.norm == "linf" else "l2"

    @abstractmethod
    def perturb(self, model: Queried, images: Tensor, labels: Tensor, radius: float) -> Tensor:
        """Perturbed images [n, C, H, W]; `radius` is epsilon in the `geometry`'s own size."""


class MinimalAttack(BlockAttack):
    """A block attack without an epsilon. An image that it cannot break comes back as it was."""

    minimal: ClassVar[bool] = True

    def inside(self, perturbations: Tensor, epsilons: Tensor) -> Tensor:
        """Every finite perturbation is allowed."""
        del epsilons
        return perturbations.flatten(1).isfinite().all(1)

    def search(self, model: Queried, images: Tensor, labels: Tensor, epsilons: Tensor) -> Tensor:
        """See `BlockAttack.search`."""
        del epsilons
        return self.perturb(model, images, labels)

    @abstractmethod
    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """Perturbed images [n, C, H, W], as close to the originals as the attack finds them."""


def blocks(stretches: Iterator[Images]) -> Iterator[Images]:
    """The same images, regrouped so that each stretch holds what there is of one block.

    Numbers must ascend along the stream.
    """
    held: list[Images] = []
    for stretch in stretches:
        block_numbers = stretch.numbers // BLOCK
        edges = ((block_numbers[1:] != block_numbers[:-1]).nonzero()[:, 0] + 1).tolist()
        parts = [getattr(stretch, field.name).tensor_split(edges) for field in fields(Images)]
        for part in starmap(Images, zip(*parts, strict=True)):
            if held and held[0].numbers[0] // BLOCK != part.numbers[0] // BLOCK:
                yield _joined(held)
                held = []
            held.append(part)
    if held:
        yield _joined(held)


def _joined(parts: list[Images]) -> Images:
    return Images(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Images)))


@contextmanager
def seeded(seed: int, block: int, device: torch.device) -> Iterator[None]:
    """Seed torch's own generators for a block; what they were before comes back at the end."""
    key = hash_keys(Purpose.ATTACK, seed, 0, torch.tensor([block]), torch.tensor([0]))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(key))
        yield


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value, if it is allowed. Raises ValueError naming the option and what is allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def at_least(name: str, value: int, least: int = 1) -> int:
    """The value, if it is not too small. Raises ValueError naming the option and the least."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value
