"""Images still classified correctly against the size of the perturbation, a panel a norm."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from biorobust.analysis.figure_style import (
    AXIS_NORMS,
    add_legend,
    label_rows,
    literal,
    make_panels,
    model_style,
    write_figure,
)
from biorobust.analysis.robustness import survival_curves
from biorobust.analysis.summary import NORMS, Grid, budgets, read_corrections, read_results
from biorobust.jobs import Inputs, Job, Result, files_written
from biorobust.places import AttackJob


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    return files_written("figures", draw_survival(job.inputs["results"].parent, job.folder))


def draw_survival(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/survival.png` (200 dots per inch), `.pdf` and `.svg`.

    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results`,
    `read_corrections` and `survival_curves` do.
    """
    results = read_results(directory)
    curves = survival_curves(results.rows, results.grid, read_corrections(directory))
    return write_figure(
        lambda: survival_figure(curves, results.grid, results.missing), output, "survival"
    )


def survival_figure(curves: pd.DataFrame, grid: Grid, missing: list[AttackJob]) -> Figure:
    """The figure: for each norm and model a staircase (mean over seeds, %) and a band.

    `curves` is what `survival_curves` returns for `grid`, `missing` the jobs without a result.
    A curve starts at the clean accuracy and falls where an image is broken by the smallest
    perturbation of any attack or check, so that the area under it is the mean smallest
    perturbation. Where it is level at its right end, the rest was never broken. The band is ± one
    sample standard deviation over seeds, absent where there is one. A dotted staircase is what the
    attacks alone leave, where checks broke more. The axis is linear, as areas are to be seen.
    """
    figure, panels = make_panels(len(NORMS))
    handles: list[Line2D] = []
    for axes, norm in zip(panels, NORMS, strict=True):
        lines = curves[curves["norm"] == norm]
        # Every panel shows the same models; the last one's handles serve the legend.
        handles = [
            _draw_model(axes, lines[lines["model"] == model["name"]], order)
            for order, model in enumerate(grid["models"])
        ]
        largest = lines["size"].max()
        axes.set_xlim(0, 1.02 * largest if largest > 0 else 1.0)
        axes.set_xlabel(f"perturbation ({AXIS_NORMS[norm]}, pixel values in [0, 1])")
    label_rows(panels, "images classified correctly (%)")
    labels = [literal(model["name"]) for model in grid["models"]]
    add_legend(figure, handles, labels, _explain(curves, grid, missing))
    return figure


def _draw_model(axes: Axes, curve: pd.DataFrame, order: int) -> Line2D:
    colour, marker = model_style(order)
    size, mean, deviation = (curve[key].to_numpy(float) for key in ("size", "mean", "std"))
    if np.isfinite(deviation).any():
        axes.fill_between(
            size,
            100 * (mean - deviation),
            100 * (mean + deviation),
            step="post",
            color=colour,
            alpha=0.18,
            linewidth=0,
        )
    if _corrected(curve):
        axes.plot(
            size,
            100 * curve["uncorrected"].to_numpy(float),
            drawstyle="steps-post",
            color=colour,
            linestyle=":",
            linewidth=1.2,
        )
    (line,) = axes.plot(
        size,
        100 * mean,
        drawstyle="steps-post",
        color=colour,
        marker=marker,
        markersize=5,
        # In fractions of the panel's diagonal; each model begins at a place of its own.
        markevery=(0.02 + 0.03 * (order % 4), 0.12),
        linewidth=1.5,
    )
    return line


def _corrected(curves: pd.DataFrame) -> bool:
    """Whether checks broke what the attacks alone did not, or with less."""
    return bool((curves["uncorrected"] > curves["mean"]).any())


def _explain(curves: pd.DataFrame, grid: Grid, missing: list[AttackJob]) -> str:
    most = max(len(model["seeds"]) for model in grid["models"])
    seeds = f"mean over {most} seeds" if most > 1 else "one seed"
    text = f"line: {seeds}; smallest perturbation over all attacks; area: its mean over images"
    if curves["std"].notna().any():
        text += "\nband: ± standard deviation over seeds"
    if _corrected(curves):
        text += "\ndotted: the attacks alone, without what checks broke"
    if all(map(budgets, grid["attacks"])):
        text += "\nonly attacks with fixed $\\epsilon$: sizes are coarse upper bounds"
    if missing:
        incomplete = {(job.model, job.seed) for job in missing}
        planned = sum(len(model["seeds"]) for model in grid["models"])
        text += f"\nincomplete: {len(incomplete)} of {planned} trained models lack jobs"
        text += " and are left out"
    return text
