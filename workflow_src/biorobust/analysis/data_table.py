"""Can the images be trusted? What hygiene found in both splits, a row each, in a short table."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biorobust.analysis.html_table import as_html
from biorobust.analysis.typesetting import Body, as_latex, as_markdown, as_text
from biorobust.data.shards import HYGIENE
from biorobust.errors import UserError
from biorobust.files import read_json, write_text
from biorobust.jobs import Inputs, Job, Result, files_written

_HEADER = ["Images", "in all", "a class", "copies", "near copies", "one colour", "enlarged"]
_COLUMNS = ["images", "number", "smallest_class", "largest_class", "exact_copies", "near_copies"]
_COLUMNS += ["constant", "enlarged"]
_SETS = {"train": "training set", "test": "test set"}
_NOTE = (
    "Copies have the same pixels, as models get them, as an image before them or, in the last "
    "row, as a training image; near copies differ in brightness, contrast or encoding, as far as "
    "an automatic comparison can tell. Enlarged: more than twice, to the size that models get."
)


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    return files_written("tables", write_data_table(job.inputs["shards"].parent, job.folder))


def write_data_table(shards: Path, output: Path) -> list[Path]:
    """Write `<output>/data.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `shards` is the folder of the test split, where the shard stage leaves its report on both
    splits. Returns the paths written. Raises UserError where there is no such report.
    """
    try:
        texts = render(read_json(shards / HYGIENE))
    except KeyError as error:
        raise UserError(
            f"{shards / HYGIENE} is no report on images (no {error}); delete it and run again"
        ) from error
    paths = []
    for ending, text in texts.items():
        paths.append(output / f"data.{ending}")
        write_text(paths[-1], text)
    return paths


def render(report: dict[str, Any]) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `report` is what `biorobust.data.hygiene.report.inspect` returns. The CSV has the numbers
    alone, empty where a column says nothing of a row; the others warn below the table of what
    may spoil an evaluation. The LaTeX needs the package booktabs.
    """
    rows = {name: _row(report["splits"][split]) for split, name in _SETS.items()}
    copies = [str(report["across"][kind]["images"]) for kind in ("exact", "near")]
    rows["test set in training set"] = ["", "", "", *copies, "", ""]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_COLUMNS, *([name, *cells] for name, cells in rows.items())])
    body: Body = {name: [[cell] for cell in _shown(cells)] for name, cells in rows.items()}
    caption = [_NOTE, _resemblance(report["nearest_neighbour"])]
    caption += [f"Warning: {warning}." for warning in warnings(report)]
    return {
        "csv": text.getvalue(),
        "html": as_html(_HEADER, body, caption),
        "md": as_markdown(_HEADER, body, caption),
        "tex": as_latex(_HEADER, body, caption, "data"),
        "txt": as_text(_HEADER, body, caption),
    }


def warnings(report: dict[str, Any]) -> list[str]:
    """What may spoil an evaluation, a clause each: how many images, and the first of them."""
    found = []
    exact, near = report["across"]["exact"], report["across"]["near"]
    if exact["images"]:
        found.append(
            f"{_pairs(exact, 'test')} the same pixels as a training image; accuracies on them say "
            "what was learnt by heart (allowed by data.on_duplicates)"
        )
    if near["images"]:
        found.append(f"{_pairs(near, 'test')} nearly the same pixels as a training image")
    for circle in report["nearest_neighbour"]["swapped"]:
        looks = ", ".join(
            f"{name} like {other}"
            for name, other in zip(circle, [*circle[1:], circle[0]], strict=True)
        )
        found.append(
            f"class folders look swapped: judged by the training set, test images look like those "
            f"of another class ({looks})"
        )
    for split, name in (("train", "training"), ("test", "test")):
        found += _split_warnings(report["splits"][split], name)
    return found


def _split_warnings(facts: dict[str, Any], split: str) -> Iterator[str]:
    if facts["exact"]["images"]:
        yield f"{_pairs(facts['exact'], split)} the same pixels as an earlier one"
    if facts["constant"]["images"]:
        yield f"{_images(facts['constant'], split)} one colour all over"
    # Where most images are enlarged, the experiment's size is what its author wants.
    if 0 < facts["enlarged"]["images"] < facts["images"] / 2:
        yield f"{_images(facts['enlarged'], split)} enlarged more than twice, unlike most others"
    if few := facts["small_classes"]:
        counts = facts["images_per_class"]
        listed = ", ".join(f"{name} ({counts[name]})" for name in few)
        yield f"{split} images are few, against those of the median class, in {listed}"


def _pairs(found: dict[str, Any], split: str) -> str:
    image, other = found["first"][0]
    labels = f", {found['other_label']} of them with another label" if found["other_label"] else ""
    return f"{found['images']} {split} image(s) ({image} as {other}, the first{labels}) have"


def _images(found: dict[str, Any], split: str) -> str:
    return f"{found['images']} {split} image(s) ({found['first'][0]}, the first) are"


def _row(facts: dict[str, Any]) -> list[str]:
    counts = facts["images_per_class"].values()
    faults = [facts[kind]["images"] for kind in ("exact", "near", "constant", "enlarged")]
    return [str(number) for number in (facts["images"], min(counts), max(counts), *faults)]


def _shown(cells: list[str]) -> list[str]:
    """A row's cells for readers, who get the sizes of the classes as a range."""
    images, smallest, largest, *faults = cells
    return [images, smallest if smallest == largest else f"{smallest}–{largest}", *faults]


def _resemblance(neighbours: dict[str, int]) -> str:
    images, right = neighbours["images"], neighbours["right"]
    if not images:
        return "No test image can be compared with training images: each is of one colour."
    return (
        f"Of {images} different test images, {right} ({100 * right / images:.1f} %) look most like "
        "a training image of their own class, by thumbnails of 8 x 8 pixels."
    )
