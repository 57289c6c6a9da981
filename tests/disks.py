"""Small disks of their own for tests that fill them up or make them read-only."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
_FILLER = ".filler"


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of this size ("64k", "8m") at `place`; skips where it cannot be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, option: str) -> None:
    """Change a small disk: "ro", "rw" or "size=10m"."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


def fill(place: Path, *, but: int) -> None:
    """Fill a small disk up to so many free pages of 4 KiB; what filled it before goes."""
    filler = place / _FILLER
    filler.unlink(missing_ok=True)
    taken = (os.statvfs(place).f_bavail - but) * PAGE
    if taken > 0:
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, taken)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included, but for what fills the disk."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _FILLER
    }
