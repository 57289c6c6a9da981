"""Accuracy of all models side by side, a panel an epsilon (the data of the thesis's Figure 16).

For experiments with so many models that the lines of `accuracy_curve` hide one another.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biorobust.analysis.figure_style import (
    AXIS_NORMS,
    add_note,
    literal,
    model_style,
    write_figure,
)
from biorobust.analysis.summary import CLEAN, Grid, budgets, read_results, summarise
from biorobust.jobs import Inputs, Job, Result, files_written


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    return files_written("figures", draw_accuracy_bars(job.inputs["results"].parent, job.folder))


def draw_accuracy_bars(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/accuracy_bars.png` (200 dots per inch), `.pdf` and `.svg`.

    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results` and
    `summarise` do.
    """
    results = read_results(directory)
    summary = summarise(results.rows, results.grid)
    return write_figure(lambda: accuracy_bars(summary, results.grid), output, "accuracy_bars")


def accuracy_bars(summary: pd.DataFrame, grid: Grid) -> Figure:
    """The figure: a row an attack with epsilons, a panel an epsilon, in it a bar a model.

    `summary` is what `summarise` returns for `grid`. A bar is the mean accuracy over seeds (%),
    its whisker Wilson's interval, which covers only the choice of test images; a point is one
    seed. Where no seed has a result the panel says so. Attacks without epsilons are left out.
    What checks broke counts as broken; a cross shows the mean of the attack alone where it is more.
    """
    attacks = list(filter(budgets, grid["attacks"]))
    if not attacks:
        figure = Figure(figsize=(6, 1), layout="constrained")
        add_note(figure, "No attack of this experiment is given an epsilon: see survival.")
        return figure
    columns = 1 + max(len(budgets(attack)) for attack in attacks)
    height = 0.8 + 0.24 * len(grid["models"])
    figure = Figure(figsize=(2 + 1.5 * columns, 0.6 + height * len(attacks)), layout="constrained")
    table = figure.subplots(len(attacks), columns, squeeze=False, sharex=True)
    names = [literal(model["name"]) for model in grid["models"]]
    for row, attack in zip(table, attacks, strict=True):
        lines = summary[summary["attack"] == attack["name"]]
        panels = {CLEAN: CLEAN} | {text: f"ε = {literal(text)}" for text in budgets(attack)}
        for axes, (text, title) in zip(row, panels.items(), strict=False):
            _draw_panel(axes, lines[lines["epsilon_text"] == text])
            axes.set_title(title, fontsize=9)
            axes.set_yticks(range(len(names)), names)
            axes.tick_params(left=False, labelleft=text == CLEAN, labelsize=8)
        row[0].set_ylabel(f"{literal(attack['name'])}\n({AXIS_NORMS[attack['norm']]})", fontsize=8)
        for unused in row[len(panels) :]:
            unused.remove()
    images = int(summary["images"].iloc[0])
    note = (
        "accuracy (%); bar: mean over seeds; point: one seed; whisker: Wilson 95% interval for "
        f"{images} test images"
    )
    if (summary["uncorrected"] > summary["mean"]).any():
        note += "; cross: the attack alone, without what checks broke"
    add_note(figure, note)
    return figure


def _draw_panel(axes: Axes, lines: pd.DataFrame) -> None:
    images = lines["images"].to_numpy(float)
    mean, low, high, alone = (
        100 * lines[key].to_numpy(float) for key in ("mean", "low", "high", "uncorrected")
    )
    for place, counts in enumerate(lines["correct"]):
        if not counts:
            axes.text(2, place, "missing", fontsize=7, va="center")
            continue
        axes.barh(place, mean[place], height=0.7, color=model_style(place)[0], alpha=0.6)
        axes.plot([low[place], high[place]], [place, place], color="0.2", linewidth=1)
        if alone[place] > mean[place]:
            axes.plot(alone[place], place, marker="x", markersize=4, color="0.2")
        axes.plot(
            100 * np.array(counts) / images[place],
            np.full(len(counts), place),
            linestyle="none",
            marker="o",
            markersize=3.5,
            markerfacecolor="white",
            markeredgecolor="0.2",
            markeredgewidth=0.8,
        )
    axes.set_xlim(0, 103)
    axes.set_xticks([0, 50, 100])
    # The first model on top, as in the table.
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
