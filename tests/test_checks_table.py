"""The table of checks, the marks in the tables of accuracies, and the lines at a run's end."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from biorobust.analysis.check_costs import (
    Passes,
    describe_costs,
    passes_of_attacks,
    passes_of_checks,
)
from biorobust.analysis.checks_table import describe, write_checks
from biorobust.analysis.finding_marks import footnotes, marked, most_serious, objections
from biorobust.analysis.tables import write_tables
from biorobust.errors import UserError
from latex_reader import parse_latex
from small_results import counted_job, finding, make_grid, write_results

FINDINGS = [
    finding("cnn", 0, "nesting", "warn", attack="pgd"),
    finding("cnn", 0, "logits", "pass", figure=None),
    finding("cnn", 0, "transfer", "skipped"),
    finding("cnn", 1, "nesting", "fail", images=["a b", "c,d"], attack="pgd"),
    finding("cnn", 1, "logits", "pass"),
    finding("cnn", 1, "transfer", "skipped"),
    finding("eye_1", 0, "nesting", "warn"),
    finding("eye_1", 0, "logits", "pass"),
    finding("eye_1", 0, "transfer", "skipped"),
    finding("ear", 0, "nesting", "pass"),
    finding("ear", 0, "logits", "pass"),
    finding("ear", 0, "transfer", "skipped"),
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    seeds = {"cnn": [0, 1], "eye_1": [0], "ear": [0]}
    rows = [
        counted_job(model, seed, "pgd", "0.01", 9, 5) for model in seeds for seed in seeds[model]
    ]
    grid = make_grid(seeds, {"pgd": ["0.01"]})
    return write_results(tmp_path / "results", pd.concat(rows), grid, FINDINGS)


def texts(results: Path) -> dict[str, str]:
    paths = write_checks(results, results / "tables")
    assert [path.name for path in paths] == [
        f"checks.{e}" for e in ("csv", "html", "md", "tex", "txt")
    ]
    return {path.suffix: path.read_text(encoding="utf-8") for path in paths}


def test_the_worst_verdict_over_seeds_is_the_one_that_is_told(results: Path) -> None:
    text = texts(results)[".txt"]
    (line,) = [line for line in text.splitlines() if line.split()[:2] == ["nesting", "fail"]]
    assert line.split()[2] == "0.25" and line.split()[-2:] == ["2", "pgd"]
    assert "nesting of pgd (fail, seed 1): nesting of cnn 1." in text
    assert "nesting of cnn 0." not in text
    # A check that applies to no model stands once in the caption, and in no row.
    assert text.count("transfer") == 2
    assert "Skipped for every model. transfer: transfer of" in " ".join(text.split())
    # Four jobs of 10 images in 20 steps, each with the original's pass; 12 findings of 3 + 2.
    told = (
        "at least 840 + 800 (reckoned from the steps in their rows); rows checks 36 + 24 (3.7%), "
        "honest rows that followed from them none."
    )
    assert told in " ".join(text.split())


def test_a_pass_is_no_word_on_attacks_that_were_not_examined() -> None:
    blunt = finding("ear", 0, "restarts", "pass", unexamined=["square", "fgsm"])
    also = finding("ear", 0, "more_steps", "warn", unexamined=["square", "fgsm"])
    less = finding("ear", 0, "rerun", "pass", unexamined=["square"])
    caption = " ".join(describe([blunt, also, less, *FINDINGS], {"restarts", "more_steps"}, ""))
    assert "Whatever their verdicts, restarts, more_steps say nothing of square, fgsm." in caption
    assert "rerun say nothing" not in caption


def test_the_csv_holds_every_finding(results: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(texts(results)[".csv"])))
    assert [(line["model"], int(line["seed"]), line["check"]) for line in lines] == [
        (f["model"], f["seed"], f["check"]) for f in FINDINGS
    ]
    assert [json.loads(line["images"]) for line in lines] == [f["images"] for f in FINDINGS]
    assert lines[1]["figure"] == ""


def test_the_latex_is_a_table_a_model(results: Path) -> None:
    text = texts(results)[".tex"]
    assert text.count(r"\begin{table}") == 3
    assert r"\label{tab:checks-eye-1}" in text
    for part in text.split("% needs")[1:]:
        parse_latex("% needs" + part)


@pytest.mark.parametrize("ending", ["md", "tex", "txt"])
def test_accuracies_of_a_model_that_fails_a_check_are_marked(results: Path, ending: str) -> None:
    write_tables(results, results / "tables")
    text = (results / "tables" / f"pgd.{ending}").read_text()
    warns, fails = (r"\dag{}", r"\ddag{}") if ending == "tex" else ("†", "‡")
    assert f"cnn {fails}" in text
    name = {"md": r"eye\_1", "tex": r"eye\_1"}.get(ending, "eye_1")
    assert f"{name} {warns}" in text
    assert "ear †" not in text and "ear ‡" not in text and r"ear \d" not in text
    told = " ".join(text.replace("{", "").replace("}", "").replace("\\", "").split())
    assert "The evaluation fails a check: cnn (nesting of pgd); see table checks." in told
    assert "The evaluation gives a warning: eye_1 (nesting); see table checks." in told
    machine = pd.read_csv(results / "tables/pgd.csv")
    assert set(machine["model"]) == {"cnn", "eye_1", "ear"}


def test_without_objections_nothing_is_marked() -> None:
    passed = [f for f in FINDINGS if f["verdict"] in ("pass", "skipped")]
    numbers = [("cnn", "pgd")]
    assert marked("cnn", passed, numbers) == "cnn"
    assert footnotes(passed, numbers) == objections(passed) == []


def test_a_finding_on_an_attack_marks_what_came_from_it_alone() -> None:
    found = [
        finding("cnn", 0, "restarts", "fail", attack="pgd"),
        finding("cnn", 0, "restarts", "pass", attack="bim"),
        finding("cnn", 0, "learned", "warn"),
        finding("eye", 0, "restarts", "fail", attack="pgd"),
    ]
    marks = {
        numbers: marked("", found, [numbers])
        for numbers in (("cnn", "pgd"), ("cnn", "bim"), ("cnn", ""), ("eye", "bim"), ("eye", ""))
    }
    assert [mark.strip() for mark in marks.values()] == ["‡", "†", "†", "", ""]
    both = [("eye", "bim"), ("cnn", "pgd")]
    assert marked("", found, both).strip() == "‡"
    assert footnotes(found, both) == [
        "† The evaluation gives a warning: cnn (learned); see table checks.",
        "‡ The evaluation fails a check: cnn (restarts of pgd); see table checks.",
    ]
    assert footnotes(found, [("eye", "bim")]) == []


def test_a_mark_for_what_was_attacked_again_says_at_how_many_epsilons() -> None:
    said = "at one epsilon of an attack; its mark stands on all."

    def says(check: str, verdict: str, attack: str, group: str) -> bool:
        found = [finding("cnn", 0, check, verdict, attack=attack, group=group)]
        return any(said in sentence for sentence in footnotes(found, [("cnn", "pgd")]))

    assert says("restarts", "fail", "pgd", "search") and says("rerun", "warn", "pgd", "cheap")
    # What passes has no mark; a check of rows looks at all, and one of the model at no attack.
    assert not says("restarts", "pass", "pgd", "search")
    assert not says("nesting", "fail", "pgd", "rows")
    assert not says("determinism", "fail", "", "cheap")


def test_honest_rows_are_counted_apart() -> None:
    found = [
        finding("cnn", 0, "logits", "pass", group="cheap"),
        finding("cnn", 0, "restarts", "fail", group="more", honest_forward_passes=1000),
        finding("cnn", 0, "transfer", "fail", group="more", honest_backward_passes=234),
    ]
    assert passes_of_checks(found) == {
        "cheap": (Passes(3, 2), Passes(0, 0)),
        "more": (Passes(6, 4), Passes(1000, 234)),
    }
    rows = counted_job("cnn", 0, "pgd", "0.01", 9, 5).assign(steps=[*range(10)])
    # 45 steps and ten originals; the last iterate of the longest descent needs no gradient. An
    # attack that is no descent tells of 45 queries.
    assert passes_of_attacks(rows) == Passes(55, 54)
    assert passes_of_attacks(rows.assign(attack_kind="square")) == Passes(45, 0)
    told = describe_costs(rows, found)
    assert "at least 55 + 54" in told
    assert "cheap checks 3 + 2 (4.6%), honest rows that followed from them none;" in told
    assert "more checks 6 + 4 (9.2%), honest rows that followed from them 1,000 + 234 (" in told


def test_a_run_ends_with_a_line_for_each_objection_failures_first() -> None:
    assert objections(FINDINGS) == [
        "fail: cnn seed 1, nesting of pgd: nesting of cnn 1.",
        "warn: eye_1 seed 0, nesting: nesting of eye_1 0.",
    ]
    assert len(most_serious(FINDINGS)) == 9


def test_results_that_tell_of_no_checks_are_refused(results: Path) -> None:
    record = json.loads((results / "results.json").read_text())
    del record["checks"]
    (results / "results.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="is not a record of results"):
        write_checks(results, results)


def test_same_results_same_bytes(results: Path, tmp_path: Path) -> None:
    first, second = (write_checks(results, tmp_path / name) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
