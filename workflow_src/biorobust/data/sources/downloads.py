"""Data sets that torchvision downloads: where they go and what is said when that fails."""

import http.client
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biorobust.errors import UserError


def default_download_folder() -> Path:
    """`$XDG_CACHE_HOME/biorobust/datasets`, or the same under `~/.cache`."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification says to ignore a relative path.
    base = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return base / "biorobust" / "datasets"


@contextmanager
def explained(source: str, folder: Path, advice: str) -> Iterator[None]:
    """Turns what a download raises into a UserError that says what to do instead."""
    try:
        yield
    except (OSError, RuntimeError, http.client.HTTPException, ImportError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"data source {source} is not in {folder} and could not be downloaded ({reason}); "
            f"{advice}"
        ) from error


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Makes `folder` appear whole or not at all: yields the place beside it to fill instead.

    The caller creates `folder.name` in the yielded folder. What a killed download unpacked there
    is removed first, since torchvision takes a folder that exists for a complete one; an archive
    stays, because torchvision checks it by MD5 and saves the second download.
    """
    staging = folder.parent / f".{folder.name}.part"
    shutil.rmtree(staging / folder.name, ignore_errors=True)
    staging.mkdir(parents=True, exist_ok=True)
    yield staging
    (staging / folder.name).replace(folder)
    shutil.rmtree(staging, ignore_errors=True)
