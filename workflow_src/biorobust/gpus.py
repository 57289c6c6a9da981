"""GPUs of one's own on a machine where nobody hands them out.

A workflow on one machine counts how many GPUs its jobs want together, but never says which is
whose, so that all jobs would meet on the first. Here a job claims its GPUs by file locks, which
the kernel releases when the process ends, however it ends.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from filelock import FileLock, Timeout

from biorobust.errors import UserError

_VARIABLE = "CUDA_VISIBLE_DEVICES"
_POLL_SECONDS = 0.5

# Held as long as these objects live.
_claims: list[FileLock] = []


def claim_gpus(
    wanted: int,
    count: Callable[[], int],
    say: Callable[[str], None],
    *,
    environment: MutableMapping[str, str] = os.environ,
    folder: Path | None = None,
) -> None:
    """Take `wanted` GPUs for the life of this process, and let CUDA see no others.

    To be called before CUDA starts, which reads CUDA_VISIBLE_DEVICES once. Nothing is claimed
    where SLURM has allotted the GPUs (SLURM_JOB_ID is set) or where no more than those wanted can
    be seen: `count` tells how many can. Of an existing CUDA_VISIBLE_DEVICES only those are taken.
    Where too few are free it waits, and says so once. `folder` holds the locks: by default one of
    the user's own below the system's temporary folder. Raises UserError where that is another's.
    """
    if wanted < 1 or "SLURM_JOB_ID" in environment:
        return
    visible = _visible(environment, count())
    if len(visible) <= wanted:
        return
    folder = folder or _own_folder()
    claimed: list[str] = []
    # One chooses at a time, so that two that each want several never wait for one another.
    with FileLock(folder / "choosing.lock"):
        waiting = False
        while len(claimed) < wanted:
            for gpu in visible:
                if len(claimed) < wanted and gpu not in claimed and _claim(folder, gpu):
                    claimed.append(gpu)
            if len(claimed) < wanted:
                if not waiting:
                    missing = wanted - len(claimed)
                    say(f"waiting for {missing} of {wanted} GPUs: other jobs hold the rest")
                waiting = True
                time.sleep(_POLL_SECONDS)
    environment[_VARIABLE] = ",".join(claimed)
    say(f"took GPU {environment[_VARIABLE]}")


def granted_gpus(environment: Mapping[str, str] = os.environ) -> str:
    """The GPUs that SLURM or the user has given to this process, as "NAME=VALUE"; "" for none."""
    for name in ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", _VARIABLE):
        # CUDA and SLURM have these words for none.
        if (value := environment.get(name, "").strip()) not in ("", "-1", "NoDevFiles"):
            return f"{name}={value}"
    if (count := environment.get("SLURM_GPUS_ON_NODE", "").strip()) not in ("", "0"):
        return f"SLURM_GPUS_ON_NODE={count}"
    return ""


def _visible(environment: MutableMapping[str, str], count: int) -> list[str]:
    """The GPUs that can be seen, as CUDA_VISIBLE_DEVICES names them: numbers, or GPU-... ."""
    if _VARIABLE not in environment:
        return [str(number) for number in range(count)]
    # CUDA stops at the first name that it does not know, so the first ones are those that count.
    return [name.strip() for name in environment[_VARIABLE].split(",")][:count]


def _claim(folder: Path, gpu: str) -> bool:
    lock = FileLock(folder / f"{gpu.replace('/', '_')}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    _claims.append(lock)
    return True


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"biorobust-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise UserError(
            f"{folder} is not yours; have it removed, or set TMPDIR to a folder of yours"
        )
    return folder
