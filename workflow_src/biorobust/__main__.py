"""`python -m biorobust <command>`: the stages, as the workflow calls them, and tools for people.

A stage is called with its plan and execution settings as JSON and with the places of its inputs
and records; what it says goes to its log, and an error that a person can mend is one line.
"""

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

from biorobust.errors import UserError
from biorobust.files import CANNOT_WRITE
from biorobust.stages import STAGES, stage_modules
from biorobust.terminal import shown_on

_STAGES = (*STAGES, "tables", "figures", "cards", "report")


class _Command(NamedTuple):
    """A function of the command's name in `module`, whose `add_arguments` tells its options."""

    module: str
    help: str


_COMMANDS = {
    "plan": _Command("biorobust.forecast.command", "jobs, hours and disk of a run, beforehand"),
    "table": _Command("biorobust.tools.table", "print a table of an experiment's results"),
    "compare": _Command("biorobust.tools.compare", "two models or experiments, image by image"),
    "attack": _Command("biorobust.tools.attack", "a trained model against an image of your own"),
    "models": _Command("biorobust.tools.models", "kinds of models, with options and sources"),
    "export": _Command("biorobust.tools.export", "pack a finished experiment for an archive"),
    "accept": _Command("biorobust.tools.accept", "vouch for an edit that changes no number"),
    "prune": _Command("biorobust.tools.prune", "results that the config no longer names"),
    "verify": _Command("biorobust.commands", "name every damaged file of a results folder"),
    "partial": _Command("biorobust.commands", "tables of what an unfinished run has so far"),
    "completion": _Command("biorobust.tools.completion", "a script that completes commands"),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command in one line."""

    def __init__(self, **settings: Any) -> None:
        # Examples keep their lines.
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # One stage shares its name with a tool, which has no plan.
    if words and words[0] in _STAGES and (words[0] not in _COMMANDS or "--plan" in words):
        return _stage(_stage_parser(words[0]).parse_args(words[1:]))
    what = " ".join(["biorobust", *words[:1]])
    return _guarded(what, sys.stderr, lambda: _printed(lambda: _for_people(words)))


def _for_people(words: Sequence[str]) -> int:
    options = _parser(words[:1]).parse_args(words)
    command: Callable[..., int] = getattr(
        import_module(_COMMANDS[options.command].module), options.command
    )
    if options.command == "completion":
        # Of this one command all others are the input.
        return command(options.shell, _parser(_COMMANDS))
    return command(options)


def _printed(action: Callable[[], int]) -> int:
    """The action's status; that of a program which SIGPIPE ended where nobody reads its output."""
    try:
        status = action()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # What is still to be written would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _parser(wanted: Iterable[str]) -> argparse.ArgumentParser:
    """The commands for people, but with options only of those that are `wanted`.

    Options stand with each command, so that no other is imported.
    """
    parser = _Parser(
        prog="biorobust",
        description="What to ask of an experiment, its models and its results.",
        epilog="Example: biorobust table results/digits. More: biorobust <command> --help.\n"
        f"The workflow itself calls stages with a --plan: {', '.join(_STAGES)}.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="<command>")
    for name, command in _COMMANDS.items():
        added = commands.add_parser(name, help=command.help)
        if name in wanted:
            import_module(command.module).add_arguments(added)
    return parser


def _stage_parser(stage: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=f"biorobust {stage}", description=f"Carry out a planned {stage} job.")
    parser.set_defaults(command=stage)
    parser.add_argument("--plan", type=json.loads, required=True)
    parser.add_argument("--execution", type=json.loads, required=True)
    parser.add_argument("--inputs", type=_place, nargs="*", default=[])
    parser.add_argument("--records", type=_place, nargs="+", required=True)
    parser.add_argument("--log", type=Path)
    return parser


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
