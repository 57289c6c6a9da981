"""Configs as YAML text: what is accepted, and what an overlay makes of another."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from biorobust.config.experiment import Experiment
from biorobust.config.reading import overlaid, read_experiment
from biorobust.errors import UserError
from example_config import CONFIG, config_with

ROOT = Path(__file__).parent.parent


def read_with(**changes: Any) -> Experiment:
    return read_experiment(config_with(**changes))


def test_the_example_is_read() -> None:
    experiment = read_experiment(yaml.safe_load(CONFIG))
    assert experiment.seeds == (0, 1)
    assert [entry.name for entry in experiment.models] == ["plain", "eye"]
    assert experiment.attacks[0].epsilons == ("0.01", "8/255")
    assert experiment.execution.threads == 2


@pytest.mark.parametrize(
    "file", [ROOT / "config.yaml", *sorted((ROOT / "experiments").glob("*.yaml"))]
)
def test_what_we_ship_is_valid(file: Path) -> None:
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    overlay = yaml.safe_load(file.read_text())
    merged = copy.deepcopy(default)
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key].update(value)
        else:
            merged[key] = value
    assert read_experiment(overlaid(merged, overlay)).name == overlay["name"]


def test_epsilons_keep_their_text() -> None:
    experiment = read_with(**{"attacks.0.epsilons": "[1e-3, 8/255, 0.10, 0, 1]"})
    assert experiment.attacks[0].epsilons == ("1e-3", "8/255", "0.1", "0", "1")


def test_whole_numbers_may_be_text() -> None:
    experiment = read_with(**{"seeds": '["0", " 7 "]', "data.image_size": '"64"'})
    assert experiment.seeds == (0, 7)
    assert experiment.data.image_size == 64


def test_an_overlay_with_a_source_replaces_the_data_section() -> None:
    merged = {"data": {"source": "cifar10", "image_size": 32, "test_limit": 200}, "seeds": [0]}
    data = {"source": "cifar10", "image_size": 32}
    assert overlaid(merged, {"name": "a", "data": data}) == {"data": data, "seeds": [0]}
    for overlay in ({}, {"seeds": [1]}, {"data": {"image_size": 32}}, {"data": None}):
        assert overlaid(merged, {"name": "a"} | overlay) == merged


@pytest.mark.parametrize("section", ["seeds", "data", "training", "models", "attacks"])
def test_an_overlay_of_the_experiment_needs_a_name_of_its_own(section: str) -> None:
    with pytest.raises(UserError, match=f"the overlay changes {section} and gives no name"):
        overlaid({}, {section: None})
    assert overlaid({"seeds": [0]}, {"execution": {"threads": 2}}) == {"seeds": [0]}


def test_reading_a_config_needs_no_torch() -> None:
    script = (
        "import sys, biorobust.config.reading, biorobust.config.outline\n"
        "print(*sorted({'torch', 'sklearn', 'torchvision', 'snakemake'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "workflow_src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
