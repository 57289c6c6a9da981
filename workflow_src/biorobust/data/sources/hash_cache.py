"""SHA-256 of many files, remembered between runs by size and modification time."""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from biorobust.errors import UserError
from biorobust.files import sha256_of_file, write_json

# A file may change again within one tick of its clock, 1 to 2 s on some network file systems,
# and then look unchanged: one so fresh is hashed again next time.
_SETTLED_AFTER_NS = 2_000_000_000


def sha256_of_files(files: Iterable[Path], cache: Path | None = None) -> dict[Path, str]:
    """SHA-256 (hex) of each file's bytes.

    `cache` is a JSON file, absolute path -> [size in bytes, mtime in ns, SHA-256]: a file whose
    size and mtime are those remembered is not read again. It is rewritten, whole, only where
    something changed; a damaged one is ignored, and one that cannot be written is done without.

    Raises UserError where a file cannot be read.
    """
    known = _load(cache)
    fresh: dict[str, list[Any]] = {}
    hashes = {}
    now = time.time_ns()
    for file in files:
        key = str(file.absolute())
        try:
            status = file.stat()
            entry: Any = known.get(key)
            if _fits(entry, status):
                hashes[file] = entry[2]
                continue
            hashes[file] = sha256_of_file(file)
        except OSError as error:
            raise UserError(
                f"{file} cannot be read ({error.strerror}); restore it or remove it"
            ) from error
        if now - status.st_mtime_ns > _SETTLED_AFTER_NS:
            fresh[key] = [status.st_size, status.st_mtime_ns, hashes[file]]
    if cache is not None and fresh:
        # Losing the cache costs time and nothing else, so it may not stop a run.
        with suppress(OSError, UserError):
            write_json(cache, known | fresh)
    return hashes


def _load(cache: Path | None) -> dict[str, Any]:
    if cache is None:
        return {}
    try:
        known = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _fits(entry: Any, status: os.stat_result) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 3
        and entry[:2] == [status.st_size, status.st_mtime_ns]
        and isinstance(entry[2], str)
        and len(entry[2]) == 64
    )
