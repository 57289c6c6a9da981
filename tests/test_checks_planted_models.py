"""Each fault that is planted in a model is caught by the check that should catch it."""

import copy
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

import planted_faults as planted
from biorobust.attacks.kinds import ATTACKS
from biorobust.checks import expectation
from biorobust.checks.findings import Finding
from biorobust.checks.subject import Subject
from biorobust.models.base import ImageClassifier
from examined import LINF, carried_out, examine, slim_standard, train

SLIM = {"width": 4, "stem_width": 4}


@pytest.fixture(scope="module")
def model() -> ImageClassifier:
    return slim_standard()


@pytest.fixture(scope="module")
def honest(model: ImageClassifier) -> Subject:
    return examine(model)


@pytest.fixture
def swapped(honest: Subject) -> Callable[[nn.Module], Subject]:
    """The examination of a faulty model, with the rows that were recorded of the sound one."""

    def swap(faulty: nn.Module) -> Subject:
        return replace(honest, model=type(honest.model)(faulty))

    return swap


CAUGHT: list[tuple[str, str, Callable[[nn.Module], nn.Module]]] = [
    ("probabilities", "logits", planted.Probabilities),
    ("logits times 10", "saturation", lambda model: planted.Times(model, 10)),
    ("logits times 1000", "saturation", lambda model: planted.Times(model, 1000)),
    ("rounded pixels", "zero_gradients", planted.Rounded),
    ("rounded pixels", "unbounded", planted.Rounded),
    ("pretended gradient", "finite_differences", planted.RoundedWithPretendedGradient),
    ("detached gradient", "zero_gradients", planted.Detached),
    ("detached gradient", "unbounded", planted.Detached),
    ("half detached", "finite_differences", planted.HalfDetached),
    ("noise", "determinism", planted.Noisy),
    ("batch norm in training mode", "batch_independence", planted.batch_norm_in_training_mode),
    ("batch norm by the batch", "batch_independence", planted.batch_norm_without_statistics),
]


@pytest.mark.parametrize(("fault", "check", "plant"), CAUGHT)
def test_a_faulty_model_fails_the_check_that_is_meant_for_it(
    model: ImageClassifier,
    honest: Subject,
    swapped: Callable[[nn.Module], Subject],
    fault: str,
    check: str,
    plant: Callable[[nn.Module], nn.Module],
) -> None:
    assert carried_out(check, honest).verdict == "pass"
    found = carried_out(check, swapped(plant(model)))
    assert found.verdict == "fail", fault
    assert found.check == check


def test_a_random_gaze_at_evaluation_is_caught() -> None:
    sound = train("retinal_fixations", SLIM)
    torch.manual_seed(0)
    subject = examine(sound, count=16)
    gazing = replace(subject, model=type(subject.model)(planted.RandomGaze(sound)))
    assert carried_out("determinism", subject).verdict == "pass"
    assert carried_out("determinism", gazing).verdict == "fail"


def test_what_survives_one_draw_falls_to_the_attack_on_the_mean(
    model: ImageClassifier, honest: Subject
) -> None:
    entries = [replace(LINF, epsilons=(("0.03", 0.03),))]
    subject = examine(planted.GradientsFlipped(model), entries=entries, count=16)
    found = carried_out("expectation", subject)
    assert found.verdict == "fail"
    (correction,) = expectation.honest(subject, {})
    rows = subject.recorded.rows["linf-pgd", "0.03"]
    assert (correction.attack, correction.epsilon) == ("linf-pgd", "0.03")
    assert correction.rows.survived.mean() < rows.survived.mean() - 0.5
    assert not (rows.success & ~correction.rows.success).any()
    assert carried_out("expectation", honest).verdict == "skipped"


def test_large_logits_stop_a_textbook_attack_but_not_this_one(
    model: ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the logits' scale looks at the attack, the one of saturation at the model."""
    large = planted.Times(model, 1000)
    own = examine(large, entries=[replace(LINF, epsilons=(("0.03", 0.03),))])
    assert carried_out("logit_scale", own).verdict in ("pass", "skipped")
    monkeypatch.setitem(ATTACKS, "bim", "planted_faults:FaultyDescent")
    textbook = examine(large, entries=[replace(LINF, kind="bim", epsilons=(("0.03", 0.03),))])
    found = carried_out("logit_scale", textbook)
    assert found.verdict == "fail"
    assert found.figure > 0.5
    # The same attack is no fault where the logits are those of an honest model.
    small = examine(model, entries=[replace(LINF, kind="bim", epsilons=(("0.03", 0.03),))])
    assert carried_out("logit_scale", small).verdict in ("pass", "skipped")


def test_the_double_softmax_is_told_in_two_numbers(model: ImageClassifier) -> None:
    """What the published code would have reported, beside the number on logits."""
    figures = re.compile(r"leaves ([\d.]+)% of the images standing, on the logits ([\d.]+)%")

    def both(subject: Subject) -> tuple[float, float]:
        (first, second), again = figures.findall(carried_out("double_softmax", subject).sentence)
        # Every attack's two numbers are told, be they the same.
        assert (first, second) == again
        return float(first), float(second)

    entries = [replace(LINF, name=name, epsilons=(("0.03", 0.03),)) for name in "ab"]
    honest = examine(model, entries=entries)
    sure = examine(planted.Times(model, 1000), entries=entries)
    rows = honest.recorded.rows["a", "0.03"]
    assert carried_out("double_softmax", honest).verdict == "pass"
    doubled, own = both(honest)
    assert own == pytest.approx(100 * rows.survived.mean(), abs=0.05)
    assert doubled - own < 5
    # In a model that is this sure the inner softmax is 0 or 1, and nothing can be climbed.
    doubled, own = both(sure)
    assert doubled == pytest.approx(100 * rows.attacked.mean(), abs=0.05)
    assert own < doubled / 2


@pytest.mark.parametrize("where", ["training", "test"])
def test_shuffled_labels_are_caught(model: ImageClassifier, honest: Subject, where: str) -> None:
    if where == "training":
        wrong = train("standard", SLIM, shuffled=True)
        recorded = examine(wrong).recorded
    else:
        order = torch.randperm(len(honest.labels), generator=torch.Generator().manual_seed(1))
        recorded = examine(model, order=order).recorded
    assert carried_out("learned", honest).verdict == "pass"
    assert carried_out("learned", replace(honest, recorded=recorded)).verdict == "fail"


def test_swapped_class_folders_are_named(honest: Subject) -> None:
    swapped = {3: 7, 7: 3}
    rows = {
        key: replace(
            one,
            label=torch.tensor([swapped.get(label, label) for label in one.label.tolist()]).numpy(),
        )
        for key, one in honest.recorded.rows.items()
    }
    recorded = replace(honest.recorded, rows=rows)
    sentence = carried_out("learned", replace(honest, recorded=recorded), fail=0.0).sentence
    assert "class 3 is mostly taken for 7" in sentence
    assert "class 7 is mostly taken for 3" in sentence


def test_what_cannot_be_attacked_fails_and_is_told(
    model: ImageClassifier, swapped: Callable[[nn.Module], Subject]
) -> None:
    found: Finding = carried_out("unbounded", swapped(planted.Probabilities(copy.deepcopy(model))))
    assert found.verdict == "fail"
    assert "probabilities" in found.sentence
