"""Results that were copied in, of which Snakemake has no memory: told before anything is planned.

What other code, config or bytes made is refused with the command that makes it anew; what is
whole may stay, and what is missing is made.
"""

import os
from pathlib import Path

import pytest

from biorobust.config.strangers import refuse_strangers
from biorobust.errors import UserError
from biorobust.files import write_text
from biorobust.places import AttackJob, training_record
from made_up_results import (
    SNAKEMAKE,
    Project,
    collect_command,
    make_project,
    rewrite,
    table_command,
    write_attack,
)
from tiny_jobs import succeed

ZEBRA = AttackJob("zebra", 2, "pgd", "8/255")
ANT = AttackJob("ant", 2, "pgd", "8/255")


@pytest.fixture
def collected(tmp_path: Path) -> Project:
    """A project whose rows have been collected."""
    project = make_project(tmp_path)
    succeed(collect_command(project))
    return project


def training(project: Project) -> Path:
    return project.folder / training_record(ZEBRA.model, ZEBRA.seed)


def strangers(project: Project) -> str:
    """What is said of them before anything is planned; "" where they may stay."""
    state = project.folder.parent / ".snakemake"
    try:
        refuse_strangers(project.folder, project.outline, state, SNAKEMAKE)
    except UserError as error:
        return str(error)
    return ""


def test_whole_results_that_were_copied_in_may_stay(collected: Project) -> None:
    succeed(table_command(collected))
    assert strangers(collected) == ""


def test_collected_results_of_other_rows_are_refused(collected: Project) -> None:
    """The rows come from another machine, where the same plan gave other bytes."""
    succeed(table_command(collected))
    write_attack(collected, ZEBRA, ids=["007", "008"])
    rewrite(collected.record(ZEBRA), note="made elsewhere", report=True)
    said = strangers(collected)
    assert said.startswith("3 result(s), ")
    # Checks read the rows, and what is collected reads both.
    checks = collected.record(ZEBRA).parents[2] / "checks"
    assert said.endswith(f" --forcerun {checks}/rows.json {checks}/cheap.json")


def test_a_table_of_other_collected_results_is_refused(collected: Project) -> None:
    succeed(table_command(collected))
    rewrite(collected.folder / "results.json", warnings=["made elsewhere"], report=True)
    said = strangers(collected)
    assert said.startswith("1 result(s), ")
    assert said.endswith(f" --forcerun {collected.folder}/tables/robustness.json")


def test_rows_of_other_weights_are_refused_before_anything_runs(collected: Project) -> None:
    path = training(collected).with_name("weights.safetensors")
    sums = {path.name: write_text(path, "trained elsewhere")}
    rewrite(training(collected), outputs=sums, report=True)
    said = strangers(collected)
    assert said.startswith("6 result(s), ")
    roots = said.rpartition(" --forcerun ")[2].split()
    assert len(roots) == 4
    assert all(f"{training(collected).parent}/attacks/" in root for root in roots)


def test_a_cut_record_is_refused_before_anything_runs(collected: Project) -> None:
    os.truncate(training(collected), 100)
    said = strangers(collected)
    roots = said.rpartition(" --forcerun ")[2].split()
    assert roots == [str(training(collected))]
    # Its four attack jobs are made anew with it.
    assert said.startswith("7 result(s), ")


def test_what_is_missing_of_a_half_copied_folder_is_not_refused(collected: Project) -> None:
    """Snakemake makes it anew, and with it what is made from it."""
    training(collected).unlink()
    collected.record(ANT).unlink()
    assert strangers(collected) == ""
