"""A real SLURM cluster of three nodes on this one machine, which only the tests use.

munge, slurmctld and a slurmd for each node, with two made-up GPUs on two of the nodes, all in one
folder. Only what was started here is ended. It must be root's, since SLURM's daemons are, and the
only cluster of its machine, since SLURM's executor plugin takes its clients' settings from
/etc/slurm alone: the config is a link there, and is not laid over a file of somebody else's.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

CONFIG_LINK = Path("/etc/slurm/slurm.conf")
FREEZER = Path("/sys/fs/cgroup/freezer")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
GPU_NODES = ("node1", "node2")
NODES = (*GPU_NODES, "node3")
GPUS_PER_NODE = 2
_PORTS = 17000

_CONFIG = """\
ClusterName=biorobust
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType={tracking}
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
SchedulerParameters=sched_interval=2,sched_min_interval=0,batch_sched_delay=0,bf_interval=1,bf_resolution=1
SlurmdTimeout=10
KillWait=5
JobRequeue=1
ReturnToService=2
MinJobAge=3600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=gpu Nodes={gpu_nodes} MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
_CGROUP_CONFIG = """\
CgroupPlugin=cgroup/v1
CgroupAutomount=no
CgroupMountpoint=/sys/fs/cgroup
ConstrainCores=no
ConstrainRAMSpace=no
ConstrainDevices=no
"""


def why_not() -> str | None:
    """Why no cluster can be started here; None where one can."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    missing = [program for program in PROGRAMS if not find_program(program)]
    if missing:
        return f"{', '.join(missing)} not installed: apt-get install munge slurmctld slurmd"
    if CONFIG_LINK.exists() and not CONFIG_LINK.is_symlink():
        return f"{CONFIG_LINK} is there already: this machine has a cluster of its own"
    return None


def find_program(name: str) -> str | None:
    """The path of a daemon or client program."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Cluster:
    """The cluster in a folder: `start` it, `stop` it, and break it in between."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Start every daemon, and wait until each node takes jobs."""
        if CONFIG_LINK.is_symlink() and CONFIG_LINK.exists():
            raise RuntimeError(f"another cluster of these tests runs: {CONFIG_LINK.readlink()}")
        self._write_config()
        CONFIG_LINK.parent.mkdir(parents=True, exist_ok=True)
        CONFIG_LINK.unlink(missing_ok=True)
        CONFIG_LINK.symlink_to(self.root / "slurm.conf")
        socket_file = self.root / "munge.socket"
        self._spawn(
            *("munged", "--foreground", "--force", f"--socket={socket_file}"),
            *(f"--key-file={self.root}/munge.key", f"--pid-file={self.root}/munged.pid"),
            *(f"--log-file={self.root}/munged.log", f"--seed-file={self.root}/munge.seed"),
        )
        wait_until(socket_file.exists, "munged has made no socket")
        self._spawn("slurmctld", "-D", "-f", str(self.root / "slurm.conf"))
        for node in NODES:
            self.start_node(node)
        wait_until(self._all_idle, "the nodes do not get ready", seconds=60)

    def _write_config(self) -> None:
        for folder in ("state", *(f"spool-{node}" for node in NODES)):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        host = socket.gethostname().split(".")[0]
        lines = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_PORTS + 11 + place} "
            "CPUs=4 RealMemory=64000 State=UNKNOWN"
            + (f" Gres=gpu:fake:{GPUS_PER_NODE}" if node in GPU_NODES else "")
            for place, node in enumerate(NODES)
        ]
        tracking = "cgroup" if os.access(FREEZER, os.W_OK) else "linuxproc"
        (self.root / "slurm.conf").write_text(
            _CONFIG.format(
                root=self.root,
                host=host,
                controller_port=_PORTS + 10,
                tracking=f"proctrack/{tracking}",
                nodes="\n".join(lines),
                gpu_nodes=",".join(GPU_NODES),
            )
        )
        (self.root / "cgroup.conf").write_text(_CGROUP_CONFIG)
        with (self.root / "gres.conf").open("w") as file:
            file.write("AutoDetect=off\n")
            for node in GPU_NODES:
                for number in range(GPUS_PER_NODE):
                    device = self.root / f"{node}-gpu{number}"
                    # SLURM wants a character device for a GPU; this one is another /dev/null.
                    os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
                    file.write(f"NodeName={node} Name=gpu Type=fake File={device}\n")
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

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
        self._spawn("slurmd", "-D", "-N", node, "-f", str(self.root / "slurm.conf"))

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
            b"SLURM_CONF=" + bytes(self.root / "slurm.conf"),
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
        for process in self._daemons.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._daemons.clear()
        if CONFIG_LINK.is_symlink() and CONFIG_LINK.readlink() == self.root / "slurm.conf":
            CONFIG_LINK.unlink()
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
