"""Accuracy against epsilon for all models, a panel an attack (the thesis's Figure 9)."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from biorobust.analysis.figure_style import (
    AXIS_NORMS,
    add_legend,
    label_rows,
    literal,
    make_panels,
    model_style,
    write_figure,
)
from biorobust.analysis.summary import CLEAN, Attack, Grid, budgets, read_results, summarise
from biorobust.jobs import Inputs, Job, Result, files_written

# In points (1/72 inch), at one epsilon: from one model's bar to the next, and over all of them.
_BAR_STEP, _BARS_WIDTH = 3.0, 12.0
# Bands of more models than that hide one another; `accuracy_bars` shows their intervals.
_MOST_BANDS = 6
_NO_EPSILONS = "No attack of this experiment is given an epsilon: see the figure survival."


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    return files_written("figures", draw_accuracy_curve(job.inputs["results"].parent, job.folder))


def draw_accuracy_curve(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/accuracy_curve.png` (200 dots per inch), `.pdf` and `.svg`.

    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results` and
    `summarise` do.
    """
    results = read_results(directory)
    summary = summarise(results.rows, results.grid)
    classes = results.rows["label"].nunique()
    return write_figure(
        lambda: accuracy_curve(summary, results.grid, classes), output, "accuracy_curve"
    )


def accuracy_curve(summary: pd.DataFrame, grid: Grid, classes: int) -> Figure:
    """The figure: for each model a line with markers (mean over seeds, %), bars and a band.

    The bars are ± one sample standard deviation over seeds, and absent where there is one seed;
    the band is Wilson's interval, which covers only the choice of test images, and is left out
    where there are more than six models. Where there are bars, the models stand some points beside
    one another, so that none hides another's.

    `summary` is what `summarise` returns for `grid`; `classes` is the number of labels, whose
    inverse is the chance level. The clean accuracy stands at epsilon 0. Below the smallest
    epsilon the axis is linear, beyond it logarithmic, since the usual epsilons lie a decade or
    two apart while the clean accuracy belongs on the same line. Points without a result are
    left out, their neighbours stay unjoined, and the figure tells how many jobs are missing.
    What checks broke counts as broken; hollow markers show what an attack alone gives, where that
    is more.
    """
    attacks = list(filter(budgets, grid["attacks"]))
    if not attacks:
        figure = Figure(figsize=(6, 1))
        figure.text(0.5, 0.5, _NO_EPSILONS, ha="center", va="center")
        return figure
    figure, panels = make_panels(len(attacks))
    chance = 100 / classes
    shifts = _shifts(len(grid["models"]), bars=_has_bars(summary))
    banded = len(grid["models"]) <= _MOST_BANDS
    handles: list[Line2D] = []
    for axes, attack in zip(panels, attacks, strict=True):
        lines = summary[summary["attack"] == attack["name"]]
        # Every panel shows the same models; the last one's handles serve the legend.
        handles = [
            _draw_model(axes, lines[lines["model"] == model["name"]], order, shift, banded=banded)
            for order, (model, shift) in enumerate(zip(grid["models"], shifts, strict=True))
        ]
        handles.append(axes.axhline(chance, color="0.35", linestyle="--", linewidth=1))
        _set_axes(axes, attack)
    label_rows(panels, "accuracy (%)")
    labels = [*(literal(model["name"]) for model in grid["models"]), f"chance ({chance:.3g}%)"]
    add_legend(figure, handles, labels, _explain(summary, banded=banded))
    return figure


def _has_bars(summary: pd.DataFrame) -> bool:
    return bool(summary["std"].notna().any())


def _corrected(summary: pd.DataFrame) -> "pd.Series[bool]":
    """Where an attack alone gives a higher accuracy than with what checks broke."""
    return summary["uncorrected"] > summary["mean"]


def _shifts(models: int, *, bars: bool) -> list[float]:
    """How far each model is drawn beside its epsilon, in points, so that bars do not overlap."""
    step = min(_BAR_STEP, _BARS_WIDTH / max(1, models - 1)) if bars else 0.0
    return [step * (order - (models - 1) / 2) for order in range(models)]


def _draw_model(
    axes: Axes, lines: pd.DataFrame, order: int, shift: float, *, banded: bool
) -> Line2D:
    lines = lines.sort_values("epsilon", kind="stable")
    colour, marker = model_style(order)
    epsilon = lines["epsilon"].to_numpy(dtype=float)
    mean, deviation, low, high = (
        100 * lines[key].to_numpy(dtype=float) for key in ("mean", "std", "low", "high")
    )
    # On the page and not in epsilon, so that the distance is the same all along the axis.
    beside = axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    if banded:
        axes.fill_between(
            epsilon, low, high, color=colour, alpha=0.18, linewidth=0, transform=beside
        )
    several = np.isfinite(deviation)
    if several.any():
        axes.errorbar(
            epsilon[several],
            mean[several],
            yerr=deviation[several],
            fmt="none",
            ecolor=colour,
            elinewidth=0.9,
            capsize=2.5,
            capthick=0.9,
            transform=beside,
        )
    kinder = _corrected(lines).to_numpy()
    if kinder.any():
        axes.plot(
            epsilon[kinder],
            100 * lines["uncorrected"].to_numpy(dtype=float)[kinder],
            color=colour,
            marker=marker,
            markersize=5,
            markerfacecolor="none",
            linestyle="none",
            transform=beside,
        )
    (line,) = axes.plot(
        epsilon,
        mean,
        color=colour,
        marker=marker,
        markersize=5,
        linewidth=1.5,
        label=lines["model"].iloc[0],
        transform=beside,
    )
    return line


def _set_axes(axes: Axes, attack: Attack) -> None:
    epsilons = budgets(attack)
    smallest = min((value for value in epsilons.values() if value > 0), default=1.0)
    largest = max(smallest, *epsilons.values())
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
    axes.set_xlim(-0.2 * smallest, 1.15 * largest)
    axes.set_xticks(
        [0.0, *epsilons.values()],
        [CLEAN, *map(literal, epsilons)],
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_xticks([], minor=True)
    axes.set_title(literal(attack["name"]))
    axes.set_xlabel(f"$\\epsilon$ ({AXIS_NORMS[attack['norm']]}, pixel values in [0, 1])")


def _explain(summary: pd.DataFrame, *, banded: bool) -> str:
    images, most = (
        int(summary["images"].iloc[0]),
        int((summary["seeds"] + summary["missing"]).max()),
    )
    line = f"mean over {most} seeds" if most > 1 else "one seed"
    text = f"line: {line}; {images} test images"
    if banded:
        text = f"line: {line}; band: Wilson 95% interval for {images} test images"
    if _has_bars(summary):
        text += "\nbars: ± standard deviation over seeds"
    if _corrected(summary).any():
        text += "\nhollow: the attack alone, without what checks broke"
    attacked = summary[summary["epsilon_text"] != CLEAN]
    missing = int(attacked["missing"].sum())
    if missing:
        jobs = int((attacked["seeds"] + attacked["missing"]).sum())
        text += f"\nincomplete: {missing} of {jobs} jobs (model, seed, $\\epsilon$) are missing"
    return text
