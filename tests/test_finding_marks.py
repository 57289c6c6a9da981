"""Marks in every table that compares models: on what came from the model and attack concerned."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from biorobust.analysis.claims_table import write_claims
from biorobust.analysis.differences_table import write_differences
from biorobust.analysis.published_table import write_published
from biorobust.analysis.robustness_table import write_robustness
from biorobust.analysis.tables import write_tables
from biorobust.analysis.trade_off_table import write_trade_off
from latex_reader import parse_latex
from small_results import counted_job, finding, make_grid, write_results
from test_trade_off import write_training

# Kept of 200 under each attack.
KEPT = {"plain": 60, "eye": 110, "ear": 150}
WARNS = "† The evaluation gives a warning: plain (learned); see table checks."
FAILS = "‡ The evaluation fails a check: eye (restarts of pgd); see table checks."


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The plain model warns as a whole, the eye fails under one of two attacks, not so the ear."""
    rows = [
        counted_job(model, 0, attack, "0.01", 180, kept, images=200)
        for model, kept in KEPT.items()
        for attack in ("pgd", "bim")
    ]
    findings = [
        finding("plain", 0, "learned", "warn"),
        finding("eye", 0, "restarts", "fail", attack="pgd"),
        finding("eye", 0, "restarts", "pass", attack="bim"),
        finding("ear", 0, "restarts", "pass", attack="pgd"),
    ]
    grid = make_grid({model: [0] for model in KEPT}, {"pgd": ["0.01"], "bim": ["0.01"]})
    return write_results(tmp_path / "results", pd.concat(rows), grid, findings)


def told(text: str) -> list[str]:
    """The sentences below a table about marks."""
    return re.findall(r"[†‡] The evaluation .*?; see table checks\.", " ".join(text.split()))


def test_the_main_table_marks_by_attack(results: Path) -> None:
    write_tables(results, results / "tables")
    for attack, eye in {"pgd": "eye ‡", "bim": "eye"}.items():
        text = (results / f"tables/{attack}.txt").read_text()
        rows = [line for line in text.split("\n")[2:] if re.match("(plain|eye|ear) ", line)]
        assert [re.split(" {2,}", row)[0] for row in rows] == ["plain †", eye, "ear"]
        assert told(text) == [WARNS, *([FAILS] if attack == "pgd" else [])]


def test_differences_mark_each_model_by_the_attack(results: Path) -> None:
    paths = write_differences(results, results / "tables", [])
    text = paths[4].read_text()
    rows = [line.split("  ")[0] for line in text.split("\n") if " − " in line]
    assert rows == [
        *("eye ‡ − plain †, 0.01", "ear − plain †, 0.01"),
        *("eye − plain †, 0.01", "ear − plain †, 0.01"),
    ]
    assert told(text) == [WARNS, FAILS]
    assert r"eye \ddag{} $-$ plain \dag{}" in paths[3].read_text()
    assert "†" not in paths[0].read_text()


def test_claims_mark_verdicts_and_numbers_by_what_they_came_from(results: Path) -> None:
    def claim(name: str, *compared: list[str]) -> dict[str, Any]:
        entries = {"text": name, "source": "", "direction": "higher", "margin": None}
        comparisons = [[*entry, "0.01", "accuracy"] for entry in compared]
        return {"name": name, **entries, "comparisons": comparisons}

    claims = [
        claim("both", ["ear", "eye", "bim"], ["eye", "plain", "pgd"]),
        claim("sound", ["ear", "eye", "bim"]),
    ]
    paths = write_claims(results, results / "tables", claims)
    rows = parse_latex(paths[3].read_text())
    # The least is the ear's 20 points over the eye, the greatest the eye's 25 over the plain model.
    assert rows[1] == ["both", "supported ‡", "2 of 2", "0", "+20.0", "+25.0 ‡"]
    assert ["sound", "supported", "1 of 1", "0", "+20.0", ""] in rows
    assert told(paths[4].read_text()) == [WARNS, FAILS]
    alone = write_claims(results, results / "alone", claims[1:])
    assert told(alone[4].read_text()) == []


def test_robustness_marks_the_cells_of_the_attack_and_what_is_over_it(results: Path) -> None:
    text = write_robustness(results, results / "tables")[4].read_text()
    lines = [re.split(" {2,}", line.strip()) for line in text.split("\n")]
    assert [line for line in lines if "median" in line][:3] == [
        ["plain", "median", "∞ †", "∞ †", "∞ †"],
        ["eye", "median", "∞ ‡", "∞ ‡", "∞"],
        ["ear", "median", "∞", "∞", "∞"],
    ]
    assert told(text) == [WARNS, FAILS]


def test_published_values_stand_beside_marked_ones(results: Path) -> None:
    comparison = {
        "models": [
            {"name": name, "published": "imagenet10-standard", "unlike": []} for name in KEPT
        ],
        "attacks": [
            {"name": name, "norm": "linf", "steps": 20, "relative_step": 1 / 3, "unlike": []}
            for name in ("pgd", "bim")
        ],
    }
    text = write_published(results, results / "tables", comparison)[4].read_text()
    pgd, bim = re.split(r"\nbim ", text)
    here = "(?m)^(.*), here"
    assert re.findall(here, pgd) == ["plain †", "eye ‡", "ear"]
    assert re.findall(here, bim) == ["plain †", "eye", "ear"]
    assert told(text) == [WARNS, FAILS]


def test_costs_beside_accuracies_mark_by_attack(results: Path) -> None:
    for model in KEPT:
        write_training(results, model, 0, 1000, wall_seconds=1.0)
    text = write_trade_off(results, results / "tables")[4].read_text()
    names = re.findall("(?m)^((?:plain|eye|ear)[ †‡]*?)  ", text)
    assert names == ["plain †", "eye ‡", "ear", "plain †", "eye", "ear"]
