"""The stream behind PGD: each image once, whoever shares its batch; gradients that never vanish."""

from collections.abc import Iterator

import foolbox.attacks as stock
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, softplus

from biorobust.attacks import PGD
from biorobust.attacks.engine import Finished, Images
from biorobust.attacks.losses import cross_entropy_margin, margin
from toy_attacks import CLASSES, MODELS, Toy, make_toy, reference_pgd


@pytest.fixture(params=MODELS)
def toy(request: pytest.FixtureRequest) -> Toy:
    return make_toy(request.param)


def stretches(
    toy: Toy, order: torch.Tensor, epsilons: torch.Tensor, length: int
) -> Iterator[Images]:
    for numbers in order.split(length):
        yield Images(numbers, toy.images[numbers], toy.labels[numbers], epsilons[numbers, None])


def attack(
    toy: Toy,
    pgd: PGD | None = None,
    *,
    epsilon: float | torch.Tensor = 0.02,
    order: torch.Tensor | None = None,
    length: int = 7,
    batch_size: int = 8,
) -> Finished:
    """Everything that came out of the stream, sorted by number; checks that each came once."""
    count = len(toy.images)
    order = torch.arange(count) if order is None else order
    epsilons = torch.as_tensor(epsilon, dtype=torch.float32).expand(count)
    parts = list(
        (pgd or PGD()).stream(
            toy.model, stretches(toy, order, epsilons, length), batch_size=batch_size
        )
    )
    fields = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in Finished.__dataclass_fields__
    }
    numbers = fields["numbers"]
    assert sorted(numbers.tolist()) == sorted(order.tolist())
    places = numbers.argsort()
    return Finished(**{name: values[places] for name, values in fields.items()})


def assert_same(first: Finished, second: Finished) -> None:
    for name in ("numbers", "labels", "clean_predictions", "predictions", "steps", "broken"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    assert torch.equal(first.originals, second.originals)
    assert torch.allclose(first.iterates, second.iterates, atol=2e-6)
    assert torch.allclose(first.losses, second.losses, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_verdict_and_steps_are_those_of_a_loop_over_single_images(toy: Toy, norm: str) -> None:
    epsilon = {"linf": 0.015, "l2": 0.15}[norm]
    finished = attack(toy, PGD(norm), epsilon=epsilon)
    expected = [
        reference_pgd(toy.model, image, label, norm=norm, epsilon=epsilon)
        for image, label in zip(toy.images, toy.labels.tolist(), strict=True)
    ]
    assert finished.steps.tolist() == [verdict.steps for verdict in expected]
    assert finished.broken.tolist() == [verdict.broken for verdict in expected]
    assert {0, 20} < set(finished.steps.tolist())


def test_what_comes_out_describes_the_model_on_what_comes_out(toy: Toy) -> None:
    finished = attack(toy)
    with torch.no_grad():
        clean, attacked = toy.model(toy.images), toy.model(finished.iterates)
    assert torch.equal(finished.originals, toy.images)
    assert torch.equal(finished.labels, toy.labels)
    assert torch.equal(finished.clean_predictions, clean.argmax(1))
    assert torch.equal(finished.predictions, attacked.argmax(1))
    losses = cross_entropy(attacked, toy.labels, reduction="none")
    assert torch.allclose(finished.losses, losses, rtol=1e-4, atol=1e-5)
    assert torch.equal(finished.broken, (finished.predictions != toy.labels) & ~toy.wrong)
    assert not finished.steps[toy.wrong].any()
    assert torch.equal(finished.iterates[toy.wrong], toy.images[toy.wrong])


def test_a_random_start_is_one_step_more_and_then_the_attack(toy: Toy) -> None:
    torch.manual_seed(0)
    started = attack(toy, PGD(random_start=True), epsilon=0.02)
    plain = attack(toy, epsilon=0.02)
    assert started.steps.max() == 21
    assert started.broken.sum() >= plain.broken.sum() - 2
    alone = attack(toy, PGD(random_start=True, steps=1), epsilon=0.02)
    assert alone.steps.max() == 2
    assert alone.broken.sum() < plain.broken.sum()


@pytest.mark.parametrize(("batch_size", "length"), [(1, 1), (3, 40), (40, 2), (64, 64)])
def test_batch_size_and_arrival_change_nothing(toy: Toy, batch_size: int, length: int) -> None:
    assert_same(attack(toy), attack(toy, batch_size=batch_size, length=length))


def test_order_and_company_change_nothing(toy: Toy) -> None:
    whole = attack(toy)
    assert_same(whole, attack(toy, order=torch.arange(40).flip(0)))
    few = torch.tensor([31, 3, 17, 8])
    alone = attack(toy, order=few)
    chosen = few.sort().values
    company = Finished(
        **{name: getattr(whole, name)[chosen] for name in Finished.__dataclass_fields__}
    )
    assert_same(alone, company)


def test_each_image_has_an_epsilon_of_its_own(toy: Toy) -> None:
    narrow, wide = attack(toy, epsilon=0.005), attack(toy, epsilon=0.05)
    odd = torch.arange(40) % 2 == 1
    mixed = attack(toy, epsilon=torch.where(odd, 0.05, 0.005))
    assert torch.equal(mixed.steps, torch.where(odd, wide.steps, narrow.steps))
    assert torch.equal(mixed.broken, torch.where(odd, wide.broken, narrow.broken))


def test_an_empty_stream_gives_nothing() -> None:
    toy = make_toy("linear", 4)
    empty = Images(torch.arange(0), toy.images[:0], toy.labels[:0], torch.zeros(0, 1))
    for given_stretches in ([], [empty], [empty, empty]):
        finished = PGD().stream(toy.model, iter(given_stretches), batch_size=3)
        assert sum(len(part.numbers) for part in finished) == 0


def test_only_pixels_take_gradients(toy: Toy) -> None:
    toy.model.requires_grad_(True)
    finished = attack(toy)
    assert all(parameter.grad is None for parameter in toy.model.parameters())
    assert toy.images.grad is None
    assert not finished.iterates.requires_grad
    assert not finished.losses.requires_grad


def test_it_works_where_gradients_are_switched_off(toy: Toy) -> None:
    with torch.no_grad():
        quiet = attack(toy)
    assert_same(quiet, attack(toy))


class Scaled(torch.nn.Module):
    """A model that is far too sure of itself: the same argmax, logits 1024 times as large."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 1024 * self.model(images)


def test_overconfidence_stops_foolbox_but_not_this(toy: Toy) -> None:
    sure = toy._replace(model=Scaled(toy.model).eval())
    theirs = stock.LinfPGD(steps=20, rel_stepsize=1 / 3, random_start=False)
    found = theirs(sure.victim, sure.images, sure.labels, epsilons=0.1)[0]
    stuck = (found == sure.images).flatten(1).all(1) & ~toy.wrong
    assert stuck.sum() >= 5
    assert attack(toy, epsilon=0.1).broken[stuck].all()
    assert attack(sure, epsilon=0.1).broken[stuck].all()


def test_the_margin_does_not_see_the_scale_of_the_logits(toy: Toy) -> None:
    sure = toy._replace(model=Scaled(toy.model).eval())
    plain, scaled = (attack(each, PGD(loss="margin")) for each in (toy, sure))
    assert torch.equal(plain.steps, scaled.steps)
    assert torch.equal(plain.broken, scaled.broken)
    assert torch.allclose(plain.iterates, scaled.iterates, atol=1e-6)
    assert plain.broken.any()


LOGITS = st.lists(
    st.lists(st.floats(-20, 20), min_size=CLASSES, max_size=CLASSES), min_size=1, max_size=4
)


@given(LOGITS, st.integers(0, CLASSES - 1))
def test_the_margin_of_cross_entropy_has_its_direction(rows: list[list[float]], label: int) -> None:
    logits = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    labels = torch.full((len(rows),), label)
    plain = cross_entropy(logits, labels, reduction="none")
    value = cross_entropy_margin(logits, labels)
    assert torch.allclose(softplus(value, threshold=50), plain, atol=1e-12)
    (steep,) = torch.autograd.grad(plain.sum(), logits)
    (ours,) = torch.autograd.grad(value.sum(), logits)
    assert torch.allclose(steep, value.sigmoid()[:, None] * ours, atol=1e-12)


@given(LOGITS, st.integers(0, CLASSES - 1))
def test_the_margin_is_positive_where_another_class_wins(
    rows: list[list[float]], label: int
) -> None:
    values = margin(torch.tensor(rows), torch.full((len(rows),), label)).tolist()
    for row, value in zip(rows, values, strict=True):
        best_other = max(logit for place, logit in enumerate(row) if place != label)
        assert value == pytest.approx(best_other - row[label], abs=1e-5)
