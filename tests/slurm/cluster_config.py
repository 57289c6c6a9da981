"""The settings of the tests' cluster: its nodes, their made-up GPUs, and its partitions.

All of it is written beside the config: the keys, the GPUs' device files, folders for SLURM's state.
"""

import os
import socket
import stat
from pathlib import Path

FREEZER = Path("/sys/fs/cgroup/freezer")
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
PartitionName=cancelling Nodes={gpu_nodes} State=UP PriorityTier=1 PreemptMode=CANCEL
PartitionName=brief Nodes={gpu_nodes} MaxTime=5 State=UP PriorityTier=1
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


def write_config(path: Path) -> None:
    """Write slurm.conf to `path`, and all that it speaks of into the same folder."""
    root = path.parent
    for folder in ("state", *(f"spool-{node}" for node in NODES)):
        (root / folder).mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().split(".")[0]
    lines = [
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_PORTS + 11 + place} "
        "CPUs=4 RealMemory=64000 State=UNKNOWN"
        + (f" Gres=gpu:fake:{GPUS_PER_NODE}" if node in GPU_NODES else "")
        for place, node in enumerate(NODES)
    ]
    tracking = "cgroup" if os.access(FREEZER, os.W_OK) else "linuxproc"
    path.write_text(
        _CONFIG.format(
            root=root,
            host=host,
            controller_port=_PORTS + 10,
            tracking=f"proctrack/{tracking}",
            nodes="\n".join(lines),
            gpu_nodes=",".join(GPU_NODES),
        )
    )
    (root / "cgroup.conf").write_text(_CGROUP_CONFIG)
    with (root / "gres.conf").open("w") as file:
        file.write("AutoDetect=off\n")
        for node in GPU_NODES:
            for number in range(GPUS_PER_NODE):
                device = root / f"{node}-gpu{number}"
                # SLURM wants a character device for a GPU; this one is another /dev/null.
                os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
                file.write(f"NodeName={node} Name=gpu Type=fake File={device}\n")
    key = root / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
