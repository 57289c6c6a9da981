"""A real SLURM cluster of three nodes on this one machine, which only the tests use.

munge, slurmctld and a slurmd for each node, with two made-up GPUs on two of the nodes, all in one
folder. Only what these tests started is ended, by this process or by one that was killed. It must
be root's, since SLURM's daemons are, and the only cluster of its machine, since SLURM's executor
plugin takes its clients' settings from /etc/slurm alone: the config is a link there, and is not
laid over a file or link of somebody else's.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cluster_config import FREEZER, NODES, write_config

CONFIG_LINK = Path("/etc/slurm/slurm.conf")
# By which a link of these tests is known.
_CONFIG_NAME = "biorobust-tests-slurm.conf"
_LOCK = Path(tempfile.gettempdir(), "biorobust-tests-slurm.lock")
_DAEMONS = ("munged", "slurmctld", "slurmd")
PROGRAMS = (*_DAEMONS, "sbatch", "squeue", "scontrol")


def why_not() -> str | None:
    """Why no cluster can be started here; None where one can."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    missing = [program for program in PROGRAMS if not find_program(program)]
    if missing:
        return f"{', '.join(missing)} not installed: apt-get install munge slurmctld slurmd"
    foreign = CONFIG_LINK.exists() or CONFIG_LINK.is_symlink()
    if foreign and not (CONFIG_LINK.is_symlink() and CONFIG_LINK.readlink().name == _CONFIG_NAME):
        return f"{CONFIG_LINK} is there already: this machine has a cluster of its own"
    try:
        with FileLock(_LOCK).acquire(timeout=0):
            pass
    except Timeout:
        return f"other tests use their cluster at the moment (they hold {_LOCK})"
    return None


def find_program(name: str) -> str | None:
    """The path of a daemon or client program."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Cluster:
    """The cluster in a folder: `start` it, `stop` it, and break it in between."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._config = root / _CONFIG_NAME
        self._daemons: dict[str, subprocess.Popen] = {}
        # A killed process holds it no longer.
        self._lock = FileLock(_LOCK)

    def start(self) -> None:
        """Start every daemon, and wait until each node takes jobs."""
        self._lock.acquire(timeout=0)
        if CONFIG_LINK.is_symlink():
            Cluster(CONFIG_LINK.readlink().parent).stop()
        write_config(self._config)
        CONFIG_LINK.parent.mkdir(parents=True, exist_ok=True)
        CONFIG_LINK.symlink_to(self._config)
        socket_file = self.root / "munge.socket"
        self._spawn(
            *("munged", "--foreground", "--force", f"--socket={socket_file}"),
            *(f"--key-file={self.root}/munge.key", f"--pid-file={self.root}/munged.pid"),
            *(f"--log-file={self.root}/munged.log", f"--seed-file={self.root}/munge.seed"),
        )
        wait_until(socket_file.exists, "munged has made no socket")
        self._spawn("slurmctld", "-D", "-f", str(self._config))
        for node in NODES:
            self.start_node(node)
        wait_until(self._all_idle, "the nodes do not get ready", seconds=60)

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen:
        path = find_program(program)
        assert path is not None
        with (self.root / f"{program}.out").open("a") as output:
            process = subprocess.Popen(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._daemons[" ".join([program, *arguments])] = process
        return process

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._spawn("slurmd", "-D", "-N", node, "-f", str(self._config))

    def refresh(self) -> None:
        """Bring back nodes that were killed."""
        for node in NODES:
            if not any(f"-N {node} " in command for command in self._daemons):
                self.start_node(node)
        wait_until(self._all_idle, "the nodes do not get ready", seconds=60)

    def clear_jobs(self) -> None:
        """End every job."""
        run("scancel", "--user=root")
        wait_until(lambda: not run("squeue", "--noheader"), "jobs do not end", seconds=60)

    def kill_node(self, node: str) -> None:
        """What a power cut does: the node's daemon and all its processes are gone at once."""
        command = next(line for line in self._daemons if f"-N {node} " in line)
        daemon = self._daemons.pop(command)
        for pid in [daemon.pid, *self.processes(node)]:
            _kill(pid)
        daemon.wait()

    def processes(self, node: str) -> list[int]:
        """Process ids of what a node's daemon has started, and theirs."""
        log = str(self.root / f"slurmd-{node}.log")
        own = {
            b"SLURM_CONF=" + bytes(self._config),
            b"SLURMD_NODENAME=" + node.encode(),
        }
        found = set()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if not entry.name.isdigit():
                    continue
                if (entry / "comm").read_text().startswith("slurmstepd"):
                    started = log in {str(file.readlink()) for file in (entry / "fd").iterdir()}
                else:
                    started = own <= set((entry / "environ").read_bytes().split(b"\0"))
                if started:
                    found |= {int(entry.name), *descendants(int(entry.name))}
        return sorted(found)

    def daemons(self) -> Iterator[int]:
        """Process ids of this folder's daemons, whoever started them."""
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if not entry.name.isdigit():
                    continue
                program, *arguments = (entry / "cmdline").read_text().split("\0")
                if Path(program).name in _DAEMONS and any(
                    f"{self.root}/" in argument for argument in arguments
                ):
                    yield int(entry.name)

    def _all_idle(self) -> bool:
        states = run("sinfo", "--noheader", "--Node", "--format=%N %T").split("\n")
        idle = {line.split()[0] for line in states if line.endswith(" idle")}
        return idle == set(NODES)

    def stop(self) -> None:
        """End every job and daemon of this cluster, and take its config away."""
        for process in self._daemons.values():
            process.terminate()
        for node in NODES:
            for pid in self.processes(node):
                _kill(pid)
        own = {process.pid for process in self._daemons.values()}
        for pid in set(self.daemons()) - own:
            _kill(pid)
        for process in self._daemons.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._daemons.clear()
        if CONFIG_LINK.is_symlink() and CONFIG_LINK.readlink() == self._config:
            CONFIG_LINK.unlink()
        self._lock.release()
        for node in NODES:
            for folder, _, _ in os.walk(FREEZER / f"slurm_{node}", topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()


def run(*command: str) -> str:
    """What a client program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def wait_until(true: Callable[[], bool], otherwise: str, *, seconds: float = 30) -> None:
    """Wait until `true()`. Raises TimeoutError, saying what was not so, after so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.1)


def descendants(pid: int) -> Iterator[int]:
    """The process ids of a process's children, and theirs."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                yield int(child)
                yield from descendants(int(child))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
