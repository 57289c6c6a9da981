"""A few test images of each class (the thesis's Figure 7)."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from biorobust.analysis.figure_style import add_note, write_figure
from biorobust.analysis.picture_grid import (
    label_picture_row,
    make_picture_grid,
    show_image,
)
from biorobust.data.shards import Shards, open_shards
from biorobust.jobs import Inputs, Job, Result, files_written

_CLASSES, _IMAGES = 20, 8


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    return files_written("figures", draw_dataset_samples(job.inputs["shards"].parent, job.folder))


def draw_dataset_samples(shards: Path, output: Path) -> list[Path]:
    """Write `<output>/dataset_samples.png` (200 dots per inch), `.pdf` and `.svg`.

    `shards` is the folder of the test split. Returns the paths written. Raises UserError as
    `open_shards` does.
    """
    images = open_shards(shards)
    return write_figure(lambda: dataset_samples(images), output, "dataset_samples")


def dataset_samples(shards: Shards) -> Figure:
    """The figure: a row for each of the first 20 classes, with its first 8 images."""
    chosen = [np.flatnonzero(shards.labels == n)[:_IMAGES] for n in range(len(shards.classes))]
    chosen = chosen[:_CLASSES]
    figure, grid = make_picture_grid(len(chosen), max(map(len, chosen)))
    for row, positions, name in zip(grid, chosen, shards.classes[:_CLASSES], strict=True):
        label_picture_row(row, name)
        for axes, image in zip(row, shards.read(positions), strict=False):
            show_image(axes, image)
        for unused in row[len(positions) :]:
            unused.remove()
    classes = len(shards.classes)
    of_classes = f"each of the {classes} classes"
    if classes > _CLASSES:
        of_classes = f"the first {_CLASSES} of {classes} classes"
    add_note(figure, f"the first test images of {of_classes}")
    return figure
