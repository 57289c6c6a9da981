"""Parallel transformers and multi-gaze: published sizes, first looks, gradients and penalties."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from biorobust import build_model
from biorobust.errors import UserError
from biorobust.models.multi_gaze import initial_biases
from biorobust.sampling import cortical_scales, retinal_warp
from biorobust.sampling.affine import affine_warp

SLIM = {"width": 2, "stem_width": 2, "localiser_width": 2, "batch_norm_momentum": 0.3}
KINDS = {
    "parallel_transformers": SLIM,
    "multi_gaze": {**SLIM, "localiser_stem_width": 2},
}


def build(kind, size=32, **options):
    torch.manual_seed(0)
    return build_model(kind, image_size=size, classes=4, **{**KINDS[kind], **options})


def looking(model):
    """The model with a localiser that heeds the image, as after some training."""
    with torch.no_grad():
        spread = model.localiser.backbone(some_images()).std(dim=0).mean().item()
        model.localiser.dense.weight.normal_(std=0.3 / spread)
    return model


def some_images(batch=3, size=32):
    """Noise, ever brighter: a localiser can tell these images apart."""
    noise = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(2))
    return noise * torch.linspace(0.3, 1, batch)[:, None, None, None]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("attention", [[0.76159416, 0, 0], [0, 0.76159416, 0]]),
        ("isotropic_attention", [[0.76159416, 0, 0], [0, 0.76159416, 0]]),
        ("affine", [[0.76159416, 0, 0], [0, 0.76159416, 0]]),
    ],
)
@pytest.mark.parametrize("branches", [1, 5])
def test_all_transforms_start_at_the_scale_tanh_1(transform, expected, branches):
    model = build("parallel_transformers", transform=transform, branches=branches)
    transforms = model.transforms(some_images())
    assert transforms.shape == (3, branches, 2, 3)
    assert torch.allclose(transforms, torch.tensor(expected).expand(3, branches, 2, 3))


@pytest.mark.parametrize(
    ("transform", "matrix"),
    [
        ("attention", [[0.1, 0, 0.2], [0, 0.3, 0.4]]),
        ("isotropic_attention", [[0.1, 0, 0.2], [0, 0.1, 0.3]]),
        ("affine", [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
    ],
)
def test_parameters_stand_where_they_are_published(transform, matrix):
    """The second branch's parameters are 0.1, 0.2 and so on, the first's are 0."""
    model = build("parallel_transformers", transform=transform, branches=2)
    bias = model.localiser.dense.bias
    count = len(bias) // 2
    with torch.no_grad():
        bias[:count] = 0
        bias[count:] = torch.arange(1, count + 1).div(10).atanh()
    transforms = model.transforms(some_images(1))[0]
    assert torch.equal(transforms[0], torch.zeros(2, 3))
    assert torch.allclose(transforms[1], torch.tensor(matrix), atol=1e-6)


def test_gazes_start_at_the_published_points_in_order():
    # 160 tanh(0.5) = 160 (e - 1)/(e + 1); rows first.
    out = 160 * (math.e - 1) / (math.e + 1)
    assert out == pytest.approx(73.9, abs=0.05)
    corners = [[out, out], [-out, out], [-out, -out], [out, -out], [0, 0]]
    for size in (320, 32):
        gazes = build("multi_gaze", size=size).gazes(some_images(size=size))
        assert gazes.shape == (3, 5, 2)
        assert torch.allclose(gazes, size / 320 * torch.tensor(corners).expand(3, 5, 2), atol=1e-3)


def test_other_numbers_of_gazes_begin_with_the_published_and_never_coincide():
    published = initial_biases(5)
    for branches in (1, 3, 5, 6, 20):
        biases = initial_biases(branches)
        assert len(biases) == len(set(biases)) == branches
        assert biases[:5] == published[:branches]
    for row, column in initial_biases(20)[5:]:
        assert math.hypot(row, column) == pytest.approx(0.5)
    assert build("multi_gaze", branches=7).gazes(some_images()).shape == (3, 7, 2)


def test_views_are_the_samplers_of_what_was_chosen():
    images = some_images()
    transformers = looking(build("parallel_transformers"))
    transforms, views = transformers.transforms(images), transformers.views(images)
    gazing = looking(build("multi_gaze"))
    gazes, glances = gazing.gazes(images), gazing.views(images)
    assert views.shape == glances.shape == (5, 3, 3, 32, 32)
    assert transforms.std(dim=0).max() > 0.01
    assert gazes.std(dim=0).max() > 0.1
    for branch in range(5):
        expected = affine_warp(images, transforms[:, branch])
        assert torch.allclose(views[branch], expected, atol=1e-6)
        expected = retinal_warp(images, gazes[:, branch], "bilinear")
        assert torch.allclose(glances[branch], expected, atol=1e-5)


def test_cortical_views_are_the_scales_around_gazes_an_eighth_out():
    """The localiser is taught through them as well."""
    model, images = build("multi_gaze", views="cortical"), some_images()
    gazes = model.gazes(images)
    assert gazes[0].abs().amax().item() == pytest.approx(4 * math.tanh(0.5))
    gazes, views = looking(model).gazes(images), model.views(images)
    assert gazes.std(dim=0).max() > 0.02
    assert views.shape == (5, 3, 4, 3, 4, 4)
    for branch in range(5):
        expected = torch.stack(cortical_scales(images, gazes[:, branch]), dim=1)
        assert torch.allclose(views[branch], expected, atol=1e-5)
    features = [
        backbone.features(views[branch, :, scale])
        for branch, network in enumerate(model.branches.networks)
        for scale, backbone in enumerate(network.backbones)
    ]
    head = model.branches.head
    expected = torch.cat(features, dim=1) @ head.weight.T + head.bias
    logits = model(images)
    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-5)
    cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    assert (model.localiser.dense.bias.grad.abs() > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shared", [False, True])
def test_logits_are_the_branches_verdict_on_the_views(kind, shared):
    model, images = looking(build(kind, shared_weights=shared)), some_images()
    features = [
        model.branches.networks[0 if shared else branch].features(view)
        for branch, view in enumerate(model.views(images))
    ]
    head = model.branches.head
    expected = torch.cat(features, dim=1) @ head.weight.T + head.bias
    assert torch.allclose(model(images), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(images), model(images))


@pytest.mark.parametrize("kind", KINDS)
def test_training_sees_what_a_test_sees_and_remembers_it(kind):
    model, images = looking(build(kind)), some_images()
    assert model.draws_per_image == 0
    labels, draws = torch.zeros(3, dtype=torch.long), torch.zeros(3, 0)
    logits, _, diagnostics = model.training_outputs(images, labels, draws)
    assert torch.equal(logits, model(images))
    chosen = model.transforms if kind == "parallel_transformers" else model.gazes
    (remembered,) = diagnostics.values()
    assert list(diagnostics) == [chosen.__name__]
    assert torch.equal(remembered, chosen(images))
    assert not remembered.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_teaches_the_localiser_through_the_sampler(kind):
    model, images = looking(build(kind)), some_images()
    cross_entropy(model(images), torch.tensor([0, 1, 2])).backward()
    for name, parameter in model.localiser.named_parameters():
        assert parameter.grad is not None, name
    bias = model.localiser.dense.bias
    assert (bias.grad.unflatten(0, (5, -1)).abs().sum(dim=1) > 0).all()
    assert model.localiser.backbone.stem[0].weight.grad.abs().sum() > 0


def test_a_nearest_warp_would_teach_a_localiser_nothing():
    model, images = looking(build("multi_gaze", gaze_regularisation=0)), some_images()
    model.retina.interpolation = "nearest"
    logits = model(images)
    chosen = list(model.localiser.parameters())
    gradients = torch.autograd.grad(logits.square().sum(), chosen, allow_unused=True)
    assert not any(gradient is not None and gradient.any() for gradient in gradients)


@pytest.mark.parametrize("weight", [0, 0.001, 0.01])
def test_gazes_are_penalised_by_the_sum_of_squares_averaged_over_images(weight):
    model = build("multi_gaze", gaze_regularisation=weight)
    labels, draws = torch.zeros(3, dtype=torch.long), torch.zeros(3, 0)
    extra_loss = model.training_outputs(some_images(), labels, draws)[1]
    # Four corners of two coordinates at tanh(0.5) = 0.46211716, and the centre.
    assert extra_loss.item() == pytest.approx(weight * 8 * 0.46211716**2, rel=1e-5)
    looking(model)
    coordinates = model.gazes(some_images()) / 16
    expected = sum(value**2 for value in coordinates.flatten().tolist()) / 3
    extra_loss = model.training_outputs(some_images(), labels, draws)[1]
    assert coordinates.std() > 0.01
    assert extra_loss.item() == pytest.approx(weight * expected, rel=1e-5)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet20"])
@pytest.mark.parametrize("shared", [False, True])
def test_the_transformers_extra_loss_is_the_penalty_of_all_resnet20s(backbone, shared):
    stem = {"stem_width": None} if backbone == "resnet20" else {}
    model = build("parallel_transformers", backbone=backbone, shared_weights=shared, **stem)
    penalised = [model.localiser] if backbone == "resnet18" else [model]
    squares = sum(
        value.square().sum() for part in penalised for value in part.parameters() if value.ndim == 4
    )
    labels, draws = torch.zeros(3, dtype=torch.long), torch.zeros(3, 0)
    extra_loss = model.training_outputs(some_images(), labels, draws)[1]
    assert extra_loss.item() == pytest.approx(1e-4 * squares.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("parallel_transformers", {"branches": 0}, "branches is 0; it must be a whole number"),
        ("multi_gaze", {"branches": 2.0}, "branches is 2.0; it must be a whole number"),
        ("multi_gaze", {"shared_weights": 1}, "shared_weights is 1; it must be true or false"),
        ("parallel_transformers", {"transform": "shear"}, "transform is 'shear'; it must be one"),
        ("multi_gaze", {"combination": "voted"}, "combination is 'voted'; it must be one"),
        ("multi_gaze", {"gaze_regularisation": -0.1}, "gaze_regularisation is -0.1; it must be"),
        ("multi_gaze", {"gaze_regularisation": math.nan}, "gaze_regularisation is nan"),
        ("multi_gaze", {"localiser_backbone": "vgg"}, "localiser_backbone is 'vgg'; it must be"),
        ("multi_gaze", {"localiser_width": 0}, "localiser_width is 0; it must be a whole number"),
        (
            "parallel_transformers",
            {"localiser_stem_width": 8},
            "resnet20 has no option localiser_stem_width; its options are width",
        ),
        (
            "parallel_transformers",
            {"shared_weights": True, "combination": "averaged_logits"},
            "combination is 'averaged_logits' with shared_weights",
        ),
    ],
)
def test_what_cannot_be_built_gets_one_clear_line(kind, options, message):
    with pytest.raises(UserError, match=message) as caught:
        build(kind, **options)
    assert "\n" not in str(caught.value)


def test_transformers_that_share_weights_and_average_would_stay_alike():
    """Why that is refused: equal parameters get equal gradients."""
    model = build("parallel_transformers", combination="averaged_logits", branches=2)
    first, second = model.branches.networks
    second.load_state_dict(first.state_dict())
    cross_entropy(model(some_images()), torch.tensor([0, 1, 2])).backward()
    gradients = model.localiser.dense.bias.grad.unflatten(0, (2, -1))
    assert gradients.any()
    assert torch.equal(gradients[0], gradients[1])
    shared = {"shared_weights": True, "combination": "averaged_logits"}
    assert build("parallel_transformers", branches=1, **shared).branches.branches == 1
