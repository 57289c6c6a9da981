"""What a config may say of each kind of model. A test holds it against the constructors.

What it may say of a user's own is told from the source of that.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from biorobust.analysis.published_values import MODELS
from biorobust.config.own_kinds import BUILT_IN, BY_FORM, OWN, OwnEntry
from biorobust.config.values import Integer, Name, NotEmpty, Number, Section, Switch
from biorobust.sampling.windows import coarse_window, cortical_windows

Width = Annotated[Integer, Field(ge=1, le=1024)]
Pixels = Annotated[Integer, Field(ge=1)]
Reach = Annotated[Integer, Field(ge=0)]


def _rising(radii: tuple[int, ...]) -> tuple[int, ...]:
    if any(before >= after for before, after in pairwise(radii)):
        raise ValueError("must be a list of whole numbers that rises")
    return radii


Radii = Annotated[tuple[Pixels, ...], AfterValidator(_rising), NotEmpty]


def _known_publication(key: str) -> str:
    if key not in MODELS:
        raise ValueError(f"must be {', '.join(MODELS)}")
    return key


def _no_run_report(name: str) -> str:
    if name.endswith(".run"):
        raise ValueError("must be a name that does not end in .run, as the reports of runs do")
    return name


class _Entry(Section):
    name: Annotated[Name, AfterValidator(_no_run_report)]
    weights: str | None = None
    """A safetensors file trained elsewhere; `{seed}` in it stands for the seed."""
    published: Annotated[str, AfterValidator(_known_publication)] | None = None
    """Which published model it is held against; makes no job but that table stale."""

    def check_fit(self, image_size: int) -> None:
        """Raises ValueError where an option does not fit images of N x N pixels."""


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
    interpolation: Literal["nearest", "bilinear", "truncated"] = "nearest"


class CoarseFixations(_OnBackbone):
    """One network, or several on the same view, behind a large crop, from five gazes."""

    kind: Literal["coarse_fixations"]
    view: Literal["cropped", "upsampled", "blurred"] = "cropped"
    crop: Pixels | None = None
    gaze: Reach | None = None
    blur_radius: Pixels | None = None
    branches: Annotated[Integer, Field(ge=1, le=64)] = 1

    @field_validator("blur_radius")
    @classmethod
    def _blurred(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("view", "blurred") != "blurred":
            raise ValueError("only view: blurred has a blur_radius; leave it out")
        return value

    def check_fit(self, image_size: int) -> None:
        coarse_window(image_size, self.view, self.crop, self.gaze, self.blur_radius)


class CorticalFixations(_OnBackbone):
    """A network for each of several scales, from five gazes."""

    kind: Literal["cortical_fixations"]
    radii: Radii | None = None
    view_size: Pixels | None = None
    gaze: Reach | None = None
    freeze_widest: Switch = False
    auxiliary: Annotated[Switch, Field(validate_default=True)] = True
    last_stride: Pixels | None = None

    @field_validator("freeze_widest", "auxiliary")
    @classmethod
    def _several_scales(cls, value: bool, info: ValidationInfo) -> bool:
        radii = info.data.get("radii")
        if value and radii is not None and len(radii) < 2:
            raise ValueError("needs two radii or more; write false")
        return value

    @field_validator("last_stride")
    @classmethod
    def _last_stride_possible(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("backbone") == "resnet18":
            raise ValueError("resnet18 has no last_stride; leave it out")
        return value

    def check_fit(self, image_size: int) -> None:
        cortical_windows(
            image_size,
            radii=self.radii,
            view_size=self.view_size,
            gaze=self.gaze,
            freeze_widest=self.freeze_widest,
        )


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
    """Gazes that a network chooses, each a view through a network."""

    kind: Literal["multi_gaze"]
    views: Literal["retinal", "cortical"] = "retinal"
    gaze_regularisation: Annotated[Number, Field(ge=0)] = 0.01


class OwnModel(_Entry, OwnEntry):
    """A user's own class, by reference; all other keys are options of its constructor."""

    no_options = ("image_size", "classes")


BuiltInModel = Annotated[
    Standard
    | RetinalFixations
    | CoarseFixations
    | CorticalFixations
    | ParallelTransformers
    | MultiGaze,
    Field(discriminator="kind"),
]
ModelEntry = Annotated[Annotated[BuiltInModel, BUILT_IN] | Annotated[OwnModel, OWN], BY_FORM]
