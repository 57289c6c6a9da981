"""What a config may say of each kind of model. A test holds it against the constructors."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from biorobust.config.values import Integer, Name, Number, Section

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


class Standard(_OnBackbone):
    """One network that sees the whole image."""

    kind: Literal["standard"]


class RetinalFixations(_OnBackbone):
    """One network behind a retinal warp, from five gazes."""

    kind: Literal["retinal_fixations"]
    interpolation: Literal["nearest", "bilinear"] = "nearest"


ModelEntry = Annotated[Standard | RetinalFixations, Field(discriminator="kind")]
