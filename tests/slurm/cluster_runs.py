"""A snakemake run on the tests' cluster, what its jobs are doing, and what it says at the end."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from cluster import run, wait_until
from pipeline import ROOT, SNAKEMAKE, clean_environment, copy_project, edit

# A little training that is long enough to be hit, and what hangs on it.
CONFIG = """\
name: tiny
seeds: [0]
data:
  source: digits
  image_size: 32
  train_limit: 40
  test_limit: 20
training:
  epochs: 150
  batch_size: 20
  learning_rate: 1e-3
models:
  - {name: plain, kind: standard, width: 2, stem_width: 2}
attacks:
  - {name: pgd, kind: pgd, steps: 2, epsilons: [0.01, 8/255]}
"""
# In scontrol's details of a job: a node, and the numbers of its GPUs that the job holds.
_GPUS_HELD = r"\bNodes=(\S+) CPU_IDs=\S+ Mem=\S+ GRES=gpu:fake:\d+\(IDX:([\d,-]+)\)"
TRAINING = "results/tiny/models/plain/seed-0"


class SlurmJob(NamedTuple):
    """A line of squeue: `rule` is what the executor notes in the comment."""

    number: str
    state: str
    node: str
    rule: str
    reason: str


def slurm_jobs(project: Path) -> list[SlurmJob]:
    """Every job of a project that the cluster knows, those that ended too."""
    lines = run("squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%k|%r|%Z").splitlines()
    jobs = []
    for line in lines:
        number, state, node, comment, reason, folder = line.split("|")
        if Path(folder) != project:
            continue
        rule = re.match(r"rule_(\w+?)(?:_wildcards|$)", comment)
        jobs.append(SlurmJob(number, state, node, rule[1] if rule else "", reason))
    return jobs


def gpus_in_use() -> list[tuple[str, str]]:
    """The (node, GPU number) of every GPU that a running job holds."""
    held = []
    for line in run("scontrol", "--details", "--oneliner", "show", "jobs").splitlines():
        if "JobState=RUNNING" not in line:
            continue
        for node, numbers in re.findall(_GPUS_HELD, line):
            for part in numbers.split(","):
                first, _, last = part.partition("-")
                held += [(node, str(n)) for n in range(int(first), int(last or first) + 1)]
    return held


def cluster_project(folder: Path, config: str = CONFIG) -> Path:
    """A copy of the project with its profile and a config of its own."""
    project = copy_project(folder, config)
    shutil.copytree(ROOT / "slurm", project / "slurm")
    return project


def hurry(project: Path) -> None:
    """Let the project's runs look at their jobs every few seconds."""
    edit(project, "slurm/config.yaml", "status-checks: 10", "status-checks: 2")
    edit(project, "rules/common.smk", "cap_polling(seconds=30)", "cap_polling(seconds=3)")
    edit(project, "rules/common.smk", "patience_seconds=90", "patience_seconds=10")


def limit_jobs(project: Path, minutes: int) -> None:
    """Give every job so many minutes at most, in the project's profile as a user would."""
    edit(project, "slurm/config.yaml", "longest_minutes: 720", f"longest_minutes: {minutes}")


class ClusterRun:
    """`snakemake --profile slurm` in the background."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.project = project
        self.output = project / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [SNAKEMAKE, *arguments, "--profile", "slurm"],
                cwd=project,
                env=clean_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_job(self, rule: str, *, state: str = "RUNNING") -> SlurmJob:
        """A job of this rule that is in this state, as soon as there is one."""
        found: list[SlurmJob] = []

        def seen() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            jobs = slurm_jobs(self.project)
            found[:] = [job for job in jobs if (job.rule, job.state) == (rule, state)]
            return bool(found)

        wait_until(seen, f"no {rule} job is {state}", seconds=240)
        return found[0]

    def wait_for_checkpoint(self) -> SlurmJob:
        """The training job, once it has something to go on from."""
        job = self.wait_for_job("train")
        folder = self.project / TRAINING
        wait_until(lambda: any(folder.glob(".resume-*/last.ckpt")), "no checkpoint", seconds=120)
        return job

    def kill(self) -> None:
        """kill -9 of snakemake; its jobs stay."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self, *, seconds: float = 600) -> str:
        """What it said, once it has ended well."""
        self.process.wait(timeout=seconds)
        said = self.output.read_text()
        assert self.process.returncode == 0, said
        return said


def training_processes(project: Path) -> list[int]:
    """Process ids of training jobs that work in this project."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            here = (entry / "cwd").resolve() == project.resolve()
        except OSError:
            continue
        if here and command[1:4] == [b"-m", b"biorobust", b"train"]:
            found.append(int(entry.name))
    return found


def training_log(project: Path) -> str:
    """What the training job said: of its last start, since each begins the log anew."""
    path = project / "results/tiny/logs/train/plain/seed-0.log"
    return path.read_text() if path.is_file() else ""
