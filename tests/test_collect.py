"""Collecting rows: all of them, in order, as they were written, with the closed verdict."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from biorobust.analysis.collect import gather, write_rows
from biorobust.files import sha256_of_file, write_json
from biorobust.places import AttackJob, CheckJob, attack_jobs
from biorobust.planning import collect_plan
from made_up_results import (
    ASCENDING,
    COLUMNS,
    IDS,
    SNAKEMAKE,
    Project,
    check_all,
    made_up_rows,
    make_project,
    write_attack,
    write_checks,
)
from tiny_jobs import arguments, succeed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def test_rows_come_in_the_order_of_the_config_with_epsilons_ascending(project: Project) -> None:
    rows = project.gather()
    found = list(rows[["model", "seed", "attack", "epsilon_text", "image"]].itertuples(index=False))
    assert [tuple(row) for row in found] == [
        (model, seed, attack, epsilon, image)
        for model in ("zebra", "ant")
        for seed in (5, 2)
        for attack, epsilons in (("pgd", ASCENDING), ("blunt", ["0.1"]))
        for epsilon in epsilons
        for image in IDS
    ]


def test_each_row_is_the_one_that_was_written(project: Project) -> None:
    rows = project.gather()
    for job in attack_jobs(project.outline):
        same = (rows["model"] == job.model) & (rows["seed"] == job.seed)
        same &= (rows["attack"] == job.attack) & (rows["epsilon_text"] == job.epsilon)
        columns = [rows.loc[same, name].tolist() for name in COLUMNS]
        for found, written in zip(zip(*columns, strict=True), made_up_rows(job), strict=True):
            assert found[0] == written[0]
            assert list(found[1:6]) == [int(text) for text in written[1:6]]
            assert list(found[6:]) == [float(text) for text in written[6:]]
    numbers = {"0.01": 0.01, "8/255": 8 / 255, "0.1": 0.1}
    assert rows["epsilon"].tolist() == [numbers[text] for text in rows["epsilon_text"]]
    assert set(rows.loc[rows["attack"] == "blunt", "norm"]) == {"rms"}
    assert set(rows.loc[rows["model"] == "ant", "kind"]) == {"retinal_fixations"}


def test_ids_that_look_like_numbers_stay_as_they_are(project: Project) -> None:
    ids = ["007", "08", "1e3", "0", "-0"]
    for job in attack_jobs(project.outline):
        write_attack(project, job, ids=ids, torch="2.9")
    check_all(project)
    assert project.gather()["image"].tolist() == ids * 16


def test_broken_once_is_broken_in_every_wider_ball_of_the_same_attack(project: Project) -> None:
    job = AttackJob("ant", 2, "pgd", "")
    verdicts = {"0.01": "01000", "8/255": "00100", "0.1": "10001"}
    closed = {"0.01": "01000", "8/255": "01100", "0.1": "11101"}
    for epsilon, successes in verdicts.items():
        rewrite_success(project, job._replace(epsilon=epsilon), successes)
    rewrite_success(project, AttackJob("ant", 2, "blunt", "0.1"), "00010")
    check_all(project)
    rows = project.gather()
    mine = rows[(rows["model"] == "ant") & (rows["seed"] == 2)]
    for epsilon, broken in closed.items():
        ball = mine[(mine["attack"] == "pgd") & (mine["epsilon_text"] == epsilon)]
        assert "".join(str(int(value)) for value in ball["broken"]) == broken
        assert "".join(str(int(value)) for value in ball["success"]) == verdicts[epsilon]
    blunt = mine[mine["attack"] == "blunt"]
    assert blunt["broken"].tolist() == blunt["success"].tolist() == [False] * 3 + [True, False]
    assert rows["broken"].dtype == bool


def rewrite_success(project: Project, job: AttackJob, successes: str) -> None:
    path = project.record(job).with_suffix(".csv")
    lines = list(csv.reader(path.read_text().splitlines()))
    for row, success in zip(lines[1:], successes, strict=True):
        row[4] = success
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    record = json.loads(project.record(job).read_text())
    record["outputs"][path.name] = sha256_of_file(path)
    write_json(project.record(job), record)
    write_json(path.with_suffix(".run.json"), {"versions": {}, "record": record})


def test_what_a_check_broke_counts_as_broken_there_and_in_every_wider_ball(
    project: Project,
) -> None:
    for epsilon in ASCENDING:
        rewrite_success(project, AttackJob("ant", 2, "pgd", epsilon), "00001")
    check_all(project)
    honest = [("pgd+more_steps", "pgd", "8/255", image, 0) for image in IDS]
    honest[1] = (*honest[1][:4], 1)
    write_checks(project, CheckJob("ant", 2, "cheap"), corrections=honest, verdict="fail")
    collected = gather(project.folder, project.outline, SNAKEMAKE)
    rows = collected.rows[(collected.rows["model"] == "ant") & (collected.rows["seed"] == 2)]
    for epsilon, broken in {"0.01": "00001", "8/255": "01001", "0.1": "01001"}.items():
        ball = rows[(rows["attack"] == "pgd") & (rows["epsilon_text"] == epsilon)]
        assert "".join(str(int(value)) for value in ball["broken"]) == broken
        assert "".join(str(int(value)) for value in ball["broken_uncorrected"]) == "00001"
    others = collected.rows.drop(rows[rows["attack"] == "pgd"].index)
    assert others["broken"].equals(others["broken_uncorrected"])
    assert collected.corrections["image"].tolist() == IDS
    assert set(collected.corrections["corrects"]) == {"pgd"}
    assert set(collected.corrections["epsilon"]) == {8 / 255}
    told = [(f["model"], f["seed"], f["group"]) for f in collected.findings]
    assert told == [
        (model, seed, group)
        for model in ("zebra", "ant")
        for seed in (5, 2)
        for group in ("rows", "cheap")
    ]
    assert [f["verdict"] for f in collected.findings].count("fail") == 1


JOB = AttackJob("zebra", 2, "pgd", "8/255")


def test_mixed_package_versions_are_warned_of(project: Project) -> None:
    assert gather(project.folder, project.outline, SNAKEMAKE).warnings == []
    write_attack(project, JOB, torch="2.10", python="3.11.4")
    (warning,) = gather(project.folder, project.outline, SNAKEMAKE).warnings
    assert "several versions of torch: 2.10, 2.9" in warning


def test_a_lost_run_report_is_no_reason_to_attack_again(project: Project) -> None:
    path = project.record(JOB)
    path.with_name(f"{path.stem}.run.json").unlink()
    collected = gather(project.folder, project.outline, SNAKEMAKE)
    assert len(collected.rows) == 16 * len(IDS)
    (warning,) = collected.warnings
    assert "1 result(s)" in warning
    assert "versions" in warning


def test_the_same_rows_give_the_same_bytes(project: Project, tmp_path: Path) -> None:
    written = []
    for name in ("once", "twice"):
        collected = gather(project.folder, project.outline, SNAKEMAKE)
        assert write_rows(tmp_path / name, collected) == {
            file: sha256_of_file(tmp_path / name / file)
            for file in ("results.parquet", "corrections.parquet")
        }
        written.append((tmp_path / name / "results.parquet").read_bytes())
    assert written[0] == written[1]
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "once" / "results.parquet"), project.gather()
    )


def test_the_stage_writes_table_and_record_and_says_its_warnings(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    write_attack(project, JOB, torch="2.10")
    record = project.folder / "results.json"
    command = arguments("collect", collect_plan(project.outline), {}, {"results": record})
    succeed(command)
    assert "warning: rows were made with several versions of torch" in capfd.readouterr().out
    facts = json.loads(record.read_text())
    assert facts["missing"] == []
    assert len(facts["warnings"]) == 1
    assert [model["name"] for model in facts["grid"]["models"]] == ["zebra", "ant"]
    texts = [each["text"] for each in facts["grid"]["attacks"][0]["epsilons"]]
    assert texts == ASCENDING
    before = record.read_bytes()
    succeed(command)
    assert record.read_bytes() == before


def test_jobs_with_other_thread_counts_are_warned_of(project: Project) -> None:
    for job, threads in ((JOB, 2), (AttackJob("ant", 2, "pgd", "8/255"), 1)):
        path = project.record(job)
        report = path.with_name(f"{path.stem}.run.json")
        run = json.loads(report.read_text())
        write_json(report, run | {"device": "cpu", "execution": {"threads": threads}})
    (warning,) = gather(project.folder, project.outline, SNAKEMAKE).warnings
    assert warning == "rows were made with several thread counts: 1, 2"
