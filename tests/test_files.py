"""Files appear whole or not at all, also when the disk is full or the folder is read-only."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.errors import UserError
from biorobust.files import (
    append_text,
    canonical_json,
    read_json,
    sha256_of_file,
    sha256_of_text,
    whole_file,
    write_bytes,
    write_json,
    write_text,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@given(st.binary(max_size=200), st.integers(0, 200))
def test_the_sum_is_that_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "sums" / "data"
    with whole_file(path) as file:
        file.write(data[:cut])
        file.write(data[cut:])
    assert path.read_bytes() == data
    assert file.sha256 == sha256_of_file(path) == hashlib.sha256(data).hexdigest()


def test_sums_of_large_files_and_texts(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    assert write_bytes(tmp_path / "large", data) == hashlib.sha256(data).hexdigest()
    assert sha256_of_file(tmp_path / "large") == hashlib.sha256(data).hexdigest()
    assert write_text(tmp_path / "text", "häß\n") == sha256_of_text("häß\n")
    assert (tmp_path / "text").read_bytes() == "häß\n".encode()


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    with whole_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert content(tmp_path) == {"new/folder/file": b"new"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, UserError])
@pytest.mark.parametrize("before", [{}, {"file": b"old"}])
def test_a_failure_in_the_middle_changes_nothing(
    tmp_path: Path, failure: type[BaseException], before: dict[str, bytes]
) -> None:
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(failure), whole_file(tmp_path / "file") as file:
        file.write(b"new" * 100_000)
        raise failure
    assert content(tmp_path) == before


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    script = (
        "import os, signal\nfrom pathlib import Path\nfrom biorobust.files import whole_file\n"
        f"with whole_file(Path({str(path)!r})) as file:\n"
        "    file.write(b'new' * 100_000)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    source = Path(__file__).parent.parent / "workflow_src"
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": str(source)})
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
    assert list(tmp_path.glob("[!.]*")) == [path]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "quota is used up; free some space"),
        (errno.EROFS, "read-only; write results to another place"),
        (errno.EACCES, "permission denied; make the folder writable"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_the_system_refuses_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str, call: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[call], refuse)
    with pytest.raises(UserError, match=said) as caught:
        write_bytes(path, b"new")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert content(tmp_path) == {"file": b"old"}


def test_other_errors_are_not_dressed_up(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "file"):
        (tmp_path / "nowhere").read_bytes()
    assert content(tmp_path) == {}


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "results").write_bytes(b"mine")
    for path in (tmp_path / "results" / "file", tmp_path / "results" / "deeper" / "file"):
        with pytest.raises(UserError, match="a file stands where a folder is needed"):
            write_bytes(path, b"new")
    assert content(tmp_path) == {"results": b"mine"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(UserError, match="permission denied"):
            write_bytes(tmp_path / "file", b"new")
    finally:
        tmp_path.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    path = small_disk / "deep" / "file"
    write_bytes(path, b"old")
    with pytest.raises(UserError, match="the disk is full"):
        write_bytes(path, b"new" * 100_000)
    with pytest.raises(UserError, match="the disk is full"), whole_file(path) as file:
        for _ in range(1000):
            file.write(b"new")
            file.write(b"n" * 500)
    assert content(small_disk) == {"deep/file": b"old"}
    write_bytes(path, b"n" * 20_000)
    assert path.stat().st_size == 20_000


def test_what_is_appended_on_a_full_disk_leaves_the_lines_before(small_disk: Path) -> None:
    path = small_disk / "lines"
    append_text(path, "first ä\n")
    with pytest.raises(UserError, match=f"cannot write {path}: the disk is full; .* is kept"):
        append_text(path, "second\n" * 100_000)
    assert path.read_text().startswith("first ä\nsecond\n")


def test_a_disk_that_is_really_read_only(small_disk: Path) -> None:
    path = small_disk / "file"
    write_bytes(path, b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for place in (path, small_disk / "folder" / "file"):
        with pytest.raises(UserError, match="the file system is read-only"):
            write_bytes(place, b"new")
    assert content(small_disk) == {"file": b"old"}


@given(json_values)
def test_canonical_json_says_the_same(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert text.isascii() and "\n" not in text


@given(st.dictionaries(st.text(), st.integers(), min_size=2), st.randoms())
def test_canonical_json_does_not_know_the_order_of_keys(
    value: dict[str, int], random: Random
) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json({"outer": [dict(items)]}) == canonical_json({"outer": [value]})


def test_canonical_json_is_spelt_so() -> None:
    value = {"b": [1, 2.5, None, True], "a": {"d": "é", "c": 1e-3}}
    assert canonical_json(value) == r'{"a":{"c":0.001,"d":"\u00e9"},"b":[1,2.5,null,true]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_what_json_cannot_say_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)
    with pytest.raises(ValueError):
        write_json(tmp_path / "file.json", value)
    assert content(tmp_path) == {}


@given(json_values)
def test_json_files_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "json" / "value.json"
    assert write_json(path, value) == sha256_of_file(path)
    assert read_json(path) == value
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": 1', b"\xff\xfe\x00", b"{'a': 1}"])
def test_a_damaged_json_file_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"file\.json is damaged: .*; delete it and run again"):
        read_json(path)


def test_a_json_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.json is missing"):
        read_json(tmp_path / "nothing.json")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_json(tmp_path)
