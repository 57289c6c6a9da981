"""What stands twice in a config is told, also beside entries that are wrong in themselves."""

from typing import Any

import pytest

from biorobust.config.reading import read_experiment
from biorobust.errors import UserError

EPSILON = "a finite number from 0 to 1 (0 or more for l2), such as 0.01, 1e-3 or 8/255"


def config_with(**sections: Any) -> dict[str, Any]:
    return {
        "name": "pets",
        "seeds": [0],
        "data": {"source": "digits", "image_size": 32},
        "training": {"epochs": 1},
        "models": [{"name": "plain", "kind": "standard"}],
        "attacks": [attack([0.1])],
        **sections,
    }


def attack(epsilons: Any, **options: Any) -> dict[str, Any]:
    return {"name": "pgd", "kind": "pgd", "epsilons": epsilons, **options}


def mistakes(**sections: Any) -> set[str]:
    with pytest.raises(UserError) as caught:
        read_experiment(config_with(**sections))
    head, *lines = str(caught.value).splitlines()
    assert head == f"the config has {len(lines)} mistake(s):"
    told = {line.removeprefix("  ") for line in lines}
    assert len(told) == len(lines)
    return told


def test_every_seed_that_stands_twice() -> None:
    assert mistakes(seeds=[1, 0, 1]) == {"seeds: 1 is written twice; each once"}
    assert mistakes(seeds=[1, "0", "1", 0, "x"]) == {
        "seeds: 0 is written twice; each once",
        "seeds: 1 is written twice; each once",
        "seeds[4]: 'x' is not allowed; allowed: a whole number",
    }


def test_an_attack_that_would_write_over_a_table() -> None:
    told = mistakes(attacks=[attack([0.1], name="robustness")])
    assert told == {"attacks: 'robustness' is the name of a table; choose another for the attack"}
    # A model's name is that of a folder, where no table stands.
    read_experiment(config_with(models=[{"name": "robustness", "kind": "standard"}]))


def test_every_name_that_stands_twice() -> None:
    plain = {"name": "plain", "kind": "standard"}
    assert mistakes(models=[plain, plain], attacks=[attack([0.1])] * 2) == {
        "models: 'plain' is written twice; each once",
        "attacks: 'pgd' is written twice; each once",
    }
    # Entries without a usable name are mistakes of their own, never repeats.
    nameless = {"kind": "standard", "name": ["plain"]}
    told = mistakes(models=[plain, {"name": "odd", "kind": "vit"}, plain, nameless, nameless, 3])
    assert {line.partition(": ")[0] for line in told} == {
        *("models", "models[1].kind", "models[3].name", "models[4].name", "models[5]")
    }
    assert "models: 'plain' is written twice; each once" in told


def test_every_epsilon_that_stands_twice() -> None:
    assert mistakes(attacks=[attack([0.1, 0.2, "1/10", " 0.2"])]) == {
        "attacks[0].epsilons: 0.1 and 1/10 are one value; each value once",
        "attacks[0].epsilons: 0.2 and 0.2 are one value; each value once",
    }
    assert mistakes(attacks=[attack(["9/8", -1, "abc", 0.1, "1/10"])]) == {
        f"attacks[0].epsilons[0]: '9/8' is not allowed; allowed: {EPSILON}",
        f"attacks[0].epsilons[1]: -1 is not allowed; allowed: {EPSILON}",
        f"attacks[0].epsilons[2]: 'abc' is not allowed; allowed: {EPSILON}",
        "attacks[0].epsilons: 0.1 and 1/10 are one value; each value once",
    }


def test_the_same_epsilon_in_two_attacks_is_no_repeat() -> None:
    attacks = [attack([0.1]), attack([0.1], name="wide", norm="l2")]
    assert len(read_experiment(config_with(attacks=attacks)).attacks) == 2


@pytest.mark.parametrize("norm", ["linf", "rms", "l2"])
def test_only_an_l2_ball_is_wider_than_a_pixels_range(norm: str) -> None:
    attacks = [attack([1, "1.5", "3/2"], norm=norm)]
    repeat = "attacks[0].epsilons: 1.5 and 3/2 are one value; each value once"
    if norm == "l2":
        assert mistakes(attacks=attacks) == {repeat}
        attacks[0]["epsilons"].pop()
        assert read_experiment(config_with(attacks=attacks)).attacks[0].epsilons == ("1", "1.5")
    else:
        assert mistakes(attacks=attacks) == {
            f"attacks[0].epsilons[1]: '1.5' is not allowed; allowed: {EPSILON}",
            f"attacks[0].epsilons[2]: '3/2' is not allowed; allowed: {EPSILON}",
            repeat,
        }


def test_the_default_norm_bounds_epsilons_too() -> None:
    assert mistakes(attacks=[attack([1.5])]) == {
        f"attacks[0].epsilons[0]: 1.5 is not allowed; allowed: {EPSILON}"
    }
