"""What models cost: sizes, times and memory of made-up records, summed up by hand."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from biorobust.analysis.trade_off_table import write_trade_off
from biorobust.errors import UserError
from latex_reader import parse_latex
from small_results import counted_job, make_grid, write_results

GIB = 2**30


def write_training(
    folder: Path, model: str, seed: int, parameters: int, besides: int = 0, **report: Any
) -> Path:
    """A training's record, 10 epochs, and its run report; without `report` that is missing."""
    record = folder / "models" / model / f"seed-{seed}" / "training.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    counts = {"network": parameters, "training_only": besides}
    config = {"training": {"epochs": 10}}
    content = {"seed": seed, "parameters": counts, "config": config}
    record.write_text(json.dumps(content))
    if report:
        here = {"device": "cpu", "host": "a", "execution": {"threads": 1}, "epochs_run": 10}
        here["record"] = content
        record.with_name("training.run.json").write_text(json.dumps(here | report))
    return record


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Own weights on a GPU, shared ones on a CPU; of ten images 9 and 8 clean, 5 and 4 attacked."""
    grid = make_grid({"own": [0, 1], "shared": [0, 1]}, {"pgd": ["0.01"], "cw": ["minimal"]})
    counts = [(9, 5), (8, 4)]
    rows = [
        counted_job(model, seed, attack, text, clean, robust)
        for model in ("own", "shared")
        for seed, (clean, robust) in enumerate(counts)
        for attack, text in (("pgd", "0.01"), ("cw", "minimal"))
    ]
    folder = write_results(tmp_path / "results", pd.concat(rows, ignore_index=True), grid)
    gpu = {"device": "cuda", "peak_memory_bytes": 2 * GIB, "peak_gpu_memory_bytes": 11 * GIB}
    write_training(folder, "own", 0, 56_200_000, 3_610, wall_seconds=7200.0, **gpu)
    write_training(folder, "own", 1, 56_200_000, 3_610, wall_seconds=10800.0, **gpu)
    little = {"peak_memory_bytes": GIB // 2}
    write_training(folder, "shared", 0, 11_500_000, wall_seconds=90.0, **little)
    write_training(folder, "shared", 1, 11_500_000, wall_seconds=30.0, **little)
    return folder


def table(results: Path, ending: str) -> str:
    paths = write_trade_off(results, results / "tables")
    assert [path.name for path in paths] == [
        f"trade_off.{e}" for e in ("csv", "html", "md", "tex", "txt")
    ]
    return (results / "tables" / f"trade_off.{ending}").read_text(encoding="utf-8")


def lines(results: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table(results, "csv"))))


def cells(results: Path) -> list[list[str]]:
    return parse_latex(table(results, "tex"))


def test_the_attacks_own_accuracy_stands_behind_the_honest_one(results: Path) -> None:
    rows = pd.read_parquet(results / "results.parquet")
    rows["broken_uncorrected"] = rows["broken"]
    place = (rows["model"] == "own") & (rows["attack"] == "pgd") & (rows["image"] == "000")
    rows.loc[place, "broken"] = True
    rows.to_parquet(results / "results.parquet")
    own, behind, shared = cells(results)[1:]
    # Of 10 images 5 and 4 survive the attack, and without the first image 4 and 3.
    assert (own[-1], behind[-1], shared[-1]) == ("35.0 ± 7.1", "attack alone 45.0", "45.0 ± 7.1")
    attacked = [line for line in lines(results) if line["epsilon_text"] == "0.01"]
    assert [float(line["mean"]) for line in attacked] == pytest.approx([0.35, 0.45])
    assert [float(line["uncorrected"]) for line in attacked] == pytest.approx([0.45, 0.45])


def test_numbers_are_those_counted_by_hand(results: Path) -> None:
    # Means of 7,200 and 10,800 s, of 90 and 30 s; half the difference times sqrt(2) beside.
    assert cells(results) == [
        ["pgd", "parameters", "training", "memory", "clean", "ε = 0.01"],
        ["own", "56,200,000", "2.5 h", "2.00 GiB", "85.0 ± 7.1", "45.0 ± 7.1"],
        ["", "+ 3,610", "", "GPU 11.00 GiB", "", ""],
        ["shared", "11,500,000", "1.0 min", "0.50 GiB", "85.0 ± 7.1", "45.0 ± 7.1"],
    ]
    own, _, shared, _ = lines(results)
    assert [own[key] for key in ("parameters", "training_only")] == ["56200000", "3610"]
    assert float(own["seconds"]) == 9000
    assert float(own["seconds_std"]) == pytest.approx(1800 * 2**0.5)
    assert float(own["gpu_memory_bytes"]) == 11 * GIB
    assert (float(shared["seconds"]), shared["timed"]) == (60, "2")
    assert shared["gpu_memory_bytes"] == ""
    assert [line["epsilon_text"] for line in lines(results)] == ["clean", "0.01"] * 2


def test_machines_that_differ_are_told(results: Path) -> None:
    text = " ".join(table(results, "txt").split())
    assert "Several devices (cpu, cuda): compare times with care." in text
    assert "Several hosts" not in text
    assert "are not the same from run to run" in text


def test_a_lost_report_leaves_the_time_unknown(results: Path) -> None:
    for seed in (0, 1):
        (results / f"models/shared/seed-{seed}/training.run.json").unlink()
    (results / "models/own/seed-1/training.run.json").write_text("{")
    (_, own, _, shared) = cells(results)
    assert own[2] == "2.0 h"
    assert shared[1:4] == ["11,500,000", "unknown", "unknown"]
    text = " ".join(table(results, "txt").split())
    assert "The training time of 3 of 4 models (model, seed) is unknown" in text


def test_a_resumed_training_counts_all_its_epochs(results: Path) -> None:
    write_training(results, "shared", 0, 1, wall_seconds=9.0, epochs_run=3, peak_memory_bytes=GIB)
    write_training(results, "shared", 1, 1, wall_seconds=1.0, epochs_run=0, peak_memory_bytes=GIB)
    shared = cells(results)[3]
    # Nine seconds for three of ten epochs; the other had nothing left to run.
    assert shared[2] == "30.0 s"
    text = " ".join(table(results, "txt").split())
    assert "1 of 4 trainings (model, seed) were resumed" in text
    assert "1 of 4 models (model, seed) is unknown" in text


def test_weights_from_elsewhere_were_not_trained_here(results: Path) -> None:
    for seed in (0, 1):
        record = write_training(results, "own", seed, 7, wall_seconds=3.0, peak_memory_bytes=GIB)
        counts = {"network": 7, "training_only": 0}
        config = {"weights_sha256": "0"}
        record.write_text(json.dumps({"parameters": counts, "config": config}))
    assert cells(results)[1][1:3] == ["7", "not here"]


def test_without_epsilons_the_costs_stand_alone(results: Path) -> None:
    grid = make_grid({"own": [0, 1]}, {"cw": ["minimal"]})
    rows = [counted_job("own", seed, "cw", "minimal", 9, 5) for seed in (0, 1)]
    write_results(results, pd.concat(rows), grid)
    assert cells(results) == [
        ["Model", "parameters", "training", "memory"],
        ["own", "56,200,000", "2.5 h", "2.00 GiB"],
        ["", "+ 3,610", "", "GPU 11.00 GiB"],
    ]
    assert lines(results)[0]["parameters"] == "56200000"


def test_a_record_without_counts_is_refused(results: Path) -> None:
    record = results / "models/own/seed-0/training.json"
    record.write_text(json.dumps({"config": {}}))
    with pytest.raises(UserError, match=r"seed-0/training.json holds no parameter counts; train"):
        write_trade_off(results, results / "tables")
    record.unlink()
    with pytest.raises(UserError, match=r"training.json is missing"):
        write_trade_off(results, results / "tables")
