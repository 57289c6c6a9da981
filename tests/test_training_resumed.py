"""Training that is killed goes on where it was, or starts over, to the very same bytes."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from biorobust.data.batches import Batch, EpochBatches
from biorobust.training.resuming import ResumeFolder
from tiny_jobs import TinyExperiment, flip_byte, make_experiment, start, succeed
from tiny_training import epochs_run, output_sums

EPOCHS = 16
# A dropped resume would lose both Adam's state and the running means of normalisation.
TRAINING = {"epochs": EPOCHS, "batch_size": 8, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    """Training that nobody disturbed."""
    experiment = make_experiment(tmp_path_factory.mktemp("whole"), training=TRAINING)
    succeed(experiment.train())
    return experiment


def resume_files(experiment: TinyExperiment) -> list[Path]:
    return sorted(experiment.seed_folder.glob(".resume-*/last.ckpt"))


@pytest.fixture(scope="module")
def killed_once(whole: TinyExperiment, tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    """The same training, killed without warning when its first checkpoint had appeared."""
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(whole.folder / "shards", folder / "shards")
    experiment = TinyExperiment(folder, whole.outline)
    job = start(experiment.train())
    try:
        patience = time.monotonic() + 120
        while not resume_files(experiment):
            assert job.poll() is None, job.communicate()[0]
            assert time.monotonic() < patience
            time.sleep(0.002)
    finally:
        job.kill()
        job.communicate()
    assert not (experiment.seed_folder / "training.json").exists()
    return experiment


@pytest.fixture
def killed(killed_once: TinyExperiment, tmp_path: Path) -> TinyExperiment:
    shutil.copytree(killed_once.folder, tmp_path / "killed")
    return TinyExperiment(tmp_path / "killed", killed_once.outline)


def test_a_killed_run_goes_on_to_the_same_bytes(
    whole: TinyExperiment, killed: TinyExperiment, capfd: pytest.CaptureFixture[str]
) -> None:
    (checkpoint,) = resume_files(killed)
    succeed(killed.train())
    assert f"goes on from {checkpoint}" in capfd.readouterr().out
    assert output_sums(killed) == output_sums(whole)
    assert list(killed.seed_folder.glob(".*")) == []


def test_a_resumed_run_does_not_repeat_epochs(
    killed: TinyExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = []
    iterate = EpochBatches.__iter__

    def noted(batches: EpochBatches) -> Iterator[Batch]:
        epochs.append(batches.epoch)
        yield from iterate(batches)

    monkeypatch.setattr(EpochBatches, "__iter__", noted)
    succeed(killed.train())
    assert epochs == list(range(epochs[0], EPOCHS))
    assert epochs[0] > 0
    # The wall time of the report is that of these epochs alone.
    assert epochs_run(killed) == EPOCHS - epochs[0]


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_checkpoint_is_not_used(
    whole: TinyExperiment, killed: TinyExperiment, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    (checkpoint,) = resume_files(killed)
    if damage == "flipped":
        flip_byte(checkpoint)
    else:
        data = checkpoint.read_bytes()
        checkpoint.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    succeed(killed.train())
    assert f"{checkpoint} is damaged and not used; training starts over" in capfd.readouterr().out
    assert output_sums(killed) == output_sums(whole)
    assert resume_files(killed) == []


def test_a_checkpoint_of_another_plan_is_not_used(
    killed: TinyExperiment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changed = {**TRAINING, "epochs": 2}
    other = make_experiment(tmp_path / "other", training=changed)
    succeed(other.train())
    capfd.readouterr()
    same_place = make_experiment(killed.folder, training=changed)
    assert len(resume_files(same_place)) == 1
    succeed(same_place.train())
    assert "goes on" not in capfd.readouterr().out
    assert output_sums(same_place) == output_sums(other)
    assert resume_files(same_place) == []


def test_a_run_killed_after_its_last_epoch_has_only_to_write(
    whole: TinyExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = make_experiment(tmp_path, training=TRAINING)
    with monkeypatch.context() as patch:
        patch.setattr(ResumeFolder, "clear", lambda folder: None)
        succeed(experiment.train())
    (experiment.seed_folder / "training.json").unlink()
    (experiment.seed_folder / "weights.safetensors").unlink()
    assert len(resume_files(experiment)) == 1
    succeed(experiment.train())
    assert output_sums(experiment) == output_sums(whole)
    assert resume_files(experiment) == []
