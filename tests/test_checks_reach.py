"""What a check does not examine it says nothing of, whatever its verdict, and it says so."""

from dataclasses import replace

import pytest

from biorobust.checks.recorded import AttackEntry
from biorobust.checks.subject import Subject
from examined import LINF, carried_out, examine, slim_standard

STEP = replace(LINF, name="step", kind="fgsm", config={"norm": "linf"}, epsilons=(("0.01", 0.01),))
NOISE = AttackEntry(
    "noise", "additive_uniform_noise", "linf", {"norm": "linf", "repeats": 2}, (("0.01", 0.01),)
)
SHORT = replace(LINF, config={"norm": "linf", "steps": 4, "relative_step": 1 / 2})

OF_DESCENTS = [
    *("single_step", "random_noise", "logit_scale", "more_steps", "loss_plateau", "restarts"),
    *("black_box", "transfer", "expectation", "precision", "other_losses", "double_softmax"),
    "planted_weakness",
]


@pytest.fixture(scope="module")
def weak() -> Subject:
    return examine(slim_standard(), entries=[STEP, NOISE], count=6)


@pytest.mark.parametrize("check", [*OF_DESCENTS, "rerun"])
def test_without_an_attack_that_it_knows_a_check_says_that_it_examined_nothing(
    weak: Subject, check: str
) -> None:
    if check == "rerun":
        (noise,) = (entry for entry in weak.recorded.attacks if entry.name == "noise")
        weak = replace(weak, recorded=replace(weak.recorded, attacks=(noise,)))
    names = tuple(entry.name for entry in weak.recorded.attacks)
    found = carried_out(check, weak)
    assert found.verdict == "skipped"
    assert found.sentence.startswith("Nothing was examined.")
    assert found.sentence.endswith(f": it says nothing of {', '.join(names)}.")
    assert found.unexamined == names and found.to_json()["unexamined"] == list(names)
    assert found.forward_passes == 0


@pytest.mark.parametrize(
    ("check", "others"),
    [
        ("single_step", ("step", "noise")),
        ("planted_weakness", ("step", "noise")),
        ("rerun", ("noise",)),
        ("unbounded", ()),
    ],
)
def test_beside_one_that_it_knows_it_names_those_that_it_does_not(
    check: str, others: tuple[str, ...]
) -> None:
    subject = examine(slim_standard(), entries=[SHORT, STEP, NOISE], count=6)
    found = carried_out(check, subject, images=4)
    assert found.verdict == "pass"
    assert found.unexamined == others
    assert ("says nothing of step, noise" in found.sentence) == (len(others) == 2)
    assert ("nothing of" in found.sentence) == bool(others)


@pytest.mark.parametrize("check", OF_DESCENTS)
def test_without_survivors_or_correct_images_it_says_so(check: str) -> None:
    """The labels are those of the next image, so that hardly one is classified correctly."""
    subject = examine(slim_standard(), entries=[SHORT], count=3)
    wrong = {
        key: replace(rows, clean_prediction=rows.label + 1)
        for key, rows in subject.recorded.rows.items()
    }
    none = replace(subject, recorded=replace(subject.recorded, rows=wrong))
    found = carried_out(check, none, images=1)
    if check == "planted_weakness":
        # It needs no image to be classified correctly.
        assert found.verdict == "pass"
    else:
        assert found.verdict == "skipped"
        assert "examined." not in found.sentence and found.unexamined == ()
