"""The project's own files: what is pinned, generated and shipped."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from biorobust.config.reading import overlaid, read_experiment

ROOT = Path(__file__).parent.parent
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().split()
    pairs = [line.split("==") for line in lines]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def test_the_lock_pins_every_dependency_exactly() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    for requirement in wanted:
        name = re.split(r"[<>=!~ ;]", requirement)[0]
        assert re.sub(r"[-_.]+", "-", name).lower() in locked(), name


def test_compromised_lightning_releases_are_out() -> None:
    assert locked()["pytorch-lightning"] not in ("2.6.2", "2.6.3")


def test_the_conda_environment_is_in_step_with_the_lock() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "envs/generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "envs/biorobust.yaml").read_text() == module.environment()


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_shipped_experiment_is_valid_and_named_after_its_file(path: Path) -> None:
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    overlay = yaml.safe_load(path.read_text())
    experiment = read_experiment(overlaid({**default, **overlay}, overlay))
    assert experiment.name == path.stem
    # What an overlay leaves out comes from the default, whose settings are for digits.
    assert {"name", "seeds", "data", "training", "models", "attacks"} <= set(overlay)


def test_the_default_experiment_is_the_one_that_the_readme_shows() -> None:
    experiment = read_experiment(yaml.safe_load((ROOT / "config.yaml").read_text()))
    assert experiment.data.source == "digits"
    assert len(experiment.seeds) >= 2
    assert len(experiment.attacks[0].epsilons) == 5
    assert experiment.data.image_size == 32


def test_imagenet10_has_the_published_training_settings() -> None:
    overlay = yaml.safe_load((ROOT / "experiments/imagenet10.yaml").read_text())
    training = read_experiment(overlay).training
    steps = {
        round(share * training.epochs): factor for share, factor in training.learning_rate_steps
    }
    assert steps == {160: 1e-1, 240: 1e-2, 320: 1e-3, 360: 0.5e-3}
    assert (training.epochs, training.batch_size, training.learning_rate) == (400, 32, 1e-3)


def test_no_profile_overrides_the_users() -> None:
    assert not (ROOT / "profiles").exists()
