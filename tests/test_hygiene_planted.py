"""Faults planted in a folder of images, and what the shard stage makes of them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biorobust.analysis.data_table import warnings
from biorobust.data.stage import run
from biorobust.errors import UserError
from biorobust.files import read_json
from hygienic import photograph
from test_shard_stage import shard_job

CLASSES = ("heron", "ibis", "stork")
COUNTS = {"train": 12, "test": 9}


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Photographs of three classes, 96 pixels wide: twelve each to train, nine to test."""
    root = tmp_path / "birds"
    for split, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                seed = 1000 * label + number + 500 * (split == "test")
                photograph(seed, 96, hue=2 * label).save(root / split / name / f"{number:02d}.png")
    return root


def hygiene(birds: Path, **execution: str) -> dict[str, Any]:
    """What the shard stage reports, images being 48 pixels wide."""
    job = shard_job(birds, birds.parent / "shards", image_size=48, resize="short_side")
    job.execution.update(execution)
    run(job, {})
    report: dict[str, Any] = read_json(birds.parent / "shards" / "test" / "hygiene.json")
    return report


def copies(report: dict[str, Any]) -> dict[str, list[Any]]:
    """The pairs of each kind that has any."""
    found = {f"across {kind}": report["across"][kind] for kind in ("exact", "near")}
    for split in COUNTS:
        found |= {f"{split} {kind}": report["splits"][split][kind] for kind in ("exact", "near")}
    for pairs in found.values():
        assert pairs["images"] == len(pairs["first"])
    return {where: pairs["first"] for where, pairs in found.items() if pairs["first"]}


def test_sound_images_raise_no_alarm(birds: Path) -> None:
    report = hygiene(birds)
    assert copies(report) == {}
    assert warnings(report) == []
    for split, count in COUNTS.items():
        facts = report["splits"][split]
        assert facts["images"] == 3 * count
        assert facts["images_per_class"] == dict.fromkeys(CLASSES, count)
    assert report["nearest_neighbour"]["right"] > 0.8 * report["nearest_neighbour"]["images"]


def same_file(source: Path, copy: Path) -> None:
    shutil.copy(source, copy)


def same_pixels(source: Path, copy: Path) -> None:
    Image.open(source).save(copy, compress_level=1)


@pytest.mark.parametrize("plant", [same_file, same_pixels])
def test_an_exact_copy_across_splits_stops_the_run(
    birds: Path, plant: Callable[[Path, Path], None]
) -> None:
    plant(birds / "train" / "ibis" / "03.png", birds / "test" / "stork" / "99.png")
    plant(birds / "train" / "ibis" / "03.png", birds / "test" / "ibis" / "99.png")
    with pytest.raises(UserError) as caught:
        hygiene(birds)
    assert str(caught.value) == (
        "2 of 29 test images are training images too, pixel for pixel; the first: "
        "test/ibis/99.png is train/ibis/03.png; remove them from one split, or set "
        "data.on_duplicates: allow"
    )
    left = [path for path in (birds.parent / "shards").rglob("*") if path.is_file()]
    assert left == []

    report = hygiene(birds, on_duplicates="allow")
    assert copies(report) == {
        "across exact": [
            ["test/ibis/99.png", "train/ibis/03.png"],
            ["test/stork/99.png", "train/ibis/03.png"],
        ],
        "test exact": [["test/stork/99.png", "test/ibis/99.png"]],
    }
    assert report["across"]["exact"]["other_label"] == 1
    assert "by heart" in warnings(report)[0]


def re_encoded(source: Path, copy: Path) -> None:
    Image.open(source).save(copy.with_suffix(".jpg"), quality=75)


def brighter(source: Path, copy: Path) -> None:
    pixels = np.asarray(Image.open(source)).astype(int) + 20
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(copy)


def paler(source: Path, copy: Path) -> None:
    Image.fromarray((np.asarray(Image.open(source)) * 0.7 + 50).astype(np.uint8)).save(copy)


def smaller(source: Path, copy: Path) -> None:
    Image.open(source).resize((64, 64), Image.Resampling.BILINEAR).save(copy)


@pytest.mark.parametrize("plant", [re_encoded, brighter, paler, smaller])
@pytest.mark.parametrize("split", COUNTS)
def test_a_changed_copy_is_found(
    birds: Path, plant: Callable[[Path, Path], None], split: str
) -> None:
    plant(birds / "train" / "ibis" / "03.png", birds / split / "ibis" / "99.png")
    (copy,) = (birds / split / "ibis").glob("99.*")
    report = hygiene(birds)
    where = "across near" if split == "test" else "train near"
    assert copies(report) == {where: [[f"{split}/ibis/{copy.name}", "train/ibis/03.png"]]}
    told = [line for line in warnings(report) if "nearly the same" in line]
    assert len(told) == (split == "test")


def test_images_of_one_colour(birds: Path) -> None:
    Image.new("RGB", (96, 96), (200, 30, 40)).save(birds / "test" / "stork" / "red.jpg")
    grain = np.random.default_rng(0).integers(100, 104, (96, 96, 3), np.uint8)
    Image.fromarray(grain).save(birds / "train" / "heron" / "grey.png")
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[::2] = 200  # the same grey in every tile
    Image.fromarray(stripes).save(birds / "train" / "heron" / "stripes.png")
    report = hygiene(birds)
    assert report["splits"]["test"]["constant"] == {"images": 1, "first": ["test/stork/red.jpg"]}
    assert report["splits"]["train"]["constant"]["first"] == ["train/heron/grey.png"]
    assert copies(report) == {}
    assert [line for line in warnings(report) if "one colour" in line] == [
        "1 training image(s) (train/heron/grey.png, the first) are one colour all over",
        "1 test image(s) (test/stork/red.jpg, the first) are one colour all over",
    ]


def test_a_tiny_image(birds: Path) -> None:
    photograph(77, 20).save(birds / "test" / "ibis" / "tiny.png")
    photograph(78, 24).save(birds / "test" / "ibis" / "half.png")  # enlarged just twice
    photograph(79, 96).crop((0, 0, 96, 23)).save(birds / "test" / "ibis" / "flat.png")
    report = hygiene(birds)
    enlarged = report["splits"]["test"]["enlarged"]
    assert enlarged == {"images": 2, "first": ["test/ibis/flat.png", "test/ibis/tiny.png"]}
    (told,) = warnings(report)
    assert told.startswith("2 test image(s) (test/ibis/flat.png, the first) are enlarged")


def test_a_data_set_of_small_images_is_counted_and_not_warned_of(birds: Path) -> None:
    for file in birds.rglob("*.png"):
        Image.open(file).resize((20, 20)).save(file)
    report = hygiene(birds)
    assert [report["splits"][split]["enlarged"]["images"] for split in COUNTS] == [36, 27]
    assert not [line for line in warnings(report) if "enlarged" in line]


def test_a_class_of_three_images(birds: Path) -> None:
    for number in range(3, COUNTS["train"]):
        (birds / "train" / "ibis" / f"{number:02d}.png").unlink()
    report = hygiene(birds)
    assert report["splits"]["train"]["small_classes"] == ["ibis"]
    assert report["splits"]["test"]["small_classes"] == []
    told = "training images are few, against those of the median class, in ibis (3)"
    assert told in warnings(report)


def test_swapped_folders(birds: Path) -> None:
    test = birds / "test"
    (test / "ibis").rename(test / "spare")
    (test / "stork").rename(test / "ibis")
    (test / "spare").rename(test / "stork")
    report = hygiene(birds)
    assert report["nearest_neighbour"]["swapped"] == [["ibis", "stork"]]
    (told,) = warnings(report)
    assert "ibis like stork, stork like ibis" in told
