"""A card's page: the JSON's numbers, in words and tables that a stranger can read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from biorobust.analysis.cards.markdown import as_page
from carded import FINDINGS, make_carded, of_plain

Tables = list[list[list[str]]]


@pytest.fixture
def card(tmp_path: Path) -> Any:
    return make_carded(tmp_path).card()


def tables(page: str) -> Tables:
    """Every table, as rows of cells without escapes; each row is as long as its header."""
    found = []
    for block in page.split("\n\n"):
        lines = block.split("\n")
        if not lines[0].startswith("|"):
            continue
        # A bar that is escaped parts no cells.
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
        assert {len(row) for row in rows} == {len(rows[0])}
        found.append(
            [
                [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row]
                for row in rows
                if row != rows[1]
            ]
        )
    return found


def table_with(page: str, *columns: str) -> list[dict[str, str]]:
    """The one table with these columns, a row as cells by column."""
    (found,) = (rows for rows in tables(page) if set(columns) <= set(rows[0]))
    return [dict(zip(found[0], row, strict=True)) for row in found[1:]]


def test_accuracies_and_counts_are_the_jsons(card: Any) -> None:
    page = as_page(card)
    results = card["results"]
    rows = table_with(page, "accuracy", "standing / images")
    for row, told in zip(rows, [results["clean"], *results["adversarial"]], strict=True):
        count = told["sum"]
        share = f"{100 * told['mean']:.1f} ± {100 * told['deviation']:.1f} %"
        assert row["accuracy"] == share
        assert share in page.split("## Model")[0]
        assert row["standing / images"] == f"{count['standing']} / {count['images']}"
        # The sums give the mean.
        assert count["standing"] / count["images"] == pytest.approx(told["mean"])
        for column, name in (
            ("over images", "images"),
            ("over images and seeds", "images_and_seeds"),
        ):
            ends = told[f"{name}_interval"]
            assert row[column] == f"{100 * ends['low']:.1f}–{100 * ends['high']:.1f} %"
    assert [row["broken / attacked"] for row in rows] == ["", "6 / 17", "12 / 17"]
    assert [row["ε of 255"] for row in rows] == ["", "2.55", "8"]


def test_every_seed_has_its_counts(card: Any) -> None:
    rows = table_with(as_page(card), "seed", "standing")
    told = [
        (each["epsilon"] or "", str(seed["seed"]), str(seed["standing"]))
        for each in [card["results"]["clean"], *card["results"]["adversarial"]]
        for seed in each["seeds"]
    ]
    assert [(row["ε"], row["seed"], row["standing"]) for row in rows] == told


def test_the_attacks_own_number_stands_beside_the_honest_one(card: Any) -> None:
    (row,) = table_with(as_page(card), "by the attack alone")
    assert row["accuracy"].startswith("25.0 ")
    assert row["by the attack alone"] == "30.0 % (11 / 17 broken)"
    assert row["checks"] == "nesting"
    for each in card["results"]["adversarial"]:
        each["corrected_by"] = []
    assert "by the attack alone" not in as_page(card)


def test_a_failed_check_is_told_at_the_top_and_in_full_below(card: Any) -> None:
    page = as_page(card)
    top = page.split("## Model")[0].replace("\\", "")
    assert "nesting of pgd (fail)" in top and "monotone of pgd (warn)" in top
    assert "**A check fails" in top and "of cw" not in top
    rows = {(row["check"], row["attack"]): row for row in table_with(page, "check", "verdict")}
    assert rows["nesting", "pgd"]["verdict"] == "seed 0 fail, seed 1 pass"
    assert rows["nesting", "pgd"]["in words"] == "What nesting says of seed 0."
    assert rows["nesting", "cw"]["verdict"] == "pass"
    assert "A check that attacks again does so at one epsilon" in page
    assert rows["monotone", "pgd"]["verdict"] == "seed 0 pass, seed 1 warn"
    assert rows["monotone", "pgd"]["in words"] == "What monotone says of seed 1."
    assert rows["monotone", "pgd"]["threshold"] == "warns above 0, fails above 1"
    assert rows["monotone", "pgd"]["figure"] == "0.25, 0.25"
    skipped = rows["epsilon_unit", ""]
    assert skipped["verdict"] == "skipped" and skipped["figure"] == ""


def test_without_objections_the_top_has_none(tmp_path: Path) -> None:
    fine = [found for found in FINDINGS if found["verdict"] == "pass"]
    top = as_page(make_carded(tmp_path, fine).card()).split("## Model")[0]
    assert "Objections" not in top and "A check fails" not in top


def test_what_was_not_tried_and_not_run_is_listed(card: Any) -> None:
    page = as_page(card)
    listed = re.findall(r"^- ([^:]+):", page.split("## What was not tried")[1], re.M)
    assert listed == [each["topic"] for each in card["not_tried"]]
    rows = table_with(page, "check that was not run")
    assert [row["check that was not run"] for row in rows] == [
        each["check"] for each in card["checks"]["not_run"]
    ]


def test_the_page_needs_nothing_but_the_json(card: Any) -> None:
    assert as_page(json.loads(json.dumps(card))) == as_page(card)


def test_an_accepted_edit_is_told_with_its_reason(tmp_path: Path, card: Any) -> None:
    assert "somebody vouches" not in as_page(card)
    carded = make_carded(tmp_path / "accepted")
    edit = {"paths": ["a.py", "b.py"], "reason": "moved | only", "date": "2026-11-23"}
    carded.outline["accepted"] = [
        {**edit, "of": [["train", "plain"], ["attack", "plain"], ["attack", "plain"]]},
        {**edit, "of": [["train", "other"]]},
    ]
    (row,) = table_with(as_page(carded.card()), "files", "why no number changes")
    assert row["files"] == "a.py, b.py" and row["why no number changes"] == "moved | only"
    assert row["results of"] == "train, attack"


def test_names_of_others_are_shown_literally(tmp_path: Path) -> None:
    odd = of_plain("monotone", 0, sentence="Image a|b <c> *d* `e` is\nodd.")
    page = as_page(make_carded(tmp_path, [odd]).card())
    (row,) = table_with(page, "check", "verdict")
    assert row["in words"] == "Image a|b <c> *d* `e` is odd."
    # An image that is a copy is named in a warning.
    assert "u\\|1" in page


def test_one_seed_has_no_deviation_and_missing_facts_are_unknown(card: Any) -> None:
    clean = card["results"]["clean"]
    clean["deviation"], clean["images_and_seeds_interval"] = None, None
    card["model"]["training"] = None
    card["model"]["seeds"][0]["last_epoch"] = None
    card["environment"]["versions"] = {}
    page = as_page(card)
    assert "Clean accuracy 85.0 %." in page
    assert table_with(page, "accuracy", "standing / images")[0]["over images and seeds"] == "–"
    assert table_with(page, "seed", "training loss")[0]["training loss"] == ""
    cells = {row[0]: row[1] for rows in tables(page) for row in rows}
    assert cells["versions"] == "unknown" and cells["training"] == "elsewhere"
