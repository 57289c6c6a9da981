"""One test image at the scales of a cortical fixation (the thesis's Figure 5)."""

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from biorobust.analysis.figure_style import add_note, write_figure
from biorobust.analysis.picture_grid import (
    label_picture_row,
    make_picture_grid,
    mark_gaze,
    outline_box,
    show_image,
)
from biorobust.analysis.shown_models import (
    as_pictures,
    first_of_each_class,
    load_shown_models,
    read_pixels,
)
from biorobust.data.shards import open_shards
from biorobust.jobs import Inputs, Job, Result, files_written
from biorobust.models.cortical_fixations import CorticalFixations
from biorobust.sampling.cortical import cortical_views
from biorobust.sampling.gazes import fixation_gazes
from biorobust.sampling.windows import CorticalWindows, first_pixel

_CLASSES = 10


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    device = torch.device("cpu")
    models: dict[str, CorticalFixations] = load_shown_models(job, device)
    shards = open_shards(job.inputs["shards"].parent)
    image = most_central_detail(read_pixels(shards, first_of_each_class(shards, _CLASSES), device))
    windows = {name: model.windows for name, model in models.items()}
    return files_written(
        "figures",
        write_figure(lambda: cortical_scales(image, windows), job.folder, "cortical_scales"),
    )


def cortical_scales(image: Tensor, windows: dict[str, CorticalWindows]) -> Figure:
    """The figure: a row for each choice of scales, with the names of the models that make it.

    image: [3, N, N]. First the image with the windows around its centre and the five test gazes,
    then what is seen through each window, from the narrow and sharp one to the wide one.
    """
    models: dict[CorticalWindows, list[str]] = {}
    for name, chosen in windows.items():
        models.setdefault(chosen, []).append(name)
    figure, grid = make_picture_grid(
        len(models), 1 + max(len(chosen.radii) for chosen in models), title_lines=2
    )
    centre = torch.zeros(1, 2, dtype=torch.int64)
    for row, (chosen, names) in zip(grid, models.items(), strict=True):
        label_picture_row(row, ", ".join(names))
        _show_windows(row[0], image, chosen)
        views = cortical_views(image[None], centre, chosen)
        for axes, view, size, radius in zip(
            row[1:], views, chosen.sizes, chosen.radii, strict=False
        ):
            show_image(axes, as_pictures(view[0]), f"{size} pixels, every {radius}")
        for unused in row[1 + len(views) :]:
            unused.remove()
    add_note(
        figure,
        "cortical scales around the image centre: windows, and what is seen through each of them "
        "after filtering and sampling; marks: the gazes of a test",
    )
    return figure


def _show_windows(axes: Axes, image: Tensor, windows: CorticalWindows) -> None:
    show_image(axes, as_pictures(image), "image")
    for order, size in enumerate(windows.sizes):
        outline_box(axes, window_corners(windows.image_size, size), order, marked=False)
    for gaze in fixation_gazes(windows.gaze):
        mark_gaze(axes, gaze, windows.image_size, len(windows.sizes))


def most_central_detail(images: Tensor) -> Tensor:
    """The image whose central N/8 x N/8 pixels differ most: [B, 3, N, N] -> [3, N, N].

    Any other could be flat where all the scales look.
    """
    size = images.shape[-1]
    start = first_pixel(size, size // 8)
    inside = slice(start, start + size // 8)
    return images[int(images[..., inside, inside].flatten(1).std(dim=1).argmax())]


def window_corners(image_size: int, size: int) -> npt.NDArray[np.float64]:
    """The edges of a window around the centre of a drawn image: corners [4, 2] as (x, y)."""
    low = first_pixel(image_size, size) - 0.5
    high = low + size
    return np.array([[low, low], [high, low], [high, high], [low, high]])
