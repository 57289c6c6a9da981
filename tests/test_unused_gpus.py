"""A job that was given a GPU which torch cannot see goes on without it, and says so loudly."""

from pathlib import Path

import pytest

from biorobust.analysis.unused_gpus import unused_gpus
from biorobust.files import read_json
from biorobust.gpus import granted_gpus
from pipeline import snakemake
from tiny_jobs import make_experiment, start, succeed

# As on a node of a cluster whose driver is too old for torch: allotted, but not to be seen.
INVISIBLE = {"SLURM_JOB_GPUS": "3", "CUDA_VISIBLE_DEVICES": ""}
LOUD = "THIS JOB WAS GIVEN A GPU (SLURM_JOB_GPUS=3) AND RUNS ON THE CPU"


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given to the tests themselves."""
    for name in ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize(
    ("environment", "granted"),
    [
        ({}, ""),
        ({"CUDA_VISIBLE_DEVICES": ""}, ""),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ""),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, ""),
        ({"SLURM_GPUS_ON_NODE": "0", "SLURM_JOB_ID": "7"}, ""),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, "CUDA_VISIBLE_DEVICES=GPU-8932f937"),
        ({"SLURM_JOB_GPUS": "0,1", "SLURM_STEP_GPUS": "1"}, "SLURM_STEP_GPUS=1"),
        ({"SLURM_GPUS_ON_NODE": "2"}, "SLURM_GPUS_ON_NODE=2"),
        (INVISIBLE, "SLURM_JOB_GPUS=3"),
    ],
)
def test_what_counts_as_given(environment: dict[str, str], granted: str) -> None:
    assert granted_gpus(environment) == granted


def test_it_is_said_in_the_log_on_the_terminal_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    experiment = make_experiment(
        tmp_path, training={"epochs": 1, "batch_size": 8, "learning_rate": 1e-2}
    )
    asking = {"device": "auto", "gpus": 1}
    log = tmp_path / "train.log"
    job = start([*experiment.train(**asking), "--log", str(log)], **INVISIBLE)
    terminal, _ = job.communicate(timeout=120)
    assert job.returncode == 0, log.read_text()
    assert LOUD in terminal and LOUD in log.read_text()
    report = read_json(experiment.seed_folder / "training.run.json")
    assert (report["device"], report["granted_gpus"]) == ("cpu", "SLURM_JOB_GPUS=3")

    # A laptop's jobs ask for a GPU too and are given none; cpu means that none is wanted.
    succeed(experiment.attack("0.01", **asking))
    monkeypatch.setenv("SLURM_JOB_GPUS", "3")
    succeed(experiment.attack("8/255", gpus=1))
    assert LOUD not in "".join(capfd.readouterr())
    (warning,) = unused_gpus(experiment.folder)
    assert warning.startswith("1 train jobs of plain asked for a GPU, were given one, and ran on")

    succeed(experiment.check("cheap", **asking))
    assert LOUD in capfd.readouterr().err
    assert [line[:21] for line in unused_gpus(experiment.folder)] == [
        "1 check jobs of plain",
        "1 train jobs of plain",
    ]


def test_snakemake_tells_of_it_at_the_end(project: Path) -> None:
    record = "results/tiny/models/plain/seed-0/attacks/pgd/eps-0.01.json"
    done = snakemake(project, "--force", record, "--cores", "1", **INVISIBLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert LOUD in done.stderr
    assert "Warning: 1 attack jobs of plain asked for a GPU" in done.stdout
