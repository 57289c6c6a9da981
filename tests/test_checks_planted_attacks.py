"""Each fault that is planted in an attack is caught by the check that should catch it."""

from dataclasses import replace

import pytest
import yaml

from biorobust.attacks.kinds import ATTACKS
from biorobust.checks.recorded import AttackEntry
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.models.base import ImageClassifier
from examined import LINF, carried_out, examine, slim_standard
from pipeline import ROOT

PIXELS = 3 * 32 * 32
OPTIONS = {"steps": 20, "relative_step": 1 / 3}


@pytest.fixture(scope="module")
def model() -> ImageClassifier:
    return slim_standard()


def entry(norm: str, *epsilons: float) -> AttackEntry:
    """An attack of the kind in whose place the faulty ones are put."""
    sizes = tuple((str(size), size) for size in epsilons)
    return AttackEntry("attack", "bim", norm, {"norm": norm, **OPTIONS}, sizes)


L2 = (0.1, 0.3)
RMS = tuple(size / PIXELS**0.5 for size in L2)
CAUGHT = [
    ("ClippedAroundThePreviousIterate", entry("linf", 0.003, 0.01), ["ball_kept", "rerun"]),
    ("ProjectedOutOfTheBall", entry("l2", *L2), ["ball_kept", "rerun"]),
    ("L2TakenForRms", entry("l2", *L2), ["ball_kept", "rerun"]),
    ("RmsTakenForL2", entry("rms", *RMS), ["ball_used"]),
    ("InPixelsOf255", entry("linf", 0.01, 0.03), ["ball_used"]),
    ("InPixelsOf255", entry("l2", *L2), ["ball_used"]),
]


@pytest.mark.parametrize(("fault", "attack", "checks"), CAUGHT)
def test_a_faulty_attack_fails_the_checks_that_are_meant_for_it(
    model: ImageClassifier,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    attack: AttackEntry,
    checks: list[str],
) -> None:
    honest = examine(model, entries=[attack])
    monkeypatch.setitem(ATTACKS, "bim", f"planted_faults:{fault}")
    faulty = examine(model, entries=[attack])
    for check in checks:
        assert carried_out(check, faulty).verdict == "fail"
    monkeypatch.undo()
    for check in checks:
        assert carried_out(check, honest).verdict in ("pass", "skipped")


def test_an_attack_that_judges_by_its_last_iterate_is_caught(
    model: ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ATTACKS, "bim", "planted_faults:JudgedByTheLastIterate")
    attack = replace(entry("linf", 0.003, 0.01), config={"steps": 20, "relative_step": 2.0})
    faulty = examine(model, entries=[attack])
    found = carried_out("rerun", faulty)
    assert found.verdict == "fail"
    assert "came upon an adversarial image" in found.sentence


def test_an_l2_epsilon_of_the_thesis_as_true_l2_attacks_nothing(model: ImageClassifier) -> None:
    """Its L2 is the root mean square: the same number is 55 times smaller at 32 x 32."""
    sizes = (0.001, 0.005)
    wrong = examine(model, entries=[entry("l2", *sizes)])
    assert carried_out("epsilon_unit", wrong).verdict == "fail"
    assert carried_out("epsilon_unit", examine(model, entries=[entry("rms", *sizes)])).verdict in (
        "pass",
        "skipped",
    )


def test_8_for_8_over_255_is_refused_by_the_config() -> None:
    experiment = yaml.safe_load((ROOT / "config.yaml").read_text())
    experiment["attacks"][0]["epsilons"] = [8]
    with pytest.raises(UserError, match="from 0 to 1"):
        read_experiment(experiment)


def test_the_attack_as_it_is_passes(model: ImageClassifier) -> None:
    subject = examine(model, entries=[LINF, entry("rms", *RMS), entry("l2", *L2)])
    for check in ("ball_kept", "ball_used", "silent_success", "possible_values", "rerun"):
        assert carried_out(check, subject).verdict == "pass", check
    assert carried_out("monotone", subject).verdict == "pass"
