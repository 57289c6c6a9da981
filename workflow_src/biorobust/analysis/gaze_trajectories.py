"""Where models that choose their views look in training, epoch by epoch.

To see whether gazes collapse to the corners or the centre of the image, as those of the thesis's
multi-gaze models did without and with a penalty on them (thesis 3.3.3), and whether boxes stick to
the borders.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from biorobust.analysis.figure_style import add_legend, model_style, wrapped, write_figure
from biorobust.errors import UserError
from biorobust.jobs import Inputs, Job, Result, files_written
from biorobust.provenance import Record
from biorobust.sampling.windows import cortical_windows

Numbers = npt.NDArray[np.float64]

# Where numbers stand in a gaze, and in a transform [2, 3], which takes (x, y, 1) in the view to
# (x, y) in the image, read row by row.
_GAZES = {"gaze row": 0, "gaze column": 1}
_SCALES_AND_SHIFTS = {"scale x": 0, "scale y": 4, "shift x": 2, "shift y": 5}
_SHEARS = {"shear x": 1, "shear y": 3}

# Models choose 2, 4 or 6 numbers: their panels fill a row.
_COLUMNS = 12
_LINES: list[Literal["-", "--", ":", "-."]] = ["-", "--", ":", "-."]


class Trajectory(NamedTuple):
    """One number that a training chooses for each branch and image, by epoch.

    reach: the farthest that it can go either way. mean, deviation: over the training images as
    they come in an epoch, each [epochs, k].
    """

    model: str
    seed: int
    label: str
    reach: float
    mean: Numbers
    deviation: Numbers


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record.

    Raises UserError as `read_trajectories` does.
    """
    found: list[Trajectory] = []
    for name, record in inputs.items():
        _, model, seed = name.split(":")
        found += read_trajectories(model, int(seed), job.inputs[name].parent, record)
    return files_written(
        "figures",
        write_figure(lambda: gaze_trajectories(found), job.folder, "gaze_trajectories"),
    )


def read_trajectories(model: str, seed: int, folder: Path, record: Record) -> list[Trajectory]:
    """What a training remembers of gazes or transforms in `<folder>/diagnostics.npz`.

    record: that of the training, which tells the model's options and image size. Raises UserError
    where the file remembers neither gazes nor transforms.
    """
    path = folder / "diagnostics.npz"
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: np.asarray(file[name], dtype=np.float64) for name in file.files}
    config = record["config"]["model"]
    if "gazes" in arrays:
        size = record["image_size"]
        reach = cortical_windows(size).gaze if config["views"] == "cortical" else size // 2
        chosen, places = "gazes", _GAZES
    elif "transforms" in arrays:
        reach, chosen, places = 1, "transforms", _SCALES_AND_SHIFTS
        if config["transform"] == "affine":
            places = places | _SHEARS
    else:
        raise UserError(f"{path} remembers neither gazes nor transforms; train the model again")
    means, squares = (
        array.reshape(*array.shape[:2], -1)
        for array in (arrays[chosen], arrays[f"{chosen}/squared"])
    )
    # A variance of almost nothing may come out below it.
    deviations = np.sqrt(np.maximum(squares - means**2, 0))
    return [
        Trajectory(model, seed, label, reach, means[..., place], deviations[..., place])
        for label, place in places.items()
    ]


def gaze_trajectories(found: list[Trajectory]) -> Figure:
    """The figure: a row a model, a column a number that it chooses, a line a branch and seed.

    Lines are means over images, bands ± one standard deviation over images.
    """
    models = list(dict.fromkeys(trajectory.model for trajectory in found))
    labels = {m: list(dict.fromkeys(t.label for t in found if t.model == m)) for m in models}
    seeds = list(dict.fromkeys(trajectory.seed for trajectory in found))
    width = 1.5 + 2.4 * max(map(len, labels.values()))
    figure = Figure(figsize=(width, 1.3 + 2.2 * len(models)), layout="constrained")
    table = figure.add_gridspec(len(models), _COLUMNS)
    for row, model in enumerate(models):
        span = _COLUMNS // len(labels[model])
        for place, label in enumerate(labels[model]):
            axes = figure.add_subplot(table[row, place * span : (place + 1) * span])
            _draw(axes, [t for t in found if (t.model, t.label) == (model, label)], seeds)
            if place == 0:
                axes.set_ylabel(wrapped(model, 1.8), fontsize=8)
    branches = max(trajectory.mean.shape[1] for trajectory in found)
    handles = [Line2D([], [], color=model_style(branch)[0]) for branch in range(branches)]
    handles += [
        Line2D([], [], color="0.3", linestyle=_LINES[seeds.index(s) % len(_LINES)]) for s in seeds
    ]
    names = [f"branch {branch}" for branch in range(1, branches + 1)]
    names += [f"seed {seed}" for seed in seeds]
    note = "line: mean over the images of an epoch; band: ± standard deviation over images\n"
    note += "gazes in pixels from the image centre; scales and shifts in half sides of the image"
    add_legend(figure, handles, names, note)
    return figure


def _draw(axes: Axes, trajectories: list[Trajectory], seeds: list[int]) -> None:
    reach = trajectories[0].reach
    for level in (-reach, 0, reach):
        axes.axhline(level, color="0.85", linewidth=0.8, zorder=0)
    for trajectory in trajectories:
        epochs = np.arange(1, len(trajectory.mean) + 1)
        for branch in range(trajectory.mean.shape[1]):
            colour, marker = model_style(branch)
            mean, spread = trajectory.mean[:, branch], trajectory.deviation[:, branch]
            axes.fill_between(
                epochs, mean - spread, mean + spread, color=colour, alpha=0.12, linewidth=0
            )
            axes.plot(
                epochs,
                mean,
                color=colour,
                linestyle=_LINES[seeds.index(trajectory.seed) % len(_LINES)],
                linewidth=1.2,
                # A single epoch is a point.
                marker=marker if len(epochs) == 1 else "",
            )
    axes.set_title(trajectories[0].label, fontsize=9)
    axes.set_xlabel("epoch", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(-1.08 * reach, 1.08 * reach)
    axes.set_yticks([-reach, 0, reach])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
