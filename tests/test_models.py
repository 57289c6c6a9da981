"""Every kind of model keeps the contract; new ones are built, trained ones are loaded."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import biorobust
from biorobust import build_model, load_model
from biorobust.errors import UserError
from biorobust.models.kinds import MODELS
from biorobust.models.registry import model_class
from biorobust.sampling import retinal_warp

SLIM = {"width": 4, "stem_width": 4}
VARIANTS = [
    ("standard", SLIM),
    ("standard", {"backbone": "resnet20", "width": 4}),
    ("retinal_fixations", SLIM),
    ("retinal_fixations", {**SLIM, "interpolation": "bilinear"}),
    ("retinal_fixations", {**SLIM, "interpolation": "truncated"}),
    ("parallel_transformers", {**SLIM, "localiser_width": 2}),
    ("parallel_transformers", {**SLIM, "localiser_width": 2, "shared_weights": True}),
    ("multi_gaze", {**SLIM, "localiser_width": 2, "localiser_stem_width": 2}),
    ("multi_gaze", {**SLIM, "localiser_backbone": "resnet20", "shared_weights": True}),
    ("multi_gaze", {**SLIM, "localiser_width": 2, "views": "cortical", "branches": 2}),
    ("coarse_fixations", SLIM),
    ("coarse_fixations", {**SLIM, "view": "upsampled"}),
    ("coarse_fixations", {**SLIM, "view": "blurred", "branches": 2}),
    ("cortical_fixations", SLIM),
    ("cortical_fixations", {**SLIM, "freeze_widest": True, "auxiliary": False}),
    ("cortical_fixations", {"backbone": "resnet20", "width": 4, "radii": [1, 2], "view_size": 15}),
]


def train_once(model, images):
    """What a training step takes from the model, with labels 0, 1, ... and random draws."""
    labels = torch.arange(len(images)) % model.classes
    return model.training_outputs(images, labels, torch.rand(len(images), model.draws_per_image))


def build(kind, options, size=32, classes=7):
    """A new model whose normalisation has seen some data, so that its logits vary."""
    torch.manual_seed(0)
    model = build_model(kind, image_size=size, classes=classes, **options)
    model.train()
    for _ in range(3):
        train_once(model, torch.rand(8, 3, size, size))
    return model.eval()


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, [variant[0], *variant[1]])))
def model(request):
    return build(*request.param)


def test_forward_gives_one_row_of_logits_per_image_whatever_the_batch(model):
    images = torch.rand(5, 3, 32, 32)
    logits = model(images)
    assert logits.shape == (5, 7)
    assert torch.equal(logits, model(images))
    one_by_one = torch.cat([model(image[None]) for image in images])
    assert torch.allclose(logits, one_by_one, rtol=1e-4, atol=1e-5)
    assert logits.std(dim=0).min() > 0


def test_parameters_of_the_network_are_those_that_the_logits_depend_on(model):
    model(torch.rand(1, 3, 32, 32)).sum().backward()
    reached = [parameter.grad is not None for parameter in model.parameters()]
    sizes = [parameter.numel() for parameter in model.parameters()]
    assert model.parameter_counts() == {
        "network": sum(size for size, used in zip(sizes, reached, strict=True) if used),
        "training_only": sum(size for size, used in zip(sizes, reached, strict=True) if not used),
    }


def test_forward_does_not_touch_the_random_generator(model):
    before = torch.get_rng_state()
    model(torch.rand(1, 3, 32, 32, generator=torch.Generator()))
    model.train().training_outputs(
        torch.zeros(2, 3, 32, 32),
        torch.zeros(2, dtype=torch.int64),
        torch.zeros(2, model.draws_per_image),
    )
    assert torch.equal(before, torch.get_rng_state())


def test_gradients_to_pixels_are_finite_differences(model):
    model.double()
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(images)
    (gradient,) = torch.autograd.grad(model(images).square().sum(), images)
    step = 1e-7
    with torch.no_grad():
        ahead, behind = (model(images + sign * step * direction).square().sum() for sign in (1, -1))
    numeric = ((ahead - behind) / (2 * step)).item()
    assert (gradient * direction).sum().item() == pytest.approx(numeric, rel=1e-4)


def test_training_reaches_every_parameter_and_keeps_extra_loss_scalar(model):
    model.train()
    logits, extra_loss, diagnostics = train_once(model, torch.rand(8, 3, 32, 32))
    assert logits.shape == (8, 7)
    assert extra_loss.shape == ()
    assert all(len(values) == 8 and not values.requires_grad for values in diagnostics.values())
    (torch.nn.functional.cross_entropy(logits, torch.arange(8) % 7) + extra_loss).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_extra_loss_is_the_penalty_of_the_backbone():
    cortical = {"auxiliary": False, "radii": [1, 2]}
    for kind, options in [
        ("standard", {}),
        ("retinal_fixations", {}),
        ("coarse_fixations", {"branches": 2}),
        ("cortical_fixations", cortical),
    ]:
        model = build(kind, {"backbone": "resnet20", "width": 4, **options})
        squares = sum(p.square().sum() for p in model.parameters() if p.ndim == 4)
        extra_loss = train_once(model, torch.rand(2, 3, 32, 32))[1]
        assert extra_loss.item() == pytest.approx(1e-4 * squares.item(), rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 40, 40), (2, 1, 32, 32), (3, 32, 32)])
def test_images_of_another_shape_are_refused(model, shape):
    with pytest.raises(ValueError, match=r"expected \[B, 3, 32, 32\]"):
        model(torch.zeros(shape))


def test_bytes_instead_of_floats_are_refused(model):
    with pytest.raises(ValueError, match="uint8"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "truncated"])
@pytest.mark.parametrize("size", [32, 64])
def test_retinal_logits_are_the_mean_of_five_separate_passes(size, interpolation):
    model = build("retinal_fixations", {**SLIM, "interpolation": interpolation}, size)
    images, reach = torch.rand(3, 3, size, size), size / 4
    passes = []
    for gaze in [(0, 0), (-reach, reach), (reach, -reach), (-reach, -reach), (reach, reach)]:
        views = retinal_warp(images, torch.tensor([gaze] * 3), interpolation)
        passes.append(model.head(model.backbone.features(views)))
    assert torch.allclose(model(images), sum(passes) / 5, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(passes[0], passes[1], atol=1e-3)


def test_retinal_training_looks_where_the_draws_say():
    model = build("retinal_fixations", SLIM)
    images = torch.rand(3, 3, 32, 32)
    draws = torch.tensor([[0.0, 0.999], [0.5, 0.53], [0.53, 0.57]])
    gazes = torch.tensor([[-8, 7], [0, 0], [0, 1]])
    logits = model.training_outputs(images, torch.zeros(3, dtype=torch.int64), draws)[0]
    expected = model.head(model.backbone.features(retinal_warp(images, gazes, "nearest")))
    assert torch.allclose(logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", MODELS)
def test_kinds_name_classes_whose_options_all_have_defaults(kind):
    model = build_model(kind, image_size=32, classes=2)
    assert type(model) is model_class(kind)
    assert not model.training


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("resnet", {}, "no model kind 'resnet'; the kinds are .*standard"),
        ("standard", {"gaze": 1}, "standard has no option 'gaze'; its options are backbone, width"),
        ("standard", {"backbone": "vgg"}, "standard: backbone is 'vgg'"),
        ("standard", {"width": "64"}, "width is '64'"),
        ("standard", {"batch_norm_momentum": "0.1"}, "batch_norm_momentum is '0.1'"),
        ("retinal_fixations", {"interpolation": "cubic"}, "interpolation is 'cubic'"),
        ("standard", {"image_size": 36}, "image_size is 36"),
        ("standard", {"image_size": 24}, "image_size is 24"),
        ("standard", {"classes": 1}, "classes is 1"),
    ],
)
def test_what_cannot_be_built_gets_one_clear_line(kind, arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        build_model(kind, **{"image_size": 32, "classes": 7, **arguments})
    assert "\n" not in str(caught.value)


def save(folder: Path, kind, options, model):
    """The folder that training leaves, as far as loading reads it."""
    save_file(model.state_dict(), folder / "weights.safetensors")
    digest = sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    record = {
        "config": {"model": {"kind": kind, **options}},
        "image_size": model.image_size,
        "classes": model.classes,
        "outputs": {"weights.safetensors": digest},
    }
    (folder / "training.json").write_text(json.dumps(record))
    return record


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_a_loaded_model_computes_the_bits_of_the_saved_one(tmp_path, kind, options):
    model = build(kind, options)
    save(tmp_path, kind, options, model)
    loaded = load_model(tmp_path)
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    assert torch.equal(loaded(images), model(images))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    loaded(images).sum().backward()
    assert images.grad.abs().sum() > 0


def test_a_loaded_warp_is_the_saved_one_and_not_solved_again(tmp_path):
    model = build("retinal_fixations", SLIM)
    save(tmp_path, "retinal_fixations", SLIM, model)
    state = load_file(tmp_path / "weights.safetensors")
    assert state["retina.coefficients"].dtype == torch.float64
    state["retina.coefficients"] = torch.tensor([0.0, 0.5], dtype=torch.float64)
    model.load_state_dict(state)
    save(tmp_path, "retinal_fixations", SLIM, model)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(load_model(tmp_path)(images), model(images))


def test_loading_imports_only_what_attacks_may_import(tmp_path):
    save(tmp_path, "retinal_fixations", SLIM, build("retinal_fixations", SLIM))
    program = (
        "import sys, torch, biorobust\n"
        f"biorobust.load_model({str(tmp_path)!r})(torch.rand(1, 3, 32, 32))\n"
        "heavy = {'scipy', 'torchvision', 'pytorch_lightning', 'pandas', 'matplotlib'}\n"
        "print(*sorted(heavy & set(sys.modules)), 'biorobust.models.standard' in sys.modules)\n"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(biorobust.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=path, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False"]


def test_damage_to_a_trained_model_is_named(tmp_path):
    record = save(tmp_path, "standard", SLIM, build("standard", SLIM))
    weights, file = tmp_path / "weights.safetensors", tmp_path / "training.json"

    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.safetensors is damaged"):
        load_model(tmp_path)

    weights.unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors is missing"):
        load_model(tmp_path)

    del record["outputs"]
    file.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"training\.json is not the record of a trained model"):
        load_model(tmp_path)

    file.unlink()
    with pytest.raises(UserError, match=r"training\.json is missing"):
        load_model(tmp_path)


@pytest.mark.parametrize("kind", ["standard", "retinal_fixations"])
def test_weights_of_another_architecture_are_refused_in_one_line(tmp_path, kind):
    save(tmp_path, kind, {**SLIM, "width": 8}, build("standard", SLIM))
    with pytest.raises(UserError, match=f"does not fit model kind {kind}") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
