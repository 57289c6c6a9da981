"""The survival figure: the staircases that are drawn, the band, the notes, the files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from biorobust.analysis.robustness import survival_curves
from biorobust.analysis.summary import read_corrections, read_results
from biorobust.analysis.survival_figure import draw_survival, survival_figure
from small_results import corrected, make_grid, sized_job, write_results

GRID = make_grid({"$a$": [0, 1], "b": [0], "gone": [0]}, {"cw": ["minimal"]})
ROWS = pd.concat(
    [
        sized_job("$a$", 0, "cw", "minimal", [0, 0.01, 0.03, None]),
        sized_job("$a$", 1, "cw", "minimal", [0.02, 0.02, 0.02, 0.03]),
        sized_job("b", 0, "cw", "minimal", [0, 0.01, 0.05, 0.05]),
    ],
    ignore_index=True,
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results(tmp_path / "results", ROWS, GRID)


def figure_of(results: Path) -> Figure:
    rows, grid, missing, _ = read_results(results)
    return survival_figure(survival_curves(rows, grid), grid, missing)


def note_of(figure: Figure) -> str:
    (legend,) = figure.legends
    return legend.get_title().get_text()


def test_the_staircases_are_those_worked_out_by_hand(results: Path) -> None:
    figure = figure_of(results)
    assert len(figure.axes) == 3
    for axes, factor, norm in zip(
        figure.axes, (1, 3, 0.5), ("L_\\infty", "L_2", "root mean square"), strict=True
    ):
        a, b, gone = axes.get_lines()
        # Shares of each seed: 3, 2, 2, 1, 1 and 4, 4, 1, 0, 0 of 4.
        assert np.asarray(a.get_xydata()) == pytest.approx(
            np.array([[0, 87.5], [0.01, 75], [0.02, 37.5], [0.03, 12.5], [0.05, 12.5]])
            * [factor, 1]
        )
        assert np.asarray(b.get_xydata()) == pytest.approx(
            np.array([[0, 75], [0.01, 50], [0.05, 0]]) * [factor, 1]
        )
        assert len(np.asarray(gone.get_xydata())) == 0
        # After a size, and not before it, the images that it breaks are gone.
        assert {line.get_drawstyle() for line in (a, b)} == {"steps-post"}
        assert norm in axes.get_xlabel() and "pixel values in [0, 1]" in axes.get_xlabel()
        assert axes.get_xscale() == "linear"
        assert axes.get_xlim() == pytest.approx((0, 1.02 * 0.05 * factor))
    assert figure.axes[0].get_ylabel() == "images classified correctly (%)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [r"\$a\$", "b", "gone"]


def test_the_band_is_the_deviation_over_seeds(results: Path) -> None:
    # One seed has no band.
    (band,) = (x for x in figure_of(results).axes[0].collections if isinstance(x, PolyCollection))
    vertices = np.asarray(band.get_paths()[0].vertices)
    middle, reach = 87.5, 25 / 2**0.5
    first = vertices[np.isclose(vertices[:, 0], 0), 1]
    assert (first.min(), first.max()) == pytest.approx((middle - reach, middle + reach))


def test_models_differ_in_colour_and_marker(results: Path) -> None:
    lines = figure_of(results).axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 3
    assert len({line.get_marker() for line in lines}) == 3


def test_the_note_tells_what_is_shown_and_what_is_missing(results: Path) -> None:
    note = note_of(figure_of(results))
    assert "mean over 2 seeds" in note and "band: ± standard deviation" in note
    assert "incomplete: 1 of 4 trained models lack jobs" in note
    assert "coarse" not in note


def test_one_seed_and_fixed_epsilons_are_told(tmp_path: Path) -> None:
    grid = make_grid({"cnn": [0]}, {"pgd": ["0.05"]})
    rows = sized_job("cnn", 0, "pgd", "0.05", [0, 0.01, None])
    figure = figure_of(write_results(tmp_path / "results", rows, grid))
    note = note_of(figure)
    assert "one seed" in note and "coarse upper bounds" in note
    assert "band" not in note and "incomplete" not in note
    assert not figure.axes[0].collections


def test_a_model_that_nothing_breaks_is_a_level_line(tmp_path: Path) -> None:
    grid = make_grid({"hard": [0], "soft": [0]}, {"cw": ["minimal"]})
    hard = sized_job("hard", 0, "cw", "minimal", [None, None])
    rows = [hard, sized_job("soft", 0, "cw", "minimal", [0.02, 0.05])]
    figure = figure_of(write_results(tmp_path / "both", pd.concat(rows), grid))
    line, _ = figure.axes[0].get_lines()
    assert np.asarray(line.get_xydata()) == pytest.approx(np.array([[0, 100], [0.05, 100]]))
    # Also where nothing at all was broken, and no size is known, there is a figure.
    alone = make_grid({"hard": [0]}, {"cw": ["minimal"]})
    figure = figure_of(write_results(tmp_path / "alone", hard, alone))
    figure.draw_without_rendering()
    (line,) = figure.axes[0].get_lines()
    assert np.asarray(line.get_xydata()).tolist() == [[0, 100]]


def test_the_honest_staircase_is_solid_and_the_attacks_own_dotted(tmp_path: Path) -> None:
    grid = make_grid({"cnn": [0], "as it was": [0]}, {"cw": ["minimal"]})
    rows = [sized_job(name, 0, "cw", "minimal", [0.01, None]) for name in ("cnn", "as it was")]
    honest = corrected(rows[0], "restarts", [0.01, 0.02])
    folder = write_results(tmp_path / "r", pd.concat(rows), grid, corrections=[honest])
    draw_survival(folder, tmp_path / "drawn")
    curves = survival_curves(pd.concat(rows), grid, read_corrections(folder))
    figure = survival_figure(curves, grid, [])
    dotted, solid, other = figure.axes[0].get_lines()
    assert (dotted.get_linestyle(), solid.get_linestyle(), other.get_linestyle()) == (":", "-", "-")
    assert dotted.get_color() == solid.get_color() != other.get_color()
    assert np.asarray(solid.get_xydata()).tolist() == [[0, 100], [0.01, 50], [0.02, 0]]
    assert np.asarray(dotted.get_xydata()).tolist() == [[0, 100], [0.01, 50], [0.02, 50]]
    assert "dotted: the attacks alone" in note_of(figure)
    assert "dotted" not in note_of(figure_of(write_results(tmp_path / "p", pd.concat(rows), grid)))


def test_nothing_is_cut_or_covered(results: Path) -> None:
    figure = figure_of(results)
    figure.draw_without_rendering()
    page = figure.bbox
    boxes = [box for a in (*figure.legends, *figure.axes) if (box := a.get_tightbbox())]
    for index, box in enumerate(boxes):
        assert page.x0 - 1 <= box.x0 < box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0 < box.y1 <= page.y1 + 1
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_same_results_same_bytes(results: Path, tmp_path: Path) -> None:
    first = draw_survival(results, tmp_path / "first")
    second = draw_survival(results, tmp_path / "second")
    assert [path.name for path in first] == [f"survival.{e}" for e in ("png", "pdf", "svg")]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
