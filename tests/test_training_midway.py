"""Training that stops in mid-epoch, by itself or killed, goes on there to the very same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from biorobust.__main__ import main
from biorobust.errors import UNFINISHED_STATUS
from biorobust.training.module import TrainingModule
from biorobust.training.saving import Saving
from tiny_jobs import TinyExperiment, child_environment, make_experiment, succeed
from tiny_training import GAZING, epochs_run, output_sums

# Three batches an epoch: two that end within it, one of 3 images that ends it.
IMAGES, EPOCHS, STEPS = 11, 3, 9
TRAINING = {"epochs": EPOCHS, "batch_size": 4, "learning_rate": 1e-2}
# So short that it is near from the start.
SHORT = {"runtime_minutes": 1e-3}


def experiment_in(folder: Path, **training: object) -> TinyExperiment:
    return make_experiment(
        folder, training=TRAINING | training, models=[GAZING], train_images=IMAGES
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    """Training that nobody disturbed."""
    experiment = experiment_in(tmp_path_factory.mktemp("whole"))
    succeed(experiment.train())
    return experiment


def test_stopped_after_every_single_step_it_ends_with_the_same_bytes(
    whole: TinyExperiment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    experiment = experiment_in(tmp_path)
    for step in range(STEPS - 1):
        assert main(experiment.train(**SHORT)) == UNFINISHED_STATUS
        (line,) = capfd.readouterr().err.splitlines()
        assert f"not finished: stopped in epoch {step // 3 + 1} of {EPOCHS}" in line
        assert "when it is started again" in line
        assert "time limit of 0.001 minutes is near, which left time for just one step" in line
    # After the last step there is nothing left to stop for.
    succeed(experiment.train(**SHORT))
    assert output_sums(experiment) == output_sums(whole)
    assert epochs_run(experiment) == pytest.approx(1 / 3)
    assert list(experiment.seed_folder.glob(".*")) == []


def test_a_limit_that_is_far_makes_no_difference(whole: TinyExperiment, tmp_path: Path) -> None:
    experiment = experiment_in(tmp_path)
    succeed(experiment.train(runtime_minutes=60))
    assert output_sums(experiment) == output_sums(whole)
    assert epochs_run(experiment) == EPOCHS


def test_a_limit_without_time_for_a_step_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    step = TrainingModule.training_step

    def slow(*arguments: object) -> object:
        time.sleep(0.5)
        return step(*arguments)

    monkeypatch.setattr(TrainingModule, "training_step", slow)
    assert main(experiment_in(tmp_path).train(**SHORT)) == UNFINISHED_STATUS
    said = capfd.readouterr().out
    assert said.count("the time limit of 0.001 minutes is near, and not one step") == 1
    assert "give it more time" in said


# Python that is `python -m biorobust`, but is killed without warning when its fifth step, the
# second of an epoch, is done and, if it is time to, saved.
KILLED = """
import os, signal, sys
from biorobust.__main__ import main
from biorobust.training.saving import Saving
end_of_batch = Saving.on_train_batch_end
def noted(self, trainer, *others):
    end_of_batch(self, trainer, *others)
    if trainer.global_step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
Saving.on_train_batch_end = noted
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("interval", "left"), [(1e-9, 4 / 3), (60, 2)])
def test_a_kill_costs_no_more_than_the_interval_or_the_epoch(
    whole: TinyExperiment, tmp_path: Path, interval: float, left: float
) -> None:
    experiment = experiment_in(tmp_path)
    job = subprocess.run(
        [sys.executable, "-c", KILLED, *experiment.train(checkpoint_minutes=interval)],
        env=child_environment(),
        capture_output=True,
    )
    assert job.returncode == -signal.SIGKILL, job.stderr
    succeed(experiment.train())
    assert epochs_run(experiment) == pytest.approx(left)
    assert output_sums(experiment) == output_sums(whole)


@pytest.mark.parametrize(
    ("where", "hook", "steps"),
    [
        ("in the fifth step", (TrainingModule, "training_step"), 4),
        # Where there is a last look at whether to stop, and then at once another step.
        ("after an epoch", (Saving, "on_train_epoch_end"), 3),
        ("after a batch", (Saving, "on_train_batch_end"), 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_asked_to_end_it_saves_and_can_go_on(
    whole: TinyExperiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    where: str,
    hook: tuple[type, str],
    steps: int,
) -> None:
    original = getattr(*hook)

    def asked(itself: object, *arguments: Any) -> object:
        result = original(itself, *arguments)
        done = (itself if isinstance(itself, TrainingModule) else arguments[0]).global_step
        if done == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    before = signal.getsignal(signal.SIGTERM)
    experiment = experiment_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(*hook, asked)
        assert main(experiment.train()) == UNFINISHED_STATUS
    assert f"in epoch 2 of {EPOCHS}, since it was asked to end; all is" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    succeed(experiment.train())
    # What was begun is finished first: it stops after the fifth step, or after the fourth.
    assert epochs_run(experiment) == pytest.approx((STEPS - steps - 1) / 3)
    assert output_sums(experiment) == output_sums(whole)


def test_what_another_plan_left_is_removed_with_a_line(
    whole: TinyExperiment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = experiment_in(tmp_path, epochs=5)
    assert main(other.train(**SHORT)) == UNFINISHED_STATUS
    (stale,) = other.seed_folder.glob(".resume-*")
    experiment = experiment_in(tmp_path)
    capfd.readouterr()
    assert main(experiment.train(**SHORT)) == UNFINISHED_STATUS
    assert (
        f"{stale} is of other code, config, data or versions, and removed" in capfd.readouterr().out
    )
    # Renamed, as only a person would, it is not taken for this plan's either.
    (own,) = experiment.seed_folder.glob(".resume-*")
    own.rename(stale)
    assert main(other.train(**SHORT)) == UNFINISHED_STATUS
    said = capfd.readouterr().out
    assert f"{stale / 'last.ckpt'} is of other code, config, data or versions and not used" in said
    assert "goes on" not in said


def test_lightning_does_not_see_the_cluster(
    whole: TinyExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No handler that would requeue the job, and no checkpoint of a kind that others made."""
    cluster = {"NTASKS": "1", "JOB_ID": "7", "PROCID": "0", "LOCALID": "0", "JOB_NAME": "train"}
    for name, value in cluster.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    step, handlers = TrainingModule.training_step, set()

    def noted(*arguments: object) -> object:
        handlers.add(signal.getsignal(signal.SIGUSR1))
        return step(*arguments)

    monkeypatch.setattr(TrainingModule, "training_step", noted)
    experiment = experiment_in(tmp_path)
    assert main(experiment.train(**SHORT)) == UNFINISHED_STATUS
    (folder,) = experiment.seed_folder.glob(".resume-*")
    assert [path.name for path in folder.iterdir()] == ["last.ckpt"]
    # Lightning would go on from this rather than start over.
    (folder / "last.ckpt").rename(folder / "hpc_ckpt_1.ckpt")
    succeed(experiment.train())
    assert handlers == {signal.SIG_DFL}
    assert epochs_run(experiment) == EPOCHS
    assert output_sums(experiment) == output_sums(whole)
