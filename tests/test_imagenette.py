"""`experiments/imagenette.yaml`, made small, on a folder that is laid out as Imagenette is."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from biorobust import load_images, load_model
from made_up_sources import IMAGENETTE
from pipeline import ROOT, copy_project, planned, snakemake

OVERLAY = ROOT / "experiments/imagenette.yaml"
CONFIG = yaml.safe_load(OVERLAY.read_text())
COMMAND = (
    *("--configfile", "experiments/imagenette.yaml", "where.yaml"),
    *("--config", "smoke=true"),
)
FOLDER = "results/imagenette-smoke"
# The data set's own names of its classes, github.com/fastai/imagenette.
CLASSES = [
    *("tench", "English springer", "cassette player", "chain saw", "church"),
    *("French horn", "garbage truck", "gas pump", "golf ball", "parachute"),
]
PER_CLASS = {"train": 3, "val": 2}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(
        tmp_path_factory.mktemp("imagenette") / "project", (ROOT / "config.yaml").read_text()
    )
    (folder / "where.yaml").write_text("data: {path: imagenette2-160}\n")
    random = np.random.default_rng(0)
    for split, count in PER_CLASS.items():
        for synset in IMAGENETTE:
            place = folder / "imagenette2-160" / split / synset
            place.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
                image = Image.fromarray(pixels).resize((200, 160), Image.Resampling.BILINEAR)
                # As in the real one, shapes differ, and some images have no colours.
                image = image.rotate(90, expand=True) if number == 1 else image
                image = image.convert("L") if number == 2 else image
                image.save(place / f"{synset}_{number}.JPEG")
    # What lies beside the images in the archive is no image.
    (folder / "imagenette2-160/noisy_imagenette.csv").write_text("path,noisy_labels_0\n")
    return folder


def test_every_model_attack_and_epsilon_is_planned(project: Path) -> None:
    jobs = planned(project, *COMMAND)
    counts = Counter(job.split()[0] for job in jobs if not re.match("figure|table", job))
    models, (attack,) = len(CONFIG["models"]), CONFIG["attacks"]
    assert counts == {
        "shard": 1,
        "train": models,
        "attack": models * len(attack["epsilons"]),
        "check_rows": models,
        "check_cheap": models,
        "collect": 1,
        "card": models,
        "report": 1,
    }


def test_one_model_is_trained_and_attacked(project: Path) -> None:
    seed_folder = f"{FOLDER}/models/retinal-bilinear/seed-0"
    target = f"{seed_folder}/attacks/linf-pgd/eps-0.05.json"
    done = snakemake(project, target, "--cores", "1", *COMMAND)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads((project / FOLDER / "shards/test/manifest.json").read_text())
    assert manifest["classes"] == CLASSES
    images, labels = load_images(project / FOLDER / "shards/test")
    assert images.shape == (20, 3, 64, 64)
    assert Counter(labels.tolist()) == dict.fromkeys(range(10), 2)
    assert load_model(project / seed_folder)(images).shape == (20, 10)
    rows = (project / target).with_suffix(".csv").read_text().splitlines()
    assert len(rows) == 1 + 20
