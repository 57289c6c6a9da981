"""`python -m biorobust <command>`: the stages, as the workflow calls them, and a few tools.

A stage is called with its plan and execution settings as JSON and with the places of its inputs
and records; what it says goes to its log, and an error that a person can mend is one line.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TextIO

from biorobust.errors import UserError
from biorobust.files import CANNOT_WRITE
from biorobust.stages import STAGES, stage_modules
from biorobust.terminal import shown_on

_STAGES = (*STAGES, "tables", "figures", "cards", "report")
_COMMANDS = {
    "verify": "biorobust.commands",
    "partial": "biorobust.commands",
    "plan": "biorobust.forecast.command",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="biorobust", description="Stages and tools.")
    commands = parser.add_subparsers(dest="command", required=True)
    for stage in _STAGES:
        _add_stage(commands.add_parser(stage, help=f"carry out a planned {stage} job"))
    verify = commands.add_parser("verify", help="name every damaged file of a results folder")
    verify.add_argument("directory", type=Path, help="e.g. results/digits, or one shard folder")
    partial = commands.add_parser("partial", help="tables of what an unfinished run has so far")
    partial.add_argument("directory", type=Path, help="the experiment's results folder")
    plan = commands.add_parser("plan", help="jobs, hours and disk of a run, before it starts")
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["plan"]:
        # Its options stand with it, so that other commands need not import them.
        import_module(_COMMANDS["plan"]).add_arguments(plan)
    options = parser.parse_args(arguments)
    if options.command in _STAGES:
        return _stage(options)
    command = getattr(import_module(_COMMANDS[options.command]), options.command)
    given = options if options.command == "plan" else options.directory
    return _guarded(f"biorobust {options.command}", sys.stderr, lambda: command(given))


def _add_stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", type=json.loads, required=True)
    parser.add_argument("--execution", type=json.loads, required=True)
    parser.add_argument("--inputs", type=_place, nargs="*", default=[])
    parser.add_argument("--records", type=_place, nargs="+", required=True)
    parser.add_argument("--log", type=Path)


def _place(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, Path(path)


def _stage(options: argparse.Namespace) -> int:
    what = f"biorobust {options.command}"
    if not options.log:
        return _guarded(what, sys.stderr, lambda: _perform(options))
    # Errors still reach the terminal where everything else goes to a log.
    with _terminal() as terminal:
        try:
            options.log.parent.mkdir(parents=True, exist_ok=True)
            # A new file: an orphaned process of a killed run may still write to the old one.
            options.log.unlink(missing_ok=True)
            log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            print(f"{what}: cannot write the log {options.log}: {error.strerror}", file=terminal)
            return 1
        os.dup2(log, 1)
        os.dup2(log, 2)
        return _guarded(
            f"{what} (log: {options.log})", terminal, lambda: _watched(options, terminal)
        )


@contextmanager
def _terminal() -> Iterator[TextIO]:
    """Where standard error goes now."""
    stream = os.fdopen(os.dup(2), "w", buffering=1)
    try:
        yield stream
    finally:
        # Who closes the window still wants the result.
        with suppress(OSError):
            stream.close()


def _watched(options: argparse.Namespace, terminal: TextIO) -> int:
    # The workflow names a log after its job.
    parts = options.log.with_suffix("").parts
    title = " ".join(parts[parts.index("logs") + 1 :]) if "logs" in parts else options.command
    with shown_on(terminal, title, options.execution.get("jobs_at_once")):
        return _perform(options)


def _perform(options: argparse.Namespace) -> int:
    from biorobust.jobs import Job, perform

    modules = stage_modules(options.plan)
    job = Job(
        plan=options.plan,
        execution=options.execution,
        inputs=dict(options.inputs),
        records=dict(options.records),
        say=lambda line: print(line, flush=True),
    )
    stage = import_module(modules[0])
    perform(job, stage.run, *modules, tidy=getattr(stage, "tidy", None))
    return 0


def _guarded(what: str, terminal: TextIO, action: Callable[[], int]) -> int:
    status = 1
    try:
        return action()
    except UserError as error:
        message, status = str(error), error.status
    except Exception as error:
        message = f"unexpected {type(error).__name__}: {error}"
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            # The second is torch's, which light commands do not import.
            message = "not enough memory; ask for more, or lower execution.attack_batch_size"
        elif isinstance(error, OSError) and error.errno in CANNOT_WRITE:
            message = f"cannot write {error.filename or 'a file'}: {CANNOT_WRITE[error.errno]}"
        else:
            traceback.print_exc()
            message += "; that is a fault of the program: report it with its traceback"
    for stream in dict.fromkeys((terminal, sys.stderr)):
        # The terminal may be closed, and the log lie on the disk that is full.
        with suppress(OSError):
            print(f"{what}: {message}", file=stream)
    return status


if __name__ == "__main__":
    sys.exit(main())
