"""Mistakes in a config, as YAML text: how each is told."""

from typing import Any

import pytest
import yaml

from biorobust.attacks.kinds import ATTACKS
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from example_config import CONFIG, at, config_with

SECTIONS = {
    "": "attacks, checks, claims, data, execution, models, name, seeds, smoke, training",
    "data": "image_size, on_corrupt, on_duplicates, path, resize, source, test_limit, train_limit",
    "training": "augment, batch_size, epochs, learning_rate, learning_rate_steps",
    "models.0": "backbone, batch_norm_momentum, kind, name, published, stem_width, weights, width",
    "models.1": "backbone, batch_norm_momentum, interpolation, kind, name, published, stem_width, "
    "weights, width",
    "attacks.0": "epsilons, kind, loss, name, norm, random_start, relative_step, restarts, steps",
    "checks": "groups, thresholds",
    "execution": "attack_batch_size, attack_channels_last, attack_compiled, attack_precision, "
    "attack_shards, checkpoint_minutes, device, images_per_shard, threads",
}
NUMBER = "a number such as 0.01, 1e-3 or 8/255"
EPSILON = "a finite number from 0 to 1 (0 or more for l2), such as 0.01, 1e-3 or 8/255"
IMAGE_SIZE = "a whole number, a multiple of 8, from 32 to 4096"
LIST = "a list, as in [a, b]"
SECTION = "a section of `key: value` lines"
OWN = "or your own as FILE.py:NAME or PACKAGE.MODULE:NAME"


def as_written(place: str) -> str:
    """ "models.0.width" as messages spell it: "models[0].width"."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in place.split("."))[1:]


def mistakes(config: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_experiment(config)
    head, *lines = str(caught.value).splitlines()
    assert head == f"the config has {len(lines)} mistake(s):"
    return [line.removeprefix("  ") for line in lines]


@pytest.mark.parametrize("text", [".nan", ".inf", "1/0", "1" + "0" * 400])
def test_infinities_and_nan_are_refused_in_a_short_line(text: str) -> None:
    (line,) = mistakes(config_with(**{"training.learning_rate": text}))
    assert line.startswith("training.learning_rate: ")
    assert line.endswith("is not allowed; allowed: a finite number")
    assert len(line) < 140


@pytest.mark.parametrize("place", SECTIONS)
def test_an_unknown_key_is_named_with_what_is_allowed(place: str) -> None:
    config = yaml.safe_load(CONFIG)
    at(config, place)["zzz"] = 1
    where = as_written(f"{place}.zzz" if place else "zzz")
    assert mistakes(config) == [f"{where}: unknown key; allowed: {SECTIONS[place]}"]


@pytest.mark.parametrize(
    ("place", "meant"),
    [("sead", "seeds"), ("data.sorce", "source"), ("models.1.interpolate", "interpolation")],
)
def test_a_slip_is_told_what_was_meant(place: str, meant: str) -> None:
    (line,) = mistakes(config_with(**{place: "1"}))
    assert f"unknown key (did you mean {meant}?); allowed: " in line


@pytest.mark.parametrize("text", ["1: a", "on: a", "2026-01-01: a"])
def test_a_key_that_is_not_text_is_unknown(text: str) -> None:
    ((key, _),) = (extra := yaml.safe_load(text)).items()
    (line,) = mistakes(yaml.safe_load(CONFIG) | extra)
    assert line.startswith(f"{key}: unknown key; allowed: attacks, checks, claims, ")


@pytest.mark.parametrize(
    "place",
    [
        *("name", "seeds", "data", "training", "models", "attacks"),
        *("data.source", "data.image_size", "training.epochs"),
        *("models.1.name", "attacks.0.name", "attacks.0.epsilons"),
    ],
)
def test_what_must_be_given(place: str) -> None:
    config = yaml.safe_load(CONFIG)
    parent, _, key = place.rpartition(".")
    del at(config, parent)[key]
    assert mistakes(config) == [f"{as_written(place)}: missing; it must be given"]


def test_an_unknown_kind_lists_the_kinds() -> None:
    kinds = (
        "coarse_fixations, cortical_fixations, multi_gaze, parallel_transformers, "
        f"retinal_fixations, standard, {OWN}"
    )
    config = config_with(**{"models.1.kind": "vit"})
    assert mistakes(config) == [f"models[1].kind: 'vit' is not allowed; allowed: {kinds}"]
    del config["models"][1]["kind"]
    assert mistakes(config) == [f"models[1].kind: missing; allowed: {kinds}"]
    attacks = ", ".join(sorted(ATTACKS))
    assert mistakes(config_with(**{"attacks.0.kind": "jump"})) == [
        f"attacks[0].kind: 'jump' is not allowed; allowed: {attacks}, {OWN}"
    ]


@pytest.mark.parametrize(
    ("place", "text", "allowed"),
    [
        ("seeds", "3", LIST),
        ("seeds", "[]", "a list with at least one entry"),
        ("seeds.1", "-1", "0 or more"),
        ("seeds.1", "2147483648", "less than 2147483648"),
        ("seeds.1", "true", "a whole number"),
        ("seeds.1", "1.0", "a whole number"),
        ("seeds.1", '"1.0"', "a whole number"),
        ("seeds.1", '"one"', "a whole number"),
        ("data", "digits", SECTION),
        ("data.source", "svhn", "'digits', 'fashion_mnist', 'cifar10', 'imagenette', "),
        ("data.image_size", "16", IMAGE_SIZE),
        ("data.image_size", "8192", IMAGE_SIZE),
        ("data.image_size", "36", IMAGE_SIZE),
        ("data.image_size", "big", IMAGE_SIZE),
        ("data.path", "3", "text, in quotes"),
        ("data.test_limit", "0", "1 or more"),
        ("data.on_corrupt", "ignore", "'stop' or 'skip'"),
        ("data.on_duplicates", "skip", "'stop' or 'allow'"),
        ("training.epochs", "0", "1 or more"),
        ("training.batch_size", "1", "2 or more"),
        ("training.learning_rate", "fast", NUMBER),
        ("training.learning_rate", "true", NUMBER),
        ("training.learning_rate", "0", "more than 0"),
        ("training.learning_rate_steps", "[[0.6, 0.1], [0.4, 0.01]]", "a list of [share, factor]"),
        ("training.learning_rate_steps", "[[0.4, 0.1], [0.4, 0.01]]", "a list of [share, factor]"),
        ("training.learning_rate_steps", "[[0.4, 1, 2]]", "a list of 2 entries"),
        ("training.learning_rate_steps", "[[1, 0.1]]", "less than 1"),
        ("training.learning_rate_steps", "[[0.4, 0]]", "more than 0"),
        ("training.augment", '"yes"', "true or false"),
        ("training.augment", "1", "true or false"),
        ("models", "{plain: {kind: standard}}", LIST),
        ("models", "[]", "a list with at least one entry"),
        ("models.0", "standard", SECTION),
        ("models.0.width", "0", "1 or more"),
        ("models.0.batch_norm_momentum", "0", "more than 0"),
        ("models.1.interpolation", "cubic", "'nearest', 'bilinear' or 'truncated'"),
        ("attacks", "[]", "a list with at least one entry"),
        ("attacks.0", "pgd", SECTION),
        ("attacks.0.norm", "l0", "'linf', 'l2' or 'rms'"),
        ("attacks.0.steps", "0", "1 or more"),
        ("attacks.0.epsilons", "0.1", LIST),
        ("attacks.0.epsilons", "[]", "a list with at least one entry"),
        ("attacks.0.epsilons.0", "-0.1", EPSILON),
        ("attacks.0.epsilons.0", "1.5", EPSILON),
        ("attacks.0.epsilons.0", ".nan", EPSILON),
        ("attacks.0.epsilons.1", '"8_255"', EPSILON),
        ("attacks.0.epsilons.1", "8 / 255", EPSILON),
        ("execution.device", "tpu", "'auto', 'cpu' or 'cuda'"),
        ("execution.threads", "0", "1 or more"),
        ("execution.checkpoint_minutes", "0", "more than 0"),
        ("execution.images_per_shard", "many", "a whole number"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(place: str, text: str, allowed: str) -> None:
    (line,) = mistakes(config_with(**{place: text}))
    assert line.startswith(as_written(place))
    assert f"is not allowed; allowed: {allowed}" in line
    value = yaml.safe_load(text)
    if not isinstance(value, list):
        assert f": {value!r} is not" in line


@pytest.mark.parametrize("place", ["name", "models.0.name", "attacks.0.name"])
@pytest.mark.parametrize(
    "text", ['""', "3", "../up", "a b", "a/b", ".hid", '"a\\n"', "é", "x" * 81]
)
def test_names_fit_into_file_names(place: str, text: str) -> None:
    (line,) = mistakes(config_with(**{place: text}))
    assert line.startswith(f"{as_written(place)}: ")
    assert "allowed: text " in line


def test_every_mistake_is_told_at_once() -> None:
    config = config_with(
        **{
            "epocs": "1",
            "seeds": "[0, 0]",
            "data.image_size": "33",
            "training.learning_rate": "x",
            "models.0.kind": "vit",
            "models.1.interpolation": "cubic",
            "attacks.0.norm": "l0",
            "attacks.0.epsilons": "[0.1, 0.1, 2]",
        }
    )
    del config["name"]
    assert {line.partition(": ")[0] for line in mistakes(config)} == {
        *("epocs", "name", "seeds", "data.image_size", "training.learning_rate"),
        *("models[0].kind", "models[1].interpolation", "attacks[0].norm", "attacks[0].epsilons"),
    }


@pytest.mark.parametrize("config", [None, [1], "text"])
def test_a_config_that_is_no_map(config: Any) -> None:
    assert mistakes(config) == [f"the config: {config!r} is not allowed; allowed: {SECTION}"]
