"""Precision and speed knobs: whatever finds, float32 on the plain model judges."""

from collections.abc import Iterator

import foolbox
import pytest
import torch
from torch import Tensor, nn

from biorobust.attacks import PGD
from biorobust.attacks.engine import Images
from biorobust.attacks.fast_pass import attack_fast_first
from biorobust.attacks.losses import LOSSES
from biorobust.attacks.moves import Settings
from biorobust.attacks.norms import NORMS
from biorobust.models import build_model
from catalogue_attacks import attacked, toy_sized
from toy_attacks import MODELS, Toy, make_toy

EPSILONS = {"linf": [0.003, 0.01, 0.03], "l2": [0.03, 0.1, 0.3], "rms": [0.002, 0.006, 0.02]}


@pytest.fixture(params=[*MODELS, "standard", "retinal_fixations"])
def toy(request: pytest.FixtureRequest) -> Toy:
    if request.param in MODELS:
        return make_toy(request.param)
    torch.manual_seed(3)
    model = build_model(request.param, image_size=32, classes=5, width=2, stem_width=4)
    images = torch.rand(10, 3, 32, 32)
    with torch.no_grad():
        labels = model(images).argmax(1)
    wrong = torch.arange(10) % 5 == 0
    return Toy(model, images, torch.where(wrong, (labels + 1) % 5, labels), wrong)


@pytest.mark.parametrize("norm", NORMS)
def test_no_verdict_depends_on_the_precision_that_finds(toy: Toy, norm: str) -> None:
    epsilons = EPSILONS[norm]
    _, _, exact = PGD(norm, steps=8)(toy.victim, toy.images, toy.labels, epsilons=epsilons)
    found, _, fast = PGD(norm, steps=8, precision="bfloat16")(
        toy.victim, toy.images, toy.labels, epsilons=epsilons
    )
    # What float32 breaks is broken; what bfloat16 found beyond that is adversarial in float32.
    assert not (exact & ~fast).any()
    for place, epsilon in enumerate(epsilons):
        with torch.no_grad():
            assert torch.equal(toy.model(found[place]).argmax(1) != toy.labels, fast[place])
        sizes = NORMS[norm].size(found[place].double() - toy.images.double())
        assert (sizes <= epsilon * (1 + 1e-5) + 1e-7).all()


class Liar(nn.Module):
    """Misclassifies everything that it is asked; the plain model does not."""

    def forward(self, images: Tensor) -> Tensor:
        return (
            nn.functional.one_hot(torch.full((len(images),), 4), 5) * images.sum((1, 2, 3))[:, None]
        )


@pytest.mark.parametrize("name", MODELS)
def test_a_finding_model_that_lies_changes_no_verdict(name: str) -> None:
    toy = make_toy(name)
    settings = Settings(NORMS["linf"], 20, 1 / 3, LOSSES["cross_entropy"])
    epsilons = torch.full((40, 1), 0.01)
    whole = Images(torch.arange(40), toy.images, toy.labels, epsilons)
    said: list[str] = []
    parts = list(attack_fast_first(Liar(), toy.model, iter([whole]), settings, 8, said.append))
    numbers = torch.cat([part.numbers for part in parts])
    broken = torch.cat([part.broken for part in parts])[numbers.argsort()]
    assert sorted(numbers.tolist()) == list(range(40))
    _, _, exact = PGD()(toy.victim, toy.images, toy.labels, epsilons=0.01)
    assert torch.equal(broken | toy.wrong, exact)


def test_survivors_are_attacked_again_and_finds_are_not() -> None:
    """Where the fast pass finds everything, the exact one has only what is misclassified."""
    toy = make_toy("perceptron")
    passes = []

    def judging(images: Tensor) -> Tensor:
        passes.append(torch.is_grad_enabled())
        logits: Tensor = toy.model(images)
        return logits

    settings = Settings(NORMS["linf"], 20, 1 / 3, LOSSES["cross_entropy"])
    whole = Images(torch.arange(40), toy.images, toy.labels, torch.full((40, 1), 0.5))
    parts = list(attack_fast_first(toy.model, judging, iter([whole]), settings, 40, print))
    assert torch.cat([part.broken for part in parts]).sum() == (~toy.wrong).sum()
    # Each pass over what was found: the originals and the iterates; then one over the 8 missed.
    assert passes.count(True) == 1


def test_a_compiled_model_finds_and_the_plain_one_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilation itself needs a C++ compiler; here it is replaced by a wrapper that counts."""
    compiled = []

    def compile_(model: object, **options: object) -> object:
        compiled.append(options)
        return model

    monkeypatch.setattr(torch, "compile", compile_)
    toy = make_toy("perceptron")
    attack = PGD(compiled=True)
    _, _, fast = attack(toy.victim, toy.images, toy.labels, epsilons=[0.01, 0.03])
    _, _, exact = PGD()(toy.victim, toy.images, toy.labels, epsilons=[0.01, 0.03])
    assert torch.equal(fast, exact)
    attack(toy.victim, toy.images, toy.labels, epsilons=0.02)
    assert len(compiled) <= 2


def test_images_may_come_in_another_memory_order(toy: Toy) -> None:
    plain = PGD(steps=5)(toy.victim, toy.images, toy.labels, epsilons=EPSILONS["linf"])
    other = PGD(steps=5, channels_last=True)(
        toy.victim, toy.images, toy.labels, epsilons=EPSILONS["linf"]
    )
    assert torch.equal(plain[2], other[2])


@pytest.mark.parametrize("epsilon", [1e-6, 0.5])
def test_results_come_while_the_stream_is_read(epsilon: float) -> None:
    """Whether all images are found at once or none are: memory must not grow with the stream."""
    toy = make_toy("perceptron")
    read = []

    def stretches() -> Iterator[Images]:
        for number in range(0, 2000, 10):
            read.append(number)
            part = slice(number % 40, number % 40 + 10)
            numbers = torch.arange(number, number + 10)
            yield Images(numbers, toy.images[part], toy.labels[part], torch.full((10, 1), epsilon))

    pgd = PGD(steps=2, precision="bfloat16")
    seen = 0
    for part in pgd.stream(toy.model, stretches(), batch_size=8):
        seen += len(part.numbers)
        assert 10 * len(read) - seen <= 100
    assert seen == 2000


class Half(nn.Module):
    """A toy that is right in float32 and gives NaN in any other precision."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images)
        return logits if logits.dtype == torch.float32 else logits * float("nan")


def test_a_first_pass_of_nan_finds_nothing() -> None:
    toy = make_toy("perceptron")
    victim = foolbox.PyTorchModel(Half(toy.model).eval(), bounds=(0, 1), device="cpu")
    _, _, exact = PGD()(toy.victim, toy.images, toy.labels, epsilons=[0.01, 0.03])
    _, _, fast = PGD(precision="bfloat16")(victim, toy.images, toy.labels, epsilons=[0.01, 0.03])
    assert torch.equal(fast, exact)


def test_ladders_need_the_call_that_takes_them_apart() -> None:
    toy = make_toy("perceptron")
    whole = Images(torch.arange(40), toy.images, toy.labels, torch.tensor([[0.01, 0.1]] * 40))
    with pytest.raises(ValueError, match="one epsilon"):
        list(PGD(precision="bfloat16").stream(toy.model, iter([whole]), batch_size=8))


class Small(nn.Module):
    """A model on a device with memory for four images."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        logits: Tensor = self.model(images)
        return logits


@pytest.mark.parametrize("name", MODELS)
def test_too_little_memory_halves_the_batch_and_says_so(name: str) -> None:
    toy = make_toy(name)
    small = toy._replace(model=Small(toy.model).eval())
    with pytest.warns(UserWarning) as warned:
        _, _, success = PGD(batch_size=32)(
            small.victim, toy.images, toy.labels, epsilons=[0.01, 0.03]
        )
    sizes = [str(warning.message).rpartition(" ")[2] for warning in warned]
    assert sizes == ["16", "8", "4"]
    _, _, expected = PGD()(toy.victim, toy.images, toy.labels, epsilons=[0.01, 0.03])
    assert torch.equal(success, expected)
    with pytest.warns(UserWarning):
        _, _, fast = PGD(batch_size=32, precision="bfloat16")(
            small.victim, toy.images, toy.labels, epsilons=[0.01, 0.03]
        )
    assert not (expected & ~fast).any()
    for kind in ("square", "ddn"):
        assert (
            attacked(toy_sized(kind), small.model, toy.images, toy.labels).broken.sum()
            == attacked(toy_sized(kind), toy.model, toy.images, toy.labels).broken.sum()
        )


def test_a_model_that_does_not_fit_at_all_raises() -> None:
    toy = make_toy("linear", 4)

    def huge(images: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    whole = Images(torch.arange(4), toy.images, toy.labels, torch.full((4, 1), 0.1))
    with pytest.raises(torch.OutOfMemoryError):
        list(PGD().stream(huge, iter([whole]), batch_size=4, say=lambda line: None))
