"""Files that appear whole or not at all.

A file is written beside its final place, forced to disk and renamed over it; whoever reads the
final name sees the old content or the new one, never a part. (Only what an unfinished job keeps
for itself grows line by line.)
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from biorobust.errors import UserError

_CHUNK = 1 << 20

# What to tell a user, by errno, where a file cannot be written.
CANNOT_WRITE = {
    errno.ENOSPC: "the disk is full; free some space and start again",
    errno.EDQUOT: "your disk quota is used up; free some space and start again",
    errno.EROFS: "the file system is read-only; write results to another place",
    errno.EACCES: "permission denied; make the folder writable for you",
    errno.EEXIST: "a file stands where a folder is needed; move it away",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away",
    errno.EPERM: "operation not permitted; make the folder writable for you",
}


class _HashingWriter:
    """A binary file that knows the SHA-256 of what went through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[_HashingWriter]:
    """Open `path` for writing so that it appears whole or not at all.

    Yields an object with `write(bytes)` and, afterwards, `sha256`. Missing parent folders are
    made. Raises UserError where the disk is full or the folder cannot be written.
    """
    # One dot, for hidden files too, so that one pattern finds what a killed process left.
    temporary = path.with_name(f".{path.name.removeprefix('.')}.{os.getpid()}.part")
    try:
        with explained(path, "nothing half written was left"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                yield _HashingWriter(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def explained(path: Path, left: str) -> Iterator[None]:
    """Tell a user why `path` cannot be written, and what is `left` of it, as a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise UserError(f"cannot write {path}: {CANNOT_WRITE[error.errno]}; {left}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to sync a folder; the rename stands all the same.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> str:
    """Write `data` whole or not at all; returns its SHA-256 in hex."""
    with whole_file(path) as file:
        file.write(data)
    return file.sha256


def write_text(path: Path, text: str) -> str:
    """Write `text` as UTF-8, whole or not at all; returns its SHA-256 in hex."""
    return write_bytes(path, text.encode())


def append_text(path: Path, text: str) -> None:
    """Add `text` as UTF-8 to a file's end, perhaps not all of it where the process is killed.

    Raises UserError where the disk is full or the file cannot be written.
    """
    with explained(path, "what was written before is kept"), path.open("a") as file:
        file.write(text)


def canonical_json(value: Any) -> str:
    """The one spelling of `value` as JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_json(path: Path, value: Any) -> str:
    """Write `value` as indented JSON with sorted keys; returns the file's SHA-256 in hex."""
    return write_text(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises UserError where it cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}; delete it and run again") from error


def sha256_of_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
