"""PGD against stock Foolbox on models that learned the digits, image by image."""

from typing import NamedTuple

import foolbox
import foolbox.attacks as stock
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from biorobust.attacks import PGD
from biorobust.models import build_model
from biorobust.models.base import ImageClassifier

STEPS = {"rel_stepsize": 1 / 3, "random_start": False}
STOCK = {
    "linf": (stock.LinfPGD, stock.LinfBasicIterativeAttack),
    "l2": (stock.L2BasicIterativeAttack,),
    "rms": (stock.L2PGD,),
}
# From nearly all robust to none; the RMS sizes are the L2 sizes over the root of 3 * 32 * 32.
EPSILONS = {
    "linf": [0.005, 0.02, 0.05, 0.1, 0.3],
    "l2": [0.2, 0.5, 1.0, 2.0, 6.0],
    "rms": [0.2 / 3072**0.5, 1.0 / 3072**0.5, 6.0 / 3072**0.5],
}


class Trained(NamedTuple):
    """A model in eval mode with test images [32, 3, 32, 32] and labels [32]."""

    model: ImageClassifier
    victim: foolbox.PyTorchModel
    images: Tensor
    labels: Tensor
    wrong: Tensor


@pytest.fixture(
    scope="module",
    params=[("standard", {}), ("retinal_fixations", {"interpolation": "bilinear"})],
    ids=lambda param: param[0],
)
def trained(request: pytest.FixtureRequest) -> Trained:
    kind, options = request.param
    bunch = load_digits()
    small = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    images = interpolate(small, size=32, mode="bilinear").expand(-1, 3, -1, -1).contiguous()
    labels = torch.tensor(bunch.target)
    torch.manual_seed(0)
    model = build_model(
        kind, image_size=32, classes=10, width=4, stem_width=8, batch_norm_momentum=0.1, **options
    )
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(3):
        for chosen in torch.randperm(800).split(50):
            draws = torch.rand(len(chosen), model.draws_per_image)
            logits, extra, _ = model.training_outputs(images[chosen], labels[chosen], draws)
            optimiser.zero_grad()
            (cross_entropy(logits, labels[chosen]) + extra).backward()
            optimiser.step()
    model.eval().requires_grad_(False)
    images, labels = images[900:932], labels[900:932]
    wrong = model(images).argmax(1) != labels
    assert wrong.float().mean() < 0.5
    victim = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    return Trained(model, victim, images, labels, wrong)


def euclidean(norm: str, epsilon: float) -> float:
    """An epsilon as Foolbox's attacks want it."""
    return epsilon * 3072**0.5 if norm == "rms" else epsilon


@pytest.mark.parametrize("norm", STOCK)
def test_whatever_stock_foolbox_breaks_is_broken(trained: Trained, norm: str) -> None:
    images, labels = trained.images, trained.labels
    epsilons = EPSILONS[norm]
    found, _, ours = PGD(norm, batch_size=16)(trained.victim, images, labels, epsilons=epsilons)
    for attack in STOCK[norm]:
        _, _, theirs = attack(steps=20, **STEPS)(
            trained.victim, images, labels, epsilons=[euclidean(norm, e) for e in epsilons]
        )
        assert not (theirs & ~ours).any()
    for place, epsilon in enumerate(epsilons):
        assert torch.equal(trained.model(found[place]).argmax(1) != labels, ours[place])
        flat = (found[place].double() - images.double()).flatten(1)
        sizes = flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)
        assert (sizes <= euclidean(norm, epsilon) * (1 + 1e-5) + 1e-7).all()
        assert found[place].min() >= 0 and found[place].max() <= 1
    # The grid is worth comparing on: it goes from some robust images to (almost) none.
    robust = (~ours).sum(1).tolist()
    assert robust[0] > robust[-1]


@pytest.mark.parametrize("norm", STOCK)
def test_iterates_are_those_of_stock_foolbox_step_by_step(trained: Trained, norm: str) -> None:
    """As long as an image is not broken, it is where Foolbox's last iterate is after k steps."""
    epsilon = EPSILONS[norm][0]
    for steps in (1, 3, 8):
        ours, _, broken = PGD(norm, steps=steps)(
            trained.victim, trained.images, trained.labels, epsilons=epsilon
        )
        theirs, _, _ = STOCK[norm][0](steps=steps, **STEPS)(
            trained.victim, trained.images, trained.labels, epsilons=euclidean(norm, epsilon)
        )
        assert (~broken).sum() >= 10
        apart = (ours[~broken] - theirs[~broken]).abs().flatten(1)
        # Where a pixel's gradient is zero up to rounding, its sign is anyone's guess.
        assert (apart > 1e-5).float().mean() < 0.002
