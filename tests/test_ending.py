"""The last screen of a run: of a good one its results and cost, of a failed one what to do."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from biorobust.config.ending import closing_screen
from biorobust.config.failures import failure_screen
from biorobust.places import Outline
from biorobust.planning import report_plan
from biorobust.provenance import make_record
from made_up_results import make_plan
from pipeline import edit, snakemake
from small_results import finding

COSTS = """\
stage,jobs,known,wall_seconds,earlier_seconds,gpu_hours,retries,memory_bytes,gpu_memory_bytes
shard,1,1,60,0,0,0,1073741824,
all,12,12,7140,60,1.5,3,2147483648,
"""


def finished(folder: Path, outline: Outline, *verdicts: str, **facts: Any) -> Path:
    """An experiment's folder at the end of a run, with a check for each verdict."""
    for name in ("tables", "figures", "cards", "models", "logs", "shards/test"):
        (folder / name).mkdir(parents=True)
    (folder / "shards/test/manifest.json").write_text(
        json.dumps({"split": "test", "skipped": ["a.png", "b.png"], "ignored": 3})
    )
    findings = [finding(f"model{n}", 0, "restarts", each) for n, each in enumerate(verdicts)]
    (folder / "results.json").write_text(
        json.dumps({"warnings": ["two versions of torch"], "checks": findings} | facts)
    )
    (folder / "results.parquet").touch()
    (folder / "tables/costs.csv").write_text(COSTS)
    (folder / "tables/costs.json").write_text("{}")
    for attack in outline["attacks"]:
        (folder / f"tables/{attack['name']}.txt").write_text(f"accuracies under {attack['name']}\n")
    plan = report_plan(outline, "tables", "adversarial_accuracy")
    record = make_record(plan, dict.fromkeys(plan["inputs"], "0"), {}, {})
    (folder / "tables/adversarial_accuracy.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def outline() -> Outline:
    return make_plan()


def test_a_finished_run_ends_with_table_warnings_places_and_cost(
    tmp_path: Path, outline: Outline
) -> None:
    folder = finished(tmp_path / "results/tiny", outline, "pass", "warn", "fail")
    screen = closing_screen(folder, outline, 95)
    names = [attack["name"] for attack in outline["attacks"]]
    lines = screen.splitlines()
    told = [
        *(f"accuracies under {name}" for name in names if "minimal" not in name),
        f"Warning: 2 damaged test images left out; see {folder}/logs/shard.log",
        "Note: 3 files or folders beside the test images ignored: no png, jpg or jpeg directly in "
        "a class folder",
        "Warning: two versions of torch",
        "Check fail: model2 seed 0, restarts: restarts of model2 0.",
        "Check warn: model1 seed 0, restarts: restarts of model1 0.",
        f"All of it: {folder}/",
        "  logs/             what each job said",
        "Cost: 12 jobs, 2.0 h of work, 1.50 GPU hours, peak memory 2.00 GiB, 3 retries; "
        f"by stage: {folder}/tables/costs.txt",
        "This run took 1.6 min.",
    ]
    places = [lines.index(line) for line in told]
    assert places == sorted(places)
    assert not any("model0" in line for line in lines)


def test_it_is_one_screen_however_much_there_is_to_tell(tmp_path: Path, outline: Outline) -> None:
    folder = finished(tmp_path, outline, *["warn"] * 50)
    for path in folder.glob("tables/*.txt"):
        path.write_text("row\n" * 30)
    lines = closing_screen(folder, outline, 1).splitlines()
    assert len(lines) < 60
    assert f"... and 45 more; see {folder}/tables/checks.txt" in lines
    assert lines.count("row") == 30
    assert sum(line.startswith("Not shown, for want of room: ") for line in lines) >= 1


def test_without_fault_it_says_so_and_old_costs_are_not_told(
    tmp_path: Path, outline: Outline
) -> None:
    folder = finished(tmp_path, outline, "pass", warnings=[])
    (folder / "shards/test/manifest.json").write_text(
        '{"split": "test", "skipped": [], "ignored": 0}'
    )
    os.utime(folder / "tables/costs.json", (1, 1))
    screen = closing_screen(folder, outline, 1)
    assert "\nNo warnings.\n" in screen and "Cost:" not in screen


def test_a_run_that_made_shards_alone_has_little_to_show(tmp_path: Path, outline: Outline) -> None:
    (tmp_path / "logs").mkdir()
    assert closing_screen(tmp_path, outline, 2).splitlines() == [
        f"All of it: {tmp_path}/",
        "  logs/  what each job said",
        "",
        "This run took 2.0 s.",
    ]


def block(rule: str, output: Path, log: Path) -> str:
    """What Snakemake 9.27 writes of a failed job."""
    return (
        f"[Mon Nov  2 10:00:00 2026]\nError in rule {rule}:\n    jobid: 7\n    input: a.json\n"
        f"    output: {output}\n    log: {log} (check log file(s) for error details)\n"
        "    shell:\n        python -m biorobust\n"
        "        (command exited with non-zero exit code)\n"
    )


def test_a_failed_run_ends_with_what_to_do_and_the_logs(tmp_path: Path) -> None:
    said, killed, mended = (tmp_path / f"{name}.log" for name in ("said", "killed", "mended"))
    said.write_text(f"10 of 20\nbiorobust train (log: {said}): the disk is full; make room\n")
    killed.write_text("10 of 20 images, 0:10 left\n")
    mended.write_text("took the finished result of an earlier process\n")
    done = tmp_path / "done.json"
    done.touch()
    log = tmp_path / "snakemake.log"
    blocks = [("train", tmp_path / "x.json", said), ("attack", tmp_path / "y.json", killed)]
    blocks += [("train", done, mended), blocks[0]]
    log.write_text("".join(block(*each) for each in blocks))
    assert failure_screen([str(log)], "snakemake --cores 1").splitlines() == [
        "2 jobs failed:",
        "  the disk is full; make room",
        f"    log: {said}",
        "  ended without a word: killed, for memory or time perhaps, or not to be started",
        f"    log: {killed}",
        "Next: mend that, then start again: snakemake --cores 1",
        "What is finished is kept.",
    ]


def test_a_failure_that_no_job_tells_names_snakemakes_own_log(tmp_path: Path) -> None:
    log = tmp_path / "snakemake.log"
    log.write_text("MissingOutputException\n")
    assert f"    log: {log}" in failure_screen([str(log)], "snakemake").splitlines()


def test_jobs_know_how_many_may_write_to_the_terminal(project: Path) -> None:
    """By the cores of the run, which are two, and the job's threads; none can join the first."""
    folder = project / "results/tiny"
    told = {
        record: json.loads((folder / record).read_text())["execution"]["jobs_at_once"]
        for record in ("shards/train/manifest.run.json", "models/plain/seed-0/training.run.json")
    }
    assert list(told.values()) == [1, 2]


def test_the_last_lines_of_a_failed_run_are_ours(project: Path) -> None:
    weights = project / "results/tiny/models/plain/seed-0/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    edit(project, "config.yaml", "epsilons: [0.01,", "epsilons: [0.02, 0.01,")
    # Only the job that fails.
    attack = "results/tiny/models/plain/seed-0/attacks/pgd/eps-0.02.json"
    done = snakemake(project, "--cores", "1", attack)
    assert done.returncode != 0
    log = "results/tiny/logs/attack/plain/seed-0/pgd/eps-0.02.log"
    *_, failed, words, where, what, kept = done.stderr.strip().splitlines()
    assert failed == "1 job failed:"
    assert "weights.safetensors is damaged" in words and "--force" in words
    assert where == f"    log: {log}" and (project / log).is_file()
    assert what == "Next: mend that, then start again: snakemake --cores 1"
    assert kept == "What is finished is kept."
