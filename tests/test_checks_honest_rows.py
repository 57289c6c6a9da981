"""Honest rows are those of a ball, whatever attack of the experiment was to search it."""

from collections.abc import Callable
from importlib import import_module

import pytest
from torch import nn

import planted_faults as planted
from biorobust.checks import black_box
from biorobust.checks.corrections import Correction
from biorobust.checks.kinds import CHECKS
from biorobust.checks.recorded import AttackEntry
from biorobust.checks.subject import Subject
from examined import carried_out, examine, slim_standard

LINF, RMS = ("0.1", 0.1), ("0.08", 0.08)
ENTRIES = [
    AttackEntry("step", "fgsm", "linf", {"norm": "linf"}, (LINF,)),
    AttackEntry("noise", "additive_uniform_noise", "rms", {"norm": "rms", "repeats": 2}, (RMS,)),
    AttackEntry("adam", "adam_pgd", "linf", {"norm": "linf", "steps": 2}, (LINF,)),
    AttackEntry(
        "own", "planted_faults:DescendingTheLoss", "l2", {"norm": "l2", "steps": 3}, (("4", 4.0),)
    ),
    AttackEntry("search", "salt_and_pepper", "l2", {"steps": 2}, (("minimal", None),)),
]
BALLS = [("step", "0.1"), ("noise", "0.08"), ("adam", "0.1"), ("own", "4")]


def corrections(check: str, subject: Subject) -> list[Correction]:
    made: list[Correction] = import_module(CHECKS[check].module).honest(
        subject, CHECKS[check].thresholds
    )
    return made


def require_sound(subject: Subject, made: Correction) -> None:
    """What the attack broke stays broken; what is new is wrong, and inside the attack's ball."""
    (attack,) = [entry for entry in subject.recorded.attacks if entry.name == made.attack]
    before, after = subject.recorded.rows[made.attack, made.epsilon], made.rows
    new = after.success & ~before.success
    assert not (before.success & ~after.success).any()
    assert (after.adversarial_prediction != after.label)[new].all()
    assert (getattr(after, attack.norm)[new] <= float(made.epsilon) * (1 + 1e-5) + 1e-7).all()


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        ("zero_gradients", planted.Rounded),
        ("determinism", planted.GradientsFlipped),
        ("saturation", lambda model: planted.Times(model, 1000)),
    ],
)
def test_a_model_that_misleads_has_honest_rows_for_every_attack_with_an_epsilon(
    monkeypatch: pytest.MonkeyPatch, check: str, plant: Callable[[nn.Module], nn.Module]
) -> None:
    monkeypatch.setattr(black_box, "_QUERIES", 100)
    subject = examine(plant(slim_standard()), entries=ENTRIES, count=8)
    assert carried_out(check, subject).verdict == "fail"
    made = corrections(check, subject)
    assert [(each.attack, each.epsilon) for each in made] == BALLS
    for each in made:
        require_sound(subject, each)
        before = subject.recorded.rows[each.attack, each.epsilon]
        assert each.rows.survived.sum() <= before.survived.sum()
    # The one that goes the wrong way finds nothing by itself.
    own = made[-1].rows.survived.sum()
    assert own < subject.recorded.rows["own", "4"].survived.sum()
