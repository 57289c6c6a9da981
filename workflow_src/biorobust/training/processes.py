"""One process a device, started, watched and ended together."""

import multiprocessing
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from biorobust.errors import UserError
from biorobust.terminal import relay, relayed

# What a process sends: its result, what it raised, or something for the terminal of this one.
_DONE, _FAILED, _SHOWN = "done", "failed", "shown"

# How long the others may take to say why they failed, once one has: most fail because it did.
_LAST_WORDS_SECONDS = 2.0


def run_in_processes(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(rank, count, meeting, *arguments)` returns in each of `count` new processes.

    `meeting` is a path to a file that does not exist yet, where the processes may meet. `work`
    and its arguments must be such as can be sent to another process, and its results too, tensors
    apart, which stay with their process. If one fails, all are ended,
    and what it raised is raised here; RuntimeError where it was killed. They end with this
    process, however it ends. A request to end it (SIGTERM) is passed on to them.
    """
    context = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = []
    with tempfile.TemporaryDirectory(prefix="biorobust-ranks-") as folder:
        meeting = Path(folder, "meeting")
        pipes = [context.Pipe(duplex=False) for _ in range(count)]
        for rank, (_, sender) in enumerate(pipes):
            process: BaseProcess = context.Process(
                target=_rank, args=(sender, work, rank, count, meeting, *arguments), daemon=True
            )
            process.start()
            # Held by the child alone, the pipe ends when the child does.
            sender.close()
            processes.append(process)
        try:
            with _passed_on(processes):
                return _outcomes([receiver for receiver, _ in pipes])
        finally:
            for process in processes:
                process.kill()
                process.join()


def _outcomes(receivers: list[Connection]) -> list[Any]:
    results: dict[int, Any] = {}
    failures: list[BaseException] = []
    open_ones = list(receivers)
    while open_ones and (ready := wait(open_ones, _LAST_WORDS_SECONDS if failures else None)):
        for receiver in [each for each in open_ones if each in ready]:
            rank = receivers.index(receiver)
            try:
                kind, value = receiver.recv()
            except EOFError:
                kind, value = _FAILED, RuntimeError(f"the process of device {rank} was killed")
            if kind == _SHOWN:
                relay(*value)
                continue
            open_ones = [each for each in open_ones if each is not receiver]
            if kind == _DONE:
                results[rank] = value
            else:
                failures.append(value)
    if failures:
        # What a person can mend explains the rest.
        raise next((each for each in failures if isinstance(each, UserError)), failures[0])
    return [results[rank] for rank in range(len(receivers))]


class _passed_on:
    """While it is entered, SIGTERM goes to the processes instead of ending this one."""

    def __init__(self, processes: list[BaseProcess]) -> None:
        self._processes = processes

    def __enter__(self) -> None:
        def pass_on(number: int, frame: Any) -> None:
            for process in self._processes:
                process.terminate()

        self._before = None
        with suppress(ValueError):  # signals are the main thread's business
            self._before = signal.signal(signal.SIGTERM, pass_on)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)


def _rank(sender: Connection, work: Callable[..., Any], *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    outcome: tuple[str, Any]
    try:
        with relayed(lambda *shown: sender.send((_SHOWN, shown))):
            outcome = (_DONE, work(*arguments))
    except UserError as error:
        outcome = (_FAILED, error)
    except Exception as error:
        traceback.print_exc()
        outcome = (_FAILED, error)
    sender.send(outcome)
    # The others may be stuck in an exchange with this one; nothing is left to tidy up.
    sender.close()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
