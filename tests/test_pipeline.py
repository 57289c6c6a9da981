"""The whole graph, as a user meets it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline import copy_project, edit, planned, snakemake, with_package


def test_every_result_stands_where_the_readme_says(finished_project: Path) -> None:
    folder = finished_project / "results/tiny"
    for name in (
        "shards/train/manifest.json",
        "shards/test/00000.npy",
        "models/plain/seed-0/weights.safetensors",
        "models/plain/seed-0/history.csv",
        "models/plain/seed-0/diagnostics.npz",
        "models/retinal/seed-0/attacks/pgd/eps-8_255.csv",
        "models/plain/seed-0/checks/rows.findings.json",
        "models/retinal/seed-0/checks/cheap.corrections.csv",
        "results.parquet",
        "tables/differences.csv",
        "tables/differences.md",
        "tables/differences.tex",
        "tables/differences.txt",
        "corrections.parquet",
        "tables/checks.txt",
        "tables/pgd.csv",
        "tables/pgd.md",
        "tables/pgd.tex",
        "tables/pgd.txt",
        "tables/robustness.csv",
        "tables/robustness.md",
        "tables/robustness.tex",
        "tables/robustness.txt",
        "tables/trade_off.csv",
        "tables/trade_off.md",
        "tables/trade_off.tex",
        "tables/trade_off.txt",
        "tables/data.csv",
        "tables/data.txt",
        "shards/test/hygiene.json",
        "tables/costs.csv",
        "tables/costs.md",
        "tables/costs.tex",
        "tables/costs.txt",
        "figures/accuracy_curve.png",
        "figures/accuracy_curve.pdf",
        "figures/survival.png",
        "figures/survival.pdf",
        "figures/accuracy_bars.png",
        "figures/dataset_samples.pdf",
        "figures/retinal_sampling.png",
        "figures/adversarial_example.pdf",
        "figures/survival.svg",
        "tables/pgd.html",
        "report.html",
    ):
        assert (folder / name).stat().st_size > 0, name


def test_the_table_is_what_the_rows_say(finished_project: Path) -> None:
    folder = finished_project / "results/tiny"
    table = pd.read_csv(folder / "tables/pgd.csv", dtype={"epsilon_text": str})
    for model in ("plain", "retinal"):
        broken_before: set[str] = set()
        for label, text in (("0.01", "0.01"), ("8_255", "8/255")):
            rows = pd.read_csv(folder / f"models/{model}/seed-0/attacks/pgd/eps-{label}.csv")
            assert len(rows) == 20
            broken_before |= set(rows.loc[rows["success"] == 1, "image"])
            wrong = set(rows.loc[rows["clean_prediction"] != rows["label"], "image"])
            expected = 1 - len(wrong | broken_before) / 20
            line = table[(table["model"] == model) & (table["epsilon_text"] == text)]
            assert line["mean"].item() == pytest.approx(expected)


def test_a_record_tells_what_its_result_was_made_from(finished_project: Path) -> None:
    folder = finished_project / "results/tiny"
    record = json.loads((folder / "models/plain/seed-0/training.json").read_text())
    assert record["config"]["model"]["width"] == 2
    assert record["config"]["seed"] == 0
    manifest = json.loads((folder / "shards/train/manifest.json").read_text())
    assert record["inputs"]["shards"]["digest"] == manifest["digest"]
    assert manifest["images"] == 40
    assert sorted(manifest["images_per_class"]) == [str(digit) for digit in range(10)]


def test_a_failing_job_leaves_a_partial_table_that_marks_what_is_missing(
    finished_project: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(finished_project, project, symlinks=True)
    edit(project, "config.yaml", "epsilons: [0.01,", "epsilons: [0.02, 0.01,")
    weights = project / "results/tiny/models/retinal/seed-0/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = snakemake(project, "--cores", "2", "--keep-going")
    assert done.returncode != 0
    text = (project / "results/tiny/partial/tables/pgd.txt").read_text()
    assert text in done.stdout
    (retinal,) = [line for line in text.splitlines() if line.startswith("retinal")]
    (plain,) = [line for line in text.splitlines() if line.startswith("plain")]
    assert retinal.count("missing") == 1 and "missing" not in plain
    assert "Incomplete: 1 of 6 jobs" in text
    sizes = (project / "results/tiny/partial/tables/robustness.txt").read_text()
    assert "Incomplete: 1 of 2 trained models" in " ".join(sizes.split())
    # What stood there before is not passed off as the new result.
    whole = pd.read_parquet(project / "results/tiny/results.parquet")
    assert 0.02 not in set(whole["epsilon"])


def test_jobs_run_this_clones_code_in_an_environment_made_by_another(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    edit(
        project,
        "workflow_src/biorobust/data/stage.py",
        '    """Write both splits.',
        '    print("this clone")\n    """Write both splits.',
    )
    record = "results/tiny/shards/test/manifest.json"
    # `python` means nothing on this PATH, and PYTHONPATH points to other code.
    other = str(Path(__file__).parent.parent / "workflow_src")
    done = snakemake(project, record, "--cores", "1", PATH="/usr/bin:/bin", PYTHONPATH=other)
    assert done.returncode == 0, done.stderr
    assert "this clone" in (project / "results/tiny/logs/shard.log").read_text()


def test_an_overlay_leaves_nothing_of_the_defaults_models_and_data(
    finished_project: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(finished_project, project, symlinks=True)
    (project / "other.yaml").write_text(
        "name: other\n"
        "data: {source: digits, image_size: 32}\n"
        "models: [{name: mine, kind: standard, width: 3}]\n"
    )
    jobs = planned(project, "--configfile", "other.yaml")
    assert {job.split()[1] for job in jobs if job.startswith("train")} == {"mine"}
    done = snakemake(project, "shards", "--cores", "1", "--configfile", "other.yaml")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((project / "results/other/shards/train/manifest.json").read_text())
    assert manifest["images"] > 1000
    assert (project / "results/tiny/results.parquet").is_file()


def test_every_mistake_in_the_config_is_named_before_any_job(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    edit(project, "config.yaml", "epochs: 12", "epochs: 0\n  epoch: 3")
    edit(project, "config.yaml", "kind: standard, width: 2", "kind: standard, width: wide")
    done = snakemake(project, "--cores", "1")
    assert done.returncode != 0
    assert "the config has 3 mistake(s):" in done.stderr
    for piece in (
        "training.epochs: 0 is not allowed",
        "training.epoch: unknown key",
        "models[0].width: 'wide' is not allowed",
    ):
        assert piece in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "results").exists()


def test_missing_data_is_named_before_any_job(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    edit(project, "config.yaml", "source: digits", f"source: imagefolder\n  path: {tmp_path}/none")
    done = snakemake(project, "--cores", "1")
    assert done.returncode != 0
    assert f"{tmp_path}/none" in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_names_every_damaged_file(finished_project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(finished_project / "results/tiny/shards", folder)
    command = [sys.executable, "-m", "biorobust", "verify", str(folder)]
    assert subprocess.run(command, env=with_package(), capture_output=True).returncode == 0
    shard = folder / "train/00000.npy"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    (folder / "test/index.csv").unlink()
    manifest = folder / "test/manifest.json"
    manifest.write_text(manifest.read_text().replace('"thesis"', '"short_side"'))
    done = subprocess.run(command, env=with_package(), capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{shard} is damaged" in done.stdout
    assert f"{folder / 'test/index.csv'} is missing" in done.stdout
    assert f"{manifest} is damaged" in done.stdout
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_one_clear_line_and_nothing_is_lost(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    # More than a run finds free when it begins.
    edit(project, "config.yaml", "train_limit: 40", "train_limit: 1000")
    results = project / "results"
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", str(results)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mount is not allowed here")
    too_small = "the disk is full; free some space and start again; nothing was run"
    in_the_middle = "cannot write results/tiny/shards/train/00000.npy: the disk is full"
    try:
        for size, line in (("60k", too_small), ("1200k", in_the_middle)):
            subprocess.run(["mount", "-o", f"remount,size={size}", str(results)], check=True)
            done = snakemake(project, "shards", "--cores", "1")
            assert done.returncode != 0
            assert line in done.stdout + done.stderr
            assert "Traceback" not in done.stdout + done.stderr
            assert not any(results.rglob("*.npy")) and not any(results.rglob("manifest.json"))
        subprocess.run(["mount", "-o", "remount,size=10m", str(results)], check=True)
        assert snakemake(project, "shards", "--cores", "1").returncode == 0
        assert len(list(results.rglob("manifest.json"))) == 2
    finally:
        subprocess.run(["umount", str(results)], check=True)
