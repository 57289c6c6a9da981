"""The backbones against a second implementation, parameter counts by hand, Keras's initialisers."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust.models.resnet import SameConv2d, build_backbone, classification_head


def looped_convolution(image, kernel, stride):
    """One channel under TensorFlow's 'SAME' as its documentation puts it, pixel by pixel."""
    size, length = kernel.shape[0], image.shape[0]
    rest = length % stride
    before = max(size - (rest or stride), 0) // 2
    result = np.zeros([math.ceil(length / stride)] * 2)
    for row, column in np.ndindex(*result.shape):
        for i, j in np.ndindex(*kernel.shape):
            y, x = row * stride - before + i, column * stride - before + j
            if 0 <= y < length and 0 <= x < length:
                result[row, column] += kernel[i, j] * image[y, x]
    return result


@settings(max_examples=30)
@given(
    length=st.integers(1, 11), kernel=st.sampled_from([1, 3, 5, 7]), stride=st.sampled_from([1, 2])
)
def test_convolutions_are_padded_as_tensorflow_pads_them(length, kernel, stride):
    layer = SameConv2d(1, 1, kernel, stride, bias=False, dtype=torch.float64)
    image = torch.rand(length, length, dtype=torch.float64)
    expected = looped_convolution(image.numpy(), layer.weight[0, 0].detach().numpy(), stride)
    assert np.allclose(layer(image[None, None])[0, 0].detach().numpy(), expected, atol=1e-12)


def scrambled(backbone):
    """The backbone in float64 with statistics so small that epsilon matters, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in backbone.double().state_dict().items():
            if name.endswith(("running_mean", "bias")):
                value.normal_(std=0.1, generator=generator)
            elif name.endswith("running_var"):
                value.uniform_(1e-5, 1e-3, generator=generator)
            elif value.ndim == 1:
                value.uniform_(0.005, 0.02, generator=generator)
    return backbone.eval()


class Reader:
    """Takes layers from a state dict in the order in which they were made."""

    def __init__(self, backbone, epsilon):
        self.state, self.epsilon = backbone.state_dict(), epsilon

    def convolve(self, x, name, stride=1, padding=None):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        if padding is None:  # 'SAME', for the even lengths used here
            total = max(weight.shape[-1] - stride, 0)
            x, padding = F.pad(x, (total // 2, total - total // 2) * 2), 0
        return F.conv2d(x, weight, bias, stride, padding)

    def normalise(self, x, name):
        mean, variance, gain, bias = (
            self.state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + self.epsilon) * gain + bias

    def block(self, x, name, stride, shortcut):
        y = self.normalise(self.convolve(x, f"{name}.conv1", stride), f"{name}.norm1").relu()
        y = self.normalise(self.convolve(y, f"{name}.conv2"), f"{name}.norm2")
        return (y + shortcut).relu()


def reference_resnet18(backbone, x, stem_stride, pool_stride):
    read = Reader(backbone, 1.001e-5)
    x = read.normalise(read.convolve(x, "stem.0", stem_stride, padding=3), "stem.1").relu()
    x = F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, pool_stride)
    for stage, stride in enumerate([1, 2, 2, 2]):
        first, second = f"blocks.{2 * stage}", f"blocks.{2 * stage + 1}"
        projected = read.convolve(x, f"{first}.shortcut.0", stride)
        x = read.block(x, first, stride, read.normalise(projected, f"{first}.shortcut.1"))
        x = read.block(x, second, 1, x)
    return x.mean((2, 3))


def reference_resnet20(backbone, x, last_stride):
    read = Reader(backbone, 1e-3)
    x = read.normalise(read.convolve(x, "stem.0"), "stem.1").relu()
    for number in range(9):
        name, stride = f"blocks.{number}", {3: 2, 6: last_stride}.get(number, 1)
        shortcut = read.convolve(x, f"{name}.shortcut", stride) if number in (3, 6) else x
        x = read.block(x, name, stride, shortcut)
    return x.mean((2, 3))


@pytest.mark.parametrize("strides", [(2, 2), (1, 1), (1, 2)])
def test_resnet18_agrees_with_a_second_implementation(strides):
    stem, pool = strides
    backbone = scrambled(
        build_backbone("resnet18", width=3, stem_width=5, stem_stride=stem, pool_stride=pool)
    )
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    features = backbone.features(images)
    assert features.shape == (2, backbone.feature_count) == (2, 24)
    expected = reference_resnet18(backbone, images, stem, pool)
    assert torch.allclose(features, expected, rtol=1e-9)
    assert expected.std() > 0


@pytest.mark.parametrize("last_stride", [2, 1])
def test_resnet20_agrees_with_a_second_implementation(last_stride):
    backbone = scrambled(build_backbone("resnet20", width=3, last_stride=last_stride))
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    features = backbone.features(images)
    assert features.shape == (2, backbone.feature_count) == (2, 12)
    assert torch.allclose(features, reference_resnet20(backbone, images, last_stride), rtol=1e-9)
    assert features.std() > 0


def conv(inputs, outputs, kernel):
    return inputs * outputs * kernel**2 + outputs


def norm(channels):
    return 2 * channels


def count(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(("width", "published"), [(64, 11.19e6), (45, None), (27, None)])
def test_resnet18_has_the_parameters_counted_by_hand(width, published):
    expected = conv(3, 64, 7) + norm(64)
    inputs = 64
    for outputs in (width, 2 * width, 4 * width, 8 * width):
        expected += conv(inputs, outputs, 3) + 3 * conv(outputs, outputs, 3) + 4 * norm(outputs)
        expected += conv(inputs, outputs, 1) + norm(outputs)
        inputs = outputs
    expected += inputs * 10 + 10
    backbone = build_backbone("resnet18", width=width)
    assert count(backbone, classification_head(backbone.feature_count, 10)) == expected
    if published:
        assert expected == pytest.approx(published, abs=0.005e6)


def test_four_cortical_networks_have_the_published_size():
    # 22.20 M trainable parameters: four networks of 45 filters and one head on all features.
    backbone = build_backbone("resnet18", width=45, stem_stride=1, pool_stride=1)
    head = classification_head(4 * backbone.feature_count, 10)
    assert 4 * count(backbone) + count(head) == pytest.approx(22.20e6, abs=0.005e6)


def test_resnet20_has_the_parameters_of_the_keras_example():
    expected = conv(3, 16, 3) + 6 * conv(16, 16, 3)
    expected += conv(16, 32, 3) + 5 * conv(32, 32, 3) + conv(16, 32, 1)
    expected += conv(32, 64, 3) + 5 * conv(64, 64, 3) + conv(32, 64, 1)
    expected += 7 * norm(16) + 6 * norm(32) + 6 * norm(64) + 64 * 10 + 10
    backbone = build_backbone("resnet20")
    assert count(backbone, classification_head(64, 10)) == expected == 273066


def test_only_resnet20_penalises_its_kernels():
    backbone = build_backbone("resnet20", width=4)
    kernels = [value for value in backbone.state_dict().values() if value.ndim == 4]
    assert len(kernels) == 21  # 19 in the chain, 2 projections
    expected = 1e-4 * sum(kernel.double().square().sum() for kernel in kernels)
    assert backbone.regularisation().item() == pytest.approx(expected.item(), rel=1e-5)
    assert build_backbone("resnet18", width=4).regularisation().item() == 0


@pytest.mark.parametrize("name", ["resnet18", "resnet20"])
@pytest.mark.parametrize("options", [{}, {"batch_norm_momentum": 0.1}])
def test_running_statistics_take_the_given_part_of_a_new_batch(name, options):
    backbone = build_backbone(name, width=4, **options).train()
    images = torch.rand(4, 3, 32, 32)
    batch_mean = backbone.stem[0](images).mean((0, 2, 3))
    backbone.features(images)
    expected = options.get("batch_norm_momentum", 0.01) * batch_mean
    assert torch.allclose(backbone.stem[1].running_mean, expected, atol=1e-7)


def test_resnet18_kernels_are_glorot_uniform():
    torch.manual_seed(0)
    for name, value in build_backbone("resnet18", width=32).state_dict().items():
        if value.ndim == 4 and value.numel() > 5000:
            outputs, inputs, kernel, _ = value.shape
            limit = math.sqrt(6 / ((inputs + outputs) * kernel**2))
            assert 0.99 * limit < value.abs().max() <= limit * (1 + 1e-6), name
            assert value.std() == pytest.approx(limit / math.sqrt(3), rel=0.03), name
        elif name.endswith("bias"):
            assert not value.any(), name


def assert_he_normal(weight):
    deviation = math.sqrt(2 / weight[0].numel())
    cut = 2 * deviation / 0.87962566103423978
    assert weight.std() == pytest.approx(deviation, rel=0.03)
    assert 0.97 * cut < weight.abs().max() <= cut * (1 + 1e-6)
    # Of a normal cut at two deviations, 71.5 % lie within one.
    assert (weight.abs() < cut / 2).float().mean() == pytest.approx(0.7152, abs=0.02)


def test_resnet20_kernels_and_heads_are_he_normal():
    torch.manual_seed(0)
    for name, value in build_backbone("resnet20").state_dict().items():
        if value.ndim == 4 and value.numel() > 4000:
            assert_he_normal(value)
        elif name.endswith("bias"):
            assert not value.any(), name
    head = classification_head(128, 100)
    assert_he_normal(head.weight.detach())
    assert not head.bias.any()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet50", {}, "backbone is 'resnet50'; it must be one of resnet18, resnet20"),
        ("resnet20", {"stem_width": 8}, "resnet20 has no option stem_width"),
        ("resnet18", {"last_stride": 1}, "resnet18 has no option last_stride"),
        ("resnet18", {"width": 0}, "width is 0"),
        ("resnet18", {"width": 2.5}, "width is 2.5"),
        ("resnet18", {"width": True}, "width is True"),
        ("resnet18", {"batch_norm_momentum": 0}, "batch_norm_momentum is 0"),
        ("resnet18", {"batch_norm_momentum": 1.5}, "batch_norm_momentum is 1.5"),
    ],
)
def test_impossible_options_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        build_backbone(name, **options)
