"""The attack stage on a tiny trained model: its rows, one an image, and what it may import."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

import biorobust
from biorobust.__main__ import main
from biorobust.attacks import PGD
from biorobust.data.batches import to_pixels
from biorobust.data.shards import open_shards
from biorobust.files import sha256_of_file
from tiny_jobs import PLAIN, TinyExperiment, child_environment, make_experiment, succeed

IDS = ["plain", "with,comma", 'with "quotes"', "007", "NA", " spaced ", "größe", "a/b.png"]
COLUMNS = [
    *("image", "label", "clean_prediction", "adversarial_prediction", "success", "steps"),
    *("loss", "linf", "l2", "rms"),
]
EPSILON = 8 / 255


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    """An experiment with a trained model, attacked at 8/255."""
    experiment = make_experiment(
        tmp_path_factory.mktemp("attacked"),
        ids=IDS,
        train_images=32,
        training={"epochs": 2, "batch_size": 8, "learning_rate": 1e-2},
    )
    succeed(experiment.train())
    succeed(experiment.attack("8/255"))
    return experiment


def record_path(experiment: TinyExperiment) -> Path:
    return experiment.seed_folder / "attacks/pgd/eps-8_255.json"


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows_of(experiment: TinyExperiment) -> list[dict[str, str]]:
    return read_rows(record_path(experiment).with_suffix(".csv"))


def test_one_row_an_image_in_the_order_of_the_index(trained: TinyExperiment) -> None:
    rows = rows_of(trained)
    assert list(rows[0]) == COLUMNS
    assert [row["image"] for row in rows] == IDS
    assert [row["label"] for row in rows] == [str(number % 2) for number in range(len(IDS))]


def test_numbers_are_written_so_that_they_read_back_the_same(trained: TinyExperiment) -> None:
    for row in rows_of(trained):
        for name in COLUMNS[6:]:
            assert row[name] == repr(float(row[name]))
        for name in COLUMNS[1:6]:
            assert row[name] == str(int(row[name]))


def test_rows_are_what_the_attack_gives_through_foolbox(trained: TinyExperiment) -> None:
    import foolbox

    shards = open_shards(trained.folder / "shards/test")
    images = to_pixels(torch.from_numpy(shards.read(np.arange(len(IDS)))))
    labels = torch.from_numpy(shards.labels)
    model = biorobust.load_model(trained.seed_folder)
    victim = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    found, _, success = PGD(steps=5)(victim, images, labels, epsilons=EPSILON)
    clean, attacked = model(images), model(found)
    changes = (found.double() - images.double()).flatten(1)
    expected = {
        "loss": cross_entropy(attacked, labels, reduction="none"),
        "linf": changes.abs().amax(1),
        "l2": changes.norm(dim=1),
        "rms": changes.square().mean(1).sqrt(),
    }
    rows = rows_of(trained)
    assert [int(r["clean_prediction"]) for r in rows] == clean.argmax(1).tolist()
    assert [int(r["adversarial_prediction"]) for r in rows] == attacked.argmax(1).tolist()
    attackable = clean.argmax(1) == labels
    assert [r["success"] for r in rows] == [str(int(v)) for v in success & attackable]
    for name, values in expected.items():
        assert [float(r[name]) for r in rows] == pytest.approx(values.tolist(), rel=1e-4, abs=1e-6)
    assert success[attackable].any()
    assert not attackable.all()
    for row, attacked_at_all in zip(rows, attackable.tolist(), strict=True):
        if row["success"] == "1":
            assert 1 <= int(row["steps"]) <= 5
        else:
            assert int(row["steps"]) == (5 if attacked_at_all else 0)
    assert max(float(r["linf"]) for r in rows) <= EPSILON * (1 + 1e-5)


def test_the_record_vouches_for_the_rows(trained: TinyExperiment) -> None:
    record = json.loads(record_path(trained).read_text())
    rows = record_path(trained).with_suffix(".csv")
    assert record["outputs"] == {"eps-8_255.csv": sha256_of_file(rows)}
    assert record["config"]["epsilon"] == EPSILON
    training = trained.seed_folder / "training.json"
    assert record["inputs"]["training"]["sha256"] == sha256_of_file(training)
    measured = json.loads((rows.parent / "eps-8_255.run.json").read_text())
    assert measured["images"] == len(IDS)
    assert measured["wall_seconds"] > 0


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_execution_settings_change_no_verdict(trained: TinyExperiment, batch_size: int) -> None:
    before = rows_of(trained)
    record = record_path(trained).read_bytes()
    succeed(trained.attack("8/255"))
    assert record_path(trained).read_bytes() == record
    succeed(trained.attack("8/255", attack_batch_size=batch_size))
    after = rows_of(trained)
    succeed(trained.attack("8/255"))
    for old, new in zip(before, after, strict=True):
        assert [old[name] for name in COLUMNS[:6]] == [new[name] for name in COLUMNS[:6]]
        for name in COLUMNS[6:]:
            assert float(old[name]) == pytest.approx(float(new[name]), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "tf32"])
def test_a_first_pass_spares_no_image_and_is_not_believed(
    trained: TinyExperiment, precision: str
) -> None:
    """It may find what float32 alone does not, but only what misleads the model in float32."""
    before = rows_of(trained)
    succeed(trained.attack("8/255", attack_precision=precision))
    after = rows_of(trained)
    succeed(trained.attack("8/255"))
    assert any(row["success"] == "1" for row in before)
    for old, new in zip(before, after, strict=True):
        for name in ("image", "label", "clean_prediction"):
            assert old[name] == new[name]
        assert int(old["success"]) <= int(new["success"])
        fooled = new["adversarial_prediction"] != new["label"] == new["clean_prediction"]
        assert fooled == (new["success"] == "1")
        assert float(new["linf"]) <= EPSILON * (1 + 1e-5) + 1e-7
    if precision == "tf32":  # a CPU has none, so both passes are float32's
        assert [row["success"] for row in before] == [row["success"] for row in after]


FORBIDDEN = [
    *("pytorch_lightning", "lightning_fabric", "pandas", "torchvision", "scipy.optimize"),
    *("matplotlib", "pydantic", "snakemake", "sklearn", "biorobust.config"),
    "torch._dynamo",  # the compiler, as slow to import as torch itself
]


def test_an_attack_job_imports_nothing_heavy(trained: TinyExperiment) -> None:
    script = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('biorobust', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        f"print('imported:', *[name for name in {FORBIDDEN} if name in sys.modules])\n"
        "print('foolbox' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *trained.attack("0.01")],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["imported:", "True"]
    assert len(read_rows(trained.seed_folder / "attacks/pgd/eps-0.01.csv")) == len(IDS)


def test_a_model_without_finite_logits_is_refused(
    tmp_path: Path, trained: TinyExperiment, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = load_file(trained.seed_folder / "weights.safetensors")
    weights["head.bias"][:] = float("nan")
    save_file(weights, tmp_path / "nan.safetensors")
    broken = make_experiment(
        tmp_path / "results",
        models=[{**PLAIN, "weights": str(tmp_path / "nan.safetensors")}],
    )
    succeed(broken.train(weights=str(tmp_path / "nan.safetensors")))
    capfd.readouterr()
    assert main(broken.attack("8/255")) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "not finite" in line
    assert str(broken.seed_folder) in line
    assert not record_path(broken).exists()
