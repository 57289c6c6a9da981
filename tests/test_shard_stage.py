"""The shard stage on a made-up image folder: whole, damaged, limited, changed while it waited."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biorobust.code_digest import code_digest
from biorobust.data.images import decode, fit
from biorobust.data.shards import open_shards
from biorobust.data.sources.catalogue import source_fingerprint
from biorobust.data.stage import run
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.jobs import Job, perform
from biorobust.provenance import verify_folder

MODULE = "biorobust.data.stage"
PER_CLASS = {"train": 5, "test": 3}


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Noise of several shapes in two classes: five images each to train, three to test."""
    random = np.random.default_rng(0)
    for split, count in PER_CLASS.items():
        for name in ("heron", "stork"):
            folder = tmp_path / "birds" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (30 + 3 * number, 40, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "birds"


def shard_job(birds: Path, folder: Path, said: list[str] | None = None, **config: Any) -> Job:
    """The job that writes `folder`/{train,test}, planned with the files as they are now."""
    plan = {
        "stage": "shard",
        "code": code_digest(MODULE),
        "config": {
            "source": "imagefolder",
            "image_size": 32,
            "resize": "thesis",
            "train_limit": None,
            "test_limit": None,
            "on_corrupt": "stop",
            **config,
        },
        "inputs": {"source": source_fingerprint("imagefolder", path=birds)},
    }
    execution = {"data_path": str(birds), "images_per_shard": 4, "snakemake": "snakemake"}
    execution["on_duplicates"] = "stop"
    records = {split: folder / split / "manifest.json" for split in PER_CLASS}
    return Job(plan, execution, {}, records, (said if said is not None else []).append)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def test_every_image_is_in_its_place(birds: Path, tmp_path: Path) -> None:
    perform(shard_job(birds, tmp_path / "shards"), run, MODULE)
    for split, count in PER_CLASS.items():
        shards = open_shards(tmp_path / "shards" / split)
        names = [f"{split}/{bird}/{n}.png" for bird in ("heron", "stork") for n in range(count)]
        assert shards.ids == names
        assert shards.classes == ["heron", "stork"]
        assert shards.labels.tolist() == [0] * count + [1] * count
        for image, name in zip(shards.read(np.arange(len(names))), names, strict=True):
            np.testing.assert_array_equal(image, fit(decode(birds / name), 32, "thesis"))
        manifest = read_json(tmp_path / "shards" / split / "manifest.json")
        assert manifest["split"] == split
        assert manifest["images"] == len(names)
        assert manifest["images_per_class"] == {"heron": count, "stork": count}
        assert manifest["skipped"] == []
        assert manifest["ignored"] == 0
    assert verify_folder(tmp_path / "shards") == []


def test_how_many_images_a_shard_holds_changes_no_image(birds: Path, tmp_path: Path) -> None:
    job = shard_job(birds, tmp_path / "many")
    run(job, {})
    alone = shard_job(birds, tmp_path / "one")
    alone.execution["images_per_shard"] = 1
    assert alone.digest == job.digest
    result = run(alone, {})
    arrays = {f"{n:05d}.npy" for n in range(6)}
    assert set(result.outputs["test"]) == {*arrays, "index.csv", "hygiene.json"}
    for file in ("train/index.csv", "test/hygiene.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "many" / file).read_bytes()


def test_a_limit_takes_as_many_of_each_class(birds: Path, tmp_path: Path) -> None:
    result = run(shard_job(birds, tmp_path / "shards", train_limit=6, test_limit=2), {})
    assert result.facts["train"]["images_per_class"] == {"heron": 3, "stork": 3}
    assert result.facts["test"]["images_per_class"] == {"heron": 1, "stork": 1}
    with pytest.raises(UserError, match=r"data\.train_limit: .* 11 images .*: the split has 10;"):
        run(shard_job(birds, tmp_path / "shards", train_limit=11), {})
    with pytest.raises(UserError, match=r"no usable image of class stork; .*data\.test_limit"):
        run(shard_job(birds, tmp_path / "shards", test_limit=1), {})


def test_ignored_files_are_counted_and_told(birds: Path, tmp_path: Path) -> None:
    (birds / "test" / "stork" / "notes.txt").touch()
    (birds / "test" / "heron" / "nested").mkdir()
    said: list[str] = []
    result = run(shard_job(birds, tmp_path / "shards", said), {})
    assert (result.facts["train"]["ignored"], result.facts["test"]["ignored"]) == (0, 2)
    (told,) = [line for line in said if "ignored" in line]
    assert told.startswith("test split: ignored 2 files or folders")


def test_a_corrupt_image_stops_the_job(birds: Path, tmp_path: Path) -> None:
    damaged = birds / "test" / "stork" / "1.png"
    cut_short(damaged)
    job = shard_job(birds, tmp_path / "shards")
    with pytest.raises(UserError, match=r"set data\.on_corrupt: skip") as caught:
        perform(job, run, MODULE)
    assert str(damaged) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(path.exists() for path in job.records.values())


def test_a_corrupt_image_is_left_out_where_asked(birds: Path, tmp_path: Path) -> None:
    cut_short(birds / "test" / "stork" / "1.png")
    (birds / "train" / "heron" / "0.png").write_bytes(b"")
    said: list[str] = []
    perform(shard_job(birds, tmp_path / "shards", said, on_corrupt="skip"), run, MODULE)
    for split, name in (("train", "train/heron/0.png"), ("test", "test/stork/1.png")):
        manifest = read_json(tmp_path / "shards" / split / "manifest.json")
        assert manifest["skipped"] == [name]
        assert manifest["images"] == 2 * PER_CLASS[split] - 1
        shards = open_shards(tmp_path / "shards" / split)
        assert len(shards) == manifest["images"] and name not in shards.ids
        for image, kept in zip(shards.read(np.arange(len(shards))), shards.ids, strict=True):
            np.testing.assert_array_equal(image, fit(decode(birds / kept), 32, "thesis"))
        assert any("left out" in line and name in line for line in said)


def test_a_class_without_one_good_image_stops_the_job(birds: Path, tmp_path: Path) -> None:
    for file in (birds / "train" / "stork").iterdir():
        cut_short(file)
    job = shard_job(birds, tmp_path / "shards", on_corrupt="skip")
    with pytest.raises(UserError, match="train split: no usable image of class stork; mend"):
        perform(job, run, MODULE)
    assert not any(path.exists() for path in job.records.values())


@pytest.mark.parametrize("change", ["other bytes", "one more", "one less", "renamed"])
def test_a_source_that_changed_after_planning(birds: Path, tmp_path: Path, change: str) -> None:
    job = shard_job(birds, tmp_path / "shards")
    first, second = (birds / "train" / "heron" / f"{n}.png" for n in (0, 1))
    match change:
        case "other bytes":
            first.write_bytes(second.read_bytes())
        case "one more":
            first.with_name("9.png").write_bytes(first.read_bytes())
        case "one less":
            first.unlink()
        case "renamed":
            first.rename(first.with_name("9.png"))
    with pytest.raises(UserError, match="imagefolder changed after this job was planned"):
        perform(job, run, MODULE)
    assert not any(path.exists() for path in job.records.values())


def test_code_that_changed_after_planning(birds: Path, tmp_path: Path) -> None:
    job = shard_job(birds, tmp_path / "shards")
    job.plan["code"] = "0" * 64
    with pytest.raises(UserError, match="was edited after this job was planned"):
        perform(job, run, MODULE)
    assert not (tmp_path / "shards").exists()
