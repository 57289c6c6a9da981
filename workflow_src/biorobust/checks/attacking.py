"""How a check attacks: chosen images of a subject, by an attack of the experiment or another.

Verdicts are those of the attack stage. Passes are counted by the subject's model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.attacks.base import ImageAttack, Manner, Model
from biorobust.attacks.catalogue import build_attack
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.iterative import ProjectedGradientDescent
from biorobust.attacks.losses import cross_entropy
from biorobust.attacks.norms import NORMS
from biorobust.checks.recorded import AttackEntry, AttackRows, Recorded
from biorobust.checks.subject import Subject

DESCENTS = ("bim", "pgd")
"""The kinds of attack that the checks strengthen: many steps along the gradient."""

GRADIENT_ATTACKS = (*DESCENTS, "adam_pgd", "fgsm")
"""The kinds whose every pass is a step along the gradient, so that a few images cost little."""

NO_SURVIVORS = "No image survived an attack that this examines: nothing is left to break."

_SHARE_OF_MANY = 4


@dataclass(frozen=True)
class Ball:
    """A recorded attack at one of its epsilons."""

    entry: AttackEntry
    text: str
    epsilon: float
    rows: AttackRows

    def __str__(self) -> str:
        return f"{self.entry.name} at {self.text}"


def balls(recorded: Recorded, kinds: tuple[str, ...] | None = None) -> list[Ball]:
    """Every recorded attack, or those of these kinds, at every epsilon, in the experiment's order.

    Attacks without an epsilon have none.
    """
    return [
        Ball(entry, text, value, recorded.rows[entry.name, text])
        for entry in recorded.attacks
        if kinds is None or entry.kind in kinds
        for text, value in entry.epsilons
        if value is not None
    ]


def telling_balls(recorded: Recorded, kinds: tuple[str, ...] = DESCENTS) -> list[Ball]:
    """For each attack the ball that tells most: the largest at which many images still stand.

    Many are a quarter of those at the epsilon where most do. An attack that works leaves nobody to
    break in larger balls. One that is blind breaks few at any epsilon, and would pass for sound in
    a small ball, where nothing else breaks much either: the far end of its flat curve is where it
    claims most, and where a rival has the least trouble to refute it. The smallest ball where
    nobody survives at all.
    """
    by_attack: dict[str, list[Ball]] = {}
    for ball in balls(recorded, kinds):
        by_attack.setdefault(ball.entry.name, []).append(ball)
    return [_telling(ascending) for ascending in by_attack.values()]


def _telling(ascending: list[Ball]) -> Ball:
    standing = [int(ball.rows.survived.sum()) for ball in ascending]
    many = max(1, max(standing) / _SHARE_OF_MANY)
    told = [ball for ball, count in zip(ascending, standing, strict=True) if count >= many]
    return told[-1] if told else ascending[0]


def own_attack(entry: AttackEntry) -> ImageAttack:
    """The experiment's attack as it is."""
    return build_attack(entry.kind, **entry.config)


def descent_options(entry: AttackEntry) -> Mapping[str, Any]:
    """PGD's options: those of one of the `DESCENTS`, of any other attack its norm alone."""
    return entry.config if entry.kind in DESCENTS else {"norm": entry.norm}


def descent_like(entry: AttackEntry, **changes: Any) -> ImageAttack:
    """PGD with the `descent_options` of an attack, some of them changed."""
    return ProjectedGradientDescent(**{**descent_options(entry), **changes})


def attacked(
    subject: Subject,
    attack: ImageAttack,
    numbers: Tensor,
    epsilon: float | None,
    *,
    model: nn.Module | None = None,
    batch_size: int | None = None,
) -> Finished:
    """What an attack makes of images of the test set, in the order of `numbers` (ascending) [m].

    All tensors are on the CPU. `model` and `batch_size` are others than the subject's.
    """
    manner = Manner(batch_size=batch_size or subject.batch_size, say=_quiet)
    parts = list(
        attack.attack(
            model or subject.model,
            _stretches(subject, numbers, epsilon),
            seed=subject.seed,
            manner=manner,
        )
    )
    columns = {
        field.name: torch.cat([getattr(part, field.name).cpu() for part in parts])
        for field in fields(Finished)
    }
    order = columns["numbers"].argsort()
    return Finished(**{name: column[order] for name, column in columns.items()})


def outside(found: Finished, norm: str, epsilon: float) -> Tensor:
    """Which iterates leave the ball or the range of pixels, beyond float32's rounding: [m]."""
    return ~within(found.iterates, found.originals, norm, epsilon)


def within(images: Tensor, originals: Tensor, norm: str, epsilon: float) -> Tensor:
    """Which images are in [0, 1] and, up to float32's rounding, in the ball around their originals:
    [m].
    """
    size = NORMS[norm].size(images.double() - originals.double())
    pixels = images.flatten(1)
    return (size <= epsilon * (1 + 1e-5) + 1e-7) & (pixels >= 0).all(1) & (pixels <= 1).all(1)


@torch.no_grad()
def judged_by(model: Model, found: Finished) -> Finished:
    """The same images with the verdicts of another model, in float32, on each."""
    clean = model(found.originals).argmax(1)
    logits = model(found.iterates).float()
    predictions = logits.argmax(1)
    return replace(
        found,
        clean_predictions=clean,
        predictions=predictions,
        losses=cross_entropy(logits, found.labels),
        broken=(clean == found.labels) & (predictions != found.labels),
    )


class Listening(nn.Module):
    """A model that remembers what it was asked, and what it answered: lists of [B, ...]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training
        self.asked: list[Tensor] = []
        self.answers: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """The model's own outputs."""
        outputs: Tensor = self.model(images)
        self.asked.append(images.detach().cpu())
        self.answers.append(outputs.detach().cpu())
        return outputs


def attacked_alone(
    subject: Subject,
    attack: ImageAttack,
    number: int,
    epsilon: float,
    model: nn.Module | None = None,
) -> tuple[Finished, Listening]:
    """What an attack makes of one image in a batch of its own, and what it asked on the way."""
    listening = Listening(model or subject.model)
    numbers = torch.tensor([number])
    return attacked(subject, attack, numbers, epsilon, model=listening, batch_size=1), listening


def _stretches(subject: Subject, numbers: Tensor, epsilon: float | None) -> Iterator[Images]:
    ladder = torch.tensor([] if epsilon is None else [epsilon], device=subject.device)
    for part in subject.batches(numbers):
        yield Images(
            part.to(subject.device),
            subject.images[part].to(subject.device),
            subject.labels[part].to(subject.device),
            ladder.expand(len(part), -1),
        )


def _quiet(_: str) -> None:
    """Attacks tell of smaller batches; a finding has no place for it."""
