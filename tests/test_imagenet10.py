"""The thesis's whole experiment: what it holds, and that it is planned, on a made-up tree."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from made_up_sources import IMAGENET10, write_synsets
from pipeline import ROOT, copy_project, planned

CONFIG = yaml.safe_load((ROOT / "experiments/imagenet10.yaml").read_text())
COMMAND = ("--configfile", "experiments/imagenet10.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(
        tmp_path_factory.mktemp("imagenet10") / "project", (ROOT / "config.yaml").read_text()
    )
    write_synsets(folder / "ILSVRC2012", IMAGENET10)
    return folder


@pytest.mark.parametrize(("arguments", "seeds"), [((), 5), (("--config", "smoke=true"), 1)])
def test_every_model_seed_attack_and_epsilon_is_planned(
    project: Path, arguments: tuple[str, ...], seeds: int
) -> None:
    jobs = planned(project, *COMMAND, *arguments)
    models, epsilons = len(CONFIG["models"]), 2 * 5
    counts = Counter(job.split()[0] for job in jobs if not re.match("figure|table", job))
    trained = models * seeds
    assert counts == {
        "shard": 1,
        "train": trained,
        "attack": trained * epsilons,
        "check_rows": trained,
        "check_cheap": trained,
        "collect": 1,
        "card": models,
        "report": 1,
    }
    tables = {job for job in jobs if job.startswith("table_")}
    assert {"table_adversarial_accuracy", "table_published", "table_trade_off"} <= tables


def test_the_thesis_and_the_papers_comparisons_are_there() -> None:
    entries = [
        {key: value for key, value in entry.items() if key not in ("name", "published")}
        for entry in CONFIG["models"]
    ]
    wanted = [
        {"kind": "standard"},
        *({"kind": "retinal_fixations", "interpolation": i} for i in ("nearest", "bilinear")),
        {"kind": "coarse_fixations"},
        *({"kind": "coarse_fixations", "view": view} for view in ("upsampled", "blurred")),
        {"kind": "coarse_fixations", "branches": 4},
        {"kind": "cortical_fixations"},
        {"kind": "cortical_fixations", "auxiliary": False},
        {"kind": "cortical_fixations", "auxiliary": False, "radii": [6]},
        {"kind": "cortical_fixations", "freeze_widest": True},
        {"kind": "parallel_transformers"},
        {"kind": "parallel_transformers", "shared_weights": True},
        *(
            {"kind": "parallel_transformers", "transform": transform}
            for transform in ("isotropic_attention", "affine")
        ),
        *({"kind": "multi_gaze", "gaze_regularisation": r} for r in (0, 0.001, 0.01)),
        {"kind": "multi_gaze", "gaze_regularisation": 0.01, "shared_weights": True},
    ]
    assert [entry for entry in wanted if entry not in entries] == []
    assert CONFIG["seeds"] == [0, 1, 2, 3, 4]
    for attack, norm in zip(CONFIG["attacks"], ("linf", "rms"), strict=True):
        assert (attack["norm"], attack["steps"], attack["relative_step"]) == (norm, 20, "1/3")
        assert attack["epsilons"] == [0.001, 0.005, 0.01, 0.02, 0.05]
