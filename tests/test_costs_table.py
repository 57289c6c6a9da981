"""What a run took: made-up run reports, added up by hand, and those of a real run."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from biorobust.analysis.costs_table import write_costs
from biorobust.analysis.quantities import duration
from biorobust.errors import UserError
from latex_reader import parse_latex
from pipeline import snakemake
from small_results import make_grid

GIB = 2**30
GRID = make_grid({"own": [0, 1]}, {"pgd": ["0.01"], "cw": ["minimal"]})


def write_report(record: Path, seconds: float, *, gpus: int | None = None, **facts: Any) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    execution = {} if gpus is None else {"gpus": gpus}
    report = {"wall_seconds": seconds, "peak_memory_bytes": GIB, "starts": 1, "earlier_seconds": 0}
    text = json.dumps(report | {"execution": execution} | facts)
    record.with_name(f"{record.stem}.run.json").write_text(text)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Shards, two trainings on two GPUs each, four attacks on one, a table and a figure."""
    (tmp_path / "results.json").write_text(json.dumps({"grid": GRID}))
    for split in ("train", "test"):
        write_report(tmp_path / f"shards/{split}/manifest.json", 30)
    gpu = {"device": "cuda", "peak_gpu_memory_bytes": 3 * GIB}
    for seed in (0, 1):
        folder = tmp_path / f"models/own/seed-{seed}"
        # One of them was started three times.
        again = {"starts": 1 + 2 * seed, "earlier_seconds": 1800.0 * seed}
        write_report(folder / "training.json", 3600, gpus=2, **gpu, **again)
        write_report(folder / "attacks/pgd/eps-0.01.json", 360, **gpu)
        write_report(folder / "attacks/cw/minimal.json", 36, device="cpu")
    # Of an epsilon that the experiment no longer asks for.
    write_report(tmp_path / "models/own/seed-0/attacks/pgd/eps-0.05.json", 999)
    write_report(tmp_path / "results.json", 1, peak_memory_bytes=2 * GIB)
    write_report(tmp_path / "tables/pgd.json", 2)
    write_report(tmp_path / "figures/curve.json", 4)
    return tmp_path


def table(results: Path, ending: str) -> str:
    reports = [("tables", results / "tables/pgd.json"), ("figures", results / "figures/curve.json")]
    paths = write_costs(results, results / "tables", reports)
    assert [path.name for path in paths] == [
        f"costs.{end}" for end in ("csv", "html", "md", "tex", "txt")
    ]
    return (results / "tables" / f"costs.{ending}").read_text(encoding="utf-8")


def test_numbers_are_those_added_up_by_hand(results: Path) -> None:
    # GPU hours: trainings 2 x 1 h and 2 x 1.5 h, attacks 2 x 0.1 h. 2.5 h and 792 s in all.
    assert parse_latex(table(results, "tex")) == [
        ["Stage", "jobs", "wall time", "GPU hours", "peak memory", "retries"],
        ["shard", "1", "30.0 s", "0.00", "1.00 GiB", "0"],
        ["train", "2", "2.5 h", "5.00", "1.00 GiB", "2"],
        ["", "", "30.0 min in starts that failed", "", "GPU 3.00 GiB", ""],
        ["attack", "4", "13.2 min", "0.20", "1.00 GiB", "0"],
        ["", "", "", "", "GPU 3.00 GiB", ""],
        ["collect", "1", "1.0 s", "0.00", "2.00 GiB", "0"],
        ["tables", "1", "2.0 s", "0.00", "1.00 GiB", "0"],
        ["figures", "1", "4.0 s", "0.00", "1.00 GiB", "0"],
        ["all", "10", "2.7 h", "5.20", "2.00 GiB", "2"],
        ["", "", "30.0 min in starts that failed", "", "GPU 3.00 GiB", ""],
    ]


def test_the_csv_has_full_precision(results: Path) -> None:
    lines = {line["stage"]: line for line in csv.DictReader(io.StringIO(table(results, "csv")))}
    assert float(lines["train"]["wall_seconds"]) == 7200
    assert float(lines["train"]["earlier_seconds"]) == 1800
    assert float(lines["attack"]["gpu_hours"]) == pytest.approx(0.2)
    assert lines["collect"]["gpu_memory_bytes"] == ""
    assert (lines["all"]["jobs"], lines["all"]["known"]) == ("10", "10")


def test_a_figure_that_held_gpu_memory_ran_on_a_gpu(results: Path) -> None:
    write_report(results / "figures/curve.json", 72, gpus=0, peak_gpu_memory_bytes=GIB)
    rows = {row[0]: row for row in parse_latex(table(results, "tex"))}
    assert rows["figures"][1:] == ["1", "1.2 min", "0.02", "1.00 GiB", "0"]


def test_parts_of_a_split_attack_are_jobs(results: Path) -> None:
    part = {
        "wall_seconds": 100.0,
        "earlier_seconds": 10.0,
        "starts": 2,
        "peak_memory_bytes": 5 * GIB,
        "device": "cuda",
        "execution": {"gpus": 1},
    }
    record = results / "models/own/seed-0/attacks/cw/minimal.json"
    write_report(record, 0, device="cpu", parts=[part, part])
    (attack,) = [row for row in parse_latex(table(results, "tex")) if row[0] == "attack"]
    # 2 x 360 s and 36 s of whole jobs, 2 x 110 s of parts.
    assert attack[1:] == ["6", "16.3 min", "0.26", "5.00 GiB", "2"]


def test_a_lost_or_damaged_report_is_told(results: Path) -> None:
    (results / "models/own/seed-0/training.run.json").unlink()
    (results / "models/own/seed-1/attacks/pgd/eps-0.01.run.json").write_text("{")
    (results / "figures/curve.run.json").unlink()
    rows = {row[0]: row for row in parse_latex(table(results, "tex"))}
    assert rows["train"][1:] == ["2", "1.5 h", "3.00", "1.00 GiB", "2"]
    assert rows["figures"][1:] == ["1", "unknown", "0.00", "unknown", "0"]
    text = " ".join(table(results, "txt").split())
    assert "3 of 10 jobs are not in it: no usable run report." in text


def test_reports_from_before_starts_were_counted_count_as_one(results: Path) -> None:
    path = results / "results.run.json"
    old = json.loads(path.read_text())
    path.write_text(json.dumps({k: old[k] for k in old if k not in ("starts", "earlier_seconds")}))
    rows = {row[0]: row for row in parse_latex(table(results, "tex"))}
    assert rows["collect"][1:] == ["1", "1.0 s", "0.00", "2.00 GiB", "0"]


def test_what_is_no_record_of_results_is_refused(results: Path) -> None:
    (results / "results.json").write_text("{}")
    with pytest.raises(UserError, match=r"results.json is not a record of results; delete it"):
        table(results, "txt")


def test_a_run_tells_its_costs_at_the_end(finished_project: Path, tmp_path: Path) -> None:
    costs = pd.read_csv(finished_project / "results/tiny/tables/costs.csv").set_index("stage")
    # Six tables, six figures and two cards are made before this one.
    jobs = {"shard": 1, "train": 2, "attack": 4, "check": 4, "collect": 1}
    jobs |= {"tables": 6, "figures": 6, "cards": 2}
    assert costs["jobs"].to_dict() == {**jobs, "all": sum(jobs.values())}
    assert (costs["known"] == costs["jobs"]).all()
    assert (costs["wall_seconds"] > 0).all()
    assert (costs["retries"] == 0).all()
    project = tmp_path / "project"
    shutil.copytree(finished_project, project, symlinks=True)
    for name in ("figures/survival.png", "tables/costs.txt"):
        (project / "results/tiny" / name).unlink()
    done = snakemake(project, "--cores", "1")
    assert done.returncode == 0, done.stderr
    with (project / "results/tiny/tables/costs.csv").open(newline="") as file:
        *_, total = csv.DictReader(file)
    work = float(total["wall_seconds"]) + float(total["earlier_seconds"])
    assert f"Cost: {total['jobs']} jobs, {duration(work)} of work" in done.stdout
