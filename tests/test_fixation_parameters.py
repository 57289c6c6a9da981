"""Coarse and cortical models: parameters counted by hand, and what cannot be built."""

import pytest
import torch

from biorobust import build_model
from biorobust.errors import UserError

CIFAR = {"backbone": "resnet20", "auxiliary": False, "radii": [1, 2]}


def conv(inputs, outputs, kernel):
    return inputs * outputs * kernel**2 + outputs


def resnet18_count(width):
    """Parameters without the head: a stem of 64, four stages, normalisation after each layer."""
    total, inputs = conv(3, 64, 7) + 2 * 64, 64
    for outputs in (width, 2 * width, 4 * width, 8 * width):
        total += conv(inputs, outputs, 1) + conv(inputs, outputs, 3) + 3 * conv(outputs, outputs, 3)
        total += 5 * 2 * outputs
        inputs = outputs
    return total


def resnet20_count(width):
    total, inputs = conv(3, width, 3) + 2 * width, width
    for outputs in (width, 2 * width, 4 * width):
        total += conv(inputs, outputs, 3) + 5 * conv(outputs, outputs, 3) + 6 * 2 * outputs
        total += conv(inputs, outputs, 1) if outputs != inputs else 0
        inputs = outputs
    return total


@pytest.mark.parametrize(
    ("kind", "size", "options", "by_hand", "published"),
    [
        ("coarse_fixations", 320, {}, resnet18_count(64) + 512 * 10 + 10, 11.19e6),
        ("coarse_fixations", 320, {"branches": 4}, 4 * resnet18_count(27) + 864 * 10 + 10, 8.06e6),
        (
            "cortical_fixations",
            320,
            {"auxiliary": False},
            4 * resnet18_count(45) + 4 * 360 * 10 + 10,
            22.20e6,
        ),
        (
            "cortical_fixations",
            320,
            {},
            4 * resnet18_count(45) + 4 * 360 * 10 + 10 + 4 * (360 * 10 + 10),
            22.20e6 + 14.4e3,
        ),
        ("coarse_fixations", 32, {"backbone": "resnet20", "crop": 24}, 273066, 0.273e6),
        (
            "cortical_fixations",
            32,
            {**CIFAR, "view_size": 15},
            2 * resnet20_count(22) + 176 * 10 + 10,
            2 * 514e3,
        ),
        (
            "cortical_fixations",
            32,
            {**CIFAR, "view_size": 12, "width": 21, "last_stride": 1},
            2 * resnet20_count(21) + 168 * 10 + 10,
            None,
        ),
    ],
)
def test_parameters_are_those_counted_by_hand(kind, size, options, by_hand, published):
    with torch.device("meta"):
        model = build_model(kind, image_size=size, classes=10, **options)
    assert sum(parameter.numel() for parameter in model.parameters()) == by_hand
    if published:
        assert by_hand == pytest.approx(published, rel=2e-3)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("coarse_fixations", {"crop": 40}, "crop is 40; it must be a whole number from 1 to 32"),
        ("coarse_fixations", {"gaze": 6}, "gaze is 6; it must be a whole number from 0 to 5"),
        ("coarse_fixations", {"branches": 0}, "branches is 0"),
        ("coarse_fixations", {"branches": 4, "width": 0}, "width is 0"),
        ("cortical_fixations", {"radii": [1, 9]}, "9 x 4 pixels"),
        ("cortical_fixations", {"radii": [6]}, "auxiliary heads need two scales or more"),
        ("cortical_fixations", {"auxiliary": 1}, "auxiliary is 1; it must be True or False"),
        ("cortical_fixations", {"last_stride": 1}, "resnet18 has no option last_stride"),
        ("cortical_fixations", {"backbone": "vgg"}, "backbone is 'vgg'"),
    ],
)
def test_what_cannot_be_built_gets_one_clear_line(kind, options, message):
    with pytest.raises(UserError, match=f"model kind {kind}: .*{message}") as caught:
        build_model(kind, image_size=32, classes=2, **options)
    assert "\n" not in str(caught.value)
