"""The parts of a forecast: bytes, images, means of earlier jobs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save

from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.data.sources import catalogue
from biorobust.files import read_json, write_json
from biorobust.forecast.disk import shard_bytes, weights_bytes
from biorobust.forecast.measured import Measured, Measurement, keys_of
from biorobust.forecast.workload import count_images
from biorobust.models import build_model
from biorobust.models.kinds import MODELS
from tiny_jobs import make_experiment, tiny_config


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_weights_take_as_many_bytes_as_their_file(kind: str) -> None:
    options = {"width": 2, "stem_width": 3}
    model = build_model(kind, image_size=40, classes=7, **options)
    assert weights_bytes({"kind": kind, **options}, 40, 7) == len(save(model.state_dict()))


def test_shards_take_as_many_bytes_as_their_files(tmp_path: Path) -> None:
    """Digits of 40 pixels: 1442 and 200 images, in arrays of 100."""
    data = {"source": "digits", "image_size": 40, "test_limit": 200}
    outline = make_outline(
        Experiment.model_validate(tiny_config(data=data)), cache=tmp_path / "hashes.json"
    )
    images = count_images(tmp_path, outline, None)
    assert images.counts == {"train": 1442, "test": 200}
    assert images.classes == 10
    # An id such as "train/00012" and a class of one letter; the index starts with its header.
    assert images.index_bytes == {"train": 15 + 1442 * 16, "test": 15 + 200 * 15}
    arrays = 1642 * 40 * 40 * 3 + (15 + 2) * 128
    assert shard_bytes(images, 40, 100) == arrays + sum(images.index_bytes.values())


def test_standing_shards_are_counted_rather_than_the_source(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    for split, count in (("train", 16), ("test", 6)):
        path = tmp_path / f"shards/{split}/manifest.json"
        write_json(path, read_json(path) | {"images": count})
    images = count_images(tmp_path, experiment.outline, None)
    assert images.counts == {"train": 16, "test": 6}
    assert images.classes == 2
    index = tmp_path / "shards/test/index.csv"
    assert images.index_bytes["test"] == index.stat().st_size
    # Shards of another plan tell nothing of these.
    write_json(path, read_json(path) | {"digest": "0"})
    assert count_images(tmp_path, experiment.outline, None).counts["train"] > 1000


@pytest.mark.parametrize(
    ("source", "limit", "train", "test"),
    [("cifar10", None, 50_000, 10_000), ("imagenette", 500, 9_469, 500)],
)
def test_what_would_be_downloaded_is_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    limit: int | None,
    train: int,
    test: int,
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("the source was opened")

    monkeypatch.setattr("biorobust.forecast.workload.open_source", opened)
    assert catalogue.needs_download(source)
    data = {"source": source, "image_size": 32, "test_limit": limit}
    outline = make_outline(
        Experiment.model_validate(tiny_config(data=data)), cache=tmp_path / "hashes.json"
    )
    images = count_images(tmp_path, outline, None)
    assert images.counts == {"train": train, "test": test}
    assert images.source == f"published counts of {source}"


WIDE, NARROW = {"kind": "standard", "width": 64}, {"kind": "standard", "width": 8}


def training(model: dict[str, object], image_size: int = 32, **facts: object) -> Measurement:
    plan = {"stage": "train", "config": {"model": model, "image_size": image_size, "seed": 1}}
    made = Measurement(
        keys=keys_of(plan, None, "training"),
        work=100,
        seconds=50,
        rows=1,
        output_bytes=1,
        json_bytes=1,
        device="cpu",
        gpus=1,
        where="results/a (cpu of b)",
    )
    return replace(made, **facts)


def seconds(jobs: Sequence[Measurement], device: str = "cpu") -> float | None:
    """Of an image, for the narrow model at 32 pixels from another seed."""
    plan = {"stage": "train", "config": {"model": NARROW, "image_size": 32, "seed": 2}}
    rate = Measured(jobs).seconds(plan, keys_of(plan, None, "training"), device)
    return rate and rate.value


def test_a_mean_is_over_jobs_of_that_very_model_and_size() -> None:
    alike = [training(NARROW), training(NARROW, work=300, seconds=30)]
    assert seconds([*alike, training(WIDE, seconds=9), training(NARROW, 64, seconds=9)]) == 0.2
    assert seconds([training(WIDE), training(NARROW, 64)]) is None


def test_a_time_on_another_device_or_of_nothing_tells_nothing() -> None:
    assert seconds([training(NARROW)], "cuda") is None
    assert seconds([training(NARROW, device="cuda"), training(NARROW)], "cuda") == 0.5
    # Resumed after its last epoch, nothing was left to do.
    assert seconds([training(NARROW, work=0)]) is None


def attack(epsilon: float, wall: float) -> Measurement:
    plan = {"stage": "attack", "config": {"kind": "pgd", "steps": 5, "epsilon": epsilon, "seed": 0}}
    keys = keys_of(plan, {"model": NARROW, "image_size": 32}, "eps")
    return replace(training(NARROW), keys=keys, seconds=wall)


def test_an_attack_is_told_by_its_own_epsilon_or_else_by_others() -> None:
    jobs = Measured([attack(0.1, 10), attack(0.2, 30)])
    for epsilon, expected in ((0.1, 0.1), (0.2, 0.3), (0.4, 0.2)):
        plan = {
            "stage": "attack",
            "config": {"kind": "pgd", "steps": 5, "epsilon": epsilon, "seed": 7},
        }
        keys = keys_of(plan, {"model": NARROW, "image_size": 32}, "eps")
        rate = jobs.seconds(plan, keys, "cpu")
        assert rate is not None and rate.value == pytest.approx(expected)
        assert rate.source == "measured in results/a (cpu of b)"
        other = keys_of(plan, {"model": WIDE, "image_size": 32}, "eps")
        assert jobs.seconds(plan, other, "cpu") is None


def test_gpus_are_those_that_the_measured_jobs_had() -> None:
    plan = {"stage": "train", "config": {"model": NARROW, "image_size": 32}}
    keys = keys_of(plan, None, "training")
    rate = Measured([training(NARROW, device="cuda", gpus=4)]).seconds(plan, keys, "cuda")
    assert rate is not None and rate.gpus == 4
