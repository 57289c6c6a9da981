"""Tables of small results, against numbers worked out by hand."""

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.analysis.summary import read_results
from biorobust.analysis.tables import write_tables
from biorobust.analysis.typesetting import display_width, escape_latex, escape_markdown
from biorobust.errors import UserError
from latex_reader import parse_latex, print_latex
from small_results import FIVE, HARD_NAME, counted_job, make_grid, sized_job, write_results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two models of two seeds; the second has one job of two at 0.01 and none at 0.05."""
    jobs = [
        (HARD_NAME, 0, "pgd", "0.01", 9, 5),
        (HARD_NAME, 0, "pgd", "0.05", 9, 1),
        (HARD_NAME, 1, "pgd", "0.01", 8, 4),
        (HARD_NAME, 1, "pgd", "0.05", 8, 0),
        ("[w]*--", 0, "pgd", "0.01", 10, 6),
    ]
    grid = make_grid({HARD_NAME: [0, 1], "[w]*--": [0, 1]}, {"pgd": ["0.01", "0.05"]})
    rows = pd.concat([counted_job(*job) for job in jobs], ignore_index=True)
    return write_results(tmp_path / "results", rows, grid)


# Intervals over images and seeds of 10 images, worked out by hand for the first model. Clean, its
# seeds keep 9 and 8 images, the same but for one: with 2 kept and 2 lost, means 1 (10 times), 1/2,
# 0 (3 times): mean 3/4, squares from it 2.375, variance of the mean 2.375 / 13 / 14 = 0.013049.
# Between seeds 10 x 0.005 is no more than the residual 0.45 / 9 = 0.05: seeds add nothing but what
# is unknown of them, 0.05 / 10 / 2 = 0.0025 with a degree of freedom; (0.013049)^2 /
# (0.013049^2 / 13 + 0.0025^2) = 8.80 degrees, t = 2.270, 75 +- 25.9. At 0.01 the seeds keep 5 and
# 4: mean 6.5 / 14, variance 3.2321 / 13 / 14 = 0.017759, 10.34 degrees, t = 2.218, 46.4 +- 29.6;
# at 0.05, 1 and 0: mean 2.5 / 14, 1.8036 / 13 / 14 = 0.009910, 7.11 degrees, t = 2.357, 17.9 +-
# 23.5. The second model's single seed, by the first's spread in proportion to p (1 - p): clean
# 12 / 14, 0.009419, unknown 0.005 x 0.12245 / 0.1875 = 0.003265, 5.07 degrees, t = 2.557, 85.7 +-
# 24.8; at 0.01 8 / 14, 0.018838, 0.005 x 0.24490 / 0.24872 = 0.004923, 6.89, 2.373, 57.1 +- 32.6.
# A deviation of 10 points between two seeds is 10 / sqrt(2) = 7.07.
EXPECTED = [
    ["clean", "85.0 ± 7.1", "49.1–100.0", ""],
    ["0.05", "5.0 ± 7.1", "0.0–41.3", ""],
    ["0.01", "45.0 ± 7.1", "16.9–76.0", ""],
    ["clean", "100.0", "60.9–100.0", "1 of 2 seeds"],
    ["0.05", "missing", "", ""],
    ["0.01", "60.0", "24.6–89.7", "1 of 2 seeds"],
]


def table_text(results: Path, ending: str) -> str:
    paths = write_tables(results, results / "tables")
    assert [path.name for path in paths] == ["pgd.csv", "pgd.html", "pgd.md", "pgd.tex", "pgd.txt"]
    return (results / "tables" / f"pgd.{ending}").read_text(encoding="utf-8")


def test_csv_holds_the_numbers_worked_out_by_hand(results: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(table_text(results, "csv"))))
    shown = ["epsilon_text", "seeds", "correct", "missing"]
    assert [[line[key] for key in shown] for line in lines] == [
        ["clean", "2", "9 8", "0"],
        ["0.05", "2", "1 0", "0"],
        ["0.01", "2", "5 4", "0"],
        ["clean", "1", "10", "1"],
        ["0.05", "0", "", "2"],
        ["0.01", "1", "6", "1"],
    ]
    assert [line["model"] for line in lines] == [HARD_NAME] * 3 + ["[w]*--"] * 3
    assert {(line["attack"], line["norm"], line["images"]) for line in lines} == {
        ("pgd", "linf", "10")
    }
    means = [float(line["mean"]) for line in lines if line["mean"]]
    assert means == pytest.approx([0.85, 0.05, 0.45, 1.0, 0.6])
    assert float(lines[2]["std"]) == pytest.approx(0.1 / 2**0.5)
    # Wilson's 95% interval, from its closed formula: 4 of 10 from 16.82, 5 of 10 to 76.34.
    assert float(lines[2]["low"]) == pytest.approx(0.1682, abs=5e-5)
    assert float(lines[2]["high"]) == pytest.approx(0.7634, abs=5e-5)
    assert [lines[4][key] for key in ("mean", "std", "low", "high")] == [""] * 4
    assert lines[5]["std"] == ""


def test_latex_is_sound_and_prints_the_same_numbers(results: Path) -> None:
    source = table_text(results, "tex")
    rows = parse_latex(source)
    assert {len(row) for row in rows} == {4}
    assert rows[0] == ["Model", "clean", "ε = 0.05", "ε = 0.01"]
    assert rows[1] == [HARD_NAME, *(line[1] for line in EXPECTED[:3])]
    assert rows[2] == ["", *(line[2] for line in EXPECTED[:3])]
    assert rows[3] == ["[w]*--", *(line[1] for line in EXPECTED[3:])]
    assert rows[4] == ["", *(line[2] for line in EXPECTED[3:])]
    assert rows[5] == ["", *(line[3] for line in EXPECTED[3:])]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'")))
def test_any_name_survives_latex(name: str) -> None:
    assert print_latex(escape_latex(name)) == " ".join(name.split())


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_any_name_survives_markdown(name: str) -> None:
    escaped = escape_markdown(name)
    assert re.sub(r"\\(.)", r"\1", escaped) == " ".join(name.split())
    assert not set(re.sub(r"\\.", "", escaped)) & set("|*_`<[]$&~#")


def test_markdown_holds_the_same_numbers(results: Path) -> None:
    lines = table_text(results, "md").split("\n")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    assert {len(row) for row in rows} == {4}
    shown = [cell.strip() for row in rows[2:] for cell in row[1:]]
    assert shown == [
        "85.0 ± 7.1 (49.1–100.0)",
        "5.0 ± 7.1 (0.0–41.3)",
        "45.0 ± 7.1 (16.9–76.0)",
        "100.0 (60.9–100.0, 1 of 2 seeds)",
        "missing",
        "60.0 (24.6–89.7, 1 of 2 seeds)",
    ]


def test_text_holds_the_same_numbers_and_says_what_they_cover(results: Path) -> None:
    text = table_text(results, "txt")
    table, *caption = text.split("\n\n")
    lines = table.split("\n")
    assert lines[2].startswith(HARD_NAME)
    assert re.split(r" {2,}", lines[2])[1:] == [line[1] for line in EXPECTED[:3]]
    assert lines[3].split() == [line[2] for line in EXPECTED[:3]]
    assert re.split(r" {2,}", lines[4])[1:] == [line[1] for line in EXPECTED[3:]]
    assert re.split(r" {2,}", lines[6])[1:] == ["1 of 2 seeds"] * 2
    said = " ".join(" ".join(caption).split())
    for needed in (
        "the attack pgd",
        "L∞ norm",
        "N = 10 test images, 2 seeds a model",
        "Mean ± sample standard deviation over the seeds",
        "The range is the 95% interval over test images and seeds",
        "3 of 8 jobs",
    ):
        assert needed in said


def test_five_epsilons_fit_a_hundred_columns(tmp_path: Path) -> None:
    grid = make_grid({"parallel_transformers": [0, 1]}, {"pgd": list(FIVE)})
    rows = [
        counted_job("parallel_transformers", seed, "pgd", text, 9 + seed, 5 + 4 * seed)
        for seed in (0, 1)
        for text in FIVE
    ]
    text = table_text(write_results(tmp_path, pd.concat(rows), grid), "txt")
    assert "95.0 ± 7.1" in text
    assert max(map(len, text.split("\n"))) <= 100


def test_wide_names_keep_the_columns_aligned(tmp_path: Path) -> None:
    assert [display_width(text) for text in ("abc", "視網膜", "e\u0301", "ε ±")] == [3, 6, 1, 3]
    grid = make_grid({"視網膜": [0], "x": [0]}, {"pgd": ["0.01"]})
    rows = [counted_job(name, 0, "pgd", "0.01", 9, 5) for name in ("視網膜", "x")]
    lines = table_text(write_results(tmp_path, pd.concat(rows), grid), "txt").split("\n")
    as_narrow = lines[2].replace("視網膜", "xxxxxx")
    assert as_narrow.index("90.0") == lines[4].index("90.0") > 6


def test_a_single_seed_claims_no_deviation(tmp_path: Path) -> None:
    grid = make_grid({"cnn": [7]}, {"pgd": ["8/255"]})
    folder = write_results(tmp_path, counted_job("cnn", 7, "pgd", "8/255", 9, 5), grid)
    text = table_text(folder, "txt")
    assert "±" not in text
    # Wilson's of 9 and of 5 images out of 10.
    assert "59.6–98.2" in text and "23.7–76.3" in text
    assert "Wilson's 95% interval of the count among the N = 10 images" in " ".join(text.split())
    assert "ε = 8/255" in text
    assert "One seed a model" in text
    assert "missing" not in text


def marked(folder: Path, jobs: dict[str, tuple[int, int]], seeds: int = 2) -> dict[str, list[str]]:
    """The cells of each model of 300 images, which keeps so many clean and under attack."""
    rows = [
        counted_job(model, seed, "pgd", "0.01", clean, robust, images=300)
        for model, (clean, robust) in jobs.items()
        for seed in range(seeds)
    ]
    grid = make_grid({model: list(range(seeds)) for model in jobs}, {"pgd": ["0.01"]})
    text = table_text(write_results(folder, pd.concat(rows), grid), "txt")
    assert ("Marked (bold, or *)" in text) == ("*" in text.split("Accuracy")[0])
    found = (re.split(r" {2,}", line) for line in text.split("\n")[2 : 2 + 2 * len(jobs) : 2])
    return {name: cells for name, *cells in found}


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_best_of_a_column_and_what_is_not_told_from_it_are_marked(
    tmp_path: Path, seeds: int
) -> None:
    # Nested: 250 against 247 images differ on 3, against 200 on 50 and all one way.
    jobs = {"far": (200, 10), "best": (250, 10), "near": (247, 9)}
    cells = marked(tmp_path / "results", jobs, seeds)
    assert [model for model in jobs if cells[model][0].startswith("*")] == ["best", "near"]
    # None is told from the best.
    assert not any(cells[model][1].startswith("*") for model in jobs)
    latex = (tmp_path / "results/tables/pgd.tex").read_text()
    markdown = (tmp_path / "results/tables/pgd.md").read_text()
    assert latex.count(r"\textbf{") == markdown.count("| **") == 2
    assert parse_latex(latex)[3][1].startswith("83.3")


def test_one_model_alone_is_not_the_best(tmp_path: Path) -> None:
    assert marked(tmp_path / "results", {"only": (250, 10)})["only"] == ["83.3 ± 0.0", "3.3 ± 0.0"]


def test_only_attacks_with_epsilons_have_a_table(tmp_path: Path) -> None:
    grid = make_grid({"cnn": [0]}, {"pgd": ["0.05"], "cw": ["minimal"]})
    sizes = [0, 0.01, None]
    rows = [sized_job("cnn", 0, "pgd", "0.05", sizes), sized_job("cnn", 0, "cw", "minimal", sizes)]
    folder = write_results(tmp_path / "both", pd.concat(rows), grid)
    assert "33.3" in table_text(folder, "txt")
    grid = make_grid({"cnn": [0]}, {"cw": ["minimal"]})
    assert write_tables(write_results(tmp_path / "minimal", rows[1], grid), tmp_path) == []


def test_same_results_same_bytes(results: Path, tmp_path: Path) -> None:
    first = write_tables(results, tmp_path / "first")
    second = write_tables(results, tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_damaged_or_mismatched_results_are_refused(results: Path) -> None:
    rows = pd.read_parquet(results / "results.parquet")
    rows[rows["epsilon_text"] != "0.05"].to_parquet(results / "results.parquet")
    with pytest.raises(UserError, match=r"disagree about .* seed 0, pgd at epsilon 0.05"):
        read_results(results)
    rows.drop(columns="broken").to_parquet(results / "results.parquet")
    with pytest.raises(UserError, match="no column broken"):
        read_results(results)
    (results / "results.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match="damaged"):
        read_results(results)
    (results / "results.parquet").unlink()
    with pytest.raises(UserError, match="run the collect stage"):
        read_results(results)
    rows.to_parquet(results / "results.parquet")
    (results / "results.json").write_text("{}")
    with pytest.raises(UserError, match=r"results\.json is not a record of results"):
        read_results(results)
