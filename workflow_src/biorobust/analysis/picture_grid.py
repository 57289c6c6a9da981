"""What the figures of images share: a grid of pictures, gazes on them, one look for a branch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from biorobust.analysis.figure_style import model_style, wrapped

# In inches.
_SIDE, _LINE, _MARGIN = 1.5, 0.16, 0.8


def make_picture_grid(
    rows: int, columns: int, *, title_lines: int = 0
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with room for rows x columns square pictures, and for a title above each of them."""
    height = _SIDE + 0.05 + _LINE * title_lines
    size = (_MARGIN + _SIDE * columns, _MARGIN + height * rows)
    figure = Figure(figsize=size, layout="constrained")
    grid: list[list[Axes]] = figure.subplots(rows, columns, squeeze=False).tolist()
    for axes in (axes for row in grid for axes in row):
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(color="0.7", linewidth=0.5)
    return figure, grid


def show_image(axes: Axes, image: npt.NDArray[Any], title: str = "") -> None:
    """Draw an image [N, N, 3], uint8 or in [0, 1], with the centre of pixel (0, 0) at (0, 0).

    Small images keep the edges of their pixels. What is drawn later does not move the limits.
    """
    axes.imshow(image, interpolation="antialiased")
    axes.set_title(wrapped(title, _SIDE), fontsize=8)
    axes.autoscale(False)


def label_picture_row(row: Sequence[Axes], label: str) -> None:
    """Name a row of pictures at its left."""
    row[0].set_ylabel(wrapped(label, _SIDE), fontsize=8)


def gaze_point(gaze: tuple[float, float], image_size: int) -> tuple[float, float]:
    """Where a gaze, (row, column) in pixels from the image centre, stands on a drawn image: (x, y).

    Retinal views read the image 1.5 pixels further up and left (see `sampling.retinal`).
    """
    middle = (image_size - 1) / 2
    row, column = gaze
    return middle + column, middle + row


def mark_gaze(axes: Axes, gaze: tuple[float, float], image_size: int, order: int) -> Line2D:
    """Mark a gaze on a drawn image, in the look of the branch of this order."""
    x, y = gaze_point(gaze, image_size)
    colour, marker = model_style(order)
    (mark,) = axes.plot(
        [x],
        [y],
        linestyle="none",
        color=colour,
        marker=marker,
        markersize=7,
        markeredgecolor="white",
        markeredgewidth=1,
        # Gazes may stand on the very border.
        clip_on=False,
        zorder=3,
    )
    return mark


def outline_box(
    axes: Axes, corners: npt.NDArray[np.float64], order: int, *, marked: bool
) -> Line2D:
    """Draw a quadrilateral, corners [4, 2] as (x, y), in the look of the branch of this order.

    Where it is marked, the first corner bears the branch's mark.
    """
    colour, marker = model_style(order)
    (line,) = axes.plot(
        [*corners[:, 0], corners[0, 0]],
        [*corners[:, 1], corners[0, 1]],
        color=colour,
        linewidth=1.5,
        marker=marker if marked else "",
        markevery=[0],
        markersize=6,
        markeredgecolor="white",
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        clip_on=False,
        zorder=3,
    )
    return line
