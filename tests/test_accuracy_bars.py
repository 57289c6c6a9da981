"""The bars of accuracy: their lengths, whiskers and points, gaps, the files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from biorobust.analysis.accuracy_bars import accuracy_bars, draw_accuracy_bars
from biorobust.analysis.summary import read_results, summarise
from small_results import counted_job, make_grid, sized_job, write_results

GRID = make_grid(
    {"$a$": [0, 1], "gone": [0]}, {"pgd": ["0.001", "0.05"], "cw": ["minimal"], "bim": ["0.01"]}
)
ROWS = pd.concat(
    [
        counted_job("$a$", 0, "pgd", "0.001", 9, 8),
        counted_job("$a$", 1, "pgd", "0.001", 7, 6),
        counted_job("$a$", 0, "pgd", "0.05", 9, 0),
        counted_job("$a$", 0, "bim", "0.01", 9, 4),
        counted_job("$a$", 1, "bim", "0.01", 7, 2),
    ],
    ignore_index=True,
)


@pytest.fixture
def figure(tmp_path: Path) -> Figure:
    results = read_results(write_results(tmp_path / "results", ROWS, GRID))
    return accuracy_bars(summarise(results.rows, results.grid), results.grid)


def test_bars_whiskers_and_points_are_those_worked_out_by_hand(figure: Figure) -> None:
    # The attack without epsilons has no row.
    assert [axes.get_title() for axes in figure.axes] == [
        *("clean", "ε = 0.001", "ε = 0.05"),
        *("clean", "ε = 0.01"),
    ]
    # Means and points of each panel; Wilson's closed formula for 8, 7, 0, 8 and 3 of 10 images.
    expected = [
        (80, [90, 70], (49.02, 94.33)),
        (70, [80, 60], (39.68, 89.22)),
        (0, [0], (0, 27.75)),
        (80, [90, 70], (49.02, 94.33)),
        (30, [40, 20], (10.78, 60.32)),
    ]
    for axes, (mean, points, interval) in zip(figure.axes, expected, strict=True):
        # The second model has no result: a word instead of a bar.
        (bar,) = axes.patches
        assert bar.get_width() == pytest.approx(mean)
        whisker, seeds = axes.get_lines()
        assert np.asarray(whisker.get_xdata()) == pytest.approx(np.array(interval), abs=0.01)
        assert np.asarray(seeds.get_xdata()) == pytest.approx(np.array(points))
        assert np.asarray(seeds.get_ydata()) == pytest.approx(0)
        assert [text.get_text() for text in axes.texts] == ["missing"]


def test_what_checks_broke_shortens_the_bar_and_the_attacks_own_is_a_cross() -> None:
    honest = ROWS.assign(broken_uncorrected=ROWS["broken"])
    place = (honest["attack"] == "bim") & (honest["image"] == "001")
    honest.loc[place, "broken"] = True
    figure = accuracy_bars(summarise(honest, GRID), GRID)
    crosses = [
        [line for line in axes.get_lines() if line.get_marker() == "x"] for axes in figure.axes
    ]
    assert [len(found) for found in crosses] == [0, 0, 0, 0, 1]
    # 4 and 2 of 10 survive the attack, of which the checks broke one each.
    assert list(crosses[-1][0].get_xdata()) == pytest.approx([30])
    assert figure.axes[-1].patches[0].get_width() == pytest.approx(20)
    assert "cross: the attack alone" in " ".join(figure.get_supxlabel().split())


def test_models_are_named_once_from_the_top(figure: Figure) -> None:
    first, second = figure.axes[:2]
    assert [label.get_text() for label in first.get_yticklabels()] == [r"\$a\$", "gone"]
    low, high = first.get_ylim()
    assert low > high
    assert all(label.get_visible() for label in first.get_yticklabels())
    assert not second.yaxis.get_tick_params()["labelleft"]
    assert "10 test images" in " ".join(figure.get_supxlabel().split())


def test_without_epsilons_another_figure_is_named(tmp_path: Path) -> None:
    grid = make_grid({"a": [0]}, {"cw": ["minimal"]})
    rows = sized_job("a", 0, "cw", "minimal", [0.1, None])
    results = read_results(write_results(tmp_path / "results", rows, grid))
    figure = accuracy_bars(summarise(results.rows, results.grid), results.grid)
    assert not figure.axes and "see survival" in figure.get_supxlabel()


@pytest.mark.parametrize("models", [1, 20])
def test_nothing_is_cut_or_covered(tmp_path: Path, models: int) -> None:
    names = [f"multi_gaze_shared_weights_{number}" for number in range(models)]
    grid = make_grid({name: [0] for name in names}, {"pgd": ["0.001", "0.05"], "bim": ["0.01"]})
    rows = [
        counted_job(name, 0, attack, text, 9, 5)
        for name in names
        for attack, text in (("pgd", "0.001"), ("pgd", "0.05"), ("bim", "0.01"))
    ]
    results = read_results(write_results(tmp_path / "results", pd.concat(rows), grid))
    figure = accuracy_bars(summarise(results.rows, results.grid), grid)
    figure.draw_without_rendering()
    page = figure.bbox
    boxes = [box for axes in figure.axes if (box := axes.get_tightbbox())]
    for index, box in enumerate(boxes):
        assert page.x0 - 1 <= box.x0 < box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0 < box.y1 <= page.y1 + 1
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_same_results_same_bytes(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", ROWS, GRID)
    first, second = (draw_accuracy_bars(results, tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [f"accuracy_bars.{e}" for e in ("png", "pdf", "svg")]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
