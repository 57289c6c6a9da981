"""What a config may say of each kind of model. A test holds it against the constructors."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from biorobust.config.values import Integer, Name, Number, Section, Switch

Width = Annotated[Integer, Field(ge=1, le=1024)]


class _Entry(Section):
    name: Name
    weights: str | None = None
    """A safetensors file trained elsewhere; `{seed}` in it stands for the seed."""


class _OnBackbone(_Entry):
    backbone: Literal["resnet18", "resnet20"] = "resnet18"
    width: Width | None = None
    stem_width: Width | None = None
    batch_norm_momentum: Annotated[Number, Field(gt=0, le=1)] = 0.01

    @field_validator("stem_width")
    @classmethod
    def _stem_possible(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("backbone") == "resnet20":
            raise ValueError("resnet20 has no stem_width; leave it out")
        return value


class _OnBranches(_OnBackbone):
    branches: Annotated[Integer, Field(ge=1, le=64)] = 5
    shared_weights: Switch = False
    combination: Literal["concatenated_features", "concatenated_logits", "averaged_logits"] = (
        "concatenated_features"
    )
    localiser_backbone: Literal["resnet18", "resnet20"] = "resnet18"
    localiser_width: Width | None = None
    localiser_stem_width: Width | None = None

    @field_validator("localiser_stem_width")
    @classmethod
    def _localiser_stem_possible(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("localiser_backbone") == "resnet20":
            raise ValueError("resnet20 has no localiser_stem_width; leave it out")
        return value


class Standard(_OnBackbone):
    """One network that sees the whole image."""

    kind: Literal["standard"]


class RetinalFixations(_OnBackbone):
    """One network behind a retinal warp, from five gazes."""

    kind: Literal["retinal_fixations"]
    interpolation: Literal["nearest", "bilinear"] = "nearest"


class ParallelTransformers(_OnBranches):
    """Affine views that a network chooses, each through a network."""

    kind: Literal["parallel_transformers"]
    transform: Literal["attention", "isotropic_attention", "affine"] = "attention"
    localiser_backbone: Literal["resnet18", "resnet20"] = "resnet20"

    @field_validator("combination")
    @classmethod
    def _branches_differ(cls, value: str, info: ValidationInfo) -> str:
        alike = info.data.get("shared_weights") and info.data.get("branches", 1) > 1
        if alike and value == "averaged_logits":
            raise ValueError(
                "averaged_logits with shared_weights would keep all transformers alike; give them "
                "own weights or concatenate"
            )
        return value


class MultiGaze(_OnBranches):
    """Gazes that a network chooses, each a retinal view through a network."""

    kind: Literal["multi_gaze"]
    gaze_regularisation: Annotated[Number, Field(ge=0)] = 0.01


ModelEntry = Annotated[
    Standard | RetinalFixations | ParallelTransformers | MultiGaze, Field(discriminator="kind")
]
