"""The smallest perturbation of each image, against hand-made rows and a plain second reckoning."""

from math import inf, isnan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust.analysis.robustness import (
    OVER_ATTACKS,
    smallest_by_attack,
    smallest_over_attacks,
    summarise_robustness,
    survival,
    survival_curves,
)
from biorobust.analysis.summary import CLEAN, Grid, summarise
from biorobust.errors import UserError
from small_results import corrected, make_grid, sized_job

ATTACKS = {"pgd": ["0.01", "0.05"], "cw": ["minimal"]}
GRID = make_grid({"cnn": [0]}, ATTACKS)
ROWS = pd.concat(
    [
        sized_job("cnn", 0, "pgd", "0.01", [0, 0.008, None, None, None]),
        sized_job("cnn", 0, "pgd", "0.05", [0, 0.02, 0.03, None, None]),
        sized_job("cnn", 0, "cw", "minimal", [0, 0.009, 0.04, 0.06, None]),
    ],
    ignore_index=True,
)


def sizes_of(frame: pd.DataFrame, attack: str, norm: str) -> list[float]:
    return frame.loc[frame["attack"] == attack, norm].tolist()


def line_of(summary: pd.DataFrame, norm: str, model: str, attack: str) -> pd.Series:
    chosen = (summary["norm"] == norm) & (summary["model"] == model)
    (place,) = summary.index[chosen & (summary["attack"] == attack)]
    return summary.loc[place]


def test_each_attack_and_the_smallest_over_both() -> None:
    by_attack = smallest_by_attack(ROWS, GRID)
    over = smallest_over_attacks(by_attack, GRID)
    for norm, factor in (("linf", 1), ("l2", 3), ("rms", 0.5)):
        pgd = np.array([0, 0.008, 0.03, inf, inf]) * factor
        cw = np.array([0, 0.009, 0.04, 0.06, inf]) * factor
        assert sizes_of(by_attack, "pgd", norm) == pytest.approx(pgd)
        assert sizes_of(by_attack, "cw", norm) == pytest.approx(cw)
        expected = np.array([0, 0.008, 0.03, 0.06, inf]) * factor
        assert sizes_of(over, OVER_ATTACKS, norm) == pytest.approx(expected)
    assert over["image"].tolist() == ["000", "001", "002", "003", "004"]


def test_the_smallest_of_each_norm_may_come_from_another_attack() -> None:
    rows = ROWS.copy()
    rows.loc[(rows["attack"] == "cw") & (rows["image"] == "001"), "l2"] = 0.001
    over = smallest_over_attacks(smallest_by_attack(rows, GRID), GRID)
    assert over.loc[1, ["linf", "l2", "rms"]].tolist() == [0.008, 0.001, 0.004]


# Clean wrong; twice smaller than pgd's; survives both checks; broken in the larger ball alone.
HONEST = [
    corrected(ROWS[:5], "restarts", [0, 0.004, 0.006, None, None]),
    corrected(ROWS[5:10], "restarts", [0, 0.02, 0.03, None, 0.05]),
]


def test_what_checks_broke_counts_for_the_attack_that_they_correct() -> None:
    corrections = pd.concat(HONEST)
    by_attack = smallest_by_attack(ROWS, GRID, corrections)
    assert sizes_of(by_attack, "pgd", "l2") == pytest.approx([0, 0.012, 0.018, inf, 0.15])
    assert sizes_of(by_attack, "cw", "linf") == [0, 0.009, 0.04, 0.06, inf]
    line = line_of(summarise_robustness(ROWS, GRID, corrections), "linf", "cnn", "pgd")
    assert (line["never_broken"], line["median"]) == ((1,), 0.006)
    assert line["mean_broken"] == pytest.approx(0.06 / 4)
    assert line["never_broken_share"] == pytest.approx(0.2)
    # Alone: 0, 0.008, 0.03 and two that survive.
    assert line["median_uncorrected"] == 0.03
    assert line["mean_broken_uncorrected"] == pytest.approx(0.038 / 3)
    assert line["never_broken_share_uncorrected"] == pytest.approx(0.4)
    over = line_of(summarise_robustness(ROWS, GRID, corrections), "linf", "cnn", OVER_ATTACKS)
    assert (over["never_broken"], over["median"], over["median_uncorrected"]) == ((0,), 0.006, 0.03)
    assert (over["mean"], over["mean_uncorrected"]) == (pytest.approx(0.12 / 5), inf)
    # Without what a check gave no image is broken that was not.
    assert (line_of(summarise_robustness(ROWS, GRID), "linf", "cnn", "pgd")["median"]) == 0.03


def test_a_correction_of_a_job_that_is_missing_does_not_stand_for_it() -> None:
    some = ROWS[ROWS["epsilon_text"] != "0.05"]
    found = smallest_by_attack(some, GRID, pd.concat(HONEST))
    assert set(found["attack"]) == {"cw"}


def test_survival_falls_with_the_checks_and_tells_the_attacks_own_beside() -> None:
    curves = survival_curves(ROWS, GRID, pd.concat(HONEST))
    curve = curves[curves["norm"] == "linf"]
    # Over both attacks and the checks 0, 0.004, 0.006, 0.06, 0.05; the attacks alone find 0, 0.008,
    # 0.03, 0.06 and nothing.
    assert curve["size"].tolist() == [0, 0.004, 0.006, 0.008, 0.03, 0.05, 0.06]
    assert curve["mean"].tolist() == pytest.approx([0.8, 0.6, 0.4, 0.4, 0.4, 0.2, 0])
    assert curve["uncorrected"].tolist() == pytest.approx([0.8, 0.8, 0.8, 0.6, 0.4, 0.4, 0.2])


def test_only_images_that_are_misclassified_count_as_broken() -> None:
    rows = ROWS.copy()
    # A success whose returned image the model gets right, and a wrong one that is no success.
    rows.loc[(rows["attack"] == "cw") & (rows["image"] == "003"), "adversarial_prediction"] = 1
    rows.loc[(rows["attack"] == "cw") & (rows["image"] == "002"), "success"] = False
    assert sizes_of(smallest_by_attack(rows, GRID), "cw", "linf") == [0, 0.009, inf, inf, inf]


def test_an_image_misclassified_clean_counts_zero_whatever_an_attack_says_of_it() -> None:
    rows = ROWS.copy()
    first = rows["image"] == "000"
    rows.loc[first, "success"] = True
    rows.loc[first, ["linf", "l2", "rms"]] = 0.5
    pd.testing.assert_frame_equal(smallest_by_attack(rows, GRID), smallest_by_attack(ROWS, GRID))


def test_the_summary_is_the_one_worked_out_by_hand() -> None:
    summary = summarise_robustness(ROWS, GRID)
    over = line_of(summary, "linf", "cnn", OVER_ATTACKS)
    assert (over["images"], over["seeds"], over["missing"]) == (5, 1, 0)
    assert over["never_broken"] == (1,)
    assert over["total"] == pytest.approx((0.098,))
    assert over["median"] == 0.03
    assert over["mean"] == inf
    assert over["mean_broken"] == pytest.approx(0.098 / 4)
    assert over["never_broken_share"] == pytest.approx(0.2)
    assert all(isnan(over[f"{key}_std"]) for key in ("median", "mean", "mean_broken"))
    assert line_of(summary, "l2", "cnn", "pgd")["never_broken"] == (2,)
    assert line_of(summary, "l2", "cnn", "pgd")["total"] == pytest.approx((0.114,))
    assert (
        summary.groupby("norm", sort=False)["attack"].agg(list).tolist()
        == [[OVER_ATTACKS, "pgd", "cw"]] * 3
    )


def test_a_mean_without_survivors_is_the_thesiss_with_its_spread_over_seeds() -> None:
    grid = make_grid({"cnn": [3, 1], "none": [3]}, {"cw": ["minimal"]})
    rows = [
        sized_job("cnn", 3, "cw", "minimal", [0, 0.01, 0.02, 0.03]),
        sized_job("cnn", 1, "cw", "minimal", [0, 0.03, 0.04, 0.05]),
        sized_job("none", 3, "cw", "minimal", [None, None, None, None]),
    ]
    summary = summarise_robustness(pd.concat(rows), grid)
    for attack in (OVER_ATTACKS, "cw"):
        cnn = line_of(summary, "linf", "cnn", attack)
        # Of two numbers the sample standard deviation is their distance over the root of two.
        assert cnn["total"] == pytest.approx((0.06, 0.12))
        assert cnn["mean"] == cnn["mean_broken"] == pytest.approx(0.0225)
        assert cnn["mean_std"] == pytest.approx(0.015 / 2**0.5)
        assert (cnn["median"], cnn["median_std"]) == pytest.approx((0.025, 0.02 / 2**0.5))
        assert (cnn["never_broken_share"], cnn["never_broken_share_std"]) == (0, 0)
    none = line_of(summary, "linf", "none", "cw")
    assert (none["mean"], none["median"], none["total"]) == (inf, inf, (0.0,))
    assert isnan(none["mean_broken"])


def test_one_seed_with_a_survivor_makes_the_mean_infinite_without_a_deviation() -> None:
    grid = make_grid({"cnn": [0, 1]}, {"cw": ["minimal"]})
    rows = [
        sized_job("cnn", 0, "cw", "minimal", [0.01, 0.02, 0.03]),
        sized_job("cnn", 1, "cw", "minimal", [0.01, 0.02, None]),
    ]
    line = line_of(summarise_robustness(pd.concat(rows), grid), "linf", "cnn", "cw")
    assert line["mean"] == inf and isnan(line["mean_std"])
    assert line["mean_broken"] == pytest.approx((0.02 + 0.015) / 2)
    assert (line["median"], line["median_std"]) == (0.02, 0)


def test_a_seed_that_lacks_a_job_counts_only_for_the_attacks_that_it_has() -> None:
    grid = make_grid({"cnn": [0, 1]}, ATTACKS)
    other = ROWS.assign(seed=1)
    rows = pd.concat([ROWS, other[other["epsilon_text"] != "0.05"]])
    summary = summarise_robustness(rows, grid)
    counts = {
        attack: tuple(line_of(summary, "rms", "cnn", attack)[["seeds", "missing"]])
        for attack in (OVER_ATTACKS, "pgd", "cw")
    }
    assert counts == {OVER_ATTACKS: (1, 1), "pgd": (1, 1), "cw": (2, 0)}
    nothing = summarise_robustness(rows[rows["attack"] == "cw"], grid)
    line = line_of(nothing, "rms", "cnn", OVER_ATTACKS)
    assert line["seeds"] == 0 and isnan(line["mean"]) and line["total"] == ()
    assert survival_curves(rows[rows["attack"] == "cw"], grid).empty


@pytest.mark.parametrize("value", [float("nan"), -0.1])
def test_a_senseless_size_of_an_adversarial_image_is_refused(value: float) -> None:
    rows = ROWS.copy()
    rows.loc[(rows["attack"] == "cw") & (rows["image"] == "004"), "l2"] = value
    assert len(smallest_by_attack(rows, GRID)) == 10
    rows.loc[(rows["attack"] == "cw") & (rows["image"] == "002"), "l2"] = value
    with pytest.raises(UserError, match=r"cnn seed 0, cw: the size .* image 002 is not a number"):
        smallest_by_attack(rows, GRID)


def test_no_rows_are_refused() -> None:
    with pytest.raises(UserError, match="no rows"):
        summarise_robustness(ROWS.iloc[:0], GRID)


def test_survival_is_the_share_that_needs_more() -> None:
    smallest = np.array([0, 0.02, inf, 0.01, 0.02])
    sizes = np.array([0, 0.005, 0.01, 0.015, 0.02, 7])
    assert survival(smallest, sizes) == pytest.approx([0.8, 0.8, 0.6, 0.6, 0.2, 0.2])


def test_curves_of_two_seeds_step_at_every_size_of_either() -> None:
    grid = make_grid({"a": [0, 1], "b": [0]}, {"cw": ["minimal"]})
    rows = [
        sized_job("a", 0, "cw", "minimal", [0, 0.01, 0.03, None]),
        sized_job("a", 1, "cw", "minimal", [0.02, 0.02, 0.02, 0.03]),
        sized_job("b", 0, "cw", "minimal", [0, 0.01, 0.05, 0.05]),
    ]
    curves = survival_curves(pd.concat(rows), grid)
    linf = curves[curves["norm"] == "linf"]
    a, b = linf[linf["model"] == "a"], linf[linf["model"] == "b"]
    assert a["size"].tolist() == [0, 0.01, 0.02, 0.03, 0.05]
    first, second = np.array([0.75, 0.5, 0.5, 0.25, 0.25]), np.array([1, 1, 0.25, 0, 0])
    assert a["mean"].tolist() == pytest.approx((first + second) / 2)
    assert a["std"].tolist() == pytest.approx(abs(first - second) / 2**0.5)
    assert b["size"].tolist() == [0, 0.01, 0.05]
    assert b["mean"].tolist() == [0.75, 0.5, 0]
    assert b["std"].isna().all()
    assert set(curves["norm"]) == {"linf", "l2", "rms"}


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[list[list[float | None]], Grid, pd.DataFrame]:
    """What two PGD jobs (within their balls) and a minimal attack find of the same images."""
    wrong = draw(st.lists(st.booleans(), min_size=1, max_size=8))
    jobs = []
    for ball in (0.01, 0.05, 1.0):
        found = [draw(st.one_of(st.none(), st.floats(1e-4, min(ball, 0.2)))) for _ in wrong]
        jobs.append([0.0 if bad else size for bad, size in zip(wrong, found, strict=True)])
    rows = [
        sized_job("cnn", 0, attack, text, job)
        for (attack, text), job in zip(
            [("pgd", "0.01"), ("pgd", "0.05"), ("cw", "minimal")], jobs, strict=True
        )
    ]
    # As the collect stage closes the verdicts: broken in the smaller ball, broken in the larger.
    rows[1]["broken"] |= rows[0]["broken"]
    return jobs, GRID, pd.concat(rows, ignore_index=True)


@settings(max_examples=40)
@given(outcomes())
def test_smallest_is_the_least_of_what_was_found(
    case: tuple[list[list[float | None]], Grid, pd.DataFrame],
) -> None:
    jobs, grid, rows = case
    by_attack = smallest_by_attack(rows, grid)
    over = sizes_of(smallest_over_attacks(by_attack, grid), OVER_ATTACKS, "linf")
    plain = [
        min(inf if size is None else size for size in image) for image in zip(*jobs, strict=True)
    ]
    assert over == plain
    for attack in ("pgd", "cw"):
        assert all(a <= b for a, b in zip(over, sizes_of(by_attack, attack, "linf"), strict=True))


@settings(max_examples=40)
@given(outcomes(), st.floats(0, 0.3))
def test_survival_falls_and_agrees_with_adversarial_accuracy(
    case: tuple[list[list[float | None]], Grid, pd.DataFrame], epsilon: float
) -> None:
    jobs, grid, rows = case
    by_attack = smallest_by_attack(rows, grid)
    images = len(jobs[0])
    # Adversarial accuracy of the minimal attack, from its rows: 1 - (M + A) / N.
    cw = rows[rows["attack"] == "cw"]
    wrong = cw["clean_prediction"] != cw["label"]
    accuracy = 1 - (wrong.sum() + (cw["success"] & (cw["linf"] <= epsilon)).sum()) / images
    minimal = np.array(sizes_of(by_attack, "cw", "linf"))
    assert survival(minimal, np.array([epsilon]))[0] == pytest.approx(accuracy)
    # An attack with epsilons may break an image by less than its ball allows, never by more.
    summary = summarise(rows, grid).set_index("epsilon_text")["mean"]
    pgd = survival(np.array(sizes_of(by_attack, "pgd", "linf")), np.array([0, 0.01, 0.05]))
    assert pgd[0] == pytest.approx(summary[CLEAN])
    assert pgd[1] <= summary["0.01"] + 1e-12
    assert pgd[2] == pytest.approx(summary["0.05"])
    curve = survival_curves(rows, grid)
    curve = curve[curve["norm"] == "linf"]
    assert (np.diff(curve["mean"]) <= 0).all()
    assert (np.diff(curve["size"]) > 0).all()
    line = line_of(summarise_robustness(rows, grid), "linf", "cnn", OVER_ATTACKS)
    assert curve["mean"].iloc[-1] == pytest.approx(line["never_broken_share"])
    if line["never_broken"] == (0,):
        area = (curve["mean"].to_numpy()[:-1] * np.diff(curve["size"])).sum()
        assert area == pytest.approx(line["mean"])
