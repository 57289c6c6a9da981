"""How far an experiment is the published one, and what naming a published model makes stale."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from biorobust import planning
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.config.published import published_comparison
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from tiny_jobs import tiny_config

ROOT = Path(__file__).parent.parent
STANDARD = {"name": "plain", "kind": "standard"}


def shipped(name: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "experiments" / f"{name}.yaml").read_text())
    return config


def unlike(config: dict[str, Any], model: str = "standard") -> list[str]:
    comparison = published_comparison(read_experiment(config))
    (found,) = [entry["unlike"] for entry in comparison["models"] if entry["name"] == model]
    return list(found)


@pytest.mark.parametrize(("name", "models"), [("imagenet10", 13), ("cifar10", 4)])
def test_the_shipped_experiments_are_the_published_ones(name: str, models: int) -> None:
    comparison = published_comparison(read_experiment(shipped(name)))
    assert [entry["unlike"] for entry in comparison["models"]] == [[]] * models
    assert [attack["unlike"] for attack in comparison["attacks"]] == [[], []]


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("data", "image_size", 64, "data.image_size is 64 (published: 320)"),
        ("data", "test_limit", 100, "data.test_limit is 100 (published: not given)"),
        ("data", "source", "imagenette", "data.source is imagenette (published: imagenet10)"),
        ("training", "epochs", 4, "training.epochs is 4 (published: 400)"),
        ("training", "batch_size", 16, "training.batch_size is 16 (published: 64 or 32)"),
        ("training", "augment", False, "training.augment is False (published: True)"),
        ("training", "learning_rate", "1e-2", "training.learning_rate is 0.01 (published: 0.001)"),
    ],
)
def test_what_is_set_otherwise_is_told(section: str, key: str, value: Any, told: str) -> None:
    config = shipped("imagenet10")
    config[section][key] = value
    assert unlike(config) == unlike(config, "cortical") == [told]


def test_what_does_not_change_the_experiment_is_not_told() -> None:
    config = shipped("imagenet10")
    config["training"]["batch_size"] = 64
    config["data"] |= {"path": "/elsewhere", "on_corrupt": "skip"}
    assert unlike(config) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"width": 8}, ["width is 8 (published: not given)"]),
        ({"kind": "coarse_fixations"}, ["kind is coarse_fixations (published: standard)"]),
        ({"weights": "mine.safetensors"}, ["its weights were trained elsewhere"]),
    ],
)
def test_another_model_than_the_published_one_is_told(
    change: dict[str, Any], told: list[str]
) -> None:
    config = shipped("imagenet10")
    config["models"][0] |= change
    assert unlike(config) == told


def test_another_attack_than_the_published_ones_is_told() -> None:
    config = shipped("imagenet10")
    config["attacks"][0] |= {"loss": "margin", "steps": 40}
    attack, _ = published_comparison(read_experiment(config))["attacks"]
    assert attack["unlike"] == ["loss is margin (published: cross_entropy)"]
    assert attack["steps"] == 40


def test_an_unknown_publication_lists_those_there_are() -> None:
    config = tiny_config(models=[{**STANDARD, "published": "imagenet10-vit"}])
    with pytest.raises(UserError) as caught:
        read_experiment(config)
    (line,) = str(caught.value).splitlines()[1:]
    start = "  models[0].published: 'imagenet10-vit' is not allowed; allowed: imagenet10-standard, "
    assert line.startswith(start)
    assert "cifar10-cortical" in line


def test_naming_a_published_model_makes_only_its_table_stale(tmp_path: Path) -> None:
    def outline(**entry: Any) -> planning.Outline:
        config = tiny_config(models=[{**STANDARD, **entry}])
        return make_outline(Experiment.model_validate(config), cache=tmp_path / "hashes.json")

    def digests(outline: planning.Outline) -> dict[str, str]:
        return {
            str(path): planning.plan_digest(plan)
            for path, plan in planning.planned_records(outline)
        }

    without, one = digests(outline()), digests(outline(published="imagenet10-standard"))
    other = digests(outline(published="cifar10-standard"))
    assert set(one) - set(without) == {"tables/published.json"}
    changed = {path for path in one if one[path] != other[path]}
    told_last = {"tables/costs.json", "report.json"}
    assert changed == {"tables/published.json"} | told_last
    assert {path for path in without if one[path] != without[path]} == told_last


def test_smoke_changes_sizes_and_nothing_else() -> None:
    config = shipped("imagenet10")
    full = read_experiment(copy.deepcopy(config))
    smoke = read_experiment({**config, "smoke": True})
    assert smoke.name == "imagenet10-smoke"
    assert (smoke.seeds, smoke.training.epochs, smoke.training.batch_size) == ((0,), 1, 10)
    assert (smoke.data.train_limit, smoke.data.test_limit, smoke.data.image_size) == (20, 20, 64)
    assert smoke.attacks == full.attacks
    widths = {"width", "stem_width", "localiser_width", "localiser_stem_width"}
    for small, large in zip(smoke.models, full.models, strict=True):
        assert small.model_dump(exclude=widths) == large.model_dump(exclude=widths)
        for key, value in small.model_dump(include=widths).items():
            twenty = key == "localiser_stem_width" and small.kind == "parallel_transformers"
            assert value == (None if twenty else 4), (small.name, key)
    again = {**smoke.model_dump(mode="json"), "name": full.name, "smoke": True}
    assert read_experiment(again) == smoke


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_shipped_experiment_has_a_smoke_form(path: Path) -> None:
    config = shipped(path.stem)
    smoke = read_experiment({**config, "smoke": True})
    assert smoke.training.epochs == 1
    assert smoke.attacks == read_experiment(config).attacks


def test_smoke_keeps_what_is_smaller_and_weights_from_elsewhere() -> None:
    config = tiny_config(
        data={"source": "digits", "image_size": 32, "test_limit": 5},
        models=[{**STANDARD, "width": 64, "weights": "mine.safetensors"}],
    )
    smoke = read_experiment({**config, "smoke": "true"})
    assert (smoke.data.image_size, smoke.data.train_limit, smoke.data.test_limit) == (32, 20, 5)
    assert smoke.models[0].model_dump()["width"] == 64
