"""Opening data sources: scikit-learn's digits and made-up image folders; no network."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from biorobust.data.images import CorruptImage
from biorobust.data.sources.catalogue import SOURCES, open_source, source_fingerprint
from biorobust.errors import UserError
from made_up_sources import (
    IMAGENET10,
    IMAGENETTE,
    write_fashion,
    write_image,
    write_pets,
    write_synsets,
)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write_pets(tmp_path / "pets")


def test_unknown_source_lists_the_known_ones() -> None:
    for call in (open_source, source_fingerprint):
        with pytest.raises(UserError, match="svhn") as caught:
            call("svhn")
        assert all(name in str(caught.value) for name in SOURCES)


@pytest.mark.parametrize("call", [open_source, source_fingerprint])
@pytest.mark.parametrize("source", ["imagefolder", "imagenet10"])
def test_a_path_is_required(call: Callable[..., object], source: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{source} needs `path:`"):
        call(source)
    with pytest.raises(UserError, match="nowhere is not a folder"):
        call(source, path=tmp_path / "nowhere")


def test_heavy_packages_stay_out(pets: Path, tmp_path: Path) -> None:
    write_synsets(tmp_path / "ilsvrc", IMAGENET10)
    write_synsets(tmp_path / "imagenette", IMAGENETTE)
    write_fashion(tmp_path / "fashion")
    script = f"""
import sys
from pathlib import Path
from biorobust.data.sources.catalogue import open_source, source_fingerprint
root = Path({str(tmp_path)!r})
for source, path in [("digits", None), ("imagefolder", root / "pets"),
                     ("imagenet10", root / "ilsvrc"), ("imagenette", root / "imagenette"),
                     ("fashion_mnist", root / "fashion")]:
    source_fingerprint(source, path=path)
    for items in open_source(source, path=path).splits.values():
        items[0].load()
source_fingerprint("cifar10")
source_fingerprint("imagenette")
print(*sorted({{"torch", "torchvision", "sklearn"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    bundled = load_digits()
    source = open_source("digits")
    assert source.classes == tuple("0123456789")
    rows = []
    for split, items in source.splits.items():
        for item in items:
            name, row = item.id.split("/")
            assert name == split
            rows.append(int(row))
            expected = np.rint(bundled.images[int(row)] * 255 / 16)
            loaded = item.load()
            assert loaded.dtype == np.uint8
            np.testing.assert_array_equal(loaded, np.stack([expected] * 3, axis=2))
            assert item.label == bundled.target[int(row)]
    assert sorted(rows) == list(range(1797))


def test_each_fifth_digit_of_a_class_is_a_test_image() -> None:
    splits = open_source("digits").splits
    test = {item.id.split("/")[1] for item in splits["test"]}
    assert len(test) == pytest.approx(360, abs=10)
    for label in range(10):
        rows = sorted(
            item.id.split("/")[1]
            for items in splits.values()
            for item in items
            if item.label == label
        )
        assert [row in test for row in rows] == [n % 5 == 4 for n in range(len(rows))]


def test_digits_take_no_path(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="remove `path:"):
        open_source("digits", path=tmp_path)


def test_imagefolder_reads_classes_and_files_in_order(pets: Path) -> None:
    write_image(pets / "train" / "cat" / "Z.JPG", 50)
    write_image(pets / "train" / "cat" / "a.JpEg", 60)
    write_image(pets / "train" / "cat" / ".hidden.png")
    (pets / "train" / "cat" / "notes.txt").write_text("not an image")
    (pets / "train" / ".cache").mkdir()
    source = open_source("imagefolder", path=pets)
    assert source.classes == ("cat", "dog")
    names = ["cat/0.png", "cat/1.png", "cat/Z.JPG", "cat/a.JpEg", "dog/0.png", "dog/1.png"]
    assert [item.id for item in source.splits["train"]] == [f"train/{name}" for name in names]
    assert [item.label for item in source.splits["train"]] == [0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(source.splits["test"][3].load(), np.full((3, 4, 3), 101))


def test_imagefolder_counts_what_it_ignores(pets: Path) -> None:
    assert open_source("imagefolder", path=pets).ignored == {"train": 0, "test": 0}
    before = source_fingerprint("imagefolder", path=pets)
    (pets / "train" / "cat" / "two\nlines.txt").write_text("not an image")
    (pets / "train" / "dog" / "2.webp").write_bytes(b"")
    write_image(pets / "train" / "dog" / "nested" / "3.png")
    write_image(pets / "train" / "dog" / "nested" / "4.png")
    write_image(pets / "test" / "beside the classes.png")
    (pets / "test" / "cat" / ".hidden").touch()
    source = open_source("imagefolder", path=pets)
    # A nested folder counts once.
    assert source.ignored == {"train": 3, "test": 1}
    assert [len(items) for items in source.splits.values()] == [4, 4]
    assert source_fingerprint("imagefolder", path=pets) == before


def test_a_corrupt_image_is_named_when_loaded(pets: Path) -> None:
    file = pets / "test" / "dog" / "1.png"
    file.write_bytes(file.read_bytes()[:-20])
    item = open_source("imagefolder", path=pets).splits["test"][3]
    with pytest.raises(CorruptImage, match=r"test/dog/1\.png"):
        item.load()


def remove_test(root: Path) -> None:
    shutil.rmtree(root / "test")


def remove_dogs(root: Path) -> None:
    for split in ("train", "test"):
        shutil.rmtree(root / split / "dog")


def empty_a_class(root: Path) -> None:
    for file in (root / "test" / "cat").iterdir():
        file.rename(file.with_suffix(".gif"))


def rename_a_class(root: Path) -> None:
    (root / "test" / "dog").rename(root / "test" / "hound")


def unprintable_name(root: Path) -> None:
    write_image(root / "train" / "cat" / "two\nlines.png")


@pytest.mark.parametrize("call", [open_source, source_fingerprint])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove_test, "has no test folder"),
        (remove_dogs, "at least two"),
        (empty_a_class, "no image .* in test/cat;"),
        (rename_a_class, "train/dog, test/hound;"),
        (unprintable_name, "cannot be printed"),
    ],
)
def test_an_unusable_imagefolder_is_refused(
    pets: Path,
    call: Callable[..., object],
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    spoil(pets)
    with pytest.raises(UserError, match=message):
        call("imagefolder", path=pets)


def test_imagenet10_takes_its_synsets_in_the_thesis_order(tmp_path: Path) -> None:
    write_synsets(tmp_path, [*IMAGENET10, "n01440764", "n99999999"])
    (tmp_path / "train" / "n01440764" / "n01440764_1.JPEG").write_bytes(b"never read")
    source = open_source("imagenet10", path=tmp_path)
    assert source.classes == (
        "boa constrictor",
        "Labrador retriever",
        "tabby cat",
        "tree frog",
        "leatherback turtle",
        "goose",
        "giant panda",
        "great white shark",
        "king crab",
        "bee",
    )
    for split, folder in (("train", "train"), ("test", "val")):
        items = source.splits[split]
        assert [item.label for item in items] == list(range(10))
        assert [item.id for item in items] == [f"{folder}/{s}/{s}_1.JPEG" for s in IMAGENET10]
        assert np.abs(items[9].load().astype(int) - 90).max() <= 2


@pytest.mark.parametrize(
    ("name", "synsets"), [("imagenet10", IMAGENET10), ("imagenette", IMAGENETTE)]
)
def test_synset_trees_count_what_they_ignore(
    tmp_path: Path, name: str, synsets: tuple[str, ...]
) -> None:
    # Classes that the source does not ask for are left out on purpose and not counted.
    write_synsets(tmp_path, [*synsets, "n99999999"])
    (tmp_path / "val" / synsets[2] / "notes.txt").touch()
    (tmp_path / "val" / synsets[3] / "nested").mkdir()
    assert open_source(name, path=tmp_path).ignored == {"train": 0, "test": 2}


def test_missing_synsets_are_named_together(tmp_path: Path) -> None:
    write_synsets(tmp_path, IMAGENET10)
    shutil.rmtree(tmp_path / "train" / IMAGENET10[1])
    shutil.rmtree(tmp_path / "val" / IMAGENET10[2])
    for call in (open_source, source_fingerprint):
        with pytest.raises(UserError, match="has no train/n02099712, val/n02123045;"):
            call("imagenet10", path=tmp_path)
