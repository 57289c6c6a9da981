"""Evaluations that are too kind: attacks that are too weak, and rows that do not hold."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import planted_faults as planted
from biorobust.attacks.kinds import ATTACKS
from biorobust.checks import more_steps
from biorobust.checks.corrections import Correction
from biorobust.checks.kinds import CHECKS
from biorobust.checks.recorded import AttackEntry, Recorded
from biorobust.checks.subject import CountedModel, Subject
from biorobust.models.base import ImageClassifier
from examined import LINF, carried_out, examine, slim_standard


@pytest.fixture(scope="module")
def model() -> ImageClassifier:
    return slim_standard()


@pytest.fixture(scope="module")
def strong(model: ImageClassifier) -> Subject:
    """An honest evaluation, at an epsilon that hardly any image falls to."""
    entry = attack("pgd", steps=8, relative_step=1 / 4, loss="margin")
    return examine(model, entries=[replace(entry, epsilons=(("0.001", 0.001),))], count=24)


def attack(kind: str, **options: object) -> AttackEntry:
    return replace(LINF, kind=kind, config={"norm": "linf", **options}, epsilons=(("0.02", 0.02),))


def weak(model: nn.Module, entry: AttackEntry, fault: str, patch: pytest.MonkeyPatch) -> Subject:
    patch.setitem(ATTACKS, "bim", f"planted_faults:{fault}")
    return examine(model, entries=[entry], count=24)


@pytest.mark.parametrize("check", ["more_steps", "loss_plateau"])
def test_an_attack_of_few_short_steps_is_caught(
    model: ImageClassifier, strong: Subject, check: str
) -> None:
    hasty = examine(model, entries=[attack("pgd", steps=4, relative_step=0.02)], count=24)
    assert carried_out(check, hasty).verdict == "fail"
    assert carried_out(check, strong).verdict == "pass"


@pytest.mark.parametrize(
    "check", ["single_step", "other_losses", "random_noise", "restarts", "planted_weakness"]
)
def test_an_attack_that_goes_the_wrong_way_is_caught(
    model: ImageClassifier, strong: Subject, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    """It descends the loss, so that even noise does better."""
    entry = replace(attack("bim", steps=10, relative_step=1 / 4), epsilons=(("0.3", 0.3),))
    astray = weak(model, entry, "DescendingTheLoss", monkeypatch)
    assert carried_out(check, astray).verdict == "fail"
    assert carried_out(check, strong).verdict == "pass"
    if check != "planted_weakness":
        # Its decision is not the model's own, so that no row could follow from it.
        require_honest_rows(check, astray, "0.3")


def require_honest_rows(check: str, subject: Subject, epsilon: str) -> None:
    """That the check's correction of the only attack at its only epsilon lets fewer survive."""
    made: list[Correction] = import_module(CHECKS[check].module).honest(
        subject, CHECKS[check].thresholds
    )
    (correction,) = made
    assert (correction.attack, correction.epsilon) == ("linf-pgd", epsilon)
    before, after = subject.recorded.rows["linf-pgd", epsilon], correction.rows
    assert after.survived.sum() < before.survived.sum()
    assert not (before.success & ~after.success).any()
    assert (after.linf <= float(epsilon) * (1 + 1e-5)).all()
    broken = torch.from_numpy(np.flatnonzero(after.success & ~before.success))
    assert np.array_equal(after.clean_prediction[broken], subject.labels[broken])
    assert (after.adversarial_prediction != after.label)[broken].all()


def test_an_attack_without_gradients_and_transfer_see_through_rounded_pixels(
    model: ImageClassifier, strong: Subject
) -> None:
    """PGD cannot move where pixels are rounded; Square, and the sound model's images, can."""
    entry = replace(attack("pgd", steps=10, relative_step=1 / 4), epsilons=(("0.1", 0.1),))
    rounded = examine(planted.Rounded(model), entries=[entry], count=6)
    assert rounded.recorded.rows["linf-pgd", "0.1"].survived.sum() >= 4
    assert carried_out("black_box", rounded).verdict == "fail"
    with_source = replace(rounded, transfer_from=CountedModel(model))
    assert carried_out("transfer", with_source).verdict == "fail"
    for check in ("transfer", "black_box"):
        require_honest_rows(check, with_source, "0.1")
    assert carried_out("transfer", rounded).verdict == "skipped"
    own_source = replace(strong, transfer_from=CountedModel(model))
    assert carried_out("transfer", own_source).verdict == "pass"


def test_verdicts_that_do_not_come_again_are_caught(strong: Subject) -> None:
    assert carried_out("precision", strong).figure == 0
    (key,) = strong.recorded.rows
    rows = strong.recorded.rows[key]
    flipped = np.flatnonzero(rows.attacked)[:5]
    success = rows.success.copy()
    success[flipped] = ~success[flipped]
    recorded: Recorded = replace(strong.recorded, rows={key: replace(rows, success=success)})
    found = carried_out("precision", replace(strong, recorded=recorded))
    assert (found.verdict, found.figure) == ("fail", 5)
    assert found.images == tuple(f"{number}.png" for number in flipped)


class Rugged(planted.Around):
    """Waves along the pixels in the logits, shorter than the steps of any attack."""

    def forward(self, images: Tensor) -> Tensor:
        waves = torch.sin(1e5 * images.flatten(1)[:, :10]) * 20
        return self.model(images) + waves


def test_a_rugged_loss_is_caught(model: ImageClassifier, strong: Subject) -> None:
    assert carried_out("loss_landscape", strong, points=10).verdict == "pass"
    rugged = replace(strong, model=CountedModel(Rugged(model)))
    assert carried_out("loss_landscape", rugged, points=10).verdict == "fail"


def test_honest_rows_are_what_the_stronger_attack_gives(model: ImageClassifier) -> None:
    weak_entry = attack("pgd", steps=4, relative_step=0.02)
    hasty = examine(model, entries=[weak_entry], count=24)
    (correction,) = more_steps.honest(hasty, {})
    before, after = hasty.recorded.rows["linf-pgd", "0.02"], correction.rows
    assert (correction.attack, correction.epsilon) == ("linf-pgd", "0.02")
    assert after.survived.sum() < before.survived.sum()
    assert not (before.success & ~after.success).any()
    assert (after.linf <= 0.02 * (1 + 1e-5)).all()
    wrong = after.adversarial_prediction != after.label
    assert np.array_equal(wrong & after.attacked, after.success)
    assert np.array_equal(after.loss[before.success], before.loss[before.success])
