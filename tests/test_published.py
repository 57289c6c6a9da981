"""The table of published values on made-up results, judged by hand."""

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from biorobust.analysis.published_table import write_published
from biorobust.analysis.statistics import prediction_interval
from latex_reader import parse_latex
from small_results import counted_job, make_grid, write_results

EXACT = {"name": "pgd", "norm": "linf", "steps": 20, "relative_step": 1 / 3, "unlike": []}
STANDARD = {"name": "plain", "published": "imagenet10-standard", "unlike": []}
# Right clean and under attack, of 500 images, by epsilon and seed.
CLEAN = (446, 440, 451)
ROBUST = {
    "0.001": (398, 396, 400),
    "0.005": (60, 61, 62),
    "0.01": (30, 60, 90),
    "0.02": (1, 1, 1),
    "0.05": (0, 0, 0),
}


def made_up(folder: Path, name: str = "results", *, images: int = 500, seeds: int = 3) -> Path:
    """Results of one model; with fewer images, none is ever right."""
    right = images == 500
    rows = [
        counted_job("plain", s, "pgd", text, CLEAN[s] * right, robust[s] * right, images=images)
        for text, robust in ROBUST.items()
        for s in range(seeds)
    ]
    grid = make_grid({"plain": list(range(seeds))}, {"pgd": list(ROBUST)})
    return write_results(folder / name, pd.concat(rows, ignore_index=True), grid)


def written(folder: Path, *models: dict[str, Any], attack: dict[str, Any] = EXACT) -> list[Path]:
    comparison = {"models": list(models or [STANDARD]), "attacks": [attack]}
    return write_published(folder, folder / "tables", comparison)


def lines(paths: list[Path]) -> dict[tuple[str, str], dict[str, str]]:
    """The CSV by (source, epsilon)."""
    found = csv.DictReader(io.StringIO(paths[0].read_text(encoding="utf-8")))
    return {(line["source"], line["epsilon_text"]): line for line in found}


def verdicts(paths: list[Path], source: str) -> list[str]:
    places = ("clean", *ROBUST)
    return [lines(paths)[source, place]["verdict"] for place in places]


def test_verdicts_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    # Wilson's 95% intervals of 500 images: 446 of them 86.1-91.6, 398 are 75.8-82.9, 61 are
    # 9.6-15.4, 60 are 9.4-15.1, 1 is 0.0-1.1, 0 are 0.0-0.8. Published: 89.2 or 88.2 clean,
    # then 79.6, 24.4, 3.0, 0.02 or 0.2, 0.
    paths = written(made_up(tmp_path))
    agreed = ["agrees", "agrees", "differs", "agrees", "impossible", "agrees"]
    assert verdicts(paths, "Table 1") == agreed
    assert verdicts(paths, "Table 2") == [*agreed[:4], "agrees", "agrees"]


def test_one_more_seed_may_lie_where_few_images_do(tmp_path: Path) -> None:
    # 30, 60 and 90 of 500: 12 ± 6 %; t(2) = 4.30265; 6 x 4.30265 x sqrt(4/3) = 29.809 points.
    line = lines(written(made_up(tmp_path)))["Table 1", "0.01"]
    assert float(line["low"]) > 0.03
    assert float(line["next_low"]) == 0
    assert float(line["next_high"]) == pytest.approx(0.12 + 0.29809, abs=1e-5)
    assert line["verdict"] == "agrees"
    one = lines(written(made_up(tmp_path, "one", seeds=1)))["Table 1", "0.01"]
    assert one["next_low"] == one["next_high"] == ""
    # 30 of 500, Wilson's interval 4.2-8.4.
    assert one["verdict"] == "differs"


def test_prediction_interval_is_the_textbook_one() -> None:
    # t(4) = 2.776445; mean 3, s = sqrt(2.5); 2.776445 sqrt(2.5) sqrt(1.2) = 4.808944.
    low, high = prediction_interval([1, 2, 3, 4, 5])
    assert (low, high) == pytest.approx((3 - 4.808944, 3 + 4.808944), abs=1e-5)
    with pytest.raises(ValueError, match="one value"):
        prediction_interval([1.0])


def test_another_experiment_is_shown_but_not_judged(tmp_path: Path) -> None:
    unlike = {**STANDARD, "unlike": ["width is 4 (published: not given)"]}
    paths = written(made_up(tmp_path), unlike)
    not_judged = ["not judged"] * 6
    assert verdicts(paths, "Table 2") == not_judged
    # Impossible it is wherever it was measured.
    assert verdicts(paths, "Table 1") == [*not_judged[:4], "impossible", "not judged"]
    text = " ".join(paths[-1].read_text(encoding="utf-8").split())
    assert "Not judged under pgd, because of what is otherwise here: plain: width is 4" in text
    few = written(made_up(tmp_path, "few", images=100))
    assert verdicts(few, "Table 2") == not_judged
    assert lines(few)["Table 2", "clean"]["unlike"] == "N is 100 test images (published: 500)"


def test_another_attack_is_not_judged(tmp_path: Path) -> None:
    longer = {**EXACT, "steps": 40}
    paths = written(made_up(tmp_path), attack=longer)
    assert verdicts(paths, "Table 2") == ["not judged"] * 6
    assert lines(paths)["Table 2", "0.05"]["unlike"] == "steps is 40 (published: 20)"
    rms = {**EXACT, "norm": "rms"}
    paths = written(made_up(tmp_path, "rms"), attack=rms)
    assert verdicts(paths, "released") == ["not judged"] * 3 + ["too high"] * 3


def test_of_several_published_attacks_the_one_that_ran_is_taken(tmp_path: Path) -> None:
    short = {**EXACT, "steps": 5}
    found = lines(written(made_up(tmp_path), attack=short))
    assert found["released", "0.001"]["published"] == "78.8"
    assert found["released", "0.001"]["verdict"] == "agrees"
    assert found["Table 1", "0.001"]["unlike"] == "steps is 5 (published: 20)"


def test_figures_without_numbers_and_epsilons_without_attacks_say_so(tmp_path: Path) -> None:
    drawn = {**STANDARD, "published": "imagenet10-multi-gaze"}
    paths = written(made_up(tmp_path), drawn)
    assert verdicts(paths, "Fig. 16") == ["no number"] * 6
    assert "79.6 ± 0.4" in paths[-1].read_text(encoding="utf-8")
    other = {**STANDARD, "published": "cifar10-standard"}
    assert lines(written(made_up(tmp_path, "b"), other))["released", "0.1"]["verdict"] == (
        "not attacked"
    )


def test_every_form_holds_the_published_number_its_verdict_and_ours(tmp_path: Path) -> None:
    paths = written(made_up(tmp_path))
    assert [path.name for path in paths] == [
        f"published.{e}" for e in ("csv", "html", "md", "tex", "txt")
    ]
    _, _, markdown, latex, text = (path.read_text(encoding="utf-8") for path in paths)
    assert "| 0.02! (impossible) |" in markdown
    assert "| 89.2! (agrees) |" in markdown
    assert "0.02% of 500 images is 0.1 of an image" in " ".join(text.split())
    assert max(map(len, text.split("\n"))) <= 110
    cells = [row[:2] for row in parse_latex(latex)]
    assert cells[1:3] == [["plain, Table 1", "89.2!"], ["", "agrees"]]
    again = write_published(
        tmp_path / "results", tmp_path / "again", {"models": [STANDARD], "attacks": [EXACT]}
    )
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_the_honest_accuracy_is_judged_and_the_attacks_own_stands_behind(tmp_path: Path) -> None:
    folder = made_up(tmp_path, seeds=1)
    rows = pd.read_parquet(folder / "results.parquet")
    rows["broken_uncorrected"] = rows["broken"]
    place = (rows["epsilon_text"] == "0.001") & (rows["image"] < "100")
    rows.loc[place, "broken"] = True
    rows.to_parquet(folder / "results.parquet")
    paths = written(folder)
    line = lines(paths)["Table 1", "0.001"]
    # 398 of 500 survive the attack, and 100 fewer the checks too; 79.6 % were published.
    assert (float(line["mean"]), float(line["uncorrected"])) == (298 / 500, 398 / 500)
    assert line["verdict"] == "differs"
    text = paths[3].read_text(encoding="utf-8")
    assert "attack alone 79.6" in text and "these count and are judged" in " ".join(text.split())


def test_nothing_to_set_beside_is_said(tmp_path: Path) -> None:
    paths = written(made_up(tmp_path), attack={**EXACT, "norm": "l2"})
    assert (
        paths[-1].read_text() == "No attack of this experiment has the norm of a published one.\n"
    )


def test_a_line_that_repeats_the_release_is_marked_with_why(tmp_path: Path) -> None:
    coarse = {**STANDARD, "published": "imagenet10-coarse"}
    text = written(made_up(tmp_path), coarse)[-1].read_text(encoding="utf-8")
    rows = [line.split("  ")[0] for line in text.split("\n") if line.startswith("plain, ")]
    assert [row for row in rows if row.endswith("!")] == ["plain, Table 1!"]
    assert "plain, Table 1!: wherever the released accuracies" in " ".join(text.split())
