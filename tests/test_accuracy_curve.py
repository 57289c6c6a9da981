"""The accuracy curve: what is plotted, that nothing is cut, and that the bytes repeat."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from biorobust.analysis.accuracy_curve import accuracy_curve, draw_accuracy_curve
from biorobust.analysis.summary import Epsilon, Grid, summarise

EPSILONS = {"0.001": 0.001, "0.01": 0.01, "0.05": 0.05}


def make_grid(models: dict[str, list[int]], attacks: list[str]) -> Grid:
    epsilons: list[Epsilon] = [{"text": t, "value": value} for t, value in EPSILONS.items()]
    return {
        "models": [{"name": m, "kind": "resnet", "seeds": seeds} for m, seeds in models.items()],
        "attacks": [{"name": a, "norm": "linf", "epsilons": epsilons} for a in attacks],
    }


def job(model: str, seed: int, attack: str, text: str, clean: int, robust: int) -> pd.DataFrame:
    """Ten images of five classes: the first `clean` are right, the first `robust` survive."""
    image = np.arange(10)
    return pd.DataFrame(
        {
            "model": model,
            "seed": seed,
            "attack": attack,
            "attack_kind": "pgd",
            "epsilon_text": text,
            "image": [f"{i}" for i in image],
            "label": image % 5,
            "clean_prediction": np.where(image < clean, image % 5, -1),
            "adversarial_prediction": -1,
            "success": (image >= robust) & (image < clean),
            "broken": (image >= robust) & (image < clean),
            "linf": 0.0,
            "l2": 0.0,
            "rms": 0.0,
            "steps": 20,
        }
    )


GRID = make_grid({"$a$ & b": [0, 1], "_late": [0]}, ["pgd"])
# The second model has no result at 0.01.
ROWS = pd.concat(
    [
        job("$a$ & b", 0, "pgd", "0.001", 9, 8),
        job("$a$ & b", 0, "pgd", "0.01", 9, 5),
        job("$a$ & b", 0, "pgd", "0.05", 9, 0),
        job("$a$ & b", 1, "pgd", "0.001", 7, 6),
        job("$a$ & b", 1, "pgd", "0.01", 7, 5),
        job("$a$ & b", 1, "pgd", "0.05", 7, 0),
        job("_late", 0, "pgd", "0.001", 10, 9),
        job("_late", 0, "pgd", "0.05", 10, 1),
    ]
)


def test_what_checks_broke_lowers_the_line_and_the_attacks_own_is_hollow(figure: Figure) -> None:
    honest = ROWS.assign(broken_uncorrected=ROWS["broken"])
    place = (honest["model"] == "_late") & (honest["epsilon_text"] == "0.001")
    honest.loc[place, "broken"] |= honest.loc[place, "image"].isin(["7", "8"])
    corrected = accuracy_curve(summarise(honest, GRID), GRID, classes=5)
    (axes,) = corrected.axes
    (hollow,) = (line for line in axes.get_lines() if line.get_markerfacecolor() == "none")
    # 9 of 10 survive the attack, and 7 of them the checks too.
    assert np.asarray(hollow.get_xydata()).tolist() == [[0.001, 90]]
    late = next(line for line in axes.get_lines() if line.get_label() == "_late")
    assert np.asarray(late.get_ydata()).tolist()[1] == pytest.approx(70)
    assert hollow.get_color() == late.get_color()
    assert "hollow: the attack alone" in corrected.legends[0].get_title().get_text()
    assert "hollow" not in figure.legends[0].get_title().get_text()


@pytest.fixture
def figure() -> Figure:
    return accuracy_curve(summarise(ROWS, GRID), GRID, classes=5)


def legend_texts(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def curves(axes: Axes) -> list[Line2D]:
    """The models' lines and the chance level, without the caps of the bars."""
    return [line for line in axes.get_lines() if line.get_linestyle() != "None"]


def drawn_bars(axes: Axes) -> list[np.ndarray]:
    """The bars of each model that has any: (bar, lower or upper end, epsilon or accuracy)."""
    return [np.array(x.get_segments()) for x in axes.collections if isinstance(x, LineCollection)]


def test_lines_are_the_means_worked_out_by_hand(figure: Figure) -> None:
    (axes,) = figure.axes
    first, second, chance = curves(axes)
    for line, heights in ((first, [80, 70, 50, 0]), (second, [100, 90, np.nan, 10])):
        points = np.asarray(line.get_xydata())
        np.testing.assert_allclose(points[:, 0], [0, 0.001, 0.01, 0.05])
        np.testing.assert_allclose(points[:, 1], np.array(heights))
    np.testing.assert_allclose(np.asarray(chance.get_xydata())[:, 1], 20)
    assert chance.get_linestyle() == "--"
    assert legend_texts(figure) == [r"\$a\$ & b", "_late", "chance (20%)"]


def test_bands_are_wilson_intervals(figure: Figure) -> None:
    first, second = (x for x in figure.axes[0].collections if isinstance(x, PolyCollection))
    band = np.asarray(first.get_paths()[0].vertices)
    # Wilson's closed formula for 8, 7, 5 and 0 of 10 images.
    expected = {
        0: (49.02, 94.33),
        0.001: (39.68, 89.22),
        0.01: (23.66, 76.34),
        0.05: (0.0, 27.75),
    }
    for epsilon, (low, high) in expected.items():
        heights = band[np.isclose(band[:, 0], epsilon), 1]
        assert heights.min() == pytest.approx(low, abs=0.01)
        assert heights.max() == pytest.approx(high, abs=0.01)
    # A gap splits the second model's band, so that nothing is drawn at the missing epsilon.
    vertices = np.concatenate([p.vertices for p in second.get_paths()])
    assert not np.isclose(vertices[:, 0], 0.01).any()


def test_bars_are_deviations_over_seeds(figure: Figure) -> None:
    # The second model has one seed, thus no bars.
    (bars,) = drawn_bars(figure.axes[0])
    # Of two numbers the sample standard deviation is their distance over the root of two.
    for bar, epsilon, first, second in zip(
        bars, [0, 0.001, 0.01, 0.05], [90, 80, 50, 0], [70, 60, 50, 0], strict=True
    ):
        middle, reach = (first + second) / 2, abs(first - second) / 2**0.5
        expected = [[epsilon, middle - reach], [epsilon, middle + reach]]
        np.testing.assert_allclose(bar, expected, atol=1e-9)
    caps = [line for line in figure.axes[0].get_lines() if line.get_marker() == "_"]
    assert len(caps) == 2
    for cap, end in zip(caps, (0, 1), strict=True):
        np.testing.assert_allclose(np.asarray(cap.get_xydata()), bars[:, end], atol=1e-9)


def test_each_bar_stands_at_its_own_marker_and_beside_other_bars() -> None:
    grid = make_grid({"a": [0, 1], "b": [0, 1], "c": [0, 1]}, ["pgd"])
    rows = [
        job(name, seed, "pgd", text, 9, 5 + seed)
        for name in "abc"
        for seed in (0, 1)
        for text in EPSILONS
    ]
    figure = accuracy_curve(summarise(pd.concat(rows), grid), grid, 5)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    collections = [x for x in axes.collections if isinstance(x, LineCollection)]
    places = [
        x.get_transform().transform(np.array(x.get_segments()).mean(axis=1)) for x in collections
    ]
    for line, place in zip(curves(axes)[:3], places, strict=True):
        np.testing.assert_allclose(line.get_transform().transform(line.get_xydata()), place)
    points = np.array(places)[:, :, 0] * 72 / figure.dpi
    assert (np.diff(points, axis=0) > 1).all()
    ticks = axes.transData.transform([(x, 0) for x in (0, *EPSILONS.values())])[:, 0]
    assert np.abs(points - ticks * 72 / figure.dpi).max() < 5


def test_one_seed_has_no_bars_and_no_note_of_them() -> None:
    grid = make_grid({"a": [0], "b": [0]}, ["pgd"])
    rows = [job(name, 0, "pgd", text, 9, 5) for name in "ab" for text in EPSILONS]
    figure = accuracy_curve(summarise(pd.concat(rows), grid), grid, 5)
    (axes,) = figure.axes
    assert drawn_bars(axes) == []
    assert "bars" not in figure.legends[0].get_title().get_text()
    first, second = (line.get_transform().transform(line.get_xydata()) for line in curves(axes)[:2])
    np.testing.assert_allclose(first, second)


def test_bands_of_many_models_are_left_out_and_not_spoken_of() -> None:
    for models, bands in ((6, 6), (7, 0)):
        names = [f"m{number}" for number in range(models)]
        grid = make_grid({name: [0] for name in names}, ["pgd"])
        rows = [job(name, 0, "pgd", text, 9, 5) for name in names for text in EPSILONS]
        figure = accuracy_curve(summarise(pd.concat(rows), grid), grid, 5)
        found = [x for x in figure.axes[0].collections if isinstance(x, PolyCollection)]
        assert len(found) == bands
        said = figure.legends[0].get_title().get_text()
        assert ("Wilson" in said) == (bands > 0) and "10 test images" in said


def test_axes_and_notes_say_what_is_shown(figure: Figure) -> None:
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["clean", *EPSILONS]
    assert "pixel values in [0, 1]" in axes.get_xlabel()
    assert axes.get_ylabel() == "accuracy (%)"
    note = figure.legends[0].get_title().get_text()
    assert "mean over 2 seeds" in note
    assert "Wilson 95% interval for 10 test images" in note
    assert "bars: ± standard deviation over seeds" in note
    assert "1 of 9 jobs" in note


def test_a_complete_figure_speaks_of_nothing_missing() -> None:
    rows = pd.concat([ROWS, job("_late", 0, "pgd", "0.01", 10, 4)])
    note = accuracy_curve(summarise(rows, GRID), GRID, 5).legends[0].get_title().get_text()
    assert "missing" not in note


def test_an_attack_without_epsilons_has_no_panel() -> None:
    grid = make_grid({"a": [0]}, ["pgd", "cw"])
    grid["attacks"][1]["epsilons"] = [{"text": "minimal", "value": None}]
    rows = [job("a", 0, "pgd", text, 9, 5) for text in EPSILONS]
    minimal = job("a", 0, "cw", "minimal", 9, 1)
    figure = accuracy_curve(summarise(pd.concat([*rows, minimal]), grid), grid, 5)
    assert [axes.get_title() for axes in figure.axes] == ["pgd"]
    grid["attacks"] = grid["attacks"][1:]
    figure = accuracy_curve(summarise(minimal, grid), grid, 5)
    assert not figure.axes
    assert "see the figure survival" in figure.texts[0].get_text()


@pytest.mark.parametrize(("models", "attacks"), [(1, 1), (4, 2), (20, 4)])
def test_nothing_is_cut_or_covered(models: int, attacks: int) -> None:
    names = [f"multi_gaze_shared_weights_{i}" for i in range(models)]
    grid = make_grid({name: [0] for name in names}, [f"attack {i}" for i in range(attacks)])
    rows = [
        job(name, 0, attack["name"], text, 9, 5)
        for name in names
        for attack in grid["attacks"]
        for text in EPSILONS
    ]
    figure = accuracy_curve(summarise(pd.concat(rows), grid), grid, 5)
    figure.draw_without_rendering()
    page = figure.bbox
    boxes = [box for a in (*figure.legends, *figure.axes) if (box := a.get_tightbbox())]
    assert len(boxes) == attacks + 1
    for box in boxes:
        assert page.x0 - 1 <= box.x0 < box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0 < box.y1 <= page.y1 + 1
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
    styles = {(str(x.get_color()), str(x.get_marker())) for x in figure.axes[0].get_lines()[:-1]}
    assert len(styles) == models


def write_results(folder: Path) -> Path:
    ROWS.to_parquet(folder / "results.parquet")
    missing = [{"model": "_late", "seed": 0, "attack": "pgd", "epsilon": "0.01"}]
    record = {"experiment": "small", "grid": GRID, "missing": missing}
    (folder / "results.json").write_text(json.dumps(record))
    return folder


def test_same_results_same_bytes_in_another_process_and_style(tmp_path: Path) -> None:
    results = write_results(tmp_path)
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 20, "savefig.dpi": 50}):
        first = draw_accuracy_curve(results, tmp_path / "first")
    program = (
        "import sys; from pathlib import Path\n"
        "from biorobust.analysis.accuracy_curve import draw_accuracy_curve\n"
        "draw_accuracy_curve(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "12",
        "SOURCE_DATE_EPOCH": "1",
    }
    subprocess.run(
        [sys.executable, "-c", program, str(results), str(tmp_path / "second")],
        env=environment,
        check=True,
    )
    assert [path.name for path in first] == [f"accuracy_curve.{e}" for e in ("png", "pdf", "svg")]
    for path in first:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_files_have_the_resolution_and_tell_no_date_or_version(tmp_path: Path) -> None:
    png, pdf, _ = draw_accuracy_curve(write_results(tmp_path), tmp_path / "figures")
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert "Software" not in image.info
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert not any(key in content for key in (b"CreationDate", b"Producer", b"Matplotlib"))
