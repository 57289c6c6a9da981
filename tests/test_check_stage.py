"""The check stage on a tiny trained model: findings, honest rows, and what becomes of them."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from biorobust import places, planning
from biorobust.__main__ import main
from biorobust.analysis.collect import facts_of, gather, write_rows
from biorobust.analysis.summary import read_results, summarise
from biorobust.analysis.tables import write_tables
from biorobust.checks.kinds import CHECKS, GROUPS_OF, checks_of
from biorobust.files import sha256_of_file, write_json
from biorobust.provenance import damaged_outputs, run_report
from checked import ATTACKS, SECTIONS, checked
from made_up_results import make_plan, rewrite
from tiny_jobs import PLAIN, TinyExperiment, child_environment, succeed

SNAKEMAKE = "snakemake --cores 1"


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    """An experiment whose checks of both groups have run."""
    return checked(tmp_path_factory.mktemp("examined"))


def checks_folder(experiment: TinyExperiment) -> Path:
    return experiment.seed_folder / "checks"


@pytest.mark.parametrize("group", ["rows", "cheap"])
def test_a_group_leaves_a_finding_a_check_and_a_record_that_vouches_for_them(
    examined: TinyExperiment, group: str
) -> None:
    folder = checks_folder(examined)
    findings = json.loads((folder / f"{group}.findings.json").read_text())
    assert list(dict.fromkeys(f["check"] for f in findings)) == list(checks_of(group))
    told = [(finding["check"], finding["attack"]) for finding in findings]
    assert len(set(told)) == len(told)
    assert {attack for _, attack in told} == {"", "weak", "fgsm"}
    record = json.loads((folder / f"{group}.json").read_text())
    outputs = {f"{group}.findings.json", f"{group}.corrections.csv"}
    assert set(record["outputs"]) == outputs
    assert damaged_outputs(folder / f"{group}.json", record) == []
    assert set(record["inputs"]) == {"shards", "training", "attack:weak:0.6", "attack:fgsm:0.6"}
    if group == "rows":
        assert record["passes"] == {}
        return
    for way in ("forward", "backward"):
        checks = sum(finding[f"{way}_passes"] for finding in findings)
        honest = sum(finding[f"honest_{way}_passes"] for finding in findings)
        assert 0 < checks == record["passes"][way] - honest


@pytest.mark.parametrize("group", GROUPS_OF["thorough"])
def test_each_part_of_thorough_is_a_job_of_its_own(examined: TinyExperiment, group: str) -> None:
    asked = make_plan(
        models=[PLAIN], seeds=[0], checks={"groups": ["rows", "cheap", "thorough"]}, **SECTIONS
    )
    succeed(replace(examined, outline=asked).check(group))
    folder = checks_folder(examined)
    findings = json.loads((folder / f"{group}.findings.json").read_text())
    assert list(dict.fromkeys(found["check"] for found in findings)) == list(checks_of(group))
    with (folder / f"{group}.corrections.csv").open(newline="") as file:
        corrected = {row["attack"].partition("+")[2] for row in csv.DictReader(file)}
    # What an attack of two tiny steps missed is made good by every check that can.
    beaten = {f["check"] for f in findings if f["verdict"] in ("warn", "fail")}
    makers = {name for name in beaten if hasattr(import_module(CHECKS[name].module), "honest")}
    assert corrected == makers
    assert makers or group in ("gradients", "settings")


def test_an_attack_that_a_single_step_beats_gets_honest_rows(examined: TinyExperiment) -> None:
    folder = checks_folder(examined)
    findings = json.loads((folder / "rows.findings.json").read_text())
    beaten = {
        finding["attack"]: finding["verdict"]
        for finding in findings
        if finding["check"] == "recorded_single_step"
    }
    # Only an attack by many steps can be beaten by one.
    assert beaten == {"weak": "fail", "fgsm": "skipped"}
    with (folder / "rows.corrections.csv").open(newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if row["attack"].endswith("+recorded_single_step")
        ]
    assert {(row["corrects"], row["epsilon_text"]) for row in rows} == {("weak", "0.6")}
    weak, by_step = (
        pd.read_csv(examined.seed_folder / f"attacks/{name}/eps-0.6.csv", dtype={"image": str})
        for name in ("weak", "fgsm")
    )
    missed = (by_step["success"] == 1) & (weak["success"] == 0)
    assert missed.any()
    assert [row["image"] for row in rows] == weak["image"].tolist()
    for name in ("success", "linf"):
        honest = by_step[name].where(missed, weak[name])
        assert [float(row[name]) for row in rows] == honest.tolist()


def test_the_honest_number_leads_and_the_attacks_own_stands_behind(
    examined: TinyExperiment, tmp_path: Path
) -> None:
    collected = gather(examined.folder, examined.outline, SNAKEMAKE)
    sums = write_rows(tmp_path, collected)
    write_json(
        tmp_path / "results.json", {**facts_of(examined.outline, collected), "outputs": sums}
    )
    rows = {
        attack: pd.read_csv(examined.seed_folder / f"attacks/{attack}/eps-0.6.csv")
        for attack in ("weak", "fgsm")
    }
    right = rows["weak"]["clean_prediction"] == rows["weak"]["label"]
    survived = {attack: right & (found["success"] == 0) for attack, found in rows.items()}
    alone, honest = survived["weak"].mean(), (survived["weak"] & survived["fgsm"]).mean()
    assert alone > honest
    results = read_results(tmp_path)
    summary = summarise(results.rows, results.grid)
    line = summary[(summary["attack"] == "weak") & (summary["epsilon_text"] == "0.6")].iloc[0]
    assert (line["mean"], line["uncorrected"]) == (pytest.approx(honest), pytest.approx(alone))
    write_tables(tmp_path, tmp_path / "tables")
    text = (tmp_path / "tables/weak.txt").read_text()
    assert f"attack alone {100 * alone:.1f}" in text
    assert "plain ‡" in text
    assert "recorded_single_step" in text.partition("‡ The evaluation")[2]
    # The single step is what it is: nothing weaker beat it.
    by_step = (tmp_path / "tables/fgsm.txt").read_text()
    assert "attack alone" not in by_step and "recorded_single_step" not in by_step
    corrections = pd.read_parquet(tmp_path / "corrections.parquet")
    assert set(corrections["corrects"]) == {"weak"}
    assert set(corrections["epsilon"]) == {0.6}


@pytest.mark.parametrize("group", ["rows", "cheap"])
def test_the_same_job_gives_the_same_bytes(examined: TinyExperiment, group: str) -> None:
    files = [
        checks_folder(examined) / f"{group}{ending}"
        for ending in (".json", ".findings.json", ".corrections.csv")
    ]
    before = [path.read_bytes() for path in files]
    succeed(examined.check(group))
    assert [path.read_bytes() for path in files] == before


@pytest.mark.parametrize(
    ("group", "heavy"),
    [
        ("rows", {"torch", "pandas", "foolbox", "pydantic"}),
        ("cheap", {"pandas", "pytorch_lightning", "matplotlib", "pydantic"}),
    ],
)
def test_checks_import_no_more_than_they_need(
    examined: TinyExperiment, group: str, heavy: set[str]
) -> None:
    code = (
        "import sys; from biorobust.__main__ import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, *examined.check(group)]
    subprocess.run(command, env=child_environment(), check=True)


def test_rows_of_other_images_are_refused(
    examined: TinyExperiment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = examined.seed_folder / "attacks/weak/eps-0.6.csv"
    record = path.with_suffix(".json")
    report = run_report(record)
    facts = {file: file.read_text() for file in (path, record, report)}
    try:
        path.write_text(facts[path].replace("test/1,", "test/8,"))
        rewrite(record, outputs={path.name: sha256_of_file(path)}, report=True)
        assert main(examined.check("rows")) == 1
        assert f"{path} is not of the test images in their order" in capfd.readouterr().err
    finally:
        for file, text in facts.items():
            file.write_text(text)


def test_plans_of_checks_follow_their_group_alone(examined: TinyExperiment) -> None:
    def digests(**sections: object) -> dict[str, str]:
        changed = make_plan(**{"attacks": ATTACKS, **sections})
        return {
            job.group: planning.plan_digest(planning.check_plan(changed, job))
            for job in places.check_jobs(changed)
        }

    one = {"seeds": [0], "models": [{"name": "plain", "kind": "standard"}]}
    before = digests(**one)
    assert set(before) == {"rows", "cheap"}
    other = digests(**one, checks={"thresholds": {"monotone": {"warn": 7}}})
    assert other["cheap"] == before["cheap"] and other["rows"] != before["rows"]
    more = digests(**one, checks={"groups": ["cheap", "rows", "thorough"]})
    assert {name: more[name] for name in before} == before and set(more) > set(before)
    stricter = {"groups": ["cheap", "rows", "thorough"], "thresholds": {"restarts": {"warn": 0}}}
    changed = digests(**one, checks=stricter)
    assert [name for name in more if changed[name] != more[name]] == ["search"]
