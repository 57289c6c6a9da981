"""Which attack a finding is about: a faulty attack among sound ones, and checks of the model."""

from dataclasses import replace
from importlib import import_module

import pytest

from biorobust.checks.by_attack import OF_THE_MODEL, findings_of
from biorobust.checks.findings import Finding
from biorobust.checks.kinds import CHECKS
from biorobust.checks.recorded import Recorded
from biorobust.checks.subject import Subject
from examined import examine, slim_standard
from recorded_rows import entry, recorded, rows


def found(name: str, given: Recorded | Subject) -> list[Finding]:
    return [finding for finding, _ in findings_of(name, given, CHECKS[name].thresholds)]


def verdicts(name: str, given: Recorded | Subject) -> dict[str, str]:
    return {finding.attack: finding.verdict for finding in found(name, given)}


def test_only_the_attack_that_leaves_its_ball_fails() -> None:
    given = recorded(
        [
            (entry("tidy", 0.01), [rows("x...", 0.01)]),
            (entry("loose", 0.01), [rows("x...", [0.01, 0.02, 0.01, 0.01])]),
            (entry("search", None, kind="ddn", norm="l2"), [rows("x...", 0.5)]),
        ]
    )
    # The third has no ball to leave.
    assert verdicts("ball_kept", given) == {"tidy": "pass", "loose": "fail", "search": "skipped"}


def test_the_others_bear_witness_against_the_one_that_is_judged() -> None:
    given = recorded(
        [
            (entry("weak", 0.01), [rows("....", 0.01)]),
            (entry("strong", 0.01), [rows("xx..", 0.01)]),
            (entry("noise", 0.01, kind="additive_uniform_noise"), [rows("...x", 0.01)]),
        ]
    )
    assert verdicts("worst_case", given) == {"weak": "fail", "strong": "pass", "noise": "skipped"}
    noise = {"weak": "fail", "strong": "fail", "noise": "skipped"}
    assert verdicts("recorded_noise", given) == noise
    (weak, examined), *_ = findings_of("worst_case", given, CHECKS["worst_case"].thresholds)
    honest = import_module("biorobust.checks.worst_case").honest
    assert weak.attack == "weak" and weak.images == ("a", "b")
    assert [made.attack for made in honest(examined, {"warn": 0, "fail": 0})] == ["weak"]


def test_rows_that_say_otherwise_of_clean_images_than_the_first_are_blamed() -> None:
    clean = [1, 0, 0, 0]
    given = recorded(
        [
            (entry("first", 0.01), [rows("x...", 0.01)]),
            (entry("other", 0.01), [rows("-...", 0.01, clean_prediction=clean)]),
        ]
    )
    assert verdicts("possible_values", given) == {"first": "pass", "other": "fail"}


def test_a_check_that_applies_to_no_attack_is_skipped_once() -> None:
    given = recorded([(entry(name, 0.01), [rows("x...", 0.01)]) for name in ("one", "two")])
    (finding,) = found("monotone", given)
    assert (finding.attack, finding.verdict) == ("", "skipped")


@pytest.fixture(scope="module")
def without_attacks() -> tuple[Subject, Subject]:
    """A subject, and the same with no attack to be judged."""
    subject = examine(slim_standard(), count=8)
    return subject, replace(subject, recorded=replace(subject.recorded, attacks=()))


def test_a_check_in_two_groups_goes_by_the_name_in_its_group(
    without_attacks: tuple[Subject, Subject],
) -> None:
    renamed = [name for name, check in CHECKS.items() if not check.module.endswith(f".{name}")]
    assert renamed
    for name in renamed:
        (finding,) = found(name, without_attacks[0])
        assert finding.check == name


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_judges_attacks_or_is_listed_as_one_of_the_model(
    without_attacks: tuple[Subject, Subject], name: str
) -> None:
    """Else a verdict on the model would be told of each attack, or one on an attack of all."""
    check = CHECKS[name]
    module = import_module(check.module)
    subject, bare = (
        given.recorded if check.group == "rows" else given for given in without_attacks
    )
    nothing = module.check(bare, check.thresholds)
    if check.module.rpartition(".")[2] in OF_THE_MODEL:
        assert nothing == module.check(subject, check.thresholds)
        assert nothing.verdict != "skipped"
    else:
        idle = nothing.figure == nothing.forward_passes == 0
        assert nothing.verdict == "skipped" or idle
