"""Cortical fixations: where they look in training and in a test, and what each head learns."""

import numpy as np
import pytest
import torch

from biorobust import build_model
from biorobust.sampling import cortical_scales

SLIM = {"width": 4, "stem_width": 4}


def build(size=32, **options):
    """A new slim model in eval mode, in float64 so that two ways to compute agree closely."""
    torch.manual_seed(0)
    return build_model(
        "cortical_fixations", image_size=size, classes=5, **{**SLIM, **options}
    ).double()


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def published_gazes(reach):
    return [(0, 0), (-reach, reach), (reach, -reach), (-reach, -reach), (reach, reach)]


VARIANTS = [
    (32, {}, 4),
    (64, {}, 8),
    (64, {"freeze_widest": True}, 16),
    (32, {"radii": [6], "auxiliary": False}, 4),
    (32, {"radii": [1, 2], "view_size": 15}, 1),
    (32, {"radii": [1, 2], "view_size": 12, "gaze": 3}, 3),
]


def cortical_logits(model, images, gazes, options):
    shape = {k: v for k, v in options.items() if k in ("radii", "view_size", "freeze_widest")}
    views = cortical_scales(images, gazes, **shape)
    features = [network(view) for network, view in zip(model.backbones, views, strict=True)]
    return model.head(torch.cat(features, dim=1)), features


@pytest.mark.parametrize(("size", "options", "reach"), VARIANTS)
def test_cortical_logits_are_the_mean_of_five_separate_passes(size, options, reach):
    model = build(size, **options)
    images = noise(3, 3, size, size)
    passes = [
        cortical_logits(model, images, torch.tensor([gaze] * 3), options)[0]
        for gaze in published_gazes(reach)
    ]
    assert torch.allclose(model(images), sum(passes) / 5, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(passes[1], passes[2], rtol=1e-3)


@pytest.mark.parametrize(("size", "options", "reach"), VARIANTS)
def test_cortical_training_looks_where_the_draws_say(size, options, reach):
    model = build(size, **options)
    images = noise(3, 3, size, size)
    gazes = torch.tensor([[-reach, reach - 1], [0, -1], [reach // 2, -reach]])
    draws = (gazes + reach + 0.5) / (2 * reach)
    draws[0] = torch.tensor([0.0, 1 - 2**-24])  # the ends of [0, 1)
    logits, extra_loss, diagnostics = model.training_outputs(images, torch.arange(3), draws)
    expected, features = cortical_logits(model, images, gazes, options)
    assert torch.allclose(logits, expected, rtol=1e-9, atol=1e-12)
    assert diagnostics == {}

    auxiliary = 0.0
    for head, own in zip(model.auxiliary_heads, features, strict=False):
        scores = head(own).detach().numpy()
        exponentials = np.exp(scores)
        auxiliary -= np.mean([np.log(exponentials[i, i] / exponentials[i].sum()) for i in range(3)])
    assert len(model.auxiliary_heads) == (0 if options.get("auxiliary") is False else len(features))
    assert extra_loss.item() == pytest.approx(auxiliary, rel=1e-9, abs=1e-12)


def test_auxiliary_heads_learn_but_have_no_say():
    model = build()
    images, draws = noise(2, 3, 32, 32), noise(2, 2)
    labels = torch.tensor([0, 1])
    logits, (trained, extra_loss, _) = model(images), model.training_outputs(images, labels, draws)
    extra_loss.backward()
    assert model.head.weight.grad is None
    for network, head in zip(model.backbones, model.auxiliary_heads, strict=True):
        assert head.weight.grad.abs().sum() > 0
        assert network.stem[0].weight.grad.abs().sum() > 0
    with torch.no_grad():
        for head in model.auxiliary_heads:
            head.weight.normal_()
    assert torch.equal(model(images), logits)
    again, other_loss, _ = model.training_outputs(images, labels, draws)
    assert torch.equal(again, trained)
    assert not torch.allclose(other_loss, extra_loss)


def test_cortical_networks_keep_the_resolution_of_their_small_views():
    model = build(320)
    for network in model.backbones:
        # Strides 1 in the stem, then three halvings: 40 -> 40 -> 5.
        assert network.stem(noise(1, 3, 40, 40)).shape[2:] == (40, 40)
        assert network.blocks(network.stem(noise(1, 3, 40, 40))).shape[2:] == (5, 5)
    cifar = {"backbone": "resnet20", "radii": [1, 2], "view_size": 12, "last_stride": 1}
    later = build_model("cortical_fixations", image_size=32, classes=2, width=4, **cifar)
    for network in later.backbones:
        assert network.blocks(network.stem(torch.rand(1, 3, 12, 12))).shape[2:] == (6, 6)
