"""`snakemake --profile slurm` in a fresh clone, from nothing to tables, on the profile as it is."""

import re
from collections import Counter
from pathlib import Path

from cluster import Cluster
from cluster_config import GPU_NODES, GPUS_PER_NODE
from cluster_runs import ClusterRun, cluster_project, gpus_in_use, slurm_jobs
from pipeline import ROOT, edit, result_bytes, snakemake


def test_the_default_experiment_from_a_fresh_clone(cluster: Cluster, tmp_path: Path) -> None:
    project = cluster_project(tmp_path / "project", (ROOT / "config.yaml").read_text())
    said = ClusterRun(project, "--config", "smoke=true").end(seconds=1500)
    jobs = slurm_jobs(project)
    assert {job.state for job in jobs} == {"COMPLETED"}
    numbers = Counter(job.rule for job in jobs)
    assert numbers["shard"] == 1
    assert numbers["train"] == 7
    assert numbers["attack"] == 35
    on_gpus = [job for job in jobs if job.rule in ("train", "attack")]
    assert all(job.node in GPU_NODES for job in on_gpus)
    # Tables and whatever runs no model belong to the machine that snakemake was started on.
    assert not any(re.match("table|collect|figure_accuracy", job.rule) for job in jobs)
    assert "multi-gaze" in said
    results = project / "results/digits-smoke"
    assert (results / "tables/linf-pgd.tex").is_file()
    assert (results / "figures/accuracy_curve.png").is_file()
    again = snakemake(project, "--profile", "slurm", "--config", "smoke=true")
    assert "Nothing to be done" in again.stderr

    local = cluster_project(tmp_path / "local", (ROOT / "config.yaml").read_text())
    done = snakemake(local, "--cores", "2", "--config", "smoke=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert result_bytes(local, "digits-smoke") == result_bytes(project, "digits-smoke")


def test_gpu_requests_limit_what_runs_at_once(cluster: Cluster, tmp_path: Path) -> None:
    project = cluster_project(tmp_path / "project", _SEEDS)
    edit(project, "slurm/config.yaml", "training_gpus: 1", "training_gpus: 2")
    run = ClusterRun(project, "models")
    most, waited = 0, False
    while run.process.poll() is None:
        held = gpus_in_use()
        assert len(set(held)) == len(held), "two jobs hold one GPU"
        training = [job for job in slurm_jobs(project) if job.rule == "train"]
        most = max(most, sum(job.state == "RUNNING" for job in training))
        waited |= any(job.state == "PENDING" and job.reason == "Resources" for job in training)
    run.end()
    assert most == len(GPU_NODES) * GPUS_PER_NODE // 2
    assert waited


_SEEDS = """\
name: tiny
seeds: [0, 1, 2, 3]
data: {source: digits, image_size: 32, train_limit: 40, test_limit: 20}
training: {epochs: 30, batch_size: 20}
models: [{name: plain, kind: standard, width: 2, stem_width: 2}]
attacks: [{name: pgd, kind: pgd, steps: 2, epsilons: [0.01]}]
"""
