"""Error bars and summed-up accuracies, against closed formulas and published values."""

from fractions import Fraction
from math import isnan, sqrt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust.analysis.statistics import mean_and_deviation, wilson_interval
from biorobust.analysis.summary import Attack, Grid, summarise
from biorobust.errors import UserError

Z_95 = 1.959963984540054
Z_99 = 2.5758293035489004


def closed_formula(successes: int, total: int, z: float) -> tuple[float, float]:
    p = successes / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return centre - half, centre + half


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 5000))
    return draw(st.integers(0, total)), total


@given(counts(), st.sampled_from([(0.95, Z_95), (0.99, Z_99)]))
def test_interval_is_wilsons_closed_formula(
    count: tuple[int, int], level: tuple[float, float]
) -> None:
    confidence, z = level
    expected = closed_formula(*count, z)
    assert wilson_interval(*count, confidence) == pytest.approx(expected, abs=1e-12)


def test_interval_of_a_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@given(counts(), st.floats(0.01, 0.99))
def test_a_count_between_whole_images_is_rounded_outwards(
    count: tuple[int, int], part: float
) -> None:
    below, total = count[0], count[1] + 1
    expected = closed_formula(below, total, Z_95)[0], closed_formula(below + 1, total, Z_95)[1]
    assert wilson_interval(below + part, total) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("successes", "total"), [(-1, 10), (11, 10), (10.5, 10), (0, 0)])
def test_impossible_counts_are_refused(successes: float, total: int) -> None:
    with pytest.raises(ValueError):
        wilson_interval(successes, total)


def test_mean_and_sample_deviation_by_hand() -> None:
    # Deviations from 5: -3, -1, -1, -1, 0, 0, 2, 4; squares sum to 32; divisor 7.
    mean, deviation = mean_and_deviation([2, 4, 4, 4, 5, 5, 7, 9])
    assert mean == 5
    assert deviation == pytest.approx(sqrt(32 / 7), rel=1e-15)


def test_equal_values_have_no_deviation_and_a_single_one_has_an_unknown_one() -> None:
    assert mean_and_deviation([0.1] * 3)[1] == 0
    mean, deviation = mean_and_deviation([0.3])
    assert mean == 0.3
    assert isnan(deviation)
    with pytest.raises(ValueError):
        mean_and_deviation([])


def make_job(attack: str, text: str, clean: list[bool], broken: list[bool]) -> pd.DataFrame:
    """One job of cnn, seed 0: which images are classified right, and which of these broken."""
    return pd.DataFrame(
        {
            "model": "cnn",
            "seed": 0,
            "attack": attack,
            "epsilon_text": text,
            "image": [f"{i:03d}" for i in range(len(clean))],
            "label": 0,
            "clean_prediction": [0 if right else 1 for right in clean],
            "broken": broken,
        }
    )


def make_grid(attacks: dict[str, list[str]]) -> Grid:
    entries: list[Attack] = [
        {"name": name, "norm": "l2", "epsilons": [{"text": t, "value": float(t)} for t in texts]}
        for name, texts in attacks.items()
    ]
    return {"models": [{"name": "cnn", "kind": "resnet", "seeds": [0]}], "attacks": entries}


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_accuracy_is_the_thesis_formula(images: list[tuple[bool, bool, bool]]) -> None:
    """Each image: classified right, broken by the small ball, broken by the large one."""
    clean = [right for right, _, _ in images]
    small = [right and first for right, first, _ in images]
    large = [right and (first or second) for right, first, second in images]
    rows = pd.concat(
        [
            make_job("pgd", "0.01", clean, small),
            make_job("pgd", "0.05", clean, large),
        ]
    )
    summary = summarise(rows, make_grid({"pgd": ["0.01", "0.05"]}))
    total, wrong = len(images), clean.count(False)
    expected = [
        1 - Fraction(wrong + broken, total) for broken in (0, large.count(True), small.count(True))
    ]
    assert list(summary["epsilon_text"]) == ["clean", "0.05", "0.01"]
    assert list(summary["mean"]) == pytest.approx([float(value) for value in expected], abs=1e-15)


RIGHT = [True] * 9 + [False]


def test_the_clean_accuracy_of_a_missing_attack_comes_from_another() -> None:
    grid = make_grid({"pgd": ["0.01"], "fgsm": ["0.05"]})
    summary = summarise(make_job("pgd", "0.01", RIGHT, [False] * 10), grid).set_index(
        ["attack", "epsilon_text"]
    )
    assert summary.loc[("fgsm", "clean"), "mean"] == 0.9
    assert summary.loc[("fgsm", "0.05"), "missing"] == 1


def refuse(rows: pd.DataFrame, message: str) -> None:
    grid = make_grid({"pgd": ["0.01", "0.05"]})
    with pytest.raises(UserError, match=message) as caught:
        summarise(rows, grid)
    assert "\n" not in str(caught.value)


def test_jobs_of_a_model_that_was_seen_to_draw_at_random_may_disagree() -> None:
    grid = make_grid({"pgd": ["0.01", "0.05"]})
    drawn = [RIGHT, [True] * 8 + [False] * 2]
    rows = pd.concat(
        make_job("pgd", epsilon, right, [False] * 10)
        for epsilon, right in zip(["0.01", "0.05"], drawn, strict=True)
    )
    summary = summarise(rows.assign(deterministic=False), grid).set_index("epsilon_text")
    assert summary.loc[["0.01", "0.05"], "mean"].tolist() == [0.9, 0.8]
    refuse(rows.assign(deterministic=True), "disagree about the clean prediction")
    others = rows.assign(image=rows["image"] + "x", deterministic=False)
    refuse(pd.concat([rows.iloc[:10], others.iloc[10:]]), "were not run on the same test images")


def test_jobs_that_disagree_are_named() -> None:
    first = make_job("pgd", "0.01", RIGHT, [False] * 10)
    both = "cnn seed 0, pgd at epsilon 0.01 and cnn seed 0, pgd at epsilon 0.05"
    second = make_job("pgd", "0.05", [True] * 8 + [False] * 2, [False] * 10)
    refuse(pd.concat([first, second]), f"{both} disagree .* 1 images .first: 008")
    second = make_job("pgd", "0.05", RIGHT, [False] * 10)
    refuse(pd.concat([first, second.iloc[:-1]]), f"{both} were not run on the same test images")
    refuse(pd.concat([first, second.assign(label=1)]), f"{both} were not run on the same")
    refuse(pd.concat([first, first.iloc[:1]]), "epsilon 0.01: an image occurs twice")
    refuse(first.iloc[:0], "every job is missing")
