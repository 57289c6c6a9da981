"""The models that choose their views have the published sizes: parameters counted by hand."""

import pytest
import torch

from biorobust.models.registry import model_class


# Parameters of ResNet-18 up to its features: 7x7 stem of 64 filters, four stages of two blocks, a
# projection each; every convolution with bias and normalisation.
def unit(inputs, outputs, kernel):
    return inputs * outputs * kernel**2 + outputs + 2 * outputs


def resnet18(width):
    outputs = [width, 2 * width, 4 * width, 8 * width]
    return unit(3, 64, 7) + sum(
        unit(before, after, 3) + 3 * unit(after, after, 3) + unit(before, after, 1)
        for before, after in zip([64, *outputs[:3]], outputs, strict=True)
    )


RESNET18 = resnet18(64)
RESNET20 = 273066 - 650  # the Keras example's count without its dense layer of ten classes


@pytest.mark.parametrize(
    ("kind", "options", "by_hand", "published"),
    [
        (
            "parallel_transformers",
            {},
            RESNET20 + 64 * 20 + 20 + 5 * RESNET18 + 2560 * 10 + 10,
            56.2e6,
        ),
        (
            "parallel_transformers",
            {"transform": "affine", "shared_weights": True},
            RESNET20 + 64 * 30 + 30 + RESNET18 + 2560 * 10 + 10,
            None,
        ),
        (
            "parallel_transformers",
            {"transform": "isotropic_attention", "combination": "concatenated_logits"},
            RESNET20 + 64 * 15 + 15 + 5 * (RESNET18 + 512 * 10 + 10) + 50 * 10 + 10,
            None,
        ),
        (
            "parallel_transformers",
            {"localiser_backbone": "resnet18", "branches": 2, "combination": "averaged_logits"},
            RESNET18 + 512 * 8 + 8 + 2 * (RESNET18 + 512 * 10 + 10),
            None,
        ),
        ("multi_gaze", {}, 6 * RESNET18 + 512 * 10 + 10 + 2560 * 10 + 10, 67.1e6),
        (
            "multi_gaze",
            {"shared_weights": True},
            2 * RESNET18 + 512 * 10 + 10 + 2560 * 10 + 10,
            22.4e6,
        ),
        (
            # A network that sees cortical scales has 22.19 M up to its 1440 features.
            "multi_gaze",
            {"views": "cortical", "shared_weights": True},
            RESNET18 + 512 * 10 + 10 + 4 * resnet18(45) + 5 * 1440 * 10 + 10,
            None,
        ),
    ],
)
def test_models_have_the_parameters_counted_by_hand(kind, options, by_hand, published):
    with torch.device("meta"):
        model = model_class(kind)(image_size=320, classes=10, **options)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == by_hand
    if published:
        assert count == pytest.approx(published, abs=0.05e6)
