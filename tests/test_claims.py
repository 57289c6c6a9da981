"""Claims judged on made-up results."""

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from biorobust.analysis.claims import judge, weigh
from biorobust.analysis.claims_table import write_claims
from biorobust.analysis.verdicts import per_image
from latex_reader import parse_latex
from small_results import counted_job, make_grid, write_results

# Of 400 images, alike for both seeds, clean and under attack.
KEPT = {"plain": (360, 100), "eye": (356, 240), "twin": (358, 242), "blind": (200, 120)}
GRID = make_grid({name: [0, 1] for name in KEPT}, {"pgd": ["0.01"]})


def rows() -> pd.DataFrame:
    jobs = [
        counted_job(name, seed, "pgd", "0.01", *counts, images=400)
        for name, counts in KEPT.items()
        for seed in (0, 1)
    ]
    return pd.concat(jobs, ignore_index=True)


def claim(name: str, *pairs: tuple[str, str], at: str = "0.01", **entries: Any) -> dict[str, Any]:
    attack = "" if at == "clean" else "pgd"
    return {
        "name": name,
        "text": f"What {name} says.",
        "source": "Thesis §3.1",
        "direction": "higher",
        "margin": None,
        "comparisons": [[*pair, attack, at, "accuracy"] for pair in pairs],
        **entries,
    }


def judged(*claims: dict[str, Any]) -> dict[str, str]:
    return judge(weigh(per_image(rows()), GRID, list(claims)))


def test_higher_is_judged_by_every_comparison() -> None:
    assert judged(
        claim("one", ("eye", "plain")),
        claim("both", ("eye", "plain"), ("twin", "plain")),
        claim("not all", ("eye", "plain"), ("eye", "twin")),
        claim("one wrong", ("eye", "plain"), ("plain", "twin")),
        claim("all wrong", ("plain", "eye"), at="0.01"),
        claim("nothing", ("twin", "eye"), at="clean"),
    ) == {
        "one": "supported",
        "both": "supported",
        "not all": "undecided",
        "one wrong": "contradicted",
        "all wrong": "contradicted",
        "nothing": "undecided",
    }


@pytest.mark.parametrize(
    ("direction", "pair", "margin", "verdict"),
    [
        # 356 and 360 of 400 differ by 1 point, 200 and 360 by 40.
        ("not_lower", ("eye", "plain"), 5, "supported"),
        ("not_lower", ("eye", "plain"), 1, "undecided"),
        ("not_lower", ("blind", "plain"), 5, "contradicted"),
        ("not_lower", ("plain", "blind"), 5, "supported"),
        ("similar", ("eye", "plain"), 5, "supported"),
        ("similar", ("eye", "plain"), 1.2, "undecided"),
        ("similar", ("blind", "plain"), 5, "contradicted"),
        ("similar", ("plain", "blind"), 5, "contradicted"),
        ("similar", ("plain", "blind"), 39, "undecided"),
        ("similar", ("plain", "blind"), 60, "supported"),
    ],
)
def test_margins(direction: str, pair: tuple[str, str], margin: float, verdict: str) -> None:
    entry = claim("it", pair, at="clean", direction=direction, margin=margin)
    assert judged(entry) == {"it": verdict}


def test_within_a_margin_means_that_the_interval_is() -> None:
    def told(margin: float) -> int:
        entry = claim("it", ("eye", "plain"), at="clean", direction="similar", margin=margin)
        return int(weigh(per_image(rows()), GRID, [entry])["told"].iloc[0])

    (line,) = weigh(per_image(rows()), GRID, [claim("it", ("eye", "plain"), at="clean")]).to_dict(
        "records"
    )
    widest = 100 * max(abs(line["low"]), abs(line["high"]))
    assert (told(widest - 0.01), told(widest + 0.01)) == (0, 1)


def test_a_test_that_several_claims_make_is_corrected_for_once() -> None:
    pair = ("eye", "twin")
    alone = weigh(per_image(rows()), GRID, [claim("a", pair)])
    twice = weigh(per_image(rows()), GRID, [claim("a", pair), claim("b", pair)])
    assert list(twice["p_holm"]) == [alone["p_holm"].iloc[0]] * 2
    other = claim("b", pair, direction="similar", margin=5)
    assert (
        weigh(per_image(rows()), GRID, [claim("a", pair), other])["p_holm"].iloc[0]
        >= (alone["p_holm"].iloc[0])
    )


def test_a_claim_without_results_is_undecided(tmp_path: Path) -> None:
    grid = make_grid({**{name: [0, 1] for name in KEPT}, "gone": [0, 1]}, {"pgd": ["0.01"]})
    folder = write_results(tmp_path / "results", rows(), grid)
    claims = [claim("lost", ("gone", "plain")), claim("half", ("eye", "plain"), ("eye", "gone"))]
    text = write_claims(folder, tmp_path, claims)[-1].read_text()
    assert "lost" in text and "missing" in text
    (half,) = (line for line in text.split("\n") if line.startswith("half  "))
    assert half.split()[1:5] == ["undecided", "1", "of", "2"]


def test_every_form_holds_verdicts_numbers_and_what_is_claimed(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "results", rows(), GRID)
    claims = [
        claim("robust", ("eye", "plain"), ("twin", "plain")),
        claim("cheap", ("eye", "plain"), at="clean", direction="not_lower", margin=1),
    ]
    paths = write_claims(folder, tmp_path / "tables", claims)
    assert [path.name for path in paths] == [
        f"claims.{e}" for e in ("csv", "html", "md", "tex", "txt")
    ]
    table, _, markdown, latex, text = (path.read_text(encoding="utf-8") for path in paths)
    lines = list(csv.DictReader(io.StringIO(table)))
    assert [(line["claim"], line["first"], line["verdict"]) for line in lines] == [
        ("robust", "eye", "supported"),
        ("robust", "twin", "supported"),
        ("cheap", "eye", "undecided"),
    ]
    # 140 and 142 of 400 images are 35.0 and 35.5 %.
    assert [float(line["difference"]) for line in lines[:2]] == pytest.approx([0.35, 0.355])
    assert parse_latex(latex)[1] == ["robust", "supported", "2 of 2", "0", "+35.0", "+35.5"]
    assert "| robust | supported | 2 of 2 | 0 | +35.0 (" in markdown
    said = " ".join(text.split())
    assert "robust: What robust says (Thesis §3.1)." in said
    assert "cheap: What cheap says (Thesis §3.1). Taken to mean: lower by at most 1 point." in said
    assert "corrected by Holm's method over 3 comparisons" in said
    again = write_claims(folder, tmp_path / "again", claims)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
