"""Attacks that see the model's decision alone: the boundary attack and HopSkipJump."""

from collections.abc import Callable

import eagerpy as ep
import torch
from foolbox.attacks import BoundaryAttack, HopSkipJumpAttack
from foolbox.attacks.base import MinimizationAttack
from torch import Tensor, nn

from biorobust.attacks.base import MinimalAttack, Queried, at_least, one_of
from biorobust.attacks.starting_points import starting_points
from biorobust.attacks.through_foolbox import run_minimal


class _FromAfar(MinimalAttack):
    """A walk from a misclassified image to the original; without a start the image survives."""

    _attack: MinimizationAttack
    _directions: int

    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        starts, found = starting_points(model, images, labels, self._directions)
        rows = found.nonzero()[:, 0]
        while len(rows):
            with torch.no_grad():
                wrong = model(starts[rows], rows).argmax(1) != labels[rows]
            if wrong.all():
                break
            # In a smaller batch a start on the very boundary may round to the other side, and
            # Foolbox refuses a batch for the sake of one image.
            rows = rows[wrong]
        if len(rows):
            starts[rows] = run_minimal(
                self._attack,
                _Part(model, rows),
                images[rows],
                labels[rows],
                starting_points=starts[rows],
            )
        return starts


class _Part(nn.Module):
    """The model for some of a block's images."""

    def __init__(self, whole: Queried, rows: Tensor) -> None:
        super().__init__()
        self._whole, self._rows = whole, rows
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits; the forward pass counts for these images."""
        logits: Tensor = self._whole(images, self._rows)
        return logits


class Boundary(_FromAfar):
    """The boundary attack (Brendel et al. 2018; thesis §2.2): a random walk along the boundary.

    Each step costs a forward pass. `steps`: at most so many; it ends early where it converges.
    `directions`: draws of noise to find a start. `spherical_step` and `source_step`: the first
    sizes, relative to the distance, of moves along the sphere and towards the original.

    Raises ValueError for steps or directions below 1.
    """

    norm = "l2"

    def __init__(
        self,
        *,
        steps: int = 25_000,
        directions: int = 1000,
        spherical_step: float = 1e-2,
        source_step: float = 1e-2,
    ) -> None:
        self._directions = at_least("directions", directions)
        self._attack = BoundaryAttack(
            steps=at_least("steps", steps),
            spherical_step=spherical_step,
            source_step=source_step,
        )


class HopSkipJump(_FromAfar):
    """HopSkipJump (Chen, Jordan and Wainwright 2020): the boundary's direction from decisions.

    `norm`: "l2" or "linf". `steps`: gradient estimates. `probes`: forward passes of the first
    estimate; the t-th takes sqrt(t) times as many, at most 10,000. `directions`: draws of noise
    to find a start. Defaults are the paper's.

    Raises ValueError for an unknown norm, and for steps, probes or directions below 1.
    """

    def __init__(
        self,
        *,
        norm: str = "l2",
        steps: int = 64,
        probes: int = 100,
        directions: int = 1000,
    ) -> None:
        self.norm = one_of("norm", norm, ("l2", "linf"))
        self._directions = at_least("directions", directions)
        self._attack = _ByImage(
            steps=at_least("steps", steps),
            initial_gradient_eval_steps=at_least("probes", probes),
            constraint="l2" if norm == "l2" else "linf",
        )


class _ByImage(HopSkipJumpAttack):
    """Foolbox 3.3.4 takes lengths over the whole batch, so that larger batches move less."""

    def approximate_gradients(
        self,
        is_adversarial: Callable[[ep.Tensor], ep.Tensor],
        x_advs: ep.Tensor,
        steps: int,
        delta: ep.Tensor,
    ) -> ep.Tensor:
        """Foolbox's hook: the direction in which images become adversarial, of length 1 each.

        The paper's estimate (eq. 16): decisions +1 or -1 at random points at a distance of
        `delta`, less their mean, times the directions. Sums are kept, not the points.
        """
        images, distances = x_advs.raw, delta.raw[:, None, None, None]
        signed, total, decided = torch.zeros_like(images), torch.zeros_like(images), 0.0
        for _ in range(steps):
            drawn = torch.randn_like(images)
            if self.constraint == "linf":
                drawn = torch.rand_like(images) * 2 - 1
            probe = (images + distances * drawn / _length(drawn)).clamp(0, 1)
            moved = (probe - images) / distances
            decision = is_adversarial(ep.astensor(probe)).raw.float() * 2 - 1
            decision = decision[:, None, None, None]
            signed, total, decided = signed + decision * moved, total + moved, decided + decision
        mean = torch.as_tensor(decided / steps)
        # Where all decisions agree, their mean would leave nothing.
        direction = torch.where(mean.abs() == 1, signed, signed - mean * total)
        return ep.astensor(direction / _length(direction))


def _length(vectors: Tensor) -> Tensor:
    """Euclidean lengths, never 0: [n, C, H, W] -> [n, 1, 1, 1]."""
    length: Tensor = torch.linalg.vector_norm(vectors, dim=(1, 2, 3), keepdim=True)
    return length.clamp(min=1e-12)
