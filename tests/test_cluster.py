"""The SLURM profile and what the Snakefile adds to it, without a cluster."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
import yte
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from biorobust.checks.kinds import GROUPS, RUNS_MODEL
from biorobust.config.cluster import cap_polling, choose_partition
from biorobust.config.workflow import (
    RUN_VARIABLE,
    begin_run,
    how_jobs_run,
    require_current_run,
)
from biorobust.errors import UserError
from pipeline import ROOT, copy_project, snakemake

PROFILE = ROOT / "slurm/config.yaml"


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        ("cpu*|(null)|up\ngpu|gpu:a100:4(S:0-1)|up\n", "gpu"),
        ("long|gpu:2|up\nshort*|gpu:2|up\n", "short"),
        ("old|gpu:k80:2|down\nnew|gpu:h100:8,nvme:1|up\n", "new"),
        ("disk|lustre:1,gpu:1|up\n", "disk"),
        ("cpu*|(null)|up\n", None),
        ("", None),
    ],
)
def test_the_partition_of_jobs_with_a_gpu(listed: str, chosen: str | None) -> None:
    assert choose_partition(listed) == chosen


class Waiting:
    """What the cap needs of an executor."""

    _next_seconds_between_status_checks = None
    next_seconds_between_status_checks = RemoteExecutor.next_seconds_between_status_checks


def test_no_executor_waits_longer_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "next_seconds_between_status_checks"
    monkeypatch.setattr(RemoteExecutor, name, getattr(RemoteExecutor, name))
    cap_polling(30)
    executor = type("Executor", (Waiting,), {name: getattr(RemoteExecutor, name)})()
    waits = []
    for wished in (10, 20, 180):
        executor.next_seconds_between_status_checks = wished
        waits.append(executor.next_seconds_between_status_checks)
    assert waits == [10, 20, 30]


def test_a_job_of_a_run_that_was_replaced_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_VARIABLE, "")
    begin_run(tmp_path)
    require_current_run(tmp_path)
    with monkeypatch.context() as newer:
        newer.setenv(RUN_VARIABLE, "")
        begin_run(tmp_path)
    with pytest.raises(UserError, match="a newer one has replaced"):
        require_current_run(tmp_path)


def test_the_command_to_type_names_the_profile() -> None:
    assert how_jobs_run(["tables", "--profile", "slurm", "-n"]) == ["--profile", "slurm"]
    assert how_jobs_run(["tables", "--cores", "8"]) == ["--cores", "1"]


def test_every_rule_of_the_profile_is_there() -> None:
    profile = yte.process_yaml(PROFILE.read_text(), require_use_yte=True)
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    written = set(re.findall(r"^rule (\w+):", rules, re.M))
    checks = {f"check_{group}" for group in GROUPS}
    assert profile["set-resources"].keys() <= written | checks
    # Those that run a model want more than the default.
    assert checks - profile["set-resources"].keys() == {"check_rows"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the project with the profile, and a folder of programs beside it: a sinfo."""
    project = copy_project(tmp_path / "project")
    shutil.copytree(ROOT / "slurm", project / "slurm")
    sinfo = tmp_path / "programs/sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\necho 'cpu*|(null)|up'\necho 'volta|gpu:4|up'\n")
    sinfo.chmod(0o755)
    return project


def planned_resources(site: Path, *arguments: str) -> dict[str, dict[str, str]]:
    """What the first job of each rule asks for, by rule."""
    path = f"{site.parent}/programs:{os.environ['PATH']}"
    planned = snakemake(site, "-n", "--profile", "slurm", *arguments, PATH=path)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    found = re.findall(r"^rule (\w+):.*?resources: (.*?)$", planned.stdout, re.M | re.S)
    assert found
    return {rule: dict(asked.split("=", 1) for asked in line.split(", ")) for rule, line in found}


def change(site: Path, **values: object) -> None:
    """Other values for variables at the top of the profile."""
    for name, value in values.items():
        path = site / "slurm/config.yaml"
        text, changes = re.subn(rf"(?m)^  {name}: \S+", f"  {name}: {value}", path.read_text())
        assert changes == 1
        path.write_text(text)


def test_jobs_that_run_a_model_get_a_gpu_where_the_cluster_has_some(site: Path) -> None:
    asked = planned_resources(site)
    assert asked["train"].items() >= {"gpu": "1", "mem_mb": "8000", "runtime": "240"}.items()
    assert asked["attack"].items() >= {"gpu": "1", "mem_mb": "8000", "runtime": "60"}.items()
    with_gpu = {rule for rule, resources in asked.items() if resources.get("gpu") == "1"}
    assert with_gpu == {rule for rule in asked if "volta" in asked[rule].values()}
    assert with_gpu == {"train", "attack", "check_cheap", "figure_adversarial_example"}


def test_each_part_of_the_thorough_checks_gets_what_a_long_job_needs(site: Path) -> None:
    with (site / "config.yaml").open("a") as file:
        file.write(yaml.safe_dump({"checks": {"groups": ["rows", "cheap", "thorough"]}}))
    asked = planned_resources(site, "checks")
    for group in {*RUNS_MODEL} - {"cheap"}:
        expected = {"gpu": "1", "mem_mb": "8000", "runtime": "240"}
        assert asked[f"check_{group}"].items() >= expected.items()


def test_a_site_changes_the_first_lines_alone(site: Path) -> None:
    change(site, account="A", cpu_partition="C", gpu_partition="G", qos="Q", training_gpus=4)
    change(site, longest_minutes=100, most_mem_mb=5000)
    asked = planned_resources(site)
    for resources in asked.values():
        assert resources["slurm_account"] == "A"
        assert resources["qos"] == "Q"
        assert resources["slurm_partition"] == ("G" if resources.get("gpu") else "C")
        assert int(resources["runtime"]) <= 100
        assert int(resources["mem_mb"]) <= 5000
    assert asked["train"].items() >= {"gpu": "4", "nodes": "1", "runtime": "100"}.items()


def test_a_list_of_partitions_is_left_to_choose_from(site: Path) -> None:
    partitions = site / "partitions.yaml"
    partitions.write_text("partitions: {volta: {max_runtime: 600, max_gpu: 4}}")
    asked = planned_resources(site, "--slurm-partition-config", "partitions.yaml")
    assert not any("slurm_partition" in resources for resources in asked.values())


def test_no_gpus_are_asked_for_where_the_config_says_cpu(site: Path) -> None:
    with (site / "config.yaml").open("a") as file:
        file.write(yaml.safe_dump({"execution": {"device": "cpu"}}))
    asked = planned_resources(site)
    assert {resources.get("gpu", "0") for resources in asked.values()} == {"0"}
    change(site, training_gpus=2)
    refused = snakemake(site, "-n", "--profile", "slurm")
    assert refused.returncode != 0
    assert (
        "execution.device is cpu, but the profile asks for GPUs for train"
        in refused.stdout + refused.stderr
    )
