"""What the figures share: one look for a model in all of them, panels, legend and files."""

import textwrap
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from biorobust.files import write_bytes

# Okabe and Ito's palette for all kinds of colour vision, without its yellow, which is too
# faint for a line on white.
_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"]
# Nine markers and seven colours share no divisor: 63 models before a pair comes again.
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]

AXIS_NORMS = {"linf": "$L_\\infty$ norm", "l2": "$L_2$ norm", "rms": "root mean square"}

_PANELS_A_ROW = 3
# No date and no version: the same results give the same bytes.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


def write_figure(draw: Callable[[], Figure], output: Path, name: str) -> list[Path]:
    """Write what `draw` draws as `<output>/<name>.png` (200 dots per inch), `.pdf` and `.svg`.

    Returns the paths written. Raises UserError where the folder cannot be written.
    """
    paths = []
    # A reader's own matplotlibrc must not change the figure.
    # The salt is what an SVG's names for its parts would else be drawn at random from.
    settings = {"pdf.fonttype": 42, "svg.hashsalt": name}
    with matplotlib.style.context(["default", settings]):
        figure = draw()
        for ending, metadata in _METADATA.items():
            buffer = BytesIO()
            figure.savefig(buffer, format=ending, dpi=200, metadata=metadata)
            paths.append(output / f"{name}.{ending}")
            write_bytes(paths[-1], buffer.getvalue())
    return paths


def model_style(order: int) -> tuple[str, str]:
    """Colour and marker of the model at this place of the experiment, in every figure."""
    return _COLOURS[order % len(_COLOURS)], _MARKERS[order % len(_MARKERS)]


def make_panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels with a percentage from 0 to 100 as the common y-axis."""
    columns = min(count, _PANELS_A_ROW)
    rows = -(-count // columns)
    figure = Figure(figsize=(1.2 + 4.8 * columns, 1.2 + 3.8 * rows), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flatten())
    for unused in panels[count:]:
        unused.remove()
    for axes in panels[:count]:
        axes.set_ylim(-3, 103)
        axes.set_yticks(np.arange(0, 101, 20))
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels[:count]


def label_rows(panels: Sequence[Axes], label: str) -> None:
    """Name the common y-axis beside the first panel of each row."""
    for axes in panels[::_PANELS_A_ROW]:
        axes.set_ylabel(label)


def add_legend(figure: Figure, handles: Sequence[Line2D], labels: list[str], note: str) -> None:
    """One legend below all panels, with a note above it that says what is drawn."""
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
        title=note,
        frameon=False,
    )
    legend.get_title().set_multialignment("center")


def literal(text: str) -> str:
    """`text` on one line, with its dollar signs kept from starting a formula."""
    return " ".join(text.split()).replace("$", r"\$")


def wrapped(text: str, inches: float) -> str:
    """`text` as `literal`, on as many lines as its letters of 8 points need in this width."""
    return textwrap.fill(literal(text), max(1, int(14 * inches)))


def add_note(figure: Figure, note: str) -> None:
    """Say below all panels what is shown."""
    figure.supxlabel(wrapped(note, figure.get_figwidth()), fontsize=8)
