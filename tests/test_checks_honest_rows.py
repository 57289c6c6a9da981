"""Honest rows are those of a ball, whatever attack of the experiment was to search it."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from torch import nn

import planted_faults as planted
from biorobust.attacks.kinds import ATTACKS
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


WIDE = {"norm": "linf", "steps": 20, "relative_step": 2.0}


def only_one(subject: Subject, check: str) -> Correction:
    """The honest rows for the only attack at its only epsilon, of a check that fails."""
    assert carried_out(check, subject).verdict == "fail"
    (made,) = corrections(check, subject)
    require_sound(subject, made)
    return made


def test_what_an_attack_came_upon_and_threw_away_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held against the same attack where it keeps its first success."""
    entry = AttackEntry("last", "bim", "linf", WIDE, (("0.03", 0.03),))
    monkeypatch.setitem(ATTACKS, "bim", "planted_faults:JudgedByTheLastIterate")
    faulty = examine(slim_standard(), entries=[entry], count=16)
    made = only_one(faulty, "rerun")
    monkeypatch.setitem(ATTACKS, "bim", "planted_faults:FaultyDescent")
    sound = examine(slim_standard(), entries=[entry], count=16).recorded.rows["last", "0.03"]
    own = faulty.recorded.rows["last", "0.03"]
    assert np.array_equal(made.rows.success, sound.success)
    assert made.rows.success.sum() > own.success.sum()


def test_what_left_its_ball_on_the_way_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = AttackEntry("loose", "bim", "l2", {"norm": "l2", "steps": 5}, (("0.1", 0.1),))
    monkeypatch.setitem(ATTACKS, "bim", "planted_faults:ProjectedOutOfTheBall")
    subject = examine(slim_standard(), entries=[entry], count=16)
    rows = subject.recorded.rows["loose", "0.1"]
    assert rows.success.any()
    none = replace(rows, success=np.zeros_like(rows.success))
    kind = replace(subject.recorded, rows={("loose", "0.1"): none})
    made = only_one(replace(subject, recorded=kind), "rerun")
    assert made.rows.success.sum() < rows.success.sum()


def test_what_a_second_softmax_breaks_besides_counts() -> None:
    """Rows that claim too much stand for an attack that was placed worse."""
    entry = AttackEntry("pgd", "pgd", "linf", {"norm": "linf", "steps": 10}, (("0.05", 0.05),))
    subject = examine(slim_standard(), entries=[entry], count=16)
    rows = subject.recorded.rows["pgd", "0.05"]
    none = replace(rows, success=np.zeros_like(rows.success))
    kind = replace(subject, recorded=replace(subject.recorded, rows={("pgd", "0.05"): none}))
    made = only_one(kind, "double_softmax")
    assert made.rows.survived.mean() == pytest.approx(
        rows.attacked.mean() - carried_out("double_softmax", kind).figure
    )


def test_an_attack_that_is_still_on_its_way_has_the_rows_of_more_steps() -> None:
    hasty = {"norm": "linf", "steps": 4, "relative_step": 0.02}
    entry = AttackEntry("hasty", "pgd", "linf", hasty, (("0.02", 0.02),))
    subject = examine(slim_standard(), entries=[entry], count=16)
    made = only_one(subject, "loss_plateau")
    assert made.rows.survived.sum() < subject.recorded.rows["hasty", "0.02"].survived.sum()
