"""What the Snakefile's main process does before it plans: one run a folder, and no riddles.

A run holds a file lock for its life, so a second one is told so, and a killed one leaves nothing
that a person must clear: whoever gets the lock next removes Snakemake's stale locks and the
records of jobs that were under way, and marks those jobs, so that a result which an orphaned
process finished is taken and not made twice.
"""

import os
import shutil
import sys
from argparse import Namespace
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

from filelock import FileLock, Timeout

from biorobust.errors import UserError
from biorobust.files import explained, write_text
from biorobust.jobs import marked_record, orphan_mark

# Under these names a run hands its jobs the command to type and the mark of this very run.
COMMAND_VARIABLE = "BIOROBUST_COMMAND"
RUN_VARIABLE = "BIOROBUST_RUN"

# A dry run or a listing holds the lock for a moment; a run waits that long before it gives up.
_PATIENCE_SECONDS = 10.0

# Free space, in bytes, without which a run is not begun.
_ROOM = 1 << 20

# Snakemake's options that list, draw or check without running a job.
_LOOKING_ON = (
    "dryrun",
    "lint",
    "list_rules",
    "list_target_rules",
    "list_changes",
    "list_input_changes",
    "list_params_changes",
    "list_untracked",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "summary",
    "detailed_summary",
    "report",
    "print_compilation",
    "unlock",
)


def use_this_clone(source: Path) -> None:
    """Let every job run with this interpreter's environment and this clone's code.

    `source` is the folder that holds the package. Without this, a job's `python` is whatever
    PATH says, and the code is that of the clone which made the environment.
    """
    programs = Path(sys.executable).parent
    _prepend("PATH", str(programs))
    _prepend("PYTHONPATH", str(source))


def _prepend(variable: str, value: str) -> None:
    parts = os.environ.get(variable, "").split(os.pathsep)
    rest = [part for part in parts if part and part != value]
    os.environ[variable] = os.pathsep.join([value, *rest])


def runs_jobs(arguments: Sequence[str]) -> bool:
    """Whether Snakemake, called with these arguments, is going to run jobs."""
    options = _options(arguments)
    return not any(getattr(options, name, None) for name in _LOOKING_ON)


def claim_folder(state: Path, *, keep: bool) -> FileLock | None:
    """Take the lock of a folder (Snakemake's state is in `state`), and clear what a kill left.

    With `keep`, the returned lock is held until the process ends; UserError is raised where
    another run holds it. Without (a dry run), nothing is changed but for the stale locks of a
    killed run, which would keep Snakemake from looking.
    """
    lock = FileLock(state / "biorobust.lock")
    try:
        with explained(state, "nothing was run"):
            state.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except Timeout:
        if not keep:
            return None
        try:
            lock.acquire(timeout=_PATIENCE_SECONDS)
        except Timeout:
            raise UserError(
                f"another snakemake is at work in {state.parent.resolve()}; wait until it ends "
                "(or stop it), then start again"
            ) from None
    shutil.rmtree(state / "locks", ignore_errors=True)
    if not keep:
        lock.release()
        return None
    _clear_after_kill(state)
    return lock


def begin_run(state: Path) -> None:
    """Mark this run as the folder's present one, for the jobs that it starts."""
    os.environ[RUN_VARIABLE] = uuid4().hex
    write_text(_run_mark(state), os.environ[RUN_VARIABLE])


def require_current_run(state: Path) -> None:
    """Stop a job that waited in a cluster's queue while another run took over from its own.

    Snakemake would delete the job's outputs first, which the newer run may be using. Raises
    UserError where the mark of the folder's present run is not the one that the job inherited.
    """
    inherited, mark = os.environ.get(RUN_VARIABLE), _run_mark(state)
    if inherited and mark.is_file() and mark.read_text() != inherited:
        raise UserError(
            "this job belongs to an earlier run of snakemake, which a newer one has replaced; "
            "nothing was run"
        )


def _run_mark(state: Path) -> Path:
    return state / "biorobust.run"


def require_room(*folders: Path) -> None:
    """Raise UserError, in one line, where a folder cannot be written or its disk is full.

    Snakemake, which keeps its own notes and makes the folders of results, would end in the middle
    of something with a traceback.
    """
    for folder in folders:
        with explained(folder, "nothing was run"):
            folder.mkdir(parents=True, exist_ok=True)
            # Nameless where the system can do so: a kill leaves nothing.
            with TemporaryFile(dir=folder) as file:
                file.write(bytes(_ROOM))
                file.flush()
                os.fsync(file.fileno())


def _clear_after_kill(state: Path) -> None:
    for marker, output in noted(state / "incomplete"):
        output.unlink(missing_ok=True)
        if output.suffix == ".json" and output.parent.is_dir():
            orphan_mark(output).touch()
        marker.unlink(missing_ok=True)


def clear_marks(folder: Path) -> None:
    """Remove the marks of orphaned jobs below a folder whose records stand all the same.

    Such a process ended between the marking and the planning, so nobody asked for its result; a
    job that is forced later must not take it.
    """
    for mark in folder.rglob(orphan_mark(Path("*.json")).name):
        if marked_record(mark).is_file():
            mark.unlink(missing_ok=True)


def noted(folder: Path) -> Iterator[tuple[Path, Path]]:
    """What Snakemake noted of outputs in a folder of its own: (note, output).

    A note's path is the output's in base64, cut into folders that start with "@" where long.
    """
    for marker in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts = marker.relative_to(folder).parts
        encoded = "".join(part.removeprefix("@") for part in parts)
        try:
            output = Path(urlsafe_b64decode(encoded).decode())
        except ValueError:
            continue
        yield marker, output


def forces_jobs(arguments: Sequence[str]) -> bool:
    """Whether Snakemake was told to run jobs whatever it knows of them."""
    options = _options(arguments)
    return bool(options.force or options.forceall or options.forcerun)


def how_jobs_run(arguments: Sequence[str]) -> list[str]:
    """The part of a command to type that says how jobs are to run: the profile that was given."""
    profiles = _options(arguments).profile
    return ["--profile", *profiles] if profiles else ["--cores", "1"]


def runs_elsewhere(arguments: Sequence[str]) -> bool:
    """Whether Snakemake, called with these arguments, hands jobs to a cluster.

    It tells a Snakefile of its executor only after the rules were read.
    """
    return all_options(arguments).executor not in (None, "local")


@cache
def _all_options(arguments: tuple[str, ...]) -> Namespace:
    from snakemake.cli import parse_args

    # Snakemake has named the profile already.
    with redirect_stderr(StringIO()):
        options: Namespace = parse_args(list(arguments))[1]
    return options


def all_options(arguments: Sequence[str]) -> Namespace:
    """What Snakemake makes of these arguments, its profile's and its executors' options too."""
    return _all_options(tuple(arguments))


def _options(arguments: Sequence[str]) -> Namespace:
    from snakemake.cli import get_argument_parser

    options: Namespace = get_argument_parser().parse_known_args(list(arguments))[0]
    return options
