"""A source's fingerprint follows its content, and nothing else."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from biorobust.data.sources.catalogue import open_source, source_fingerprint
from biorobust.errors import UserError
from made_up_sources import write_fashion, write_idx, write_pets


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write_pets(tmp_path / "pets")


def test_fingerprints_differ_between_sources(tmp_path: Path, pets: Path) -> None:
    prints = [source_fingerprint(name) for name in ("digits", "cifar10", "imagenette")]
    prints.append(source_fingerprint("imagefolder", path=pets))
    assert len(set(prints)) == 4
    assert all(len(bytes.fromhex(value)) == 32 for value in prints)


def test_fingerprint_is_about_content_alone(pets: Path, tmp_path: Path) -> None:
    before = source_fingerprint("imagefolder", path=pets)
    for file in pets.rglob("*.png"):
        os.utime(file, (1, 1))
    (pets / "README").write_text("ignored by the source")
    assert source_fingerprint("imagefolder", path=pets) == before
    moved = pets.rename(tmp_path / "elsewhere")
    assert source_fingerprint("imagefolder", path=moved) == before
    copy = shutil.copytree(moved, tmp_path / "copy")
    assert source_fingerprint("imagefolder", path=copy) == before


def flip_a_byte(root: Path) -> None:
    file = root / "train" / "cat" / "0.png"
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)


def swap_two_files(root: Path) -> None:
    cat, dog = (root / "train" / name / "0.png" for name in ("cat", "dog"))
    first, second = cat.read_bytes(), dog.read_bytes()
    cat.write_bytes(second)
    dog.write_bytes(first)


def rename_a_file(root: Path) -> None:
    (root / "train" / "cat" / "0.png").rename(root / "train" / "cat" / "00.png")


def remove_a_file(root: Path) -> None:
    (root / "test" / "dog" / "0.png").unlink()


@pytest.mark.parametrize("change", [flip_a_byte, swap_two_files, rename_a_file, remove_a_file])
@pytest.mark.parametrize("cached", [False, True])
def test_fingerprint_follows_the_content(
    pets: Path, tmp_path: Path, change: Callable[[Path], None], cached: bool
) -> None:
    cache = tmp_path / "hashes.json" if cached else None
    for file in pets.rglob("*.png"):
        os.utime(file, (1, 1))
    before = source_fingerprint("imagefolder", path=pets, cache=cache)
    change(pets)
    after = source_fingerprint("imagefolder", path=pets, cache=cache)
    assert after != before
    assert after == source_fingerprint("imagefolder", path=pets)


def test_a_flipped_byte_in_idx_changes_the_fingerprint(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    before = source_fingerprint("fashion_mnist", path=tmp_path)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.array([0, 1, 3]))
    assert source_fingerprint("fashion_mnist", path=tmp_path) != before


def test_the_cache_saves_reading(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "new folder" / "hashes.json"
    files = sorted(pets.rglob("*.png"))
    for file in files:
        os.utime(file, ns=(5, 123_456_789))
    before = source_fingerprint("imagefolder", path=pets, cache=cache)
    remembered = json.loads(cache.read_text())
    assert remembered == {
        str(file): [file.stat().st_size, 123_456_789, hashlib.sha256(file.read_bytes()).hexdigest()]
        for file in files
    }
    other = write_pets(pets.with_name("other pets"))
    os.utime(other / "train" / "cat" / "0.png", (1, 1))
    source_fingerprint("imagefolder", path=other, cache=cache)
    inode = cache.stat().st_ino

    def unread(file: Path) -> str:
        raise AssertionError(f"{file} was read again")

    monkeypatch.setattr("biorobust.data.sources.hash_cache.sha256_of_file", unread)
    assert source_fingerprint("imagefolder", path=pets, cache=cache) == before
    assert cache.stat().st_ino == inode, "rewritten although nothing changed"


def test_a_file_written_this_moment_is_not_remembered(pets: Path, tmp_path: Path) -> None:
    """Its next change may fall into the same tick of the file system's clock."""
    cache = tmp_path / "hashes.json"
    file = pets / "train" / "cat" / "0.png"
    before = source_fingerprint("imagefolder", path=pets, cache=cache)
    written = file.stat()
    flip_a_byte(pets)
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert source_fingerprint("imagefolder", path=pets, cache=cache) != before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'{"FILE": 3}',
        b'{"FILE": [SIZE, 1000000000, 7]}',
        b'{"FILE": [SIZE, 1000000000, "ab"]}',
    ],
)
def test_a_damaged_cache_is_ignored(pets: Path, tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "hashes.json"
    file = pets / "train" / "cat" / "0.png"
    os.utime(file, (1, 1))
    size = str(file.stat().st_size).encode()
    cache.write_bytes(content.replace(b"FILE", str(file).encode()).replace(b"SIZE", size))
    expected = source_fingerprint("imagefolder", path=pets)
    assert source_fingerprint("imagefolder", path=pets, cache=cache) == expected
    assert json.loads(cache.read_bytes())[str(file)][1] == 1_000_000_000


def test_a_cache_that_cannot_be_written_stops_nothing(pets: Path, tmp_path: Path) -> None:
    for file in pets.rglob("*.png"):
        os.utime(file, (1, 1))
    (tmp_path / "a file").touch()
    expected = source_fingerprint("imagefolder", path=pets)
    cache = tmp_path / "a file" / "hashes.json"
    assert source_fingerprint("imagefolder", path=pets, cache=cache) == expected


def test_a_link_to_nothing_is_missed(pets: Path) -> None:
    link = pets / "train" / "cat" / "9.png"
    link.symlink_to(pets / "gone.png")
    with pytest.raises(UserError, match=r"9\.png cannot be read"):
        source_fingerprint("imagefolder", path=pets)
    with pytest.raises(UserError, match=r"9\.png cannot be read"):
        open_source("imagefolder", path=pets).splits["train"][2].load()
