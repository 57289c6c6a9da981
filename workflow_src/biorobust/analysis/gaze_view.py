"""One image, the gazes chosen on it, and what is seen from each (the thesis's Figure 14)."""

import math

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from biorobust.analysis.figure_style import add_note, write_figure
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

_VIEWS = 5  # as many as the thesis has


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    device = prepare_torch(job.execution)
    models: dict[str, MultiGaze] = load_shown_models(job, device)
    shards = open_shards(job.inputs["shards"].parent)
    image = read_pixels(shards, first_of_each_class(shards, 1), device)
    return files_written(
        "figures", write_figure(lambda: gaze_view(image, models), job.folder, "gaze_view")
    )


def gaze_view(image: Tensor, models: dict[str, MultiGaze]) -> Figure:
    """The figure: a row a model; image: [1, 3, N, N].

    First the image with the gazes of the first five branches at most, then the view from each. A
    retinal view is marked where it is sharp; a cortical one is four pictures, the narrowest scale
    first.
    """
    size = image.shape[-1]
    chosen: dict[str, tuple[list[tuple[float, float]], Tensor]] = {}
    for name, model in models.items():
        with torch.inference_mode():
            chosen[name] = model.gazes(image)[0, :_VIEWS].tolist(), model.views(image)[:_VIEWS, 0]
    figure, grid = make_picture_grid(
        len(models), 1 + max(len(gazes) for gazes, _ in chosen.values()), title_lines=1
    )
    for row, (name, (gazes, views)) in zip(grid, chosen.items(), strict=True):
        label_picture_row(row, name)
        show_image(row[0], as_pictures(image[0]), "image")
        for branch, (axes, gaze, view) in enumerate(zip(row[1:], gazes, views, strict=False)):
            mark_gaze(row[0], gaze, size, branch)
            if view.ndim == 4:
                show_image(axes, as_pictures(side_by_side(view)), f"branch {branch + 1}")
            else:
                show_image(axes, as_pictures(view), f"branch {branch + 1}")
                mark_gaze(axes, gaze, size, branch)
        for unused in row[1 + len(gazes) :]:
            unused.remove()
    add_note(
        figure,
        "an image with the gazes that the model chooses, and the view of each branch; marks: the "
        "gazes; first seed",
    )
    return figure


def side_by_side(scales: Tensor) -> Tensor:
    """Pictures of one size as one picture, row by row: [S, 3, v, v] -> [3, r v, c v]."""
    columns = math.isqrt(len(scales) - 1) + 1
    filled = F.pad(scales, (0, 0) * 3 + (0, -len(scales) % columns))
    return torch.cat(
        [torch.cat(list(of_row), dim=2) for of_row in torch.split(filled, columns)], dim=1
    )
