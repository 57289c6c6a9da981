"""Rows that do not belong are refused, all at once, with the commands that mend them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust.__main__ import main
from biorobust.analysis.collect import facts_of, gather
from biorobust.errors import UserError
from biorobust.files import write_json
from biorobust.places import AttackJob, CheckJob, attack_jobs, check_record, training_record
from biorobust.planning import attack_plan, collect_plan
from biorobust.provenance import make_record
from made_up_results import ATTACKS, IDS, SNAKEMAKE, Project, make_plan, make_project, rewrite
from tiny_jobs import arguments, flip_byte


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def edit_record(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text()) | changes)


def spoil_code(project: Project, job: AttackJob) -> str:
    other = attack_plan(project.outline, job) | {"code": "0" * 64}
    edit_record(project.record(job), **make_record(other, {}, {}, {}))
    return "made by other code, config or data"


def spoil_config(project: Project, job: AttackJob) -> str:
    attacks = [{**attack, "steps": 7} for attack in ATTACKS]
    edit_record(
        project.record(job), **make_record(attack_plan(make_plan(attacks=attacks), job), {}, {}, {})
    )
    return "made by other code, config or data"


def spoil_flipped(project: Project, job: AttackJob) -> str:
    flip_byte(project.record(job).with_suffix(".csv"))
    return ".csv is damaged"


def spoil_deleted(project: Project, job: AttackJob) -> str:
    project.record(job).with_suffix(".csv").unlink()
    return ".csv is missing"


def spoil_record(project: Project, job: AttackJob) -> str:
    project.record(job).write_text("{")
    return "is damaged"


def spoil_missing(project: Project, job: AttackJob) -> str:
    project.record(job).unlink()
    return "is missing"


SPOILERS = [*(spoil_code, spoil_config, spoil_flipped, spoil_deleted, spoil_record, spoil_missing)]
JOB = AttackJob("zebra", 2, "pgd", "8/255")
SPLITS = ("train", "test")


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_result_that_does_not_belong_is_refused_with_the_command_that_mends_it(
    project: Project, spoil: Callable[[Project, AttackJob], str]
) -> None:
    fault = spoil(project, JOB)
    count, line = project.refusal()
    assert count == "1 result(s) cannot be used:"
    assert fault in line
    assert line.endswith(f"make it anew with: {SNAKEMAKE} --force {project.record(JOB)}")


def test_all_of_them_are_named_at_once(project: Project) -> None:
    jobs = list(attack_jobs(project.outline))[::3]
    for job, spoil in zip(jobs, SPOILERS, strict=False):
        spoil(project, job)
    count, *lines = project.refusal()
    assert count == f"{len(jobs)} result(s) cannot be used:"
    assert [line.rsplit(" ", 1)[1] for line in lines] == [str(project.record(job)) for job in jobs]


def test_rows_of_other_weights_are_refused(project: Project) -> None:
    """The plan is the same; the weights were made anew by other package versions."""
    training = project.folder / training_record("ant", 5)
    edit_record(training, outputs={"weights.safetensors": "1" * 64})
    count, *lines = project.refusal()
    assert count == "4 result(s) cannot be used:"
    assert all("another training record" in line and str(training) in line for line in lines)
    assert all("models/ant/seed-5/attacks/" in line for line in lines)


def test_rows_of_other_shards_are_refused(project: Project) -> None:
    edit_record(project.folder / "shards/test/manifest.json", skipped=["an image"])
    count, *lines = project.refusal()
    assert count == "16 result(s) cannot be used:"
    assert all("another shards record" in line for line in lines)


def test_a_config_that_changed_since_refuses_what_it_did_not_ask_for(project: Project) -> None:
    other = Project(project.folder, make_plan(training={"epochs": 9, "learning_rate": 1e-3}))
    assert other.refusal()[0] == "16 result(s) cannot be used:"
    fewer = Project(project.folder, make_plan(seeds=[2]))
    assert set(fewer.gather()["seed"]) == {2}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("untouched"), seeds=[2], attacks=ATTACKS[:1])


@settings(max_examples=50)
@given(st.data())
def test_one_flipped_bit_anywhere_is_refused(untouched: Project, data: st.DataObject) -> None:
    seed = (untouched.folder / training_record("zebra", 2)).parent
    attack = untouched.record(JOB)
    path = data.draw(
        st.sampled_from(
            [
                *(attack, attack.with_suffix(".csv")),
                *(seed / "training.json", seed / "weights.safetensors"),
                *(untouched.folder / f"shards/{split}/manifest.json" for split in SPLITS),
            ]
        )
    )
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(spoilt)
    try:
        assert str(path) in "\n".join(untouched.refusal())
    finally:
        path.write_bytes(whole)


def test_a_partial_table_lists_what_is_missing(project: Project) -> None:
    jobs = [JOB, AttackJob("ant", 5, "blunt", "0.1")]
    spoil_flipped(project, jobs[0])
    spoil_missing(project, jobs[1])
    collected = gather(project.folder, project.outline, SNAKEMAKE, partial=True)
    assert collected.missing == [job._asdict() for job in jobs]
    assert len(collected.rows) == 14 * len(IDS)
    assert facts_of(project.outline, collected)["missing"] == collected.missing


def test_a_partial_table_of_nothing_is_refused(project: Project) -> None:
    for job in attack_jobs(project.outline):
        spoil_missing(project, job)
    with pytest.raises(UserError, match=r"16 result\(s\)"):
        project.gather(partial=True)


def test_a_table_is_not_written_when_a_result_is_refused(project: Project) -> None:
    spoil_flipped(project, JOB)
    record = project.folder / "results.json"
    assert main(arguments("collect", collect_plan(project.outline), {}, {"results": record})) == 1
    assert not record.exists()
    assert not (project.folder / "results.parquet").exists()


@pytest.mark.parametrize("file", ["rows.findings.json", "rows.corrections.csv"])
def test_findings_that_were_edited_by_hand_are_refused(project: Project, file: str) -> None:
    record = project.folder / check_record(CheckJob("ant", 5, "rows"))
    path = record.with_name(file)
    path.write_text(path.read_text().replace("fail", "pass") + "\n")
    count, line = project.refusal()
    assert count == "1 result(s) cannot be used:"
    assert f"{path} is damaged" in line
    assert line.endswith(f"make it anew with: {SNAKEMAKE} --force {record}")


def test_findings_on_other_rows_are_refused(project: Project) -> None:
    rewrite(project.record(JOB), seen="other rows with the same plan", report=True)
    count, *lines = project.refusal()
    assert count == "2 result(s) cannot be used:"
    for line, group in zip(lines, ("rows", "cheap"), strict=True):
        assert f"{check_record(CheckJob('zebra', 2, group))} was made from another attack:" in line


def test_checks_with_other_thresholds_are_refused(project: Project) -> None:
    stricter = make_plan(checks={"thresholds": {"monotone": {"fail": 0}}})
    count, *lines = Project(project.folder, stricter).refusal()
    assert count == "4 result(s) cannot be used:"
    assert all("checks/rows.json" in line for line in lines)


def test_a_partial_table_does_without_checks_that_have_not_run(project: Project) -> None:
    (project.folder / check_record(CheckJob("ant", 5, "rows"))).unlink()
    collected = gather(project.folder, project.outline, SNAKEMAKE, partial=True)
    assert collected.missing == []
    assert len(collected.findings) == 7
