"""Whatever ends a job or snakemake itself: the same bytes as undisturbed, and no work in vain."""

import os
import signal
import time
from pathlib import Path

import pytest

from cluster import Cluster, run, wait_until
from cluster_runs import (
    TRAINING,
    ClusterRun,
    SlurmJob,
    cluster_project,
    hurry,
    limit_jobs,
    slurm_jobs,
    training_log,
    training_processes,
)
from pipeline import edit, result_bytes, snakemake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = cluster_project(tmp_path / "project")
    hurry(project)
    return project


def assert_undisturbed(project: Path, undisturbed: dict[str, str]) -> None:
    """The results of the run that was disturbed are whole, the same, and all there is."""
    assert result_bytes(project) == undisturbed
    assert [path.name for path in (project / "results").rglob(".*")] == []
    assert "Nothing to be done" in snakemake(project, "tables", "--profile", "slurm").stderr


def states(project: Path, rule: str) -> list[str]:
    return [job.state for job in slurm_jobs(project) if job.rule == rule]


def test_a_cancelled_job_is_submitted_again_and_goes_on(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    disturbed = ClusterRun(project, "tables")
    run("scancel", disturbed.wait_for_checkpoint().number)
    disturbed.end()
    assert sorted(states(project, "train")) == ["CANCELLED", "COMPLETED"]
    assert "goes on from" in training_log(project)
    assert_undisturbed(project, undisturbed)


def test_a_job_at_its_time_limit_is_submitted_again_and_goes_on(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    limit_jobs(project, 1)
    disturbed = ClusterRun(project, "tables")
    disturbed.wait_for_checkpoint()
    # Held still it cannot stop by itself, so that SLURM ends it.
    (pid,) = training_processes(project)
    os.kill(pid, signal.SIGSTOP)
    disturbed.end()
    assert states(project, "train").count("COMPLETED") == 1
    assert "TIMEOUT" in states(project, "train")
    assert "goes on from" in training_log(project)
    assert_undisturbed(project, undisturbed)


def test_training_stops_by_itself_before_its_time_limit(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    limit_jobs(project, 2)
    disturbed = ClusterRun(project, "tables")
    disturbed.wait_for_checkpoint()
    (pid,) = training_processes(project)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(75)
    os.kill(pid, signal.SIGCONT)
    disturbed.end()
    assert states(project, "train").count("COMPLETED") == 1
    assert "FAILED" in states(project, "train")
    assert "TIMEOUT" not in states(project, "train")
    assert "goes on from" in training_log(project)
    assert_undisturbed(project, undisturbed)


def test_a_lost_node_costs_the_epoch_in_progress(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    disturbed = ClusterRun(project, "tables")
    job = disturbed.wait_for_checkpoint()
    cluster.kill_node(job.node)
    wait_until(lambda: not training_processes(project), "the node's processes live")
    disturbed.end()
    # SLURM's own requeue keeps the number.
    (again,) = [found for found in slurm_jobs(project) if found.rule == "train"]
    assert again.number == job.number
    assert again.node != job.node
    assert "goes on from" in training_log(project)
    assert_undisturbed(project, undisturbed)


def test_a_preempted_job_goes_back_into_the_queue(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    disturbed = ClusterRun(project, "tables")
    job = disturbed.wait_for_checkpoint()
    preempt(job)
    wait_until(lambda: _again(project, job).state == "PENDING", "nothing was preempted")
    disturbed.end()
    assert _again(project, job).state == "COMPLETED"
    assert "goes on from" in training_log(project)
    assert_undisturbed(project, undisturbed)


def test_a_preempted_job_that_slurm_cancels_is_submitted_again(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    edit(project, "slurm/config.yaml", "gpu_partition: null", "gpu_partition: cancelling")
    disturbed = ClusterRun(project, "tables")
    job = disturbed.wait_for_checkpoint()
    preempt(job)
    disturbed.end()
    assert sorted(states(project, "train")) == ["COMPLETED", "PREEMPTED"]
    assert "goes on from" in training_log(project)
    assert_undisturbed(project, undisturbed)


def test_a_job_that_asks_for_more_than_its_partition_allows_is_named(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    edit(project, "slurm/config.yaml", "gpu_partition: null", "gpu_partition: brief")
    stuck = ClusterRun(project, "tables")
    waiting = stuck.wait_for_job("train", state="PENDING")
    line = f"SLURM's job {waiting.number} waits for ever (PartitionTimeLimit)"
    wait_until(lambda: line in stuck.output.read_text(), "nothing is said", seconds=60)
    stuck.kill()
    limit_jobs(project, 5)
    ClusterRun(project, "tables").end()
    assert_undisturbed(project, undisturbed)


@pytest.mark.parametrize("rule", ["attack", "check_cheap"])
def test_a_cancelled_attack_or_check_is_submitted_again(
    cluster: Cluster, project: Path, undisturbed: dict[str, str], rule: str
) -> None:
    disturbed = ClusterRun(project, "tables")
    run("scancel", disturbed.wait_for_job(rule).number)
    disturbed.end()
    assert states(project, rule).count("CANCELLED") == 1
    assert_undisturbed(project, undisturbed)


def preempt(job: SlurmJob) -> None:
    """Ask for the job's whole node, ahead of it."""
    place = (f"--nodelist={job.node}", "--output=/dev/null")
    run("sbatch", "--partition=urgent", "--exclusive", "--time=5", *place, "--wrap=sleep 3")


def _again(project: Path, job: SlurmJob) -> SlurmJob:
    return next(found for found in slurm_jobs(project) if found.number == job.number)


def test_a_killed_snakemake_takes_up_its_running_jobs(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    first = ClusterRun(project, "tables")
    first.wait_for_checkpoint()
    (orphan,) = training_processes(project)
    os.kill(orphan, signal.SIGSTOP)
    first.kill()
    second = ClusterRun(project, "tables")
    second.wait_for_job("train")
    wait_until(lambda: "waiting for it" in training_log(project), "not waiting", seconds=120)
    os.kill(orphan, signal.SIGCONT)
    second.end()
    assert "took the finished result of an earlier process" in training_log(project)
    assert_undisturbed(project, undisturbed)


def test_jobs_that_a_killed_snakemake_left_in_the_queue_do_nothing(
    cluster: Cluster, project: Path, undisturbed: dict[str, str]
) -> None:
    blocker = run("sbatch", "--parsable", "--partition=gpu", "--exclusive", "--nodes=2",
                  "--output=/dev/null", "--wrap=sleep 1000").strip()  # fmt: skip
    first = ClusterRun(project, "tables")
    waiting = first.wait_for_job("train", state="PENDING")
    first.kill()
    # The newer run does all the work before the job of the older one gets its turn.
    run("scontrol", "hold", waiting.number)
    run("scancel", blocker)
    ClusterRun(project, "tables").end()
    made = (project / TRAINING / "training.run.json").stat().st_mtime
    # The newer run has removed the empty folder that the older one had made for this job's output.
    (project / ".snakemake/slurm_logs/rule_train/tiny_plain_0").mkdir(parents=True)
    run("scontrol", "release", waiting.number)
    wait_until(
        lambda: _again(project, waiting).state == "FAILED", "the old job does not end", seconds=60
    )
    assert (project / TRAINING / "training.run.json").stat().st_mtime == made
    said = "".join(log.read_text() for log in project.glob(".snakemake/slurm_logs/**/*.log"))
    assert "belongs to an earlier run" in said
    assert_undisturbed(project, undisturbed)
