"""What a config may say of a model, held against the constructors of the models."""

import json
from inspect import Parameter, signature
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from biorobust.config.experiment import Experiment
from biorobust.config.models import BuiltInModel
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.models import build_model
from biorobust.models.kinds import MODELS
from biorobust.models.registry import model_class

ENTRIES = {
    entry.model_fields["kind"].annotation: entry for entry in get_args(get_args(BuiltInModel)[0])
}
KINDS = {get_args(annotation)[0]: entry for annotation, entry in ENTRIES.items()}
TINY = {"width": 2, "stem_width": 2}
"""Keeps constructors quick; only where the backbone has both."""


def options(kind: str) -> dict[str, FieldInfo]:
    """The fields of a kind's entry that go to the constructor."""
    fields = KINDS[kind].model_fields
    return {
        name: field
        for name, field in fields.items()
        if name not in ("name", "kind", "weights", "published")
    }


def choices() -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (kind, name, get_args(field.annotation))
        for kind in KINDS
        for name, field in options(kind).items()
        if get_origin(field.annotation) is Literal
    ]


def read_model(**entry: Any) -> Experiment:
    return read_experiment(
        {
            "name": "one",
            "seeds": [0],
            "data": {"source": "digits", "image_size": 32},
            "training": {"epochs": 1},
            "models": [{"name": "one", **entry}],
            "attacks": [{"name": "pgd", "kind": "pgd", "epsilons": [0.1]}],
        }
    )


def test_config_and_package_know_the_same_kinds() -> None:
    assert set(KINDS) == set(MODELS)


@pytest.mark.parametrize("kind", MODELS)
def test_options_and_defaults_are_the_constructors(kind: str) -> None:
    parameters = dict(signature(model_class(kind)).parameters)
    for name in ("image_size", "classes"):
        assert parameters.pop(name).default is Parameter.empty
    assert {name: field.default for name, field in options(kind).items()} == {
        name: parameter.default for name, parameter in parameters.items()
    }
    assert {parameter.kind for parameter in parameters.values()} == {Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(("kind", "option", "allowed"), choices())
def test_choices_are_the_constructors(kind: str, option: str, allowed: tuple[str, ...]) -> None:
    for choice in allowed:
        tiny = TINY if choice != "resnet20" else {}
        build_model(kind, image_size=32, classes=2, **tiny, **{option: choice})
    with pytest.raises(UserError, match=option):
        build_model(kind, image_size=32, classes=2, **TINY, **{option: "something else"})


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "given",
    [
        {"width": 0},
        {"stem_width": 0},
        {"batch_norm_momentum": 0},
        {"batch_norm_momentum": 1.5},
        {"backbone": "resnet20", "stem_width": 8},
        {"no_such_option": 1},
    ],
)
def test_config_and_constructor_refuse_the_same(kind: str, given: dict[str, Any]) -> None:
    option = list(given)[-1]
    with pytest.raises(UserError, match=rf"models\[0\]\.{option}: "):
        read_model(kind=kind, **given)
    with pytest.raises(UserError, match=option):
        build_model(kind, image_size=32, classes=2, **given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("parallel_transformers", {"branches": 0}),
        ("multi_gaze", {"branches": 1.5}),
        ("multi_gaze", {"shared_weights": 1}),
        ("multi_gaze", {"localiser_width": 0}),
        ("parallel_transformers", {"localiser_stem_width": 8}),
        ("multi_gaze", {"localiser_backbone": "resnet20", "localiser_stem_width": 8}),
        ("multi_gaze", {"gaze_regularisation": -0.01}),
        ("parallel_transformers", {"shared_weights": True, "combination": "averaged_logits"}),
    ],
)
def test_config_and_constructor_refuse_the_same_branches(kind: str, given: dict[str, Any]) -> None:
    test_config_and_constructor_refuse_the_same(kind, given)


def test_a_model_of_every_published_kind_of_branches_is_read() -> None:
    shared = {"shared_weights": True, "combination": "averaged_logits"}
    for entry in [
        {"kind": "multi_gaze", "gaze_regularisation": "1e-3", **shared},
        {"kind": "parallel_transformers", "branches": 1, **shared},
        {"kind": "parallel_transformers", "transform": "affine", "localiser_backbone": "resnet18"},
    ]:
        (model,) = read_model(**entry).models
        assert {name: getattr(model, name) for name in entry} == {
            **entry,
            **({"gaze_regularisation": 0.001} if "gaze_regularisation" in entry else {}),
        }


@pytest.mark.parametrize(
    ("kind", "given", "place"),
    [
        ("coarse_fixations", {"crop": 0}, "crop"),
        ("coarse_fixations", {"crop": 33}, None),
        ("coarse_fixations", {"crop": 24, "gaze": 5}, None),
        ("coarse_fixations", {"gaze": -1}, "gaze"),
        ("coarse_fixations", {"blur_radius": 2}, "blur_radius"),
        ("coarse_fixations", {"view": "blurred", "blur_radius": 0}, "blur_radius"),
        ("coarse_fixations", {"branches": 0}, "branches"),
        ("coarse_fixations", {"branches": 65}, "branches"),
        ("cortical_fixations", {"radii": []}, "radii"),
        ("cortical_fixations", {"radii": [2, 1]}, "radii"),
        ("cortical_fixations", {"radii": [0, 1]}, "radii[0]"),
        ("cortical_fixations", {"radii": [1, 9]}, None),
        ("cortical_fixations", {"view_size": 6}, None),
        ("cortical_fixations", {"gaze": 5}, None),
        ("cortical_fixations", {"radii": [6]}, "auxiliary"),
        (
            "cortical_fixations",
            {"radii": [6], "auxiliary": False, "freeze_widest": True},
            "freeze_widest",
        ),
        ("cortical_fixations", {"last_stride": 1}, "last_stride"),
        ("cortical_fixations", {"backbone": "resnet20", "last_stride": 0}, "last_stride"),
    ],
)
def test_config_and_constructor_refuse_the_same_windows(
    kind: str, given: dict[str, Any], place: str | None
) -> None:
    """What fits or not depends on the image size; the config knows it and tells the model."""
    with pytest.raises(UserError) as caught:
        read_model(kind=kind, **given)
    head, line = str(caught.value).splitlines()
    assert head == "the config has 1 mistake(s):"
    where = f"  models[0].{place}: " if place else "  models[0]: "
    assert line.startswith(where)
    if place is None:
        assert "32" in line
        assert line.endswith("; data.image_size is 32")
    with pytest.raises(UserError, match=rf"model kind {kind}: "):
        build_model(kind, image_size=32, classes=2, **given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("coarse_fixations", {"crop": 32, "gaze": 0}),
        ("coarse_fixations", {"view": "blurred", "blur_radius": 2, "branches": 4}),
        ("cortical_fixations", {"radii": [6], "auxiliary": False}),
        ("cortical_fixations", {"radii": [1, 2], "view_size": 16, "freeze_widest": True}),
        (
            "cortical_fixations",
            {
                "backbone": "resnet20",
                "radii": ["1", "2"],
                "view_size": 12,
                "gaze": 4,
                "last_stride": 1,
            },
        ),
    ],
)
def test_what_a_config_accepts_can_be_built(kind: str, given: dict[str, Any]) -> None:
    (entry,) = read_model(kind=kind, **given).models
    written = json.loads(entry.model_dump_json(exclude={"name", "kind", "weights", "published"}))
    build_model(kind, image_size=32, classes=2, **written)


def test_windows_are_checked_beside_other_mistakes() -> None:
    with pytest.raises(UserError) as caught:
        read_experiment(
            {
                "name": "two",
                "seeds": [-1],
                "data": {"source": "digits", "image_size": 64},
                "models": [
                    {"name": "far", "kind": "coarse_fixations", "crop": 64, "gaze": 1},
                    {"name": "wrong", "kind": "coarse_fixations", "crop": "big"},
                    {"name": "wide", "kind": "cortical_fixations", "radii": [1, 12]},
                ],
            }
        )
    lines = {line.strip() for line in str(caught.value).splitlines()}
    assert {
        "models[0]: gaze is 1; it must be a whole number from 0 to 0; data.image_size is 64",
        "models[1].crop: 'big' is not allowed; allowed: a whole number",
        "seeds[0]: -1 is not allowed; allowed: 0 or more",
    } < lines
    assert any(line.startswith("models[2]: the widest scale takes 12 x 8 pixels") for line in lines)
