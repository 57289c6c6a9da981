"""What a config may say of a model, held against the constructors of the models."""

from inspect import Parameter, signature
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from biorobust.config.experiment import Experiment
from biorobust.config.models import ModelEntry
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.models import build_model
from biorobust.models.kinds import MODELS
from biorobust.models.registry import model_class

ENTRIES = {
    entry.model_fields["kind"].annotation: entry for entry in get_args(get_args(ModelEntry)[0])
}
KINDS = {get_args(annotation)[0]: entry for annotation, entry in ENTRIES.items()}
TINY = {"width": 2, "stem_width": 2}
"""Keeps constructors quick; only where the backbone has both."""


def options(kind: str) -> dict[str, FieldInfo]:
    """The fields of a kind's entry that go to the constructor."""
    fields = KINDS[kind].model_fields
    return {
        name: field for name, field in fields.items() if name not in ("name", "kind", "weights")
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
