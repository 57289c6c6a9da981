"""Sources that torchvision downloads, with a stand-in for torchvision; no network."""

import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from biorobust.data.sources.catalogue import open_source, source_fingerprint
from biorobust.errors import UserError
from made_up_sources import IMAGENETTE, write_fashion, write_image, write_synsets


def stand_in(monkeypatch: pytest.MonkeyPatch, **classes: object) -> None:
    module = types.ModuleType("torchvision.datasets")
    module.__dict__.update(classes)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)


def offline(*_args: object, **_options: object) -> None:
    raise RuntimeError("Error downloading x:\nTried https://example.org, got:\nno route")


@pytest.fixture
def no_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    monkeypatch.setattr("biorobust.data.sources.fashion_mnist.DEBIAN_FOLDER", absent)


@pytest.mark.usefixtures("no_debian")
@pytest.mark.parametrize(
    ("source", "torchvision_class", "advice"),
    [
        ("fashion_mnist", "FashionMNIST", "dataset-fashion-mnist, or set `path:`"),
        ("cifar10", "CIFAR10", "set `path:`"),
        ("imagenette", "Imagenette", "set `path:`"),
    ],
)
def test_offline_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
    torchvision_class: str,
    advice: str,
) -> None:
    stand_in(monkeypatch, **{torchvision_class: offline})
    with pytest.raises(UserError, match=advice) as caught:
        open_source(source, download_folder=tmp_path)
    assert "no route" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_debian")
def test_fashion_mnist_is_downloaded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = source_fingerprint("fashion_mnist")

    def download(root: Path, *, download: bool) -> None:
        assert download
        write_fashion(Path(root) / "FashionMNIST" / "raw", ".gz")

    stand_in(monkeypatch, FashionMNIST=download)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = open_source("fashion_mnist")
    stand_in(monkeypatch, FashionMNIST=offline)
    second = open_source("fashion_mnist")
    for source in (first, second):
        assert [len(source.splits[split]) for split in ("train", "test")] == [6, 3]
    assert source_fingerprint("fashion_mnist") == before
    raw = tmp_path / "biorobust" / "datasets" / "FashionMNIST" / "raw"
    assert raw.is_dir()
    assert [entry.name for entry in raw.parents[1].iterdir()] == ["FashionMNIST"]


def test_cifar10_hands_on_what_torchvision_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    roots = []

    def cifar10(root: Path, *, train: bool, download: bool) -> types.SimpleNamespace:
        roots.append((root, download))
        chosen = slice(0, 3) if train else slice(3, 4)
        labels = [7, 0, 9, 2][chosen]
        return types.SimpleNamespace(
            data=pixels[chosen], targets=labels, classes=list("abcdefghij")
        )

    stand_in(monkeypatch, CIFAR10=cifar10)
    source = open_source("cifar10", path=tmp_path / "here", download_folder=tmp_path / "there")
    assert roots == [(tmp_path / "here", True)] * 2
    assert source.classes == tuple("abcdefghij")
    assert [item.label for item in source.splits["train"]] == [7, 0, 9]
    np.testing.assert_array_equal(source.splits["train"][2].load(), pixels[2])
    np.testing.assert_array_equal(source.splits["test"][0].load(), pixels[3])


def test_imagenette_from_a_folder_needs_no_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, Imagenette=offline)
    write_synsets(tmp_path, IMAGENETTE)
    source = open_source("imagenette", path=tmp_path)
    assert source.classes[0] == "tench"
    assert source.classes[-1] == "parachute"
    assert [item.label for item in source.splits["test"]] == list(range(10))
    assert source.splits["test"][3].id == "val/n03000684/n03000684_1.JPEG"
    assert np.abs(source.splits["train"][4].load().astype(int) - 40).max() <= 2
    shutil.rmtree(tmp_path / "val")
    with pytest.raises(UserError, match="val/n01440764"):
        open_source("imagenette", path=tmp_path)


@pytest.mark.parametrize("ask", [open_source, source_fingerprint])
def test_the_folder_above_an_unpacked_imagenette_starts_no_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ask: Callable[..., object]
) -> None:
    stand_in(monkeypatch, Imagenette=offline)
    write_synsets(tmp_path / "imagenette2-160", IMAGENETTE)
    with pytest.raises(UserError, match=f"set `path:` to {tmp_path}/imagenette2-160 to use that"):
        ask("imagenette", path=tmp_path)
    # This one is where a download would have put it.
    write_synsets(tmp_path / "imagenette2-320", IMAGENETTE)
    ask("imagenette", path=tmp_path)


def test_a_killed_imagenette_download_starts_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def killed(root: Path, *, size: str, download: bool) -> None:
        write_image(Path(root) / "imagenette2-320" / "train" / IMAGENETTE[0] / "partial.JPEG")
        raise KeyboardInterrupt

    def complete(root: Path, *, size: str, download: bool) -> None:
        assert (size, download) == ("320px", True)
        folder = Path(root) / "imagenette2-320"
        if not folder.exists():  # as torchvision decides it
            write_synsets(folder, IMAGENETTE)

    stand_in(monkeypatch, Imagenette=killed)
    with pytest.raises(KeyboardInterrupt):
        open_source("imagenette", path=tmp_path)
    stand_in(monkeypatch, Imagenette=complete)
    before = source_fingerprint("imagenette", path=tmp_path)
    source = open_source("imagenette", path=tmp_path)
    assert [item.id.split("/")[-1] for item in source.splits["train"]] == [
        f"{synset}_1.JPEG" for synset in IMAGENETTE
    ]
    assert source_fingerprint("imagenette", path=tmp_path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["imagenette2-320"]
