"""Accuracy against epsilon for all models, a panel an attack (the thesis's Figure 9)."""

from io import BytesIO
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from biorobust.analysis.summary import (
    CLEAN,
    Attack,
    Grid,
    attacks_under_budget,
    balls_of,
    read_results,
    summarise,
)
from biorobust.files import write_bytes
from biorobust.jobs import Inputs, Job, Result, files_written

# Okabe and Ito's palette for all kinds of colour vision, without its yellow, which is too
# faint for a line on white.
_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"]
# Nine markers and seven colours share no divisor: 63 models before a pair comes again.
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]

_AXIS_NORMS = {"linf": "$L_\\infty$ norm", "l2": "$L_2$ norm", "rms": "root mean square"}
_PANELS_A_ROW = 3
# In points (1/72 inch), at one epsilon: from one model's bar to the next, and over all of them.
_BAR_STEP, _BARS_WIDTH = 3.0, 12.0
# No date and no version: the same results give the same bytes.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    return files_written("figures", draw_accuracy_curve(job.inputs["results"].parent, job.folder))


def draw_accuracy_curve(directory: Path, output: Path) -> list[Path]:
    """Write `<output>/accuracy_curve.png` (200 dots per inch) and `<output>/accuracy_curve.pdf`.

    `directory` is the experiment's results folder (see `read_results`). The same results give
    the same bytes. Returns the paths written. Raises UserError as `read_results` and
    `summarise` do.
    """
    results = read_results(directory)
    summary = summarise(results.rows, results.grid)
    paths = []
    # A reader's own matplotlibrc must not change the figure.
    with matplotlib.style.context(["default", {"pdf.fonttype": 42}]):
        figure = accuracy_curve(summary, results.grid, results.rows["label"].nunique())
        for ending, metadata in _METADATA.items():
            buffer = BytesIO()
            figure.savefig(buffer, format=ending, dpi=200, metadata=metadata)
            paths.append(output / f"accuracy_curve.{ending}")
            write_bytes(paths[-1], buffer.getvalue())
    return paths


def accuracy_curve(summary: pd.DataFrame, grid: Grid, classes: int) -> Figure:
    """The figure: for each model a line with markers (mean over seeds, %), bars and a band.

    The bars are ± one sample standard deviation over seeds, and absent where there is one seed;
    the band is Wilson's interval, which covers only the choice of test images. Where there are
    bars, the models stand some points beside one another, so that none hides another's.

    `summary` is what `summarise` returns for `grid`; `classes` is the number of labels, whose
    inverse is the chance level. The clean accuracy stands at epsilon 0. Below the smallest
    epsilon the axis is linear, beyond it logarithmic, since the usual epsilons lie a decade or
    two apart while the clean accuracy belongs on the same line. Points without a result are
    left out, their neighbours stay unjoined, and the figure tells how many jobs are missing.
    Attacks without an epsilon have no panel; where there is no other, the figure says so.
    """
    attacks = attacks_under_budget(grid)
    if not attacks:
        figure = Figure(figsize=(6, 1), layout="constrained")
        figure.text(0.5, 0.5, "no attack under a budget $\\epsilon$", ha="center", va="center")
        return figure
    columns = min(len(attacks), _PANELS_A_ROW)
    rows = -(-len(attacks) // columns)
    figure = Figure(figsize=(1.2 + 4.8 * columns, 1.2 + 3.8 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for unused in panels[len(attacks) :]:
        unused.remove()
    chance = 100 / classes
    shifts = _shifts(len(grid["models"]), bars=_has_bars(summary))
    handles: list[Line2D] = []
    for index, (axes, attack) in enumerate(zip(panels, attacks, strict=False)):
        lines = summary[summary["attack"] == attack["name"]]
        # Every panel shows the same models; the last one's handles serve the legend.
        handles = [
            _draw_model(axes, lines[lines["model"] == model["name"]], order, shift)
            for order, (model, shift) in enumerate(zip(grid["models"], shifts, strict=True))
        ]
        handles.append(axes.axhline(chance, color="0.35", linestyle="--", linewidth=1))
        _set_axes(axes, attack, first=index % columns == 0)
    labels = [*(_literal(model["name"]) for model in grid["models"]), f"chance ({chance:.3g}%)"]
    # An inch holds about thirteen characters; a line's sample takes as much room as eight.
    longest = 8 + max(map(len, labels))
    most = max(1, min(len(labels), int(13 * figure.get_figwidth() / longest)))
    # As few columns as give the same number of rows: no entry stands alone under the others.
    legend_rows = -(-len(labels) // most)
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=-(-len(labels) // legend_rows),
        title=_explain(summary),
        frameon=False,
    )
    legend.get_title().set_multialignment("center")
    return figure


def _has_bars(summary: pd.DataFrame) -> bool:
    return bool(summary["std"].notna().any())


def _shifts(models: int, *, bars: bool) -> list[float]:
    """How far each model is drawn beside its epsilon, in points, so that bars do not overlap."""
    step = min(_BAR_STEP, _BARS_WIDTH / max(1, models - 1)) if bars else 0.0
    return [step * (order - (models - 1) / 2) for order in range(models)]


def _draw_model(axes: Axes, lines: pd.DataFrame, order: int, shift: float) -> Line2D:
    lines = lines.sort_values("epsilon", kind="stable")
    colour = _COLOURS[order % len(_COLOURS)]
    epsilon = lines["epsilon"].to_numpy(dtype=float)
    mean, deviation, low, high = (
        100 * lines[key].to_numpy(dtype=float) for key in ("mean", "std", "low", "high")
    )
    # On the page and not in epsilon, so that the distance is the same all along the axis.
    beside = axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    axes.fill_between(epsilon, low, high, color=colour, alpha=0.18, linewidth=0, transform=beside)
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
    (line,) = axes.plot(
        epsilon,
        mean,
        color=colour,
        marker=_MARKERS[order % len(_MARKERS)],
        markersize=5,
        linewidth=1.5,
        label=lines["model"].iloc[0],
        transform=beside,
    )
    return line


def _set_axes(axes: Axes, attack: Attack, first: bool) -> None:
    balls = balls_of(attack)
    smallest = min((value for _, value in balls if value > 0), default=1.0)
    largest = max(smallest, balls[-1][1])
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
    axes.set_xlim(-0.2 * smallest, 1.15 * largest)
    axes.set_xticks(
        [0.0, *(value for _, value in balls)],
        [CLEAN, *(_literal(text) for text, _ in balls)],
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_xticks([], minor=True)
    axes.set_ylim(-3, 103)
    axes.set_yticks(np.arange(0, 101, 20))
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(_literal(attack["name"]))
    axes.set_xlabel(f"$\\epsilon$ ({_AXIS_NORMS[attack['norm']]}, pixel values in [0, 1])")
    if first:
        axes.set_ylabel("accuracy (%)")


def _explain(summary: pd.DataFrame) -> str:
    images, most = (
        int(summary["images"].iloc[0]),
        int((summary["seeds"] + summary["missing"]).max()),
    )
    line = f"mean over {most} seeds" if most > 1 else "one seed"
    text = f"line: {line}; band: Wilson 95% interval for {images} test images"
    if _has_bars(summary):
        text += "\nbars: ± standard deviation over seeds"
    attacked = summary[summary["epsilon_text"] != CLEAN]
    missing = int(attacked["missing"].sum())
    if missing:
        jobs = int((attacked["seeds"] + attacked["missing"]).sum())
        text += f"\nincomplete: {missing} of {jobs} jobs (model, seed, $\\epsilon$) are missing"
    return text


def _literal(text: str) -> str:
    """`text` on one line, with its dollar signs kept from starting a formula."""
    return " ".join(text.split()).replace("$", r"\$")
