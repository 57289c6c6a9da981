"""The gazes that multi-gaze models choose on test images (the thesis's Figure 15)."""

import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from biorobust.analysis.figure_style import add_legend, write_figure
from biorobust.analysis.picture_grid import (
    label_picture_row,
    make_picture_grid,
    mark_gaze,
    show_image,
)
from biorobust.analysis.shown_models import (
    as_pictures,
    first_of_each_class,
    load_shown_models,
    read_pixels,
)
from biorobust.data.shards import open_shards
from biorobust.devices import prepare_torch
from biorobust.jobs import Inputs, Job, Result, files_written
from biorobust.models.multi_gaze import MultiGaze

_IMAGES = 6


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    device = prepare_torch(job.execution)
    models: dict[str, MultiGaze] = load_shown_models(job, device)
    shards = open_shards(job.inputs["shards"].parent)
    images = read_pixels(shards, first_of_each_class(shards, _IMAGES), device)
    return files_written(
        "figures", write_figure(lambda: gazes_figure(images, models), job.folder, "gazes")
    )


def gazes_figure(images: Tensor, models: dict[str, MultiGaze]) -> Figure:
    """The figure: a row a model, a column an image, a mark a branch; images: [B, 3, N, N]."""
    figure, grid = make_picture_grid(len(models), len(images))
    most: list[Line2D] = []
    for row, (name, model) in zip(grid, models.items(), strict=True):
        label_picture_row(row, name)
        with torch.inference_mode():
            gazes = model.gazes(images).tolist()
        for axes, image, of_image in zip(row, as_pictures(images), gazes, strict=True):
            show_image(axes, image)
            marks = [
                mark_gaze(axes, gaze, images.shape[-1], branch)
                for branch, gaze in enumerate(of_image)
            ]
            most = max(most, marks, key=len)
    labels = [f"branch {branch}" for branch in range(1, len(most) + 1)]
    add_legend(figure, most, labels, "marks: the gazes of each branch; first seed")
    return figure
