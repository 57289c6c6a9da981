"""The train stage on a tiny task: the published schedule, the same bytes, and bad input."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

import biorobust
from biorobust.__main__ import main
from biorobust.data.augmentation import DRAWS_PER_IMAGE, augment
from biorobust.data.batches import EpochBatches, to_pixels
from biorobust.data.counter_hash import Purpose, uniform_draws
from biorobust.data.shards import Shards, open_shards
from biorobust.files import sha256_of_file
from biorobust.training.module import learning_rate
from tiny_jobs import PLAIN, TinyExperiment, make_experiment, start, succeed
from tiny_training import OUTPUTS

PUBLISHED = [(0.4, 1e-1), (0.6, 1e-2), (0.8, 1e-3), (0.9, 0.5e-3)]


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    experiment = make_experiment(tmp_path_factory.mktemp("trained"))
    succeed(experiment.train())
    return experiment


def copy(experiment: TinyExperiment, folder: Path) -> TinyExperiment:
    """The experiment with its shards, not yet trained, in another folder."""
    shutil.copytree(experiment.folder / "shards", folder / "shards")
    return TinyExperiment(folder, experiment.outline)


def refuse(command: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """The one line with which a command ends."""
    capfd.readouterr()
    assert main(command) == 1
    (line,) = capfd.readouterr().err.splitlines()
    return str(line)


def test_the_schedule_is_the_published_one_at_400_epochs() -> None:
    factors = dict.fromkeys(range(161), 1.0)
    factors |= dict.fromkeys(range(161, 241), 1e-1) | dict.fromkeys(range(241, 321), 1e-2)
    factors |= dict.fromkeys(range(321, 361), 1e-3) | dict.fromkeys(range(361, 400), 0.5e-3)
    for epoch, factor in factors.items():
        assert learning_rate(1e-3, PUBLISHED, epoch, 400) == pytest.approx(1e-3 * factor, rel=1e-12)


def test_without_steps_the_rate_stays() -> None:
    assert {learning_rate(0.5, [], epoch, 10) for epoch in range(10)} == {0.5}


def test_the_stage_follows_the_schedule_and_learns(tmp_path: Path) -> None:
    training = {"epochs": 12, "batch_size": 8, "learning_rate": 1e-2, "augment": False}
    experiment = make_experiment(tmp_path, training=training)
    succeed(experiment.train())
    rows = history(experiment.seed_folder)
    assert [int(row["epoch"]) for row in rows] == list(range(12))
    for row in rows:
        expected = learning_rate(1e-2, PUBLISHED, int(row["epoch"]), 12)
        assert float(row["learning_rate"]) == expected
        assert row["loss"] == repr(float(row["loss"]))
    losses = [float(row["loss"]) for row in rows]
    assert losses[-1] < losses[0] / 4
    assert float(rows[-1]["accuracy"]) > 0.9


def test_the_weights_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    """Lightning adds nothing: torch's Adam with Keras's epsilon, batch after batch."""
    options = {"backbone": "resnet20", "width": 2, "batch_norm_momentum": 0.3}
    experiment = make_experiment(
        tmp_path,
        training={"epochs": 2, "batch_size": 8, "learning_rate": 1e-2},
        models=[{"name": "plain", "kind": "retinal_fixations", **options}],
    )
    succeed(experiment.train())
    shards = open_shards(experiment.folder / "shards/train")
    torch.manual_seed(0)
    model = biorobust.build_model("retinal_fixations", image_size=32, classes=2, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-7)
    batches = EpochBatches(shards, seed=0, batch_size=8)
    model.train()
    losses, penalties = [], []
    # The first step of the schedule comes after 40 % of two epochs.
    for epoch, rate in enumerate((1e-2, 1e-3)):
        batches.epoch = epoch
        optimizer.param_groups[0]["lr"] = rate
        total = penalty = 0.0
        for batch in batches:
            noise = uniform_draws(Purpose.AUGMENTATION, 0, epoch, batch.positions, DRAWS_PER_IMAGE)
            draws = uniform_draws(Purpose.MODEL, 0, epoch, batch.positions, 2)
            logits, extra, _ = model.training_outputs(
                augment(to_pixels(batch.images), noise), batch.labels, draws
            )
            loss = cross_entropy(logits, batch.labels) + extra
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch.labels)
            penalty += extra.item() * len(batch.labels)
        losses.append(total / len(shards))
        penalties.append(penalty / len(shards))
    trained = load_file(experiment.seed_folder / "weights.safetensors")
    assert trained.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.allclose(trained[name], value, rtol=1e-5, atol=1e-6), name
    rows = history(experiment.seed_folder)
    assert [float(row["loss"]) for row in rows] == pytest.approx(losses, rel=1e-5)
    assert [float(row["extra_loss"]) for row in rows] == pytest.approx(penalties, rel=1e-5)
    assert min(penalties) > 0


def test_each_epoch_sees_each_image_once_in_an_order_of_its_own(
    trained: TinyExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    read = Shards.read

    def noted(shards: Shards, positions: np.ndarray) -> np.ndarray:
        seen.extend(positions.tolist())
        return read(shards, positions)

    monkeypatch.setattr(Shards, "read", noted)
    succeed(copy(trained, tmp_path).train())
    epochs = [seen[start : start + 16] for start in range(0, len(seen), 16)]
    assert len(epochs) == 3
    assert all(sorted(epoch) == list(range(16)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_same_bytes_elsewhere_and_on_a_cluster_node(
    trained: TinyExperiment, tmp_path: Path
) -> None:
    """Lightning would read these, and stop since they are not what it asks for."""
    other = copy(trained, tmp_path)
    job = start(
        other.train(),
        SLURM_JOB_ID="123",
        SLURM_JOB_NAME="biorobust",
        SLURM_NTASKS="4",
        SLURM_NNODES="1",
        SLURM_NODELIST="node[1-2]",
        SLURM_PROCID="1",
        SLURM_LOCALID="1",
        SLURM_NODEID="0",
    )
    said, _ = job.communicate(timeout=120)
    assert job.returncode == 0, said
    assert outputs(other.seed_folder) == outputs(trained.seed_folder)


def test_the_record_vouches_for_every_file(trained: TinyExperiment) -> None:
    record = json.loads((trained.seed_folder / "training.json").read_text())
    assert record["classes"] == 2
    assert record["image_size"] == 32
    assert record["outputs"] == {
        name: sha256_of_file(trained.seed_folder / name) for name in OUTPUTS[:-1]
    }
    assert [path.name for path in trained.seed_folder.glob(".*")] == []


def test_tensorboard_holds_the_history(trained: TinyExperiment) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.seed_folder / "tensorboard"))
    events.Reload()
    rows = history(trained.seed_folder)
    for name in ("loss", "accuracy", "learning_rate"):
        values = [event.value for event in events.Scalars(name)]
        assert values == pytest.approx([float(row[name]) for row in rows], rel=1e-6)


def test_progress_gives_the_loss_of_the_epoch_that_ended(
    trained: TinyExperiment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    succeed(copy(trained, tmp_path).train())
    last = float(history(trained.seed_folder)[-1]["loss"])
    assert re.search(rf"3 of 3 epochs in \d+:\d\d, loss {last:.4f}", capfd.readouterr().out)


def test_a_missing_gpu_is_said_in_one_line(
    trained: TinyExperiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    other = copy(trained, tmp_path)
    line = refuse(other.train(device="cuda"), capfd)
    assert "no GPU" in line
    assert "execution.device" in line
    assert not (other.seed_folder / "training.json").exists()


def test_diverged_training_is_said_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    experiment = make_experiment(tmp_path)
    experiment.outline["models"][0]["train_config"]["training"]["learning_rate"] = 1e30
    line = refuse(experiment.train(), capfd)
    assert "diverged: the loss of epoch 0 is nan" in line
    assert "learning_rate" in line
    assert not (experiment.seed_folder / "training.json").exists()


def taken_over(folder: Path, weights: Path) -> TinyExperiment:
    return make_experiment(folder, models=[{**PLAIN, "weights": str(weights)}])


def test_weights_trained_elsewhere_are_taken_over(trained: TinyExperiment, tmp_path: Path) -> None:
    given = trained.seed_folder / "weights.safetensors"
    experiment = taken_over(tmp_path, given)
    succeed(experiment.train(weights=str(given)))
    taken = load_file(experiment.seed_folder / "weights.safetensors")
    assert taken.keys() == load_file(given).keys()
    assert all(torch.equal(taken[name], value) for name, value in load_file(given).items())
    assert history(experiment.seed_folder) == []
    images = torch.rand(2, 3, 32, 32)
    models = [biorobust.load_model(each.seed_folder) for each in (trained, experiment)]
    assert torch.equal(models[0](images), models[1](images))


def test_weights_that_do_not_fit_are_refused(
    trained: TinyExperiment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = load_file(trained.seed_folder / "weights.safetensors")
    wanted = list(weights["head.weight"].shape)
    weights["head.weight"] = torch.zeros(7, 16)
    del weights["head.bias"]
    weights |= {name: torch.zeros(1) for name in ("a.weight", "b.weight", "c.weight", "d.weight")}
    file = tmp_path / "other.safetensors"
    save_file(weights, file)
    experiment = taken_over(tmp_path / "results", file)
    line = refuse(experiment.train(weights=str(file)), capfd)
    assert f"{file} does not fit" in line
    assert "missing head.bias; unexpected a.weight, b.weight and 2 more; " in line
    assert f"wrongly shaped head.weight [7, 16] for {wanted}; weights must come from" in line
    assert "a model of the same kind and options" in line
    assert not (experiment.seed_folder / "training.json").exists()


def test_a_file_that_is_no_weights_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"no tensors at all")
    experiment = taken_over(tmp_path / "results", file)
    line = refuse(experiment.train(weights=str(file)), capfd)
    assert f"{file} is no intact safetensors file; give one" in line


def test_weights_of_another_kind_are_told_in_a_short_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.safetensors"
    save_file({f"layer{number}.weight": torch.zeros(1) for number in range(60)}, file)
    experiment = taken_over(tmp_path / "results", file)
    line = refuse(experiment.train(weights=str(file)), capfd)
    assert "; unexpected layer0.weight, layer1.weight and 58 more; weights must" in line
    assert "wrongly shaped" not in line
    assert len(line) - len(str(file)) < 400


@pytest.mark.parametrize("change", ["edited", "deleted"])
def test_weights_that_changed_after_planning_are_refused(
    trained: TinyExperiment, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: str
) -> None:
    file = tmp_path / "weights.safetensors"
    shutil.copy(trained.seed_folder / "weights.safetensors", file)
    experiment = taken_over(tmp_path / "results", file)
    if change == "edited":
        save_file({**load_file(file), "head.bias": torch.ones(2)}, file)
    else:
        file.unlink()
    line = refuse(experiment.train(weights=str(file)), capfd)
    assert f"{file} changed after this job was planned" in line
