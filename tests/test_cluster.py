"""The SLURM profile and what the Snakefile adds to it, without a cluster."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
import yte
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from biorobust.checks.kinds import GROUPS
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
    assert profile["set-resources"].keys() <= written | {f"check_{group}" for group in GROUPS}


def test_a_site_changes_the_first_lines_alone() -> None:
    text = PROFILE.read_text()
    for name, value in {"account": "A", "cpu_partition": "C", "gpu_partition": "G"}.items():
        text = text.replace(f"{name}: null", f"{name}: {value}")
    text = text.replace("training_gpus: 1", "training_gpus: 4")
    profile = yte.process_yaml(text, require_use_yte=True)
    assert profile["default-resources"]["slurm_account"] == "A"
    assert profile["default-resources"]["slurm_partition"] == "C"
    asked = profile["set-resources"]
    assert asked["train"]["gpu"] == 4
    on_gpus = ("train", "attack", "attack_part", "check_cheap", "check_thorough")
    assert {asked[rule]["slurm_partition"] for rule in on_gpus} == {"G"}


def test_the_plan_of_a_run_on_a_cluster(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    shutil.copytree(ROOT / "slurm", project / "slurm")
    sinfo = tmp_path / "programs/sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\necho 'cpu*|(null)|up'\necho 'volta|gpu:4|up'\n")
    sinfo.chmod(0o755)
    path = f"{sinfo.parent}:{os.environ['PATH']}"
    planned = snakemake(project, "-n", "--profile", "slurm", PATH=path)
    assert planned.returncode == 0, planned.stderr
    train, attack = (
        re.search(rf"^rule {rule}:.*?resources: (.*?)$", planned.stdout, re.M | re.S)[1]
        for rule in ("train", "attack")
    )
    assert "slurm_partition=volta" in train.split(", ")
    assert {"gpu=1", "mem_mb=8000", "runtime=240"} <= set(train.split(", "))
    assert {"gpu=1", "mem_mb=8000", "runtime=60"} <= set(attack.split(", "))

    with (project / "config.yaml").open("a") as file:
        file.write(yaml.safe_dump({"execution": {"device": "cpu"}}))
    planned = snakemake(project, "-n", "--profile", "slurm")
    assert "gpu=1" not in planned.stdout + planned.stderr
    assert "gpu=0" in planned.stdout + planned.stderr
