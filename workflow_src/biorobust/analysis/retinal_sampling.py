"""A checkerboard seen through the retina from five gazes (the thesis's Figures 5 and 8)."""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from biorobust.analysis.figure_style import add_note, write_figure
from biorobust.analysis.picture_grid import (
    label_picture_row,
    make_picture_grid,
    mark_gaze,
    show_image,
)
from biorobust.analysis.shown_models import as_pictures
from biorobust.jobs import Inputs, Job, Result, files_written
from biorobust.sampling.gazes import fixation_gazes
from biorobust.sampling.retinal import retinal_warp

_SQUARES = 8  # along a side; N is a multiple of 8


def run(job: Job, inputs: Inputs) -> Result:
    """The figure stage: draw the figure beside the job's record."""
    return files_written(
        "figures", draw_retinal_sampling(inputs["shards"]["image_size"], job.folder)
    )


def draw_retinal_sampling(image_size: int, output: Path) -> list[Path]:
    """Write `<output>/retinal_sampling.png` (200 dots per inch), `.pdf` and `.svg`.

    Returns the paths.
    """
    return write_figure(lambda: retinal_sampling(image_size), output, "retinal_sampling")


def checkerboard(image_size: int) -> Tensor:
    """Black and white squares of N/8 pixels, the first one white: [3, N, N]."""
    square = torch.arange(image_size) // (image_size // _SQUARES)
    white = (square[:, None] + square) % 2 == 0
    return white.float().expand(3, image_size, image_size)


def retinal_sampling(image_size: int) -> Figure:
    """The figure: a column a gaze, the test gazes of the retinal fixations model in their order.

    Rows: the checkerboard of N x N pixels with the gaze marked, its nearest retinal view, its
    bilinear one. Raises ValueError unless N is a multiple of 8, from 32 up.
    """
    board = checkerboard(image_size)
    gazes = fixation_gazes(image_size // 4)
    images = board.expand(len(gazes), *board.shape)
    looks = torch.tensor(gazes, dtype=torch.float32)
    rows = {"image": images} | {
        interpolation: retinal_warp(images, looks, interpolation)
        for interpolation in ("nearest", "bilinear")
    }
    figure, grid = make_picture_grid(len(rows), len(gazes), title_lines=1)
    for row, (label, pictures) in zip(grid, rows.items(), strict=True):
        label_picture_row(row, label)
        for order, (axes, picture, gaze) in enumerate(
            zip(row, as_pictures(pictures), gazes, strict=True)
        ):
            title = "gaze ({:+d}, {:+d})".format(*gaze) if label == "image" else ""
            show_image(axes, picture, title)
            mark_gaze(axes, gaze, image_size, order)
    add_note(
        figure,
        f"retinal sampling of {image_size} × {image_size} pixels; gazes as (row, column) in pixels "
        "from the centre; as published, a view reads the image 1.5 pixels further up and left",
    )
    return figure
