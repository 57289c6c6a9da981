"""Every kind of attack on toy models: what it returns, what it counts, what it may depend on."""

from dataclasses import fields

import pytest
import torch
from torch import nn

from biorobust.attacks import build_attack
from biorobust.attacks.base import BLOCK
from biorobust.attacks.catalogue import attack_class
from biorobust.attacks.engine import Finished
from biorobust.attacks.kinds import ATTACKS
from biorobust.errors import UserError
from catalogue_attacks import LARGE, RANDOM, SIZES, attacked, joined, toy_sized
from toy_attacks import CLASSES, DIMENSIONS, Toy, make_toy

# auto_attack needs an optional package.
KINDS = [kind for kind in ATTACKS if kind != "auto_attack"]
NORMED = ["adam_pgd", "additive_uniform_noise", "bim", "fgsm", "pgd", "square"]
CASES = [(kind, {}) for kind in KINDS]
CASES += [(kind, {"norm": norm}) for kind in NORMED for norm in ("l2", "rms")]
CASES += [(kind, {"norm": "linf"}) for kind in ("deepfool", "fmn", "hop_skip_jump")]
# These break every image that there is to break; others need luck.
STRONG = {"adam_pgd", "bim", "boundary", "carlini_wagner", "ddn", "deepfool", "fgsm", "fmn"}
STRONG |= {"hop_skip_jump", "pgd", "salt_and_pepper"}


@pytest.fixture(scope="module")
def toy() -> Toy:
    toy = make_toy("convolutional", count=40)
    toy.model.requires_grad_(False)
    return toy


def check(toy: Toy, found: Finished, norm: str, epsilon: float | None) -> None:
    """Verdict, ball and pixel range, worked out from the returned images alone."""
    predictions = toy.model(found.iterates).argmax(1)
    assert torch.equal(found.predictions, predictions)
    assert torch.equal(found.broken, (predictions != toy.labels) & ~toy.wrong)
    assert found.iterates.min() >= 0 and found.iterates.max() <= 1
    if epsilon is not None:
        changes = (found.iterates.double() - toy.images.double()).flatten(1)
        sizes = {
            "linf": changes.abs().amax(1),
            "l2": changes.norm(dim=1),
            "rms": changes.norm(dim=1) / DIMENSIONS**0.5,
        }
        assert sizes[norm].max() <= epsilon * (1 + 1e-5) + 1e-7
    assert torch.equal(found.iterates[toy.wrong], toy.images[toy.wrong])
    assert (found.steps[toy.wrong] == 0).all() and (found.steps[~toy.wrong] > 0).all()
    torch.testing.assert_close(
        found.losses,
        nn.functional.cross_entropy(toy.model(found.iterates), toy.labels, reduction="none"),
    )


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_images_are_broken_as_the_plain_model_says(
    toy: Toy, kind: str, options: dict[str, str]
) -> None:
    attack = toy_sized(kind, **options)
    found = attacked(attack, toy.model, toy.images, toy.labels)
    assert found.numbers.tolist() == list(range(40))
    check(toy, found, attack.norm, None if attack.minimal else LARGE[attack.norm])
    broken = int(found.broken.sum())
    assert broken == 32 if kind in STRONG else broken >= 4
    if attack.minimal:
        # What is not broken was not changed.
        same = (found.iterates == toy.images).flatten(1).all(1)
        assert torch.equal(same, ~found.broken)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_broken_where_the_model_knows_one_class(kind: str) -> None:
    blind = nn.Sequential(nn.Flatten(), nn.Linear(DIMENSIONS, CLASSES)).eval()
    blind.requires_grad_(False)
    blind[1].weight.zero_()
    blind[1].bias.copy_(torch.tensor([0.0, 3.0, 1.0, 0.0, 0.0]))
    images, labels = torch.rand(5, 3, 8, 8), torch.tensor([1, 1, 0, 1, 1])
    small = {"boundary": 10, "hop_skip_jump": 10}
    options = {"directions": small[kind]} if kind in small else {}
    found = attacked(toy_sized(kind, **options), blind, images, labels)
    assert not found.broken.any()
    assert found.iterates.isfinite().all()
    assert found.clean_predictions.tolist() == [1] * 5


@pytest.mark.parametrize("kind", [k for k in KINDS if not attack_class(k).minimal])
def test_a_ball_of_size_0_breaks_nothing(toy: Toy, kind: str) -> None:
    found = attacked(toy_sized(kind), toy.model, toy.images, toy.labels, epsilon=0.0)
    assert torch.equal(found.iterates, toy.images)
    assert not found.broken.any()


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("bim", "fgsm")])
def test_results_follow_from_seed_and_image_alone(toy: Toy, kind: str) -> None:
    attack = toy_sized(kind)
    images, labels = toy.images, toy.labels
    torch.manual_seed(0)
    before = torch.get_rng_state()
    whole = attacked(attack, toy.model, images, labels, batch=50)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    in_batches = attacked(attack, toy.model, images, labels, batch=10)
    parts = [
        attacked(toy_sized(kind), toy.model, images[:BLOCK], labels[:BLOCK], batch=7),
        attacked(attack, toy.model, images[BLOCK:], labels[BLOCK:], first=BLOCK),
    ]
    for other in (in_batches, joined(parts[::-1])):
        for field in fields(Finished):
            assert torch.equal(getattr(whole, field.name), getattr(other, field.name)), field.name
    reseeded = attacked(attack, toy.model, images, labels, seed=4)
    assert torch.equal(reseeded.iterates, whole.iterates) == (kind not in RANDOM)


def test_passes_are_those_of_the_model(toy: Toy) -> None:
    """One image, so that every forward pass is its own; two are for the verdicts."""
    passes = 0

    def counting(images: torch.Tensor) -> torch.Tensor:
        nonlocal passes
        passes += len(images)
        logits: torch.Tensor = toy.model(images)
        return logits

    for kind in [k for k in KINDS if k not in ("bim", "fgsm", "pgd")]:
        passes = 0
        found = attacked(toy_sized(kind), counting, toy.images[1:2], toy.labels[1:2])
        assert found.steps.tolist() == [passes - 2], kind


def test_noise_breaks_nothing_that_pgd_leaves(toy: Toy) -> None:
    for norm, epsilon in (("linf", 0.03), ("l2", 0.25), ("rms", 0.02)):
        options = {"norm": norm, "epsilon": epsilon}
        noise, pgd = (
            attacked(
                build_attack(kind, norm=norm), toy.model, toy.images, toy.labels, epsilon=epsilon
            ).broken
            for kind in ("additive_uniform_noise", "pgd")
        )
        assert not (noise & ~pgd).any(), options
        assert noise.any() and noise.sum() < pgd.sum(), options


def test_one_block_has_one_epsilon(toy: Toy) -> None:
    from biorobust.attacks.base import Manner
    from biorobust.attacks.engine import Images

    ladder = torch.linspace(0.01, 0.02, 40)[:, None]
    stream = iter([Images(torch.arange(40), toy.images, toy.labels, ladder)])
    with pytest.raises(ValueError, match="one epsilon"):
        list(build_attack("square").attack(toy.model, stream, seed=0, manner=Manner(50)))


def test_auto_attack_refuses_models_of_few_classes() -> None:
    few = nn.Sequential(nn.Flatten(), nn.Linear(DIMENSIONS, 3)).eval()
    images = torch.rand(4, 3, 8, 8)
    with pytest.raises(UserError, match="4 classes or more, not 3"):
        attacked(build_attack("auto_attack"), few, images, few(images).argmax(1))


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.012), ("rms", 0.006)])
def test_auto_attack_is_as_strong_as_pgd(norm: str, epsilon: float) -> None:
    toy = make_toy("convolutional", count=10)
    pgd, auto = (
        attacked(build_attack(kind, norm=norm), toy.model, toy.images, toy.labels, epsilon=epsilon)
        for kind in ("pgd", "auto_attack")
    )
    check(toy, auto, norm, epsilon)
    assert not (pgd.broken & ~auto.broken).any()
    assert pgd.broken.any() and not pgd.broken.all()


def test_every_kind_is_tried_here() -> None:
    assert set(SIZES) == set(ATTACKS)
