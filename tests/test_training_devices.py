"""Two processes that train together do what one does, to the last digits that rounding leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import made_up_ranks
import ranked
from biorobust.data.augmentation import DRAWS_PER_IMAGE
from biorobust.data.batches import EpochBatches
from biorobust.data.counter_hash import Purpose, uniform_draws
from biorobust.data.shards import open_shards
from biorobust.errors import Unfinished, UserError
from biorobust.terminal import shown_on
from biorobust.training import fitting, stage
from biorobust.training.fitting import device_count
from biorobust.training.processes import run_in_processes
from terminals import recorded_terminal
from tiny_jobs import TinyExperiment, child_environment, make_experiment, succeed
from tiny_training import GAZING, epochs_run, output_sums

# Batches of 5, 5, 5 and 2 images, each of which two devices share unequally or in single images.
IMAGES, TRAINING = 17, {"epochs": 2, "batch_size": 5, "learning_rate": 1e-2}


def experiment_in(folder: Path) -> TinyExperiment:
    return make_experiment(
        folder, training=TRAINING, models=[{**GAZING, "shared_weights": True}], train_images=IMAGES
    )


def test_the_gradient_is_that_of_one_device() -> None:
    """With two kinds of batch normalisation, on unequal shares, and where both have all images."""
    net, expected = ranked.step_of(*ranked.made_up_batch(), lambda net: None, 1.0)
    expected |= {name: each.grad for name, each in net.named_parameters() if each.grad is not None}
    assert len(expected) == 8 + 6
    for of_rank in run_in_processes(2, ranked.gradients):
        for found in of_rank:
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_allclose(found[name], value, rtol=1e-11, atol=1e-13)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    experiment = experiment_in(tmp_path_factory.mktemp("alone"))
    succeed(experiment.train())
    return experiment


def train_together(experiment: TinyExperiment, **execution: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "device_count", lambda *_: 2)
        succeed(experiment.train(**execution))


Steps = list[list[list[float]]]


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TinyExperiment, list[Steps]]:
    """Training on two devices, and the steps of each."""
    experiment = experiment_in(tmp_path_factory.mktemp("together"))
    steps: list[Steps] = []

    def run(count: int, work: object, *arguments: object) -> list[dict[str, Any]]:
        found = run_in_processes(count, ranked.recorded_rank, *arguments)
        steps.extend(of_rank for _, of_rank in found)
        return [measured for measured, _ in found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "run_in_processes", run)
        train_together(experiment)
    return experiment, steps


@pytest.fixture
def together(recorded: tuple[TinyExperiment, list[Steps]]) -> TinyExperiment:
    return recorded[0]


def test_two_devices_end_as_one_does(alone: TinyExperiment, together: TinyExperiment) -> None:
    rows = [
        np.genfromtxt(each.seed_folder / "history.csv", delimiter=",", skip_header=1)
        for each in (alone, together)
    ]
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-4)
    remembered = [np.load(each.seed_folder / "diagnostics.npz") for each in (alone, together)]
    assert set(remembered[0]) == set(remembered[1]) == {"gazes", "gazes/squared"}
    for name in remembered[0]:
        np.testing.assert_allclose(remembered[1][name], remembered[0][name], rtol=1e-3, atol=1e-3)
    first, second = (
        load_file(each.seed_folder / "weights.safetensors") for each in (alone, together)
    )
    assert first.keys() == second.keys()
    compared = 0
    for name, value in first.items():
        # What is added before a normalisation has no gradient but rounding, which Adam makes steps
        # of, and the normalisation's mean takes it away again.
        layer = name.rpartition(".")[0]
        if name.endswith("running_mean") or (
            name.endswith("bias") and first[f"{layer}.weight"].ndim == 4
        ):
            continue
        compared += value.numel()
        # A tenth of one of the 8 steps of Adam, each of which is about 0.01 or 0.001 long.
        torch.testing.assert_close(second[name], value, rtol=1e-3, atol=1e-3, msg=name)
    assert compared > 1000


def test_each_step_has_one_devices_images_labels_and_draws(
    recorded: tuple[TinyExperiment, list[Steps]],
) -> None:
    experiment, (first, second) = recorded
    shards = open_shards(experiment.folder / "shards/train")
    batches = EpochBatches(shards, seed=0, batch_size=5)
    expected = []
    for epoch in range(2):
        batches.epoch = epoch
        for each in batches:
            draws = uniform_draws(Purpose.AUGMENTATION, 0, epoch, each.positions, DRAWS_PER_IMAGE)
            expected.append([each.positions.tolist(), each.labels.tolist(), draws[:, 0].tolist()])
    assert len(first) == len(second) == len(expected) == 8
    for ours, theirs, step in zip(first, second, expected, strict=True):
        assert [mine + others for mine, others in zip(ours, theirs, strict=True)] == step
        assert sorted([len(ours[0]), len(theirs[0])]) in ([1, 1], [2, 3])


def test_killed_in_mid_epoch_two_devices_go_on_to_the_same_bytes(
    together: TinyExperiment, tmp_path: Path
) -> None:
    experiment = experiment_in(tmp_path)
    # The pipe is read to its end, so until all processes of the job are gone: they do not outlive
    # the one that started them.
    job = subprocess.run(
        [
            *(sys.executable, "-c", ranked.KILLED_ON_TWO_DEVICES),
            *experiment.train(checkpoint_minutes=1e-6),
        ],
        timeout=300,
        env=child_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert job.returncode == -signal.SIGKILL, job.stdout
    assert "ranks 0 " in job.stdout
    train_together(experiment)
    assert output_sums(experiment) == output_sums(together)
    # The sixth step is the second of the second epoch's four.
    assert epochs_run(experiment) == 2 / 4
    assert list(experiment.seed_folder.glob(".*")) == []


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("killed", RuntimeError, "device 1 was killed"),
        ("unfinished", Unfinished, "to be continued"),
        ("raised", MemoryError, "too large"),
    ],
)
def test_one_that_fails_ends_all(how: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run_in_processes(2, made_up_ranks.fails, how)


def test_what_a_rank_shows_reaches_the_terminal() -> None:
    with recorded_terminal() as screen, shown_on(screen.stream, "train plain", 2):
        assert run_in_processes(2, made_up_ranks.tells) == ["rank 0 of 2", "rank 1 of 2"]
    assert screen.text.splitlines() == ["train plain: 1 of 4 epochs", "warning: a nuisance"]


def test_as_many_devices_as_gpus_were_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    gpu = torch.device("cuda")
    promised = {0: 1, None: 1, 1: 1, 2: 2, 4: 4}
    assert {gpus: device_count({"gpus": gpus}, gpu) for gpus in promised} == promised
    assert device_count({}, gpu) == 1
    assert device_count({"gpus": 4}, torch.device("cpu")) == 1
    with pytest.raises(UserError, match="asks for 8 GPUs, but only 4 can be seen"):
        device_count({"gpus": 8}, gpu)
