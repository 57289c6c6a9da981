"""Attacks that are blind at every epsilon: which ball is examined, and who sees through it."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from torch import nn

import planted_faults as planted
from biorobust.attacks.kinds import ATTACKS
from biorobust.checks import black_box
from biorobust.checks.attacking import telling_balls
from biorobust.checks.kinds import CHECKS
from biorobust.checks.recorded import AttackRows
from biorobust.checks.subject import CountedModel, Subject
from biorobust.models.base import ImageClassifier
from examined import LINF, carried_out, examine, slim_standard
from recorded_rows import entry, recorded, rows

SIZES = ("0.0003", "0.003", "0.1")
EPSILONS = tuple((text, float(text)) for text in SIZES)
SHORT = {"norm": "linf", "steps": 10, "relative_step": 1 / 4}


@pytest.fixture(scope="module")
def model() -> ImageClassifier:
    return slim_standard()


@pytest.fixture(scope="module")
def rounded(model: ImageClassifier) -> Subject:
    """Pixels are rounded inside the model: its gradient is zero, and nothing breaks."""
    blind = planted.Rounded(model)
    attack = replace(LINF, epsilons=EPSILONS, config=SHORT)
    return replace(examine(blind, entries=[attack], count=8), transfer_from=CountedModel(model))


@pytest.fixture
def saturated(model: ImageClassifier, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A textbook attack on logits so large that its softmax has no gradient left."""
    monkeypatch.setitem(ATTACKS, "bim", "planted_faults:FaultyDescent")
    attack = replace(LINF, kind="bim", epsilons=EPSILONS, config=SHORT)
    return examine(planted.Times(model, 1000), entries=[attack], count=16)


def at_epsilon(subject: Subject, text: str) -> Subject:
    """The same with one epsilon of its attack alone."""
    (attack,) = subject.recorded.attacks
    alone = replace(attack, epsilons=((text, float(text)),))
    return replace(subject, recorded=replace(subject.recorded, attacks=(alone,)))


@pytest.mark.parametrize("check", ["black_box", "transfer"])
def test_a_model_without_gradients_is_seen_through_at_the_largest_epsilon(
    rounded: Subject, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    monkeypatch.setattr(black_box, "_QUERIES", 100)
    (ball,) = telling_balls(rounded.recorded)
    assert ball.text == SIZES[-1]
    found = carried_out(check, rounded)
    assert found.verdict == "fail"
    assert f"survived linf-pgd at {SIZES[-1]}" in found.sentence
    # In a ball where a sound attack would break nothing either, a blind one looks as good.
    assert carried_out(check, at_epsilon(rounded, SIZES[0])).verdict == "pass"


@pytest.mark.parametrize("check", ["other_losses", "logit_scale", "black_box", "more_steps"])
def test_saturated_logits_are_seen_through_at_the_largest_epsilon(
    saturated: Subject, check: str
) -> None:
    """More steps too, since those that the checks take are of this pipeline's own loss."""
    assert saturated.recorded.rows["linf-pgd", SIZES[-1]].survived.mean() > 0.5
    assert carried_out(check, saturated).verdict == "fail"


Plant = Callable[[nn.Module], nn.Module]


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        ("zero_gradients", planted.Rounded),
        ("unbounded", planted.Rounded),
        ("finite_differences", planted.RoundedWithPretendedGradient),
    ],
)
def test_where_the_gradient_is_no_guide_honest_rows_need_none(
    model: ImageClassifier, rounded: Subject, check: str, plant: Plant
) -> None:
    faulty = at_epsilon(replace(rounded, model=CountedModel(plant(model))), SIZES[-1])
    thresholds = CHECKS[check].thresholds
    assert carried_out(check, faulty).verdict == "fail"
    (correction,) = import_module(CHECKS[check].module).honest(faulty, thresholds)
    before, after = rounded.recorded.rows["linf-pgd", SIZES[-1]], correction.rows
    assert after.survived.sum() < before.survived.sum() - 2
    assert not (before.success & ~after.success).any()
    assert (after.linf <= 0.1 * (1 + 1e-5)).all()


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        ((40, 40, 40, 40), 3),  # blind everywhere
        ((40, 39, 39, 38), 3),
        ((30, 12, 11, 11), 3),  # blind to some images
        ((40, 38, 20, 2), 2),  # sound: nobody is left at the end
        ((40, 24, 10, 9), 2),  # exactly a quarter is enough
        ((4, 0, 0, 0), 0),
        ((0, 0, 0, 0), 0),
    ],
)
def test_the_telling_ball_is_the_largest_with_many_survivors(
    standing: tuple[int, ...], told: int
) -> None:
    sizes = (0.001, 0.01, 0.02, 0.1)
    made = [many_rows(count) for count in standing]
    (ball,) = telling_balls(recorded([(entry("pgd", *sizes), made)]))
    assert ball.epsilon == sizes[told]


def many_rows(standing: int) -> AttackRows:
    return rows("." * standing + "x" * (40 - standing), np.zeros(40))
