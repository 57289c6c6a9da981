"""Small models that learned the digits, as the checks are given them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from biorobust.attacks.catalogue import build_attack
from biorobust.checks.attacking import attacked
from biorobust.checks.findings import Finding
from biorobust.checks.honest import rows_of
from biorobust.checks.kinds import CHECKS
from biorobust.checks.recorded import AttackEntry, Recorded
from biorobust.checks.subject import CountedModel, Subject
from biorobust.models import build_model
from biorobust.models.base import ImageClassifier

TRAINED, TESTED = 800, 48


class Digits(NamedTuple):
    """All digits at 32 x 32: images [1797, 3, 32, 32], labels [1797]."""

    images: Tensor
    labels: Tensor


def digits() -> Digits:
    bunch = load_digits()
    small = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    images = interpolate(small, size=32, mode="bilinear").expand(-1, 3, -1, -1).contiguous()
    return Digits(images, torch.tensor(bunch.target))


def train(
    kind: str, options: dict[str, Any], epochs: int = 3, *, shuffled: bool = False
) -> ImageClassifier:
    """A model that has seen 800 digits a few times, in eval mode, its weights frozen.

    `shuffled`: whether the digits bore one another's labels.
    """
    images, labels = digits()
    torch.manual_seed(0)
    if shuffled:
        labels = labels[torch.randperm(len(labels))]
    model = build_model(kind, image_size=32, classes=10, batch_norm_momentum=0.1, **options)
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(TRAINED).split(50):
            draws = torch.rand(len(chosen), model.draws_per_image)
            logits, extra, _ = model.training_outputs(images[chosen], labels[chosen], draws)
            optimiser.zero_grad()
            (cross_entropy(logits, labels[chosen]) + extra).backward()
            optimiser.step()
    return model.eval().requires_grad_(False)


@cache
def slim_standard() -> ImageClassifier:
    """The standard model, very slim; one for all tests, which must not change it."""
    return train("standard", {"width": 4, "stem_width": 4})


LINF = AttackEntry(
    "linf-pgd",
    "pgd",
    "linf",
    {"norm": "linf", "steps": 20, "relative_step": 1 / 3},
    tuple((str(size), size) for size in (0.01, 0.03, 0.1)),
)


def examine(
    model: nn.Module,
    *,
    entries: Sequence[AttackEntry] = (LINF,),
    count: int = TESTED,
    order: Tensor | None = None,
    own_labels: bool = False,
) -> Subject:
    """The model with digits that it was not trained on and the rows of these attacks on it.

    `order` [count]: labels are those of the images in this order. `own_labels`: they are what the
    model says, as if it had learned.
    """
    images, labels = digits()
    chosen = slice(TRAINED + 100, TRAINED + 100 + count)
    images, labels = images[chosen], labels[chosen]
    if order is not None:
        labels = labels[order]
    if own_labels:
        with torch.no_grad():
            labels = model(images).argmax(1)
    recorded = Recorded(
        ids=[f"{number}.png" for number in range(count)],
        labels=labels.numpy(),
        pixels=images[0].numel(),
        attacks=tuple(entries),
        rows={},
        training_accuracy=1.0,
    )
    subject = Subject(CountedModel(model), images, labels, recorded)
    rows = {
        (entry.name, text): rows_of(
            attacked(
                subject,
                build_attack(entry.kind, **entry.config),
                torch.arange(count),
                value,
            )
        )
        for entry in entries
        for text, value in entry.epsilons
    }
    return Subject(CountedModel(model), images, labels, replace(recorded, rows=rows))


def carried_out(name: str, subject: Subject, **thresholds: float) -> Finding:
    """A check of the table at its own thresholds, but for those that are given."""
    check = CHECKS[name]
    given = subject.recorded if check.group == "rows" else subject
    settings = {**check.thresholds, **thresholds}
    finding: Finding = import_module(check.module).check(given, settings)
    return finding
