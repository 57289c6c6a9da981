"""Results that say something untrue of their origin: no number of theirs comes into a table.

A record, its copy in the run report, the files' sums and the links between the stages would all
have to be forged together, which nobody does by accident and nobody can be kept from.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from biorobust.__main__ import main
from biorobust.errors import UserError
from biorobust.files import read_json, sha256_of_file, write_json, write_text
from biorobust.places import AttackJob, training_record
from biorobust.planning import collect_plan
from biorobust.provenance import require_planned, run_report
from made_up_results import (
    SNAKEMAKE,
    Project,
    collect_command,
    make_plan,
    make_project,
    rewrite,
    table_command,
    write_attack,
)
from tiny_jobs import arguments, succeed

ZEBRA = AttackJob("zebra", 2, "pgd", "8/255")
ANT = AttackJob("ant", 2, "pgd", "8/255")
OTHER_SEED = ZEBRA._replace(seed=5)
ENDINGS = (".json", ".csv", ".run.json")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def files(project: Project, job: AttackJob) -> list[Path]:
    return [project.record(job).with_suffix(ending) for ending in ENDINGS]


def swap(one: Path, other: Path) -> None:
    spare = one.with_name("spare")
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


def training(project: Project, job: AttackJob = ZEBRA) -> Path:
    return project.folder / training_record(job.model, job.seed)


def flatter(project: Project, job: AttackJob) -> None:
    """Turn every broken image of a job into one that survived, and mend the sum in its record."""
    rows = project.record(job).with_suffix(".csv")
    table = pd.read_csv(rows, dtype=str, keep_default_na=False).assign(success="0")
    table.to_csv(rows, index=False)
    rewrite(project.record(job), outputs={rows.name: sha256_of_file(rows)})


def rows_of_another_model(project: Project) -> list[str]:
    swap(files(project, ZEBRA)[1], files(project, ANT)[1])
    return ["eps-8_255.csv is damaged"] * 2


def record_and_rows_of_another_model(project: Project) -> list[str]:
    for mine, theirs in zip(files(project, ZEBRA), files(project, ANT), strict=True):
        swap(mine, theirs)
    return ["made by other code, config or data"] * 2


def everything_of_another_seed(project: Project) -> list[str]:
    for mine, theirs in zip(files(project, ZEBRA), files(project, OTHER_SEED), strict=True):
        mine.write_bytes(theirs.read_bytes())
    return ["made by other code, config or data"]


def another_run_report(project: Project) -> list[str]:
    swap(files(project, ZEBRA)[2], files(project, ANT)[2])
    return ["eps-8_255.json is damaged (it is not what eps-8_255.run.json holds of it)"] * 2


def rows_and_their_sum(project: Project) -> list[str]:
    flatter(project, ZEBRA)
    return ["eps-8_255.json is damaged (it is not what eps-8_255.run.json holds of it)"]


def the_digest_of_a_stale_record(project: Project) -> list[str]:
    other = Project(project.folder, make_plan(data={"source": "digits", "image_size": 40}))
    planned = read_json(project.record(ZEBRA))["digest"]
    write_attack(other, ZEBRA)
    rewrite(project.record(ZEBRA), digest=planned, report=True)
    return ["is damaged (its config, code or inputs are not those of its digest)"]


def the_config_of_a_record(project: Project) -> list[str]:
    rewrite(project.record(ZEBRA), config={"steps": 1000})
    run_report(project.record(ZEBRA)).unlink()
    return ["is damaged (its config, code or inputs are not those of its digest)"]


# A model's four attack jobs share its fault, which is told once.
def weights(project: Project) -> list[str]:
    training(project).with_name("weights.safetensors").write_bytes(b"stronger")
    return ["seed-2/weights.safetensors is damaged"]


def weights_and_their_sum(project: Project) -> list[str]:
    path = training(project).with_name("weights.safetensors")
    rewrite(training(project), outputs={path.name: write_text(path, "stronger")}, report=True)
    return ["made from another training record"] * 4


def weights_their_sum_and_all_links_to_it(project: Project) -> list[str]:
    weights_and_their_sum(project)
    run_report(training(project)).unlink()
    for path in training(project).parent.glob("attacks/*/eps-*[0-9].json"):
        inputs = read_json(path)["inputs"]
        rewrite(path, inputs=inputs | {"training": {**inputs["training"], **link(project)}})
    return ["is damaged (it is not what eps-"] * 4


def link(project: Project) -> dict[str, str]:
    return {"sha256": sha256_of_file(training(project))}


def other_images_to_train_on(project: Project) -> list[str]:
    rewrite(project.folder / "shards/train/manifest.json", skipped=["an image"])
    # Each of the four models was trained on what is no longer there.
    return ["training.json was made from another shards record"] * 4


def no_images_to_train_on(project: Project) -> list[str]:
    (project.folder / "shards/train/manifest.json").unlink()
    return ["training.json was made from another shards record"] * 4


def images_that_were_attacked(project: Project) -> list[str]:
    folder = project.folder / "shards/test"
    rewrite(folder / "manifest.json", outputs={"index.csv": "0" * 64})
    return ["made from another shards record"] * 16


LIES = [
    rows_of_another_model,
    record_and_rows_of_another_model,
    everything_of_another_seed,
    another_run_report,
    rows_and_their_sum,
    the_digest_of_a_stale_record,
    the_config_of_a_record,
    weights,
    weights_and_their_sum,
    weights_their_sum_and_all_links_to_it,
    other_images_to_train_on,
    no_images_to_train_on,
    images_that_were_attacked,
]


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_named_and_refused(
    project: Project, lie: Callable[[Project], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    expected = lie(project)
    count, *lines = project.refusal()
    assert count.endswith("result(s) cannot be used:")
    assert len(lines) == len(expected)
    for line, words in zip(lines, expected, strict=True):
        assert words in line
        assert f"; make it anew with: {SNAKEMAKE} --force {project.folder}" in line
    record = project.folder / "results.json"
    assert main(arguments("collect", collect_plan(project.outline), {}, {"results": record})) == 1
    assert not record.exists() and not record.with_suffix(".parquet").exists()


def test_without_a_lie_all_is_well(project: Project) -> None:
    assert len(project.gather()) == 16 * 5


@pytest.mark.parametrize("content", [[], {}, {"digest": "planned"}, None, "planned"])
def test_a_record_of_something_else_is_told_in_a_line(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "training.json"
    write_json(path, content)
    with pytest.raises(UserError, match=r"training\.json .*; make it anew with: mend$") as caught:
        require_planned(path, "planned", "mend")
    assert "\n" not in str(caught.value)


@pytest.fixture
def collected(project: Project) -> Project:
    succeed(collect_command(project))
    return project


def other_rows(project: Project) -> str:
    path = project.folder / "results.parquet"
    pd.read_parquet(path).assign(success=False, broken=False).to_parquet(path)
    return "results.parquet is damaged"


def other_rows_and_their_sum(project: Project) -> str:
    other_rows(project)
    path = project.folder / "results.parquet"
    rewrite(project.folder / "results.json", outputs={path.name: sha256_of_file(path)})
    return "results.json is damaged (it is not what results.run.json holds of it)"


def fewer_gaps(project: Project) -> str:
    rewrite(project.folder / "results.json", warnings=["none at all"])
    return "results.json is damaged (it is not what results.run.json holds of it)"


@pytest.mark.parametrize("lie", [other_rows, other_rows_and_their_sum, fewer_gaps])
def test_a_table_of_forged_results_is_not_made(
    collected: Project, lie: Callable[[Project], str], capfd: pytest.CaptureFixture[str]
) -> None:
    expected = lie(collected)
    assert main(table_command(collected)) == 1
    said = capfd.readouterr().err
    assert expected in said and "--force" in said
    assert not (collected.folder / "tables").exists() or not any(
        (collected.folder / "tables").iterdir()
    )


def test_verifying_a_folder_names_a_forged_record(
    collected: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    flatter(collected, ZEBRA)
    assert main(["verify", str(collected.folder)]) == 1
    (line,) = capfd.readouterr().out.splitlines()
    assert line.startswith(f"{collected.record(ZEBRA)} is damaged")
