"""The table of robustness: what a reader and a machine find in it, and what it warns of."""

import re
from collections.abc import Sequence
from math import inf
from pathlib import Path

import pandas as pd
import pytest

from biorobust.analysis.robustness import OVER_ATTACKS, summarise_robustness
from biorobust.analysis.robustness_table import write_robustness
from biorobust.analysis.summary import read_results
from biorobust.errors import UserError
from latex_reader import parse_latex
from small_results import HARD_NAME, corrected, make_grid, sized_job, write_results

ATTACKS = {"pgd": ["0.05"], "cw": ["minimal"]}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two models of two seeds; the second model's second seed lacks the minimal attack."""
    rows = [
        sized_job(HARD_NAME, 0, "pgd", "0.05", [0, 0.012, 0.03, None, None]),
        sized_job(HARD_NAME, 0, "cw", "minimal", [0, 0.01, 0.04, 0.06, 0.09]),
        sized_job(HARD_NAME, 1, "pgd", "0.05", [0.01, 0.02, 0.03, 0.04, 0.05]),
        sized_job(HARD_NAME, 1, "cw", "minimal", [0.03, 0.03, 0.03, 0.03, 0.08]),
        sized_job("cnn", 0, "pgd", "0.05", [0, 0, 0, None, None]),
        sized_job("cnn", 0, "cw", "minimal", [0, 0, 0, None, 0.001]),
        sized_job("cnn", 1, "pgd", "0.05", [0, 0.01, 0.01, 0.01, 0.01]),
    ]
    grid = make_grid({HARD_NAME: [0, 1], "cnn": [0, 1]}, ATTACKS)
    return write_results(tmp_path / "results", pd.concat(rows, ignore_index=True), grid)


def texts(results: Path) -> dict[str, str]:
    paths = write_robustness(results, results / "tables")
    assert [path.name for path in paths] == [
        f"robustness.{ending}" for ending in ("csv", "html", "md", "tex", "txt")
    ]
    return {path.suffix: path.read_text(encoding="utf-8") for path in paths}


# L-inf, of HARD_NAME over the attacks: seed 0 has 0, 0.01, 0.03, 0.06, 0.09 (mean 0.038), seed 1
# 0.01, 0.02, 0.03, 0.03, 0.05 (mean 0.028); a deviation of 0.01 is 0.01 / sqrt(2) = 0.00707.
# Under pgd seed 0 has 2 of 5 survivors and a mean of 0.014 of the others, seed 1 none and 0.03.
# Under cw seed 0 has a mean of 0.2 / 5 = 0.04 and so has seed 1; medians are 0.04 and 0.03.
EXPECTED = {
    HARD_NAME: [
        ["median", "0.0300 ± 0.0000", "0.0300 ± 0.0000", "0.0350 ± 0.0071"],
        ["mean", "0.0330 ± 0.0071", "∞", "0.0400 ± 0.0000"],
        ["mean of broken", "0.0330 ± 0.0071", "0.0220 ± 0.0113", "0.0400 ± 0.0000"],
        ["never broken", "0.0 ± 0.0%", "20.0 ± 28.3%", "0.0 ± 0.0%"],
    ],
    # Only its first seed is whole; under pgd both are, whose medians are 0 and 0.01.
    "cnn": [
        ["median", "0", "0.00500 ± 0.00707", "0"],
        ["mean", "∞", "∞", "∞"],
        ["mean of broken", "0.000250", "0.00400 ± 0.00566", "0.000250"],
        ["never broken", "20.0%", "20.0 ± 28.3%", "20.0%"],
        ["", "1 of 2 seeds", "", "1 of 2 seeds"],
    ],
}


def test_text_holds_the_numbers_worked_out_by_hand(results: Path) -> None:
    lines = texts(results)[".txt"].split("\n")
    assert lines[0].split("  ")[0] == "L∞ norm"
    assert re.split(r" {2,}", lines[0]) == ["L∞ norm", OVER_ATTACKS, "pgd", "cw"]
    expected = EXPECTED[HARD_NAME] + EXPECTED["cnn"]
    for line, cells in zip(lines[2:11], expected, strict=True):
        name = HARD_NAME if cells is expected[0] else "cnn" if cells is expected[4] else ""
        assert line.startswith(name)
        shown = re.split(r" {2,}", line[len(name) :].strip())
        assert shown == [cell for cell in cells if cell]
    assert max(map(len, lines)) <= 100
    assert [line.split("  ")[0] for line in lines if " norm  " in line] == [
        "L∞ norm",
        "L2 norm",
        "root-mean-square norm",
    ]


def test_latex_and_markdown_hold_the_same_numbers(results: Path) -> None:
    found = texts(results)
    tables = re.split(r"\n\n(?=% needs)", found[".tex"])
    assert re.findall(r"\\label{(.*)}", found[".tex"]) == [
        "tab:robustness-linf",
        "tab:robustness-l2",
        "tab:robustness-rms",
    ]
    for table in tables:
        parse_latex(table)
    rows = parse_latex(tables[0])
    assert rows[0] == ["L∞ norm", "", OVER_ATTACKS, "pgd", "cw"]
    assert [row[1:] for row in rows[1:]] == EXPECTED[HARD_NAME] + EXPECTED["cnn"]
    (row,) = [line for line in found[".md"].split("\n")[:6] if line.startswith("| cnn")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[1:3] == [
        "median (mean, mean of broken, never broken)",
        "0 (∞, 0.000250, 20.0%, 1 of 2 seeds)",
    ]


def test_csv_is_the_summary_to_the_last_digit(results: Path) -> None:
    write_robustness(results, results)
    read = pd.read_csv(results / "robustness.csv", dtype={"never_broken": str, "total": str})
    rows, grid, _, _ = read_results(results)
    summary = summarise_robustness(rows, grid)
    for column in ("never_broken", "total"):
        kind = int if column == "never_broken" else float
        found = [tuple(map(kind, text.split())) for text in read.pop(column)]
        assert found == summary.pop(column).tolist()
    pd.testing.assert_frame_equal(read, summary[read.columns], check_exact=True, check_dtype=False)
    assert read.loc[read["attack"] == "pgd", "mean"].tolist() == [inf] * 6


def test_the_caption_tells_of_gaps_and_of_the_smallest_over_attacks(results: Path) -> None:
    text = " ".join(texts(results)[".txt"].split())
    assert "Incomplete: 1 of 4 trained models (model, seed) lack jobs" in text
    assert "Smallest over attacks: of each image the smallest" in text
    assert "N = 5 test images" in text
    assert "No attack of this experiment looks for" not in text


@pytest.mark.parametrize(
    ("epsilons", "warned"), [(["0.01", "0.05"], "as of the models."), (["0.05"], "single ε")]
)
def test_sizes_that_tell_little_come_with_a_warning(
    tmp_path: Path, epsilons: Sequence[str], warned: str
) -> None:
    grid = make_grid({"cnn": [0]}, {"pgd": list(epsilons)})
    rows = [sized_job("cnn", 0, "pgd", text, [0, 0.01, None]) for text in epsilons]
    found = texts(write_results(tmp_path / "results", pd.concat(rows), grid))
    text = " ".join(found[".txt"].split())
    assert "No attack of this experiment looks for the smallest perturbation" in text
    assert warned in text
    assert ("single ε" in text) == (len(epsilons) == 1)
    # Over one attack, the smallest is that attack's: said once to a reader, but not to machines.
    assert OVER_ATTACKS not in text and "Incomplete" not in text and "±" not in text
    assert found[".csv"].count(OVER_ATTACKS) == found[".csv"].count(",pgd,") == 3


def test_many_attacks_stand_in_several_parts(tmp_path: Path) -> None:
    model, names = "parallel_transformers", [f"attack-{i}" for i in range(6)]
    grid = make_grid({model: [0, 1]}, {name: ["minimal"] for name in names})
    rows = [
        sized_job(model, seed, name, "minimal", [0.004 + 0.001 * seed])
        for seed in (0, 1)
        for name in names
    ]
    found = texts(write_results(tmp_path / "results", pd.concat(rows), grid))
    heads = [line for line in found[".txt"].split("\n") if line.startswith("L2 norm")]
    assert [head.split()[2:] for head in heads] == [
        ["smallest", "over", "attacks", *names[:2]],
        names[2:5],
        names[5:],
    ]
    labels = re.findall(r"\\label{tab:(.*)}", found[".tex"])
    assert len(set(labels)) == len(labels) == 9
    assert found[".txt"].count("Median over all images") == 1
    assert "0.00450 ± 0.00071" in found[".txt"]
    assert max(map(len, found[".txt"].split("\n"))) <= 100


def test_the_honest_size_leads_and_the_attacks_own_stands_below(tmp_path: Path) -> None:
    rows = [
        sized_job("cnn", 0, "pgd", "0.05", [0, 0.03, 0.04, None, None]),
        sized_job("cnn", 0, "cw", "minimal", [0, 0.02, 0.06, 0.07, 0.08]),
    ]
    honest = corrected(rows[0], "black_box", [0, 0.01, 0.04, 0.05, None])
    grid = make_grid({"cnn": [0]}, ATTACKS)
    folder = write_results(tmp_path / "results", pd.concat(rows), grid, corrections=[honest])
    found = texts(folder)
    shown = [re.split(r" {2,}", line.strip()) for line in found[".txt"].split("\n")[2:9]]
    # Over the attacks 0, 0.01, 0.04, 0.05, 0.08, alone 0, 0.02, 0.04, 0.07, 0.08: one median.
    assert shown == [
        ["cnn", "median", "0.0400", "0.0400", "0.0600"],
        ["mean", "0.0360", "∞", "0.0460"],
        ["mean of broken", "0.0360", "0.0250", "0.0460"],
        ["never broken", "0.0%", "20.0%", "0.0%"],
        ["alone: mean", "0.0420", "∞", "0.0460"],
        ["alone: mean of broken", "0.0420", "0.0233", "0.0460"],
        ["alone: never broken", "0.0%", "40.0%", "0.0%"],
    ]
    assert "What checks broke inside an attack's ball counts" in " ".join(found[".txt"].split())
    assert max(map(len, found[".txt"].split("\n"))) <= 100
    assert "alone" not in texts(write_results(tmp_path / "plain", pd.concat(rows), grid))[".txt"]


def test_results_without_the_honest_rows_are_refused(results: Path) -> None:
    (results / "corrections.parquet").unlink()
    with pytest.raises(UserError, match=r"corrections\.parquet is missing"):
        write_robustness(results, results)


def test_same_results_same_bytes(results: Path, tmp_path: Path) -> None:
    first = write_robustness(results, tmp_path / "first")
    second = write_robustness(results, tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_rows_without_sizes_are_refused(results: Path) -> None:
    rows = pd.read_parquet(results / "results.parquet")
    # A column more is none of our business.
    rows.assign(attack_kind="x").to_parquet(results / "results.parquet")
    assert texts(results)[".txt"]
    rows.drop(columns="rms").to_parquet(results / "results.parquet")
    with pytest.raises(UserError, match="no column rms"):
        write_robustness(results, results)
