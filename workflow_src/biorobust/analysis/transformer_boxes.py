"""The boxes that parallel transformers choose on test images (the thesis's Figure 12)."""

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from biorobust.analysis.figure_style import add_legend, write_figure
from biorobust.analysis.picture_grid import (
    label_picture_row,
    make_picture_grid,
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
from biorobust.devices import prepare_torch
from biorobust.jobs import Inputs, Job, Result, files_written
from biorobust.models.parallel_transformers import ParallelTransformers

_IMAGES = 6
_VIEW_CORNERS = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    del inputs
    device = prepare_torch(job.execution)
    models: dict[str, ParallelTransformers] = load_shown_models(job, device)
    shards = open_shards(job.inputs["shards"].parent)
    images = read_pixels(shards, first_of_each_class(shards, _IMAGES), device)
    return files_written(
        "figures",
        write_figure(lambda: transformer_boxes(images, models), job.folder, "transformer_boxes"),
    )


def transformer_boxes(images: Tensor, models: dict[str, ParallelTransformers]) -> Figure:
    """The figure: a row a model, a column an image; images: [B, 3, N, N].

    Every picture has a box for each branch: where the corner pixels of the branch's view lie,
    with a mark at the view's first pixel. All pictures show as much around the image as the
    farthest box needs.
    """
    figure, grid = make_picture_grid(len(models), len(images))
    size = images.shape[-1]
    boxes = {name: view_corners(_transforms(model, images), size) for name, model in models.items()}
    everything = np.concatenate([corners.reshape(-1) for corners in boxes.values()])
    low = min(-0.5, everything.min()) - 0.03 * size
    high = max(size - 0.5, everything.max()) + 0.03 * size
    most: list[Line2D] = []
    for row, (name, corners) in zip(grid, boxes.items(), strict=True):
        label_picture_row(row, name)
        for axes, image, of_image in zip(row, as_pictures(images), corners, strict=True):
            show_image(axes, image)
            axes.set_xlim(low, high)
            axes.set_ylim(high, low)
            lines = [
                outline_box(axes, box, branch, marked=True) for branch, box in enumerate(of_image)
            ]
            most = max(most, lines, key=len)
    labels = [f"branch {branch}" for branch in range(1, len(most) + 1)]
    note = "boxes: what each branch sees, black outside the image; first seed\n"
    note += "marks: the upper left corner of the view, so that turned and mirrored views are seen"
    add_legend(figure, most, labels, note)
    return figure


def _transforms(model: ParallelTransformers, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.transforms(images)


def view_corners(transforms: Tensor, image_size: int) -> npt.NDArray[np.float64]:
    """Where on a drawn image the corner pixels of views lie: [..., 2, 3] -> [..., 4, 2] as (x, y).

    Upper left, upper right, lower right and lower left, in the coordinates of `affine_warp`, in
    which the image ends at pixel N - 2.
    """
    matrices: npt.NDArray[np.float64] = transforms.detach().double().cpu().numpy()
    corners: npt.NDArray[np.float64] = _VIEW_CORNERS @ matrices.swapaxes(-1, -2)
    return (corners + 1) / 2 * (image_size - 2)
