"""Branches: combined as by hand, shared ones folded, own ones apart."""

import copy
import itertools

import pytest
import torch

from biorobust.models.branches import COMBINATIONS, Branches
from biorobust.models.resnet import Backbone, build_backbone


def build(shared, combination, branches=3, backbone="resnet18", classes=5):
    torch.manual_seed(0)
    stem = {"stem_width": 2} if backbone == "resnet18" else {}
    return Branches(
        lambda: build_backbone(backbone, width=2, batch_norm_momentum=0.3, **stem),
        branches=branches,
        shared_weights=shared,
        combination=combination,
        classes=classes,
    )


def some_views(branches=3, batch=4):
    """Views whose statistics differ from branch to branch."""
    generator = torch.Generator().manual_seed(1)
    levels = torch.linspace(0.2, 1, branches)[:, None, None, None, None]
    return levels * torch.rand(branches, batch, 3, 32, 32, generator=generator)


def dense(layer, features):
    return features @ layer.weight.T + layer.bias


def networks_of(module):
    """The network of each branch: (backbone, its own dense layer or None)."""
    parts = []
    for network in module.networks:
        backbone = next(part for part in network.modules() if isinstance(part, Backbone))
        heads = [part for part in network.modules() if isinstance(part, torch.nn.Linear)]
        parts.append((backbone, heads[0] if heads else None))
    return parts * (module.branches if module.shared_weights else 1)


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_outputs_are_combined_as_by_hand(shared, combination):
    module, views = build(shared, combination).eval(), some_views()
    outputs = []
    for (backbone, head), view in zip(networks_of(module), views, strict=True):
        features = backbone.features(view)
        outputs.append(features if head is None else dense(head, features))
    if combination == "averaged_logits":
        expected = (outputs[0] + outputs[1] + outputs[2]) / 3
    else:
        expected = dense(module.head, torch.cat(outputs, dim=1))
    logits = module(views)
    assert logits.shape == (4, 5)
    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-6)
    assert logits.std(dim=0).min() > 0


@pytest.mark.parametrize("backbone", ["resnet18", "resnet20"])
def test_a_folded_batch_trains_as_one_network_called_for_each_branch(backbone):
    """Features, running statistics and gradients, although the branches' statistics differ."""
    module, views = build(True, "concatenated_features", backbone=backbone), some_views()
    torch.manual_seed(0)
    stem = {"stem_width": 2} if backbone == "resnet18" else {}
    plain = build_backbone(backbone, width=2, batch_norm_momentum=0.3, **stem)
    plain.load_state_dict(module.networks[0].state_dict())
    folded, looped = module.outputs(views), torch.stack([plain(view) for view in views])
    assert torch.allclose(folded, looped, rtol=1e-4, atol=1e-5)
    folded.square().sum().backward()
    looped.square().sum().backward()
    ours, theirs = module.networks[0].state_dict(), plain.state_dict()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in theirs)
    gradients = dict(plain.named_parameters())
    for name, parameter in module.networks[0].named_parameters():
        expected = gradients[name].grad
        # A bias in front of a normalisation has a gradient of 0 up to rounding.
        assert torch.allclose(parameter.grad, expected, rtol=1e-2, atol=1e-3), name
    # A normalisation over all branches at once would be something else.
    joint = build_backbone(backbone, width=2, batch_norm_momentum=0.3, **stem)
    joint.load_state_dict(plain.state_dict())
    assert not torch.allclose(joint(views.flatten(0, 1)).unflatten(0, (3, -1)), looped, atol=1e-2)


def test_a_shared_network_is_one_set_of_parameters_that_sees_all_branches_alike():
    module, own = build(True, "averaged_logits").eval(), build(False, "averaged_logits").eval()

    def count(part):
        return sum(parameter.numel() for parameter in part.parameters())

    assert 3 * count(module) == count(own)
    views = some_views()
    for order in itertools.permutations(range(3)):
        permuted = views[list(order)]
        assert torch.allclose(module(permuted), module(views), atol=1e-6)
        assert torch.allclose(module.outputs(permuted), module.outputs(views)[list(order)])
    assert not torch.allclose(own(views[[1, 2, 0]]), own(views), atol=1e-3)


def test_networks_with_weights_of_their_own_start_apart_and_see_only_their_view():
    module, views = build(False, "concatenated_features"), some_views().requires_grad_(True)
    firsts = [network.stem[0].weight for network in module.networks]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(firsts, 2))
    for branch in range(3):
        (gradient,) = torch.autograd.grad(module.eval().outputs(views)[branch].sum(), views)
        touched = gradient.abs().sum(dim=(1, 2, 3, 4)) > 0
        assert touched.tolist() == [branch == other for other in range(3)]


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_penalties_are_those_of_all_kernels_once(shared, combination):
    module = build(shared, combination, backbone="resnet20")
    squares = sum(value.double().square().sum() for value in module.parameters() if value.ndim == 4)
    assert module.regularisation().item() == pytest.approx(1e-4 * squares.item(), rel=1e-5)
    assert build(shared, combination).regularisation().item() == 0


def test_evaluation_neither_moves_statistics_nor_mixes_images():
    module, views = build(True, "concatenated_features").eval(), some_views()
    before = copy.deepcopy(module.state_dict())
    together = module(views)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    alone = torch.cat([module(views[:, [image]]) for image in range(4)])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-6)
