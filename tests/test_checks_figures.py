"""What the checks compute, against numbers from elsewhere."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from torch import Tensor, nn

from biorobust.checks.attacking import telling_balls
from biorobust.checks.determinism import movement
from biorobust.checks.findings import finding_of, skipped
from biorobust.checks.kinds import CHECKS
from biorobust.checks.learned import mostly_taken_for, tail
from biorobust.checks.loss_plateau import late_gain
from biorobust.checks.planted_weakness import plant
from biorobust.checks.recorded import AttackRows
from biorobust.checks.subject import CountedModel, DetachedGradient, Subject
from examined import carried_out, examine, slim_standard


@pytest.fixture(scope="module")
def subject() -> Subject:
    return examine(slim_standard(), count=24)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0.05, 0.95),
)
def test_the_probability_of_guessing_is_scipys(counts: tuple[int, int], chance: float) -> None:
    right, total = counts
    expected = binom.sf(right - 1, total, chance)
    assert tail(right, total, chance) == pytest.approx(expected, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(
    ("losses", "share"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], 0.25),  # two of eight equal steps
        ([0, 4, 3, 2, 1, 0, 1, 2, 3], 0.0),  # the best came early
        ([5, 4, 3, 2, 1], 0.0),  # nothing was gained
        ([0, 0, 0, 0, 8], 1.0),
    ],
)
def test_late_gain_by_hand(losses: list[float], share: float) -> None:
    assert late_gain(torch.tensor(losses, dtype=torch.float32)) == share


def test_movement_is_a_share_of_the_spread() -> None:
    first = torch.tensor([[0.0, 1.0, 10.0], [5.0, 5.0, 6.0]])
    second = torch.tensor([[0.0, 3.0, 10.0], [5.0, 5.0, 6.0]])
    assert movement([first, first, second]).tolist() == pytest.approx([0.2, 0.0])


def test_a_sample_of_planted_weaknesses_fails_where_chance_is_no_excuse() -> None:
    """Of the source's attack, which misses 5 %, few samples fail; of one that misses half, most."""
    limits = CHECKS["planted_weakness"].thresholds
    images, allowed = int(limits["images"]), int(limits["fail"] * limits["images"])
    assert binom.sf(allowed, images, limits["warn"]) < 0.01
    assert binom.sf(allowed, images, 0.5) > 0.98


def rows_with(clean: list[int], label: list[int]) -> AttackRows:
    ints, floats = np.array(clean), np.zeros(len(clean))
    return AttackRows(
        label=np.array(label),
        clean_prediction=ints,
        adversarial_prediction=ints,
        success=np.zeros(len(clean), bool),
        steps=np.zeros(len(clean), int),
        loss=floats,
        linf=floats,
        l2=floats,
        rms=floats,
    )


def test_classes_that_are_taken_for_others() -> None:
    rows = rows_with([1, 1, 0, 2, 2, 1, 0], [0, 0, 0, 2, 2, 2, 1])
    assert mostly_taken_for(rows) == [(0, 1), (1, 0)]


def test_a_finding_is_json_without_infinities() -> None:
    thresholds = {"warn": 1.0, "fail": 2.0}
    verdicts = [
        finding_of("x", figure, thresholds, says="so", means="thus").verdict
        for figure in (1.0, 1.5, 2.0, 2.5, math.nan, math.inf)
    ]
    assert verdicts == ["pass", "warn", "warn", "fail", "fail", "fail"]
    values = json.loads(json.dumps(skipped("x", "Why.").to_json(), allow_nan=False))
    assert values["figure"] is None
    assert (values["verdict"], values["sentence"]) == ("skipped", "Why.")
    told = finding_of("x", 1.5, thresholds, says="so", means="thus", images=("a",)).to_json()
    assert (told["sentence"], told["images"]) == ("so: thus.", ["a"])


def test_passes_are_counted_image_by_image() -> None:
    model = CountedModel(nn.Sequential(nn.Flatten(), nn.Linear(3 * 4, 2)))
    images = torch.rand(5, 3, 2, 2, requires_grad=True)
    model(images).sum().backward()
    with torch.no_grad():
        model(images[:2])
    model.in_double()(images.double())
    assert (model.passes.forward, model.passes.backward) == (12, 5)

    class Cut(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.detach().flatten(1)

    with pytest.raises(DetachedGradient):
        CountedModel(Cut())(images)


@pytest.mark.parametrize(
    ("check", "forward", "backward"),
    [
        ("determinism", 16 * 5, 0),
        ("batch_independence", 8 * 2, 0),
        ("logits", 16, 0),
        ("finite_differences", 4 * (1 + 2 * 5), 4),
    ],
)
def test_checks_cost_what_they_say(
    subject: Subject, check: str, forward: int, backward: int
) -> None:
    found = carried_out(check, subject)
    assert (found.forward_passes, found.backward_passes) == (forward, backward)
    assert CHECKS[check].cost == str(forward)


def test_samples_follow_from_the_seed_and_keep_to_what_is_asked(subject: Subject) -> None:
    first = subject.chosen(10)
    assert torch.equal(first, subject.chosen(10))
    assert not torch.equal(first, replace(subject, seed=1).chosen(10))
    assert len(set(first.tolist())) == 10
    assert len(subject.chosen(1000)) == len(subject.images)
    correct = subject.chosen(1000, subject.correct)
    assert torch.equal(correct, torch.from_numpy(subject.correct).nonzero()[:, 0])


def test_a_planted_weakness_is_not_found_by_chance_but_exists(subject: Subject) -> None:
    """Noise of half the size never reaches it, and some point on the ball's surface does."""
    ball = next(iter(telling_balls(subject.recorded)))
    torch.manual_seed(3)
    for number in range(4):
        weakness = plant(subject, ball, number)
        assert weakness is not None
        image = subject.images[number]
        original, other = weakness(image[None])[0].tolist()
        assert original > other
        small = (image + ball.epsilon * (torch.rand(200, 3, 32, 32) - 0.5)).clamp(0, 1)
        assert (weakness(small).argmax(1) == 1).float().mean() < 0.2


def test_gradients_do_not_depend_on_the_batch_size(subject: Subject) -> None:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return logits.gather(1, labels[:, None])[:, 0]

    chosen = slice(0, 5)
    images, labels = subject.images[chosen], subject.labels[chosen]
    whole = subject.gradients(images, labels, loss)
    pieces = replace(subject, batch_size=2).gradients(images, labels, loss)
    assert torch.allclose(whole, pieces, rtol=1e-4, atol=1e-6)
