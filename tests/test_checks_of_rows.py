"""Each check of rows: rows with one fault, and rows without, by the check's own defaults."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.kinds import CHECKS
from biorobust.checks.recorded import Recorded
from recorded_rows import entry, recorded, rows


def check(name: str, given: Recorded, **thresholds: float) -> Finding:
    finding: Finding = import_module(CHECKS[name].module).check(
        given, {**CHECKS[name].thresholds, **thresholds}
    )
    return finding


def honest(name: str, given: Recorded) -> list[Correction]:
    made: list[Correction] = import_module(CHECKS[name].module).honest(
        given, CHECKS[name].thresholds
    )
    return made


SOUND = recorded(
    [
        (entry("pgd", 0.01, 0.02), [rows("x..-", 0.01), rows("xx.-", 0.02)]),
        (entry("soft", 0.02, norm="rms"), [rows("xx.-", 0.02)]),
        (entry("fgsm", 0.02, kind="fgsm"), [rows("x..-", 0.02, steps=[1, 1, 1, 0])]),
        (entry("square", 0.02, kind="square"), [rows("x..-", 0.02)]),
        (entry("noise", 0.02, kind="additive_uniform_noise"), [rows("...-", 0.02)]),
        (entry("margin", 0.02, loss="margin"), [rows("xx.-", 0.02)]),
        (entry("true", 0.5, norm="l2"), [rows("xx.-", 0.5 / 192**0.5)]),
    ]
)
OF_ROWS = [name for name, entry_ in CHECKS.items() if entry_.group == "rows" and name != "learned"]


@pytest.mark.parametrize("name", OF_ROWS)
def test_sound_rows_pass_every_check(name: str) -> None:
    finding = check(name, SOUND)
    assert (finding.check, finding.verdict) == (name, "pass")
    assert finding.forward_passes == finding.backward_passes == 0


@pytest.mark.parametrize("name", [name for name in OF_ROWS if name not in ("monotone",)])
def test_a_check_that_finds_nothing_to_compare_is_skipped_and_says_why(name: str) -> None:
    alone = recorded([(entry("fool", None, kind="deepfool", norm="l2"), [rows("x.--", 0.01)])])
    finding = check(name, alone)
    compares = name not in ("possible_values", "silent_success")
    assert finding.verdict == ("skipped" if compares else "pass")
    assert finding.sentence.endswith(".")


@pytest.mark.parametrize(
    ("lost", "verdict"),
    [("x...", "pass"), ("xx..", "warn"), ("xxx.", "warn"), ("xxxx", "fail")],
)
def test_images_lost_at_a_larger_epsilon_are_counted(lost: str, verdict: str) -> None:
    # The middle ball loses nothing that the largest one does not lose as well.
    pgd = entry("pgd", 0.01, 0.02, 0.03)
    made = [rows(lost, 0.01), rows(lost, 0.02), rows("....", 0.03)]
    finding = check("monotone", recorded([(pgd, made)]))
    assert finding.verdict == verdict
    assert finding.figure == lost.count("x") == len(finding.images)


def one_attack(**changes: Any) -> Recorded:
    return recorded([(entry("pgd", 0.02), [rows("xx..", 0.02, **changes)])])


def test_a_verdict_that_the_returned_image_does_not_bear_out_is_named() -> None:
    finding = check("silent_success", one_attack(adversarial_prediction=[1, 0, 1, 0]))
    assert (finding.verdict, finding.images) == ("fail", ("b", "c"))
    outside = one_attack(adversarial_prediction=[1, 1, 1, 0], linf=[0.02, 0.02, 0.04, 0.02])
    # An image that left its ball is rightly no success, and another check's.
    assert check("silent_success", outside).verdict == "pass"
    assert check("ball_kept", outside).images == ("c",)


@pytest.mark.parametrize(
    ("size", "verdict"), [(0.02, "pass"), (0.0200001, "pass"), (0.02001, "fail"), (5.1, "fail")]
)
def test_a_perturbation_larger_than_epsilon_fails(size: float, verdict: str) -> None:
    finding = check("ball_kept", recorded([(entry("pgd", 0.02), [rows("x...", size)])]))
    assert finding.verdict == verdict
    if verdict == "fail":
        assert finding.figure == 4
        assert f"{size / 0.02:.3g} times" in finding.sentence


@pytest.mark.parametrize(
    ("size", "norm", "verdict"),
    [
        (0.02, "linf", "pass"),
        (0.009, "linf", "warn"),
        # 8/255 taken for 8, or RMS for true L2: far less than a tenth of the ball.
        (0.02 / 255, "linf", "fail"),
        (0.02 / 192**0.5, "rms", "fail"),
    ],
)
def test_survivors_that_stay_in_the_middle_of_the_ball_are_suspect(
    size: float, norm: str, verdict: str
) -> None:
    # What was broken may lie anywhere.
    made = rows("xx..", [1e-4, 1e-4, size, size])
    finding = check("ball_used", recorded([(entry("pgd", 0.02, norm=norm), [made])]))
    assert finding.verdict == verdict
    assert finding.figure == pytest.approx(1 - size / 0.02)
    assert finding.images == ("c", "d")


@pytest.mark.parametrize(
    ("epsilon", "broken", "verdict"),
    [
        # 0.05 of true L2 on 192 values is 0.92 grey levels; on 320 x 320 x 3 it is 0.023.
        (0.05, "....", "pass"),
        (0.01, "....", "fail"),
        (0.01, "x...", "pass"),
        (1e-4, "...-", "fail"),
    ],
)
def test_an_l2_epsilon_that_was_meant_as_rms_is_suspect(
    epsilon: float, broken: str, verdict: str
) -> None:
    made = [rows(broken, epsilon / 192**0.5)]
    finding = check("epsilon_unit", recorded([(entry("pgd", epsilon, norm="l2"), made)]))
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"label": [0, 0, 0, 1]}, "label"),
        (
            {"success": [True, True, True, False], "clean_prediction": [0, 0, 3, 0]},
            "from the start",
        ),
        ({"linf": [0.02, np.nan, 0.02, 0.02]}, "no number"),
        ({"linf": [0.02, 0.02, 8.0, 0.02]}, "more than 1"),
        ({"rms": [0.02, 0.02, 0.03, 0.02]}, "above the L-infinity"),
        ({"l2": [0.02, 0.02, 0.02, 0.02]}, "sqrt(3 N N)"),
        ({"linf": [0.0] * 4, "l2": [0.0] * 4, "rms": [0.0] * 4}, "without any perturbation"),
        ({"loss": [1, np.nan, 1, 1]}, "a loss"),
        ({"steps": [20, 21, 20, 20]}, "more steps"),
    ],
)
def test_values_that_cannot_be_are_named(changes: dict[str, Any], fault: str) -> None:
    finding = check("possible_values", one_attack(**changes))
    assert finding.verdict == "fail"
    assert fault in finding.sentence
    assert finding.images


def test_clean_predictions_that_differ_between_attacks_are_impossible() -> None:
    both = [
        (entry("one", 0.02), [rows("xx..", 0.02)]),
        (entry("two", 0.02), [rows("xx.-", 0.02)]),
    ]
    finding = check("possible_values", recorded(both))
    assert finding.images == ("d",)
    assert "two at epsilon 0.02" in finding.sentence


RIVALS = {
    "recorded_single_step": entry("rival", 0.02, kind="fgsm"),
    "recorded_black_box": entry("rival", None, kind="boundary", norm="l2"),
    "recorded_noise": entry("rival", 0.02, kind="additive_uniform_noise"),
    "worst_case": entry("rival", 0.02, loss="margin"),
    "nesting": entry("rival", 0.02, norm="rms"),
}


@pytest.mark.parametrize("name", RIVALS)
def test_what_a_rival_broke_inside_the_ball_is_missed_and_counts_as_broken(name: str) -> None:
    # Broken by the rival: a and c in the ball of 0.02 (a even in 0.01), b outside of both.
    pgd = (entry("pgd", 0.01, 0.02), [rows("....", 0.01), rows("x..-", 0.02)])
    both = recorded([pgd, (RIVALS[name], [rows("xxx-", [0.01, 0.03, 0.015, 0])])])
    finding = check(name, both)
    # At 0.01 only a is missed, at 0.02 only c; the first of equals is told.
    assert (finding.verdict, finding.figure, finding.images) == ("fail", 0.25, ("a",))
    assert "pgd missed 1 of 4 images that rival broke" in finding.sentence
    made = [correction for correction in honest(name, both) if correction.attack == "pgd"]
    assert [correction.epsilon for correction in made] == ["0.01", "0.02"]
    smaller, larger = (correction.rows for correction in made)
    assert smaller.success.tolist() == [True, False, False, False]
    assert larger.success.tolist() == [True, False, True, False]
    assert larger.linf.tolist() == [0.02, 0.02, 0.015, 0.0]
    # As few as the thresholds allow are no reason to correct anything.
    assert check(name, both, warn=0.25, fail=0.25).verdict == "pass"
    assert import_module(CHECKS[name].module).honest(both, {"warn": 0.25, "fail": 0.25}) == []


def test_a_weaker_attack_is_not_to_blame_for_what_a_stronger_one_found() -> None:
    weak = entry("fgsm", 0.02, kind="fgsm")
    both = recorded([(weak, [rows("....", 0.02)]), (entry("pgd", 0.02), [rows("xxxx", 0.02)])])
    for name in ("recorded_single_step", "nesting", "worst_case"):
        assert check(name, both).verdict in ("pass", "skipped")


@given(st.tuples(*[st.text("x.", min_size=4, max_size=4)] * 3))
def test_corrected_rows_hold_each_witness_and_nothing_more(verdicts: tuple[str, str, str]) -> None:
    small, large, other = verdicts
    pgd = (entry("pgd", 0.01, 0.02), [rows(small, 0.01), rows(large, 0.02)])
    both = recorded([pgd, (entry("soft", 0.02, norm="rms"), [rows(other, 0.02)])])
    corrected = {(c.attack, c.epsilon): c.rows for c in honest("nesting", both)}
    for place, (mine_small, mine, its) in enumerate(zip(small, large, other, strict=True)):
        missed = its == "x" and mine != "x" and mine_small != "x"
        if ("pgd", "0.02") in corrected:
            assert corrected["pgd", "0.02"].success[place] == (mine == "x" or missed)
        else:
            assert not missed
