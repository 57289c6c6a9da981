"""Fashion-MNIST's IDX files: made up, damaged, and the real ones where Debian put them."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from biorobust.data.sources.catalogue import open_source, source_fingerprint
from biorobust.data.sources.fashion_mnist import DEBIAN_FOLDER
from biorobust.errors import UserError
from made_up_sources import (
    write_fashion,
    write_idx,
)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files(tmp_path: Path, suffix: str) -> None:
    write_fashion(tmp_path, suffix)
    source = open_source("fashion_mnist", path=tmp_path)
    assert len(source.classes) == 10
    assert [item.id for item in source.splits["test"]] == [f"test/{n:05d}" for n in range(3)]
    assert [item.label for item in source.splits["train"]] == list(range(6))
    expected = np.arange(20, 40).reshape(4, 5)
    loaded = source.splits["train"][1].load()
    np.testing.assert_array_equal(loaded, np.stack([expected] * 3, axis=2))


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist() -> None:
    source = open_source("fashion_mnist")
    for split, per_class in (("train", 6000), ("test", 1000)):
        counts = Counter(item.label for item in source.splits[split])
        assert counts == dict.fromkeys(range(10), per_class)
    # Published: the first training image is an ankle boot, the first test image too.
    assert source.classes[source.splits["train"][0].label] == "Ankle boot"
    assert source.classes[source.splits["test"][0].label] == "Ankle boot"
    mean = np.mean([item.load().mean() for item in source.splits["train"][::50]])
    assert mean / 255 == pytest.approx(0.2860, abs=0.01)


def test_a_missing_idx_file_is_named(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    for call in (open_source, source_fingerprint):
        with pytest.raises(UserError, match="has no t10k-labels-idx1-ubyte"):
            call("fashion_mnist", path=tmp_path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("damage", ["cut", "cut in header", "magic", "longer"])
def test_damaged_idx_files_are_refused(tmp_path: Path, suffix: str, damage: str) -> None:
    write_fashion(tmp_path, suffix)
    file = tmp_path / f"train-images-idx3-ubyte{suffix}"
    whole = gzip.decompress(file.read_bytes()) if suffix else file.read_bytes()
    broken = {
        "cut": whole[:-1],
        "cut in header": whole[:7],
        "magic": whole[:3] + b"\x01" + whole[4:],
        "longer": whole + b"\0",
    }[damage]
    file.write_bytes(gzip.compress(broken) if suffix else broken)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte.*fetch the file again"):
        open_source("fashion_mnist", path=tmp_path)


@pytest.mark.parametrize("keep", [5, 30, -1])
def test_a_truncated_gzip_file_is_refused(tmp_path: Path, keep: int) -> None:
    write_fashion(tmp_path, ".gz")
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte\.gz cannot be read"):
        open_source("fashion_mnist", path=tmp_path)


def test_images_and_labels_must_match(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(5))
    with pytest.raises(UserError, match=r"6 images .* 5 labels"):
        open_source("fashion_mnist", path=tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(6) + 5)
    with pytest.raises(UserError, match="the label 10"):
        open_source("fashion_mnist", path=tmp_path)
