"""Random starts that follow from the image, restarts of survivors, the mean over random draws."""

import pytest
import torch
from torch import Tensor, nn

from biorobust.attacks import PGD
from biorobust.attacks.engine import Finished, Images
from toy_attacks import MODELS, Toy, make_toy


@pytest.fixture(params=MODELS)
def toy(request: pytest.FixtureRequest) -> Toy:
    return make_toy(request.param)


class Counted(nn.Module):
    """Counts the images that go forward."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards = 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        logits: Tensor = self.model(images)
        return logits


def attack(
    toy: Toy,
    pgd: PGD,
    *,
    epsilon: float = 0.01,
    numbers: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 8,
) -> Finished:
    """What came out of the stream, sorted by number."""
    numbers = torch.arange(len(toy.images)) if numbers is None else numbers
    epsilons = torch.full((len(numbers), 1), epsilon)
    whole = Images(numbers, toy.images[numbers], toy.labels[numbers], epsilons)
    parts = list(pgd.stream(toy.model, iter([whole]), batch_size=batch_size, seed=seed))
    fields = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in Finished.__dataclass_fields__
    }
    places = fields["numbers"].argsort()
    return Finished(**{name: values[places] for name, values in fields.items()})


@pytest.mark.parametrize("norm", ["linf", "l2", "rms"])
def test_a_random_start_is_a_function_of_seed_and_image(toy: Toy, norm: str) -> None:
    pgd = PGD(norm, random_start=True, steps=1, restarts=2)
    whole = attack(toy, pgd)
    few = torch.tensor([31, 4, 17])
    alone = attack(toy, pgd, numbers=few, batch_size=2)
    chosen = few.sort().values
    assert torch.equal(alone.steps, whole.steps[chosen])
    assert torch.allclose(alone.iterates, whole.iterates[chosen], atol=1e-6)
    other = attack(toy, pgd, seed=1)
    assert not torch.allclose(other.iterates[~toy.wrong], whole.iterates[~toy.wrong], atol=1e-4)


def test_no_rung_of_an_image_is_attacked_twice(toy: Toy) -> None:
    ladder = torch.tensor([0.002, 0.004, 0.006, 0.01, 0.03, 0.1]).expand(40, -1)
    whole = Images(torch.arange(40), toy.images, toy.labels, ladder)
    pgd = PGD(random_start=True, restarts=3, steps=4)
    reported = [
        pair
        for part in pgd.stream(toy.model, iter([whole]), batch_size=64)
        for pair in zip(part.numbers.tolist(), part.rungs.tolist(), strict=True)
    ]
    assert len(reported) == len(set(reported))


def test_restarts_attack_survivors_alone_and_break_at_least_as_many(toy: Toy) -> None:
    counted = toy._replace(model=Counted(toy.model).eval())
    passes, broken = [], []
    for restarts in (1, 2, 5):
        counted.model.forwards = 0
        pgd = PGD(random_start=True, steps=2, relative_step=0.01, restarts=restarts)
        finished = attack(counted, pgd, epsilon=0.1, batch_size=1)
        passes.append(counted.model.forwards)
        broken.append(finished.broken)
    assert not (broken[0] & ~broken[1]).any()
    assert not (broken[1] & ~broken[2]).any()
    assert broken[2].sum() > broken[0].sum()
    survivors = int((~broken[0] & ~toy.wrong).sum())
    # A second attempt: the start and two steps forward, for survivors of the first at most.
    assert 0 < passes[1] - passes[0] <= 3 * survivors


class Jittering(nn.Module):
    """A toy whose eval mode adds noise to the pixels before the model sees them."""

    def __init__(self, model: nn.Module, deviation: float) -> None:
        super().__init__()
        self.model = model
        self.deviation = deviation

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images + self.deviation * torch.randn_like(images))
        return logits


def test_expectation_averages_the_gradient_over_draws(toy: Toy) -> None:
    """On a linear model the mean over draws is the model itself, however loud the noise."""
    linear = make_toy("linear")
    noisy = linear._replace(model=Jittering(linear.model, 0.05).eval())
    torch.manual_seed(0)
    averaged = attack(noisy, PGD(expectation=400, steps=3))
    plain = attack(linear, PGD(steps=3))
    agree = (averaged.broken == plain.broken).float().mean()
    assert agree >= 0.95
    torch.manual_seed(0)
    single = attack(noisy, PGD(steps=3))
    assert (single.broken == plain.broken).float().mean() < agree


def test_expectation_costs_a_pass_for_each_draw_and_changes_nothing_for_a_fixed_model(
    toy: Toy,
) -> None:
    counted = toy._replace(model=Counted(toy.model).eval())
    once = attack(counted, PGD(steps=5))
    passes = counted.model.forwards
    thrice = attack(counted, PGD(steps=5, expectation=3))
    assert counted.model.forwards - passes == 3 * passes
    assert torch.equal(once.broken, thrice.broken)
    assert torch.equal(once.steps, thrice.steps)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"restarts": 3}, "random_start"),
        ({"restarts": 0, "random_start": True}, "restarts"),
        ({"expectation": 0}, "expectation"),
        ({"precision": "float16"}, "bfloat16"),
        ({"batch_size": 0}, "batch_size"),
        ({"steps": 2.5}, "steps"),
        ({"relative_step": -1}, "relative_step"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        PGD(**options)
