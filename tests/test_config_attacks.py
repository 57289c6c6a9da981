"""What a config may say of an attack, held against the constructors of the attacks."""

from inspect import Parameter, signature
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from biorobust.attacks import build_attack
from biorobust.attacks.catalogue import attack_class
from biorobust.attacks.kinds import ATTACKS
from biorobust.config.attacks import BuiltInAttack
from biorobust.config.experiment import Experiment
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError

ENTRIES = get_args(get_args(BuiltInAttack)[0])
KINDS = {get_args(entry.model_fields["kind"].annotation)[0]: entry for entry in ENTRIES}
MINIMAL = sorted(kind for kind in KINDS if "epsilons" not in KINDS[kind].model_fields)


def options(kind: str) -> dict[str, FieldInfo]:
    """The fields of a kind's entry that go to the constructor."""
    fields = KINDS[kind].model_fields
    return {n: field for n, field in fields.items() if n not in ("name", "kind", "epsilons")}


def choices() -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (kind, name, get_args(field.annotation))
        for kind in KINDS
        for name, field in options(kind).items()
        if get_origin(field.annotation) is Literal
    ]


def read_attack(**entry: Any) -> Experiment:
    return read_experiment(
        {
            "name": "one",
            "seeds": [0],
            "data": {"source": "digits", "image_size": 32},
            "training": {"epochs": 1},
            "models": [{"name": "one", "kind": "standard"}],
            "attacks": [{"name": "one", **entry}],
        }
    )


def whole(kind: str, **given: Any) -> dict[str, Any]:
    """An entry of this kind with what it must have."""
    return {"kind": kind, **({} if kind in MINIMAL else {"epsilons": [0.1]}), **given}


def test_config_and_package_know_the_same_kinds() -> None:
    assert set(KINDS) == set(ATTACKS)


@pytest.mark.parametrize("kind", ATTACKS)
def test_options_and_defaults_are_the_constructors(kind: str) -> None:
    parameters = signature(attack_class(kind)).parameters
    assert {name: field.default for name, field in options(kind).items()} == {
        name: parameter.default for name, parameter in parameters.items()
    }
    assert {parameter.kind for parameter in parameters.values()} <= {Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("kind", ATTACKS)
def test_norm_and_the_need_of_epsilons_are_the_attacks(kind: str) -> None:
    (entry,) = read_attack(**whole(kind)).attacks
    attack = build_attack(kind)
    assert attack.norm == entry.norm
    assert attack.minimal == (kind in MINIMAL)


@pytest.mark.parametrize(("kind", "option", "allowed"), choices())
def test_choices_are_the_constructors(kind: str, option: str, allowed: tuple[str, ...]) -> None:
    for choice in allowed:
        build_attack(kind, **{option: choice})
    with pytest.raises(UserError, match=option):
        build_attack(kind, **{option: "something else"})


WHOLE_NUMBERS = [
    (kind, name)
    for kind in KINDS
    for name, field in options(kind).items()
    if field.default and type(field.default) is int
]


@pytest.mark.parametrize(("kind", "option"), WHOLE_NUMBERS)
def test_config_and_constructor_refuse_less_than_one(kind: str, option: str) -> None:
    with pytest.raises(UserError, match=rf"attacks\[0\]\.{option}: 0 is not allowed"):
        read_attack(**whole(kind, **{option: 0}))
    with pytest.raises(UserError, match=option):
        build_attack(kind, **{option: 0})


def test_restarts_need_a_random_start() -> None:
    with pytest.raises(UserError, match=r"attacks\[0\]\.restarts: .*random_start"):
        read_attack(**whole("pgd", restarts=2))
    with pytest.raises(UserError, match="random_start"):
        build_attack("pgd", restarts=2)
    (entry,) = read_attack(**whole("pgd", random_start=True, restarts=2)).attacks
    assert entry.model_dump()["restarts"] == 2


def test_an_unknown_kind_or_option_lists_what_there_is() -> None:
    with pytest.raises(UserError, match=", ".join(ATTACKS)):
        build_attack("harder")
    with pytest.raises(UserError, match="steps"):
        build_attack("bim", step=3)
    with pytest.raises(UserError, match=r"attacks\[0\]\.kind: 'harder' is not allowed") as caught:
        read_attack(kind="harder", epsilons=[0.1])
    assert all(kind in str(caught.value) for kind in ATTACKS)


@pytest.mark.parametrize("kind", MINIMAL)
def test_an_attack_that_finds_the_smallest_perturbation_has_no_epsilons(kind: str) -> None:
    with pytest.raises(UserError) as caught:
        read_attack(**whole(kind, epsilons=[0.1]))
    (line,) = str(caught.value).splitlines()[1:]
    assert line.strip() == (
        f"attacks[0].epsilons: attack kind {kind} searches for the smallest perturbation and has "
        "no epsilon; leave epsilons out"
    )
