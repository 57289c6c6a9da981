"""Shards on disk: what is written is read, and damage is named."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.data.shards import Example, open_shards, write_shards
from biorobust.errors import UserError
from biorobust.files import sha256_of_file, write_json
from biorobust.provenance import verify_folder

ODD_IDS = ["plain", "a,b", 'say "hi"', " leading", "Grüße/猫.png", "'", ";", "", "#", '1,2"3']
# What a file name can hold and can be printed.
printable = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), max_size=8)


def noise(count: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), np.uint8)


def write(folder: Path, ids: list[str], images_per_shard: int = 4) -> np.ndarray:
    """Shards of noise with labels 0, 1, 0, ... and their manifest; returns the images."""
    images = noise(len(ids))
    examples = [
        Example(name, number % 2, "ab"[number % 2], image)
        for number, (name, image) in enumerate(zip(ids, images, strict=True))
    ]
    sums = write_shards(folder, examples, images_per_shard)
    write_json(folder / "manifest.json", {"classes": ["a", "b"], "outputs": sums})
    return images


def numbered(count: int) -> list[str]:
    return [f"image {number}" for number in range(count)]


@pytest.mark.parametrize(("count", "files"), [(1, 1), (4, 1), (5, 2), (12, 3)])
def test_what_is_written_is_read(tmp_path: Path, count: int, files: int) -> None:
    images = write(tmp_path, numbered(count))
    shards = open_shards(tmp_path)
    assert (len(shards), shards.image_size, shards.classes) == (count, 8, ["a", "b"])
    assert shards.ids == numbered(count)
    assert shards.labels.tolist() == [number % 2 for number in range(count)]
    assert [len(block) for block in shards.blocks] == [4] * (files - 1) + [count - 4 * (files - 1)]
    np.testing.assert_array_equal(shards.read(np.arange(count)), images)


def test_the_files_are_plain_arrays_and_a_plain_table(tmp_path: Path) -> None:
    images = write(tmp_path, ["x,y", "ü"], images_per_shard=1)
    np.testing.assert_array_equal(np.load(tmp_path / "00001.npy", allow_pickle=False), images[1:])
    text = (tmp_path / "index.csv").read_bytes().decode()
    assert text == 'id,label,class\n"x,y",0,a\nü,1,b\n'
    outputs = json.loads((tmp_path / "manifest.json").read_text())["outputs"]
    assert set(outputs) == {"00000.npy", "00001.npy", "index.csv"}
    assert all(sha256_of_file(tmp_path / name) == sha256 for name, sha256 in outputs.items())


def test_odd_ids_survive(tmp_path: Path) -> None:
    write(tmp_path, ODD_IDS)
    assert open_shards(tmp_path).ids == ODD_IDS


@given(st.lists(printable, min_size=1, max_size=6))
def test_every_printable_id_survives(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "printable"
    write(folder, ids)
    assert open_shards(folder).ids == ids


@given(st.lists(st.integers(0, 10), max_size=12))
def test_reading_across_shards_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, positions: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "across"
    images = noise(11) if (folder / "manifest.json").exists() else write(folder, numbered(11))
    chosen = np.array(positions, np.int64)
    np.testing.assert_array_equal(open_shards(folder).read(chosen), images[chosen])


@pytest.mark.parametrize("position", [-1, 5, 2**40])
def test_there_is_no_image_outside(tmp_path: Path, position: int) -> None:
    write(tmp_path, numbered(5))
    with pytest.raises(IndexError, match="there are images 0 to 4"):
        open_shards(tmp_path).read(np.array([0, position]))


def test_examples_are_consumed_one_shard_at_a_time(tmp_path: Path) -> None:
    written = []

    def examples() -> Iterator[Example]:
        for number in range(9):
            written.append(len(list(tmp_path.glob("*.npy"))))
            yield Example(str(number), 0, "a", noise(1)[0])

    write_shards(tmp_path, examples(), images_per_shard=4)
    assert written == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_shards_of_an_earlier_run_are_removed(tmp_path: Path) -> None:
    write(tmp_path, numbered(12))
    images = write(tmp_path, numbered(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00000.npy",
        "index.csv",
        "manifest.json",
    ]
    np.testing.assert_array_equal(open_shards(tmp_path).read(np.arange(3)), images)


def test_the_same_examples_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, numbered(6))
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_shards_are_mapped_and_not_read(tmp_path: Path) -> None:
    # 24 GiB that take no room on the disk: reading them would take all memory or minutes.
    count, size = 2**17, 256
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, header)
    with (tmp_path / "00000.npy").open("wb") as file:
        file.write(start.getvalue())
        file.truncate(len(start.getvalue()) + count * size * size * 3)
        file.seek(-1, io.SEEK_END)
        file.write(b"\x07")
    with (tmp_path / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "label", "class"), *[(n, 0, "a") for n in range(count)]])
    write_json(tmp_path / "manifest.json", {"classes": ["a"], "outputs": {"00000.npy": ""}})
    image = open_shards(tmp_path).read(np.array([count - 1]))
    assert image.shape == (1, size, size, 3)
    assert image.sum() == image[0, -1, -1, -1] == 7


def test_more_shards_than_five_digits_count(tmp_path: Path) -> None:
    images = noise(2)
    for name, image in zip(("99999.npy", "100000.npy"), images, strict=True):
        np.save(tmp_path / name, image[None])
    (tmp_path / "index.csv").write_text("id,label,class\nfirst,0,a\nsecond,0,a\n")
    names = {"99999.npy": "", "100000.npy": "", "index.csv": ""}
    write_json(tmp_path / "manifest.json", {"classes": ["a"], "outputs": names})
    np.testing.assert_array_equal(open_shards(tmp_path).read(np.arange(2)), images)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scribble(path: Path) -> None:
    path.write_bytes(b"\xff" + path.read_bytes()[1:])


def flip_last_bit(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *[("00001.npy", damage) for damage in (Path.unlink, truncate, empty, scribble)],
        *[("index.csv", damage) for damage in (Path.unlink, halve, empty, scribble)],
        *[("manifest.json", damage) for damage in (Path.unlink, halve, empty, scribble)],
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    write(tmp_path, numbered(6))
    damage(tmp_path / name)
    with pytest.raises(UserError, match=name.replace(".", r"\.")) as caught:
        open_shards(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "index",
    [
        "id,label,class\nx,0,a\n",
        "name,label,class\n" + "x,0,a\n" * 6,
        "id,label,class\n" + "x,cat,a\n" * 6,
        "id,label,class\n" + "x\n" * 6,
    ],
)
def test_an_index_that_does_not_fit(tmp_path: Path, index: str) -> None:
    write(tmp_path, numbered(6))
    (tmp_path / "index.csv").write_text(index)
    with pytest.raises(UserError, match=r"index\.csv .*; delete the folder and run again"):
        open_shards(tmp_path)


@pytest.mark.parametrize("array", [np.zeros((2, 8, 8, 3)), np.zeros((2, 8), np.uint8)])
def test_an_array_of_something_else(tmp_path: Path, array: np.ndarray) -> None:
    write(tmp_path, numbered(6))
    np.save(tmp_path / "00001.npy", array)
    with pytest.raises(UserError, match=r"00001\.npy holds .*, no images"):
        open_shards(tmp_path)


def test_shards_of_two_sizes(tmp_path: Path) -> None:
    write(tmp_path, numbered(6))
    np.save(tmp_path / "00001.npy", noise(2, size=16))
    with pytest.raises(UserError, match="do not fit together"):
        open_shards(tmp_path)


@pytest.mark.parametrize("manifest", [{}, [], {"outputs": {}}, {"classes": ["a"]}])
def test_a_manifest_of_something_else(tmp_path: Path, manifest: object) -> None:
    write(tmp_path, numbered(6))
    write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(UserError, match=r"manifest\.json is no record of shards"):
        open_shards(tmp_path)


def test_verifying_names_every_damaged_file(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / split, numbered(9))
    assert verify_folder(tmp_path) == []
    damage = {
        "train/00000.npy": flip_last_bit,
        "train/00002.npy": Path.unlink,
        "test/00001.npy": truncate,
        "test/index.csv": flip_last_bit,
    }
    for name, change in damage.items():
        change(tmp_path / name)
    faults = verify_folder(tmp_path)
    assert len(faults) == len(damage)
    for name, change in damage.items():
        (line,) = (line for line in faults if str(tmp_path / name) in line)
        assert ("is missing" if change is Path.unlink else "is damaged") in line
    halve(tmp_path / "train" / "manifest.json")
    assert any(
        str(tmp_path / "train" / "manifest.json") in line for line in verify_folder(tmp_path)
    )


def test_there_must_be_something_to_verify_by(tmp_path: Path) -> None:
    write_json(tmp_path / "mine.json", {"outputs": ["not a record of ours"]})
    with pytest.raises(UserError, match="holds no record"):
        verify_folder(tmp_path)
