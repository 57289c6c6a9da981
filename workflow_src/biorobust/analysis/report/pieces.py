"""Tables and figures as the page takes them up: from the files that their own jobs wrote."""

from base64 import b64encode
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from markupsafe import Markup

from biorobust.analysis.report.captions import CAPTIONS
from biorobust.errors import UserError
from biorobust.jobs import Inputs, Job

_PIXELS_A_POINT = 96 / 72


class Table(NamedTuple):
    """A table's name, and its HTML, which its own job has escaped."""

    name: str
    html: Markup


class Figure(NamedTuple):
    """A figure as an address that holds it whole, its size in CSS pixels, and its words."""

    name: str
    source: str
    width: int
    height: int
    title: str
    caption: str
    alt: str


def tables_of(job: Job, inputs: Inputs, name: str) -> list[Table]:
    """The HTML tables that the job of table `name` wrote; none where there is no such job."""
    record = inputs.get(f"tables:{name}", {"outputs": {}})
    return [
        Table(
            file.removesuffix(".html"),
            Markup(_beside(job, f"tables:{name}", file).read_text(encoding="utf-8")),
        )
        for file in record["outputs"]
        if file.endswith(".html")
    ]


def figure_of(job: Job, inputs: Inputs, name: str, models: list[str]) -> Figure | None:
    """The figure of this name, drawn by its own job; None where the experiment has none.

    A reader who cannot see it is told which models of the experiment there are.
    """
    if f"figures:{name}" not in inputs:
        return None
    path = _beside(job, f"figures:{name}", f"{name}.svg")
    content = path.read_bytes()
    try:
        drawn = ElementTree.fromstring(content)
        width, height = (float(drawn.attrib[side].removesuffix("pt")) for side in _SIDES)
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise UserError(f"{path} is no SVG of ours ({error}); delete it and run again") from error
    caption = CAPTIONS[name]
    return Figure(
        name,
        f"data:image/svg+xml;base64,{b64encode(content).decode('ascii')}",
        round(width * _PIXELS_A_POINT),
        round(height * _PIXELS_A_POINT),
        caption.title,
        caption.text,
        f"{caption.alt} Models: {', '.join(models)}.",
    )


_SIDES = ("width", "height")


def _beside(job: Job, source: str, file: str) -> Path:
    return job.inputs[source].with_name(file)
