"""The table of differences on made-up results, against counts and sums worked out by hand."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binomtest

from biorobust.analysis.differences import Comparison, against_the_first, compare
from biorobust.analysis.differences_table import write_differences
from biorobust.analysis.summary import Grid
from biorobust.analysis.verdicts import per_image
from latex_reader import parse_latex
from small_results import counted_job, make_grid, write_results

# Nested: the first images are kept. By model, seed, epsilon: clean and kept of 200.
KEPT = {
    ("plain", 0, "0.01"): (180, 60),
    ("plain", 0, "0.05"): (180, 0),
    ("plain", 1, "0.01"): (176, 64),
    ("plain", 1, "0.05"): (176, 0),
    ("eye", 0, "0.01"): (170, 110),
    ("eye", 0, "0.05"): (170, 0),
    ("eye", 1, "0.01"): (172, 104),
    ("eye", 1, "0.05"): (172, 0),
}
GRID = make_grid({"plain": [0, 1], "eye": [0, 1]}, {"pgd": ["0.01", "0.05"]})


def made_up(kept: dict[tuple[str, int, str], tuple[int, int]] = KEPT) -> pd.DataFrame:
    jobs = [
        counted_job(model, seed, "pgd", text, *counts, images=200)
        for (model, seed, text), counts in kept.items()
    ]
    return pd.concat(jobs, ignore_index=True)


def compared(rows: pd.DataFrame, *comparisons: Comparison, grid: Grid = GRID) -> pd.DataFrame:
    return compare(per_image(rows), grid, comparisons)


def test_counts_tests_and_effect_sizes_by_hand() -> None:
    (line,) = compared(made_up(), Comparison("eye", "plain", "pgd", "0.01")).to_dict("records")
    # Nested, all images on which they differ are the first's: 110 - 60 and 104 - 64.
    assert (line["only_first"], line["only_second"]) == ((50, 40), (0, 0))
    assert line["mcnemar"] == pytest.approx((2**-49, 2**-39))
    assert line["mcnemar_holm"] == pytest.approx((2 * 2**-49, 2**-39))
    assert line["odds_ratio"] == float("inf")
    assert (line["first_share"], line["second_share"]) == (107 / 200, 62 / 200)
    assert line["difference"] == pytest.approx(45 / 200)
    assert 0 < line["low"] < 45 / 200 < line["high"]
    assert line["bootstrap_low"] < 45 / 200 < line["bootstrap_high"]
    assert line["p"] == line["p_holm"] < 0.05
    assert line["told"] == 1


def test_sides_and_order_do_not_matter() -> None:
    there, back = Comparison("eye", "plain", "pgd", "0.01"), Comparison("plain", "eye", "", "clean")
    again = Comparison("plain", "eye", "pgd", "0.01")
    one = compared(made_up(), there, back).to_dict("records")
    other = compared(made_up(), back, again, back).to_dict("records")
    assert [line["epsilon_text"] for line in other] == ["clean", "0.01"]
    assert other[1]["difference"] == -one[0]["difference"]
    assert (other[1]["low"], other[1]["high"]) == pytest.approx((-one[0]["high"], -one[0]["low"]))
    assert (other[1]["p_holm"], other[0]["p_holm"]) == (one[0]["p_holm"], one[1]["p_holm"])
    assert (one[0]["told"], other[1]["told"]) == (1, -1)


def test_retention_is_the_share_that_is_not_lost() -> None:
    (line,) = compared(made_up(), Comparison("eye", "plain", "pgd", "0.01", "retention")).to_dict(
        "records"
    )
    # Lost of the eye 170 - 110 and 172 - 104, of the plain model 180 - 60 and 176 - 64.
    assert line["first_share"] == pytest.approx(1 - (60 + 68) / 400)
    assert line["second_share"] == pytest.approx(1 - (120 + 112) / 400)


def test_with_one_seed_mcnemars_test_decides() -> None:
    kept = {("plain", 0, "0.01"): (180, 60), ("eye", 0, "0.01"): (170, 65)}
    grid = make_grid({"plain": [0], "eye": [0]}, {"pgd": ["0.01"]})
    comparison = Comparison("eye", "plain", "pgd", "0.01")
    (line,) = compared(made_up(kept), comparison, grid=grid).to_dict("records")
    assert line["p"] == pytest.approx(binomtest(5, 5).pvalue) == 2 * 0.5**5
    assert line["told"] == 0
    assert pd.isna(line["seed_variance"])


def test_seeds_of_their_own_are_compared_unpaired() -> None:
    kept = KEPT | {("eye", 2, "0.01"): (170, 100), ("eye", 2, "0.05"): (170, 0)}
    grid = make_grid({"plain": [0], "eye": [1, 2]}, {"pgd": ["0.01", "0.05"]})
    rows = made_up(kept)
    rows = rows[(rows["model"] == "plain") == (rows["seed"] == 0)]
    comparison = Comparison("eye", "plain", "pgd", "0.01")
    (line,) = compared(rows, comparison, grid=grid).to_dict("records")
    assert line["seeds"] == (2, 1)
    assert line["difference"] == pytest.approx((104 + 100) / 400 - 60 / 200)
    assert line["mcnemar"] == ()
    assert pd.isna(line["bootstrap_low"])
    assert line["p"] < 0.05


def test_results_that_are_missing_count_for_no_correction() -> None:
    rows = made_up({key: value for key, value in KEPT.items() if key[::2] != ("eye", "0.05")})
    lines = compared(rows, *against_the_first(GRID)).to_dict("records")
    assert [line["epsilon_text"] for line in lines] == ["clean", "0.05", "0.01"]
    assert pd.isna(lines[1]["p_holm"]) and lines[1]["told"] == 0
    fewer = compared(rows, *(c for c in against_the_first(GRID) if c.epsilon != "0.05"))
    assert list(fewer["p_holm"]) == [lines[0]["p_holm"], lines[2]["p_holm"]]


def test_every_model_is_compared_with_the_first() -> None:
    grid = make_grid({"a": [0], "b": [0], "c": [0]}, {"pgd": ["0.01", "0.05"], "cw": ["minimal"]})
    assert against_the_first(grid) == [
        Comparison(model, "a", attack, text)
        for attack, text in [("", "clean"), ("pgd", "0.05"), ("pgd", "0.01")]
        for model in "bc"
    ]


def written(folder: Path, *wanted: Comparison) -> dict[str, str]:
    results = write_results(folder / "results", made_up(), GRID)
    paths = write_differences(results, folder / "tables", list(wanted))
    assert [path.name for path in paths] == [
        f"differences.{e}" for e in ("csv", "html", "md", "tex", "txt")
    ]
    again = write_differences(results, folder / "again", list(wanted))
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    return {path.suffix[1:]: path.read_text(encoding="utf-8") for path in paths}


def test_every_form_holds_a_line_a_comparison(tmp_path: Path) -> None:
    forms = written(tmp_path)
    lines = list(csv.DictReader(io.StringIO(forms["csv"])))
    assert [(line["epsilon_text"], line["only_first"]) for line in lines] == [
        ("clean", "0 0"),
        ("0.05", "0 0"),
        ("0.01", "50 40"),
    ]
    text = forms["txt"]
    (row,) = (line for line in text.split("\n") if line.startswith("eye − plain, 0.01"))
    # The mark, 45 of 200 images, and both seeds told apart.
    assert "*+22.5" in row and "∞  2 of 2" in row
    assert "eye − plain, 0.05" not in text
    said = " ".join(text.split())
    assert "Left out: 1 of 3 comparisons in which no image tells the models apart" in said
    assert "over the 3 comparisons of this table" in said
    assert max(map(len, text.split("\n"))) <= 100
    assert "| **+22.5** |" in forms["md"]
    source = forms["tex"].split("\n% needs")[1]
    assert parse_latex(f"% needs{source}")[1][:2] == ["eye − plain, 0.01", "+22.5"]


def test_what_it_would_take_is_told_for_round_differences(tmp_path: Path) -> None:
    text = written(tmp_path)["txt"]
    # The models differ on 10, 4 and 50, 40 of 200 images: the median is 25 / 200.
    assert "where the models differ on 12.5% of the images" in " ".join(text.split())
    table = text.split("difference (points)")[1].split("\n\n")[0].split("\n")[2:]
    needed = {line.split()[0]: line.split()[1:] for line in table}
    assert list(needed) == ["1", "2", "5", "10"]
    # Connor's formula (see the tests of power) says 386 for 5 points of 12.5 %.
    assert 386 < int(needed["5"][0]) < 430


def test_a_comparison_and_its_mirror_image_are_one_line(tmp_path: Path) -> None:
    wanted = [Comparison("eye", "plain", "", "clean"), Comparison("plain", "eye", "", "clean")]
    lines = list(csv.DictReader(io.StringIO(written(tmp_path, *wanted)["csv"])))
    assert [(line["first"], line["second"]) for line in lines] == [("eye", "plain")]


def test_models_that_never_differ_are_told_of_in_words(tmp_path: Path) -> None:
    forms = written(tmp_path, Comparison("eye", "plain", "pgd", "0.05"))
    assert forms["txt"] == "No image tells any of the compared models apart.\n"
