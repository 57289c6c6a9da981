"""PGD against Foolbox's own and against a plain loop over single images."""

import foolbox
import foolbox.attacks as stock
import pytest
import torch
from foolbox.criteria import Misclassification, TargetedMisclassification

from biorobust.attacks import PGD
from toy_attacks import CLASSES, DIMENSIONS, MODELS, SHAPE, Toy, make_toy, reference_pgd

STOCK = {
    "linf": (stock.LinfPGD, stock.LinfBasicIterativeAttack),
    "l2": (stock.L2PGD, stock.L2BasicIterativeAttack),
}
PUBLISHED = {"steps": 20, "rel_stepsize": 1 / 3, "random_start": False}
# From a few broken images to nearly all.
EPSILONS = {"linf": [0.003, 0.01, 0.03, 0.1], "l2": [0.03, 0.1, 0.3, 1.0], "rms": [0.002, 0.02]}
ROWS = [(norm, epsilon) for norm, epsilons in EPSILONS.items() for epsilon in epsilons]


@pytest.fixture(params=MODELS)
def toy(request: pytest.FixtureRequest) -> Toy:
    return make_toy(request.param)


def size(norm: str, perturbation: torch.Tensor) -> torch.Tensor:
    flat = perturbation.flatten(1).double()
    lengths = {
        "linf": flat.abs().amax(1),
        "l2": flat.norm(dim=1),
        "rms": flat.norm(dim=1) / DIMENSIONS**0.5,
    }
    return lengths[norm]


@pytest.mark.parametrize("norm", STOCK)
def test_whatever_foolbox_breaks_is_broken(toy: Toy, norm: str) -> None:
    epsilons = EPSILONS[norm]
    _, _, ours = PGD(norm)(toy.victim, toy.images, toy.labels, epsilons=epsilons)
    for attack in STOCK[norm]:
        _, _, theirs = attack(**PUBLISHED)(toy.victim, toy.images, toy.labels, epsilons=epsilons)
        assert not (theirs & ~ours).any()
    robust = (~ours[:, ~toy.wrong]).sum(1).tolist()
    assert robust == sorted(robust, reverse=True)
    assert robust[0] > robust[-1]


@pytest.mark.parametrize(("norm", "epsilon"), ROWS)
def test_success_is_a_misclassified_image_within_ball_and_range(
    toy: Toy, norm: str, epsilon: float
) -> None:
    found, clipped, success = PGD(norm)(toy.victim, toy.images, toy.labels, epsilons=epsilon)
    for images in (found, clipped):
        assert images.dtype == torch.float32
        with torch.no_grad():
            assert torch.equal(toy.model(images).argmax(1) != toy.labels, success)
        assert size(norm, images - toy.images).max() <= epsilon * (1 + 1e-5) + 1e-7
        assert images.min() >= 0
        assert images.max() <= 1


@pytest.mark.parametrize(("norm", "epsilon"), ROWS)
def test_each_image_fares_as_in_a_loop_over_single_images(
    toy: Toy, norm: str, epsilon: float
) -> None:
    found, _, success = PGD(norm, batch_size=16)(
        toy.victim, toy.images, toy.labels, epsilons=epsilon
    )
    for number, (image, label) in enumerate(zip(toy.images, toy.labels.tolist(), strict=True)):
        expected = reference_pgd(toy.model, image, label, norm=norm, epsilon=epsilon)
        assert bool(success[number]) == (expected.broken or bool(toy.wrong[number]))
        assert torch.allclose(found[number], expected.iterate, atol=2e-6)


@pytest.mark.parametrize("norm", EPSILONS)
def test_misclassified_images_are_not_attacked(toy: Toy, norm: str) -> None:
    found, clipped, success = PGD(norm)(toy.victim, toy.images, toy.labels, epsilons=0.1)
    assert torch.equal(found[toy.wrong], toy.images[toy.wrong])
    assert torch.equal(clipped[toy.wrong], toy.images[toy.wrong])
    assert success[toy.wrong].all()


@pytest.mark.parametrize("norm", EPSILONS)
def test_epsilon_zero_changes_nothing(toy: Toy, norm: str) -> None:
    found, _, success = PGD(norm)(toy.victim, toy.images, toy.labels, epsilons=0.0)
    assert torch.equal(found, toy.images)
    assert torch.equal(success, toy.wrong)


def test_a_wide_ball_leaves_no_image_and_a_narrow_one_breaks_none(toy: Toy) -> None:
    epsilons = [1e-6, 0.5]
    _, _, success = PGD(steps=40)(toy.victim, toy.images, toy.labels, epsilons=epsilons)
    assert torch.equal(success[0], toy.wrong)
    assert success[1].all()


def test_rms_is_l2_at_epsilon_times_the_root_of_the_pixel_count(toy: Toy) -> None:
    found, clipped, success = PGD("rms")(toy.victim, toy.images, toy.labels, epsilons=0.01)
    same = PGD("l2")(toy.victim, toy.images, toy.labels, epsilons=0.01 * DIMENSIONS**0.5)
    assert torch.allclose(found, same[0], atol=1e-6)
    assert torch.allclose(clipped, same[1], atol=1e-6)
    assert torch.equal(success, same[2])


def test_foolbox_gets_lists_for_a_list_of_epsilons_and_tensors_for_one() -> None:
    toy = make_toy("linear", 6)
    found, clipped, success = PGD()(toy.victim, toy.images, toy.labels, epsilons=[0.01, 0.1])
    assert [len(found), len(clipped)] == [2, 2]
    assert all(images.shape == (6, *SHAPE) for images in [*found, *clipped])
    assert success.shape == (2, 6)
    one = PGD()(toy.victim, toy.images, Misclassification(toy.labels), epsilons=0.1)
    assert torch.equal(one[0], found[1])
    assert torch.equal(one[1], clipped[1])
    assert torch.equal(one[2], success[1])
    assert success.dtype == one[2].dtype == torch.bool


def test_one_image_is_attacked_like_many() -> None:
    toy = make_toy("perceptron", 2)
    found, _, success = PGD()(toy.victim, toy.images, toy.labels, epsilons=0.03)
    alone, _, verdict = PGD()(toy.victim, toy.images[1:], toy.labels[1:], epsilons=0.03)
    assert torch.allclose(alone[0], found[1], atol=1e-6)
    assert verdict.tolist() == success[1:].tolist()


@pytest.mark.parametrize("norm", STOCK)
def test_a_targeted_attack_reaches_what_foolbox_reaches(toy: Toy, norm: str) -> None:
    targets = (toy.labels + 2) % CLASSES
    criterion = TargetedMisclassification(targets)
    epsilons = EPSILONS[norm]
    found, _, ours = PGD(norm)(toy.victim, toy.images, criterion, epsilons=epsilons)
    _, _, theirs = STOCK[norm][0](**PUBLISHED)(toy.victim, toy.images, criterion, epsilons=epsilons)
    assert not (theirs & ~ours).any()
    assert ours[-1].sum() > ours[0].sum()
    with torch.no_grad():
        assert torch.equal(toy.model(found[-1]).argmax(1) == targets, ours[-1])


def test_an_image_of_the_wanted_class_is_returned_as_it_is() -> None:
    toy = make_toy("linear")
    targets = torch.where(toy.wrong, 0, toy.labels)
    found, _, success = PGD()(
        toy.victim, toy.images, TargetedMisclassification(targets), epsilons=0.1
    )
    assert torch.equal(found[~toy.wrong], toy.images[~toy.wrong])
    assert success[~toy.wrong].all()


@pytest.mark.parametrize("norm", EPSILONS)
def test_a_random_start_stays_in_the_ball_and_follows_the_generator(norm: str) -> None:
    toy = make_toy("perceptron")
    attack = PGD(norm, random_start=True, steps=2)
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        runs.append(attack(toy.victim, toy.images, toy.labels, epsilons=0.02)[0])
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert size(norm, runs[0] - toy.images).max() <= 0.02 * (1 + 1e-5)
    assert torch.equal(runs[0][toy.wrong], toy.images[toy.wrong])


def test_repeated_attacks_break_at_least_what_one_does() -> None:
    toy = make_toy("perceptron")
    attack = PGD(random_start=True, steps=1)
    torch.manual_seed(0)
    once = attack(toy.victim, toy.images, toy.labels, epsilons=[0.01, 0.03])
    torch.manual_seed(0)
    images, _, success = attack.repeat(4)(toy.victim, toy.images, toy.labels, epsilons=[0.01, 0.03])
    assert not (once[2] & ~success).any()
    assert success.sum() > once[2].sum()
    assert images[0].shape == toy.images.shape


def test_models_with_other_bounds_and_other_criteria_are_refused() -> None:
    toy = make_toy("linear", 4)
    wide = foolbox.PyTorchModel(toy.model, bounds=(-1, 1), device="cpu")
    with pytest.raises(ValueError, match="bounds"):
        PGD()(wide, toy.images, toy.labels, epsilons=0.1)

    # As the message says: the same model, seen through bounds of 0 and 1.
    _, _, success = PGD()(wide.transform_bounds((0, 1)), toy.images, toy.labels, epsilons=0.3)
    assert success.all()
    with pytest.raises(ValueError, match="PyTorch"):
        PGD()(toy.victim, toy.images.numpy(), toy.labels.numpy(), epsilons=0.1)

    class Other(foolbox.criteria.Criterion):
        def __repr__(self) -> str:
            return "Other()"

        def __call__(self, perturbed: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
            return outputs.argmax(1) == 0

    with pytest.raises(ValueError, match="Misclassification"):
        PGD()(toy.victim, toy.images, Other(), epsilons=0.1)


@pytest.mark.parametrize("options", [{"norm": "l1"}, {"loss": "hinge"}, {"steps": 0}])
def test_impossible_settings_are_refused(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=name):
        PGD(**options)
