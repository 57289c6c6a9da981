"""Several epsilons in one call: what breaks an image serves all larger balls, and nothing twice."""

import pytest
import torch
from torch import Tensor, nn

from biorobust.attacks import PGD
from biorobust.attacks.norms import NORMS
from toy_attacks import DIMENSIONS, MODELS, Toy, make_toy, reference_pgd

LADDER = [0.002, 0.01, 0.03, 0.1]


@pytest.fixture(params=MODELS)
def toy(request: pytest.FixtureRequest) -> Toy:
    return make_toy(request.param)


def scaled(norm: str) -> list[float]:
    """A ladder on which the toy models go from robust to broken, in the norm's units."""
    return [e * DIMENSIONS**0.5 for e in LADDER] if norm == "l2" else LADDER


@pytest.mark.parametrize("norm", NORMS)
def test_one_call_equals_separate_calls_closed_under_nesting(toy: Toy, norm: str) -> None:
    epsilons = scaled(norm)
    found, clipped, success = PGD(norm, batch_size=16)(
        toy.victim, toy.images, toy.labels, epsilons=epsilons
    )
    apart = [
        PGD(norm, batch_size=16)(toy.victim, toy.images, toy.labels, epsilons=epsilon)
        for epsilon in epsilons
    ]
    raw = torch.stack([verdict for _, _, verdict in apart])
    assert 0 < raw.sum() < raw.numel()
    assert torch.equal(success, raw.cummax(0).values)
    for place, (images, _, verdict) in enumerate(apart):
        newly = verdict & (raw[:place].sum(0) == 0)
        assert torch.equal(found[place][newly], images[newly])
        assert torch.equal(found[place], clipped[place])


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_returned_for_an_epsilon_is_adversarial_and_inside_its_ball(
    toy: Toy, norm: str
) -> None:
    epsilons = scaled(norm)
    found, _, success = PGD(norm)(toy.victim, toy.images, toy.labels, epsilons=epsilons)
    for place, epsilon in enumerate(epsilons):
        with torch.no_grad():
            wrong = toy.model(found[place]).argmax(1) != toy.labels
        assert torch.equal(wrong, success[place])
        sizes = NORMS[norm].size(found[place].double() - toy.images.double())
        assert (sizes <= epsilon * (1 + 1e-5) + 1e-7).all()
        assert found[place].min() >= 0 and found[place].max() <= 1


def test_the_order_of_the_epsilons_is_only_the_order_of_the_answer(toy: Toy) -> None:
    found, _, success = PGD()(toy.victim, toy.images, toy.labels, epsilons=LADDER)
    shuffled = [2, 0, 3, 1]
    other, _, verdicts = PGD()(
        toy.victim, toy.images, toy.labels, epsilons=[LADDER[k] for k in shuffled]
    )
    assert torch.equal(verdicts, success[shuffled])
    for place, k in enumerate(shuffled):
        assert torch.equal(other[place], found[k])


class Counted(nn.Module):
    """Counts the images that go forward, and backward, through a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards = self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        if images.requires_grad:
            images = images.clone()
            images.register_hook(self.count)
        return self.model(images)

    def count(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def test_it_makes_no_pass_more_than_the_ladder_needs(toy: Toy) -> None:
    """Counted against the one-image reference: a pass at the original serves every rung, a rung's
    last iterate goes forward alone, and a broken image climbs no further."""
    counted = Counted(toy.model).eval()
    victim = type(toy.victim)(counted, bounds=(0, 1), device="cpu")
    # One place only, so that no copies fill up a batch.
    PGD(batch_size=1)(victim, toy.images, toy.labels, epsilons=LADDER)
    forwards = backwards = 0
    for image, label, wrong in zip(toy.images, toy.labels, toy.wrong, strict=True):
        forwards, backwards = forwards + 1, backwards + 1
        for epsilon in [] if wrong else LADDER:
            verdict = reference_pgd(toy.model, image, int(label), norm="linf", epsilon=epsilon)
            forwards += verdict.steps
            # A broken image is judged in a pass with a gradient, unless at the last step.
            backwards += min(verdict.steps, 19)
            if verdict.broken:
                break
    assert (counted.forwards, counted.backwards) == (forwards, backwards)


@pytest.mark.parametrize("batch_size", [1, 3, 16, 40])
def test_rungs_begun_ahead_of_time_change_no_verdict(toy: Toy, batch_size: int) -> None:
    """Free places at the end of the stream go to next rungs, which may prove not to be needed."""
    _, _, success = PGD(batch_size=batch_size)(toy.victim, toy.images, toy.labels, epsilons=LADDER)
    for epsilon, verdicts in zip(LADDER, success, strict=True):
        for number, verdict in enumerate(verdicts.tolist()):
            alone = (
                [
                    reference_pgd(
                        toy.model,
                        toy.images[number],
                        int(toy.labels[number]),
                        norm="linf",
                        epsilon=smaller,
                    ).broken
                    for smaller in LADDER
                    if smaller <= epsilon
                ]
                if not toy.wrong[number]
                else [True]
            )
            assert verdict == any(alone)


def test_each_image_may_have_a_ladder_of_its_own(toy: Toy) -> None:
    """A tensor [K, B] of epsilons, in any order for each image."""
    table = torch.tensor(LADDER)[:, None].expand(-1, 40).clone()
    flipped = torch.arange(40) % 2 == 1
    table[:, flipped] = table[:, flipped].flip(0)
    found, _, success = PGD()(toy.victim, toy.images, toy.labels, epsilons=table)
    same, _, expected = PGD()(toy.victim, toy.images, toy.labels, epsilons=LADDER)
    expected[:, flipped] = expected[:, flipped].flip(0)
    assert torch.equal(success, expected)
    assert torch.equal(found[0][flipped], same[3][flipped])
    assert torch.equal(found[1][~flipped], same[1][~flipped])
