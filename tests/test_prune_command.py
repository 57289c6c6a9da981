"""`biorobust prune` on a finished experiment from whose config things were taken out."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from biorobust.__main__ import main
from biorobust.files import write_json
from finished_results import tree

RESULTS = Path("results/tiny")


def reconfigure(**sections: Any) -> None:
    path = Path("config.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


def pruned(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    assert main(["prune", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_of_what_the_config_names_nothing_is_listed(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(RESULTS)
    (line,) = pruned(capsys, "--yes")
    assert "holds nothing that the config does not name" in line
    assert tree(RESULTS) == before


# What is taken out of the config, and which files of the results bear it in their names.
CASES = {
    "a model": (
        {"models": [{"name": "zebra", "kind": "standard", "width": 2}]},
        r"(models|cards)/ant[./]|tables/differences\.|figures/retinal_sampling\.",
    ),
    "a seed": ({"seeds": [5]}, "models/[a-z]+/seed-2/"),
    "an attack": (
        {"attacks": [{"name": "pgd", "kind": "pgd", "epsilons": ["0.1", "0.01", "8/255"]}]},
        r"/attacks/blunt/",
    ),
    "an epsilon": (
        {
            "attacks": [
                {"name": "pgd", "kind": "pgd", "epsilons": ["0.01", "8/255"]},
                {"name": "blunt", "kind": "pgd", "norm": "rms", "epsilons": ["0.1"]},
            ]
        },
        r"/attacks/pgd/eps-0\.1\.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_taken_out_is_listed_first_and_then_deleted(
    case: str, made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sections, pattern = CASES[case]
    (RESULTS / "models/ant/seed-2/my notes.txt").write_text("mine")
    before = tree(RESULTS)
    expected = {n for n in before if re.search(pattern, n) and not n.endswith("notes.txt")}
    assert expected
    reconfigure(**sections)
    listed = pruned(capsys)
    assert tree(RESULTS) == before and "--yes" in listed[-1]
    places = {str(RESULTS / re.sub(r"(\.run)?\.json$", "", n)) for n in expected if ".json" in n}
    assert {line.split("  ")[0] for line in listed[:-1]} == {
        p for p in places if "findings" not in p
    }
    again = pruned(capsys, "--yes")
    assert again[:-1] == listed[:-1]
    after = tree(RESULTS)
    assert set(before) - set(after) == expected
    assert all(after[name] == before[name] for name in after)
    assert main(["verify", str(RESULTS)]) == 0
    assert not [path for path in RESULTS.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_the_table_of_an_attack_that_was_taken_out_goes_once_it_is_remade(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reconfigure(attacks=[{"name": "pgd", "kind": "pgd", "epsilons": ["0.1", "0.01", "8/255"]}])
    pruned(capsys, "--yes")
    assert (RESULTS / "tables/blunt.tex").is_file()
    record = RESULTS / "tables/adversarial_accuracy.json"
    remade = yaml.safe_load(record.read_text())
    remade["outputs"] = {n: s for n, s in remade["outputs"].items() if not n.startswith("blunt.")}
    write_json(record, remade)
    # Somebody's own file beside it is no table of the workflow's.
    (RESULTS / "tables/own.tex").write_text("mine")
    pruned(capsys, "--yes")
    assert not list(RESULTS.glob("tables/blunt.*"))
    assert (RESULTS / "tables/own.tex").is_file() and (RESULTS / "tables/pgd.tex").is_file()


def test_unfinished_work_goes_with_its_job_and_stays_with_a_planned_one(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [
        "models/ant/seed-2/.resume-0123/last.ckpt",
        "models/ant/seed-2/.training.starts",
        "models/ant/seed-2/attacks/pgd/.eps-0.1.kept",
        "models/ant/seed-2/attacks/pgd/eps-0.1.parts/0-of-2.rows",
        "models/zebra/seed-5/.training.starts",
        "models/zebra/seed-5/attacks/pgd/.eps-0.1.kept",
        "models/zebra/seed-5/attacks/pgd/.eps-0.01.kept",
        "models/zebra/seed-5/attacks/pgd/eps-0.01.parts/0-of-2.rows",
    ]
    for place in places:
        (RESULTS / place).parent.mkdir(parents=True, exist_ok=True)
        (RESULTS / place).write_text("begun")
    reconfigure(seeds=[5], attacks=[{"name": "pgd", "kind": "pgd", "epsilons": ["0.01"]}])
    pruned(capsys, "--yes")
    left = [place for place in places if (RESULTS / place).exists()]
    assert left == [places[4], *places[6:]]


def test_nothing_is_deleted_under_a_process_at_work(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reconfigure(seeds=[5])
    before = set(tree(RESULTS))
    with FileLock(RESULTS / "models/ant/seed-2/.training.lock"):
        assert main(["prune", "--yes"]) == 1
        assert "still at work in results/tiny/models/ant/seed-2" in capsys.readouterr().err
    assert before <= set(tree(RESULTS))


def test_a_record_that_names_files_elsewhere_reaches_none_of_them(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reconfigure(seeds=[5])
    record = RESULTS / "models/ant/seed-2/training.json"
    told = yaml.safe_load(record.read_text())
    told["outputs"]["../../../results.parquet"] = "0"
    write_json(record, told)
    pruned(capsys, "--yes")
    assert (RESULTS / "results.parquet").is_file() and not record.exists()
