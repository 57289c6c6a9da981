"""Whole runs on disks that are full or read-only, and in a folder that was half copied."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import split

import pytest

from background import leftovers
from disks import content, fill, remount, small_disk
from pipeline import copy_project, result_bytes, snakemake, with_package

COMMAND = ["--cores", "2"]


@pytest.mark.parametrize("where", ["results", "."])
def test_a_read_only_folder_is_told_before_anything_runs(
    finished_project: Path, tmp_path: Path, where: str
) -> None:
    project = tmp_path / "project"
    with small_disk(project / where, "64m") as place:
        shutil.copytree(finished_project, project, symlinks=True, dirs_exist_ok=True)
        (project / "results/tiny/tables/pgd.txt").unlink()
        before = content(place)
        remount(place, "ro")
        done = snakemake(project, *COMMAND)
        assert done.returncode != 0
        (line,) = [line for line in done.stderr.splitlines() if "cannot write" in line]
        assert line.endswith("read-only; write results to another place; nothing was run")
        assert "Traceback" not in done.stderr
        assert content(place) == before
        remount(place, "rw")
        done = snakemake(project, *COMMAND)
        assert done.returncode == 0, done.stderr
        assert result_bytes(project) == result_bytes(finished_project)


def test_a_full_disk_stops_a_run_before_or_in_the_middle(
    finished_project: Path, tmp_path: Path
) -> None:
    """Everything is on one disk, Snakemake's own notes too, but not Python's compiled code."""
    without = {"PYTHONDONTWRITEBYTECODE": "1"}
    with small_disk(tmp_path / "disk", "64m") as place:
        project = copy_project(place / "project")
        fill(place, but=20)
        done = snakemake(project, *COMMAND, **without)
        assert done.returncode != 0
        (line,) = [line for line in done.stderr.splitlines() if "cannot write" in line]
        assert line.endswith("the disk is full; free some space and start again; nothing was run")
        assert "Traceback" not in done.stderr
        stopped = []
        for pages in (280, 340, 420):
            fill(place, but=pages)
            done = snakemake(project, *COMMAND, **without)
            stopped.append(done.returncode != 0)
            assert done.returncode == 0 or "the disk is full" in done.stderr, done.stderr
            assert not list((project / "results").rglob("*.part"))
        assert any(stopped)
        fill(place, but=10_000)
        done = snakemake(project, *COMMAND, **without)
        assert done.returncode == 0, done.stderr
        assert result_bytes(project) == result_bytes(finished_project)
        assert leftovers(project) == []


def test_a_half_copied_folder_is_mended_by_what_it_says(
    finished_project: Path, tmp_path: Path
) -> None:
    """Files are missing or cut short, and Snakemake knows nothing of them."""
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "results", project / "results")
    folder = project / "results/tiny"
    plain, retinal = (folder / "models" / model / "seed-0" for model in ("plain", "retinal"))
    for gone in (plain / "attacks/pgd/eps-0.01.csv", folder / "results.parquet"):
        gone.unlink()
    shutil.rmtree(folder / "tables")
    for cut in (
        retinal / "training.json",
        retinal / "attacks/pgd/eps-0.01.json",
        plain / "weights.safetensors",
        plain / "attacks/pgd/eps-8_255.csv",
        folder / "shards/test/00000.npy",
        folder / "figures/survival.json",
    ):
        os.truncate(cut, cut.stat().st_size // 2)
    arguments = COMMAND
    said = []
    for _ in range(12):
        done = snakemake(project, *arguments)
        said.append(f"{arguments}: {done.returncode}\n{done.stderr}")
        if done.returncode == 0 and arguments == COMMAND:
            break
        assert "Traceback" not in done.stderr
        mend = re.search(r"make (?:it|them) anew with: snakemake (.*)", done.stderr)
        arguments = split(mend[1]) if mend else COMMAND
    else:
        pytest.fail("\n".join(said))
    verify = [sys.executable, "-m", "biorobust", "verify", str(folder)]
    told = subprocess.run(verify, env=with_package(), capture_output=True, text=True).stdout
    damaged = {line.split()[0] for line in told.splitlines() if "is damaged" in line}
    # What no job had to read again is named when it is asked for.
    for name in damaged:
        record = str(Path(name).relative_to(project))
        assert snakemake(project, "--cores", "1", "--force", record).returncode == 0
    assert snakemake(project, *COMMAND).returncode == 0
    assert result_bytes(project) == result_bytes(finished_project)
    assert leftovers(project) == []
