"""The table on the images, made from a report that was written by hand."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from biorobust.analysis.data_table import render, warnings, write_data_table
from biorobust.errors import UserError
from latex_reader import parse_latex

NONE: dict[str, Any] = {"images": 0, "other_label": 0, "first": []}
NO_IMAGES: dict[str, Any] = {"images": 0, "first": []}


def a_split(**counts: int) -> dict[str, Any]:
    return {
        "images": sum(counts.values()),
        "images_per_class": counts,
        "small_classes": [],
        "constant": NO_IMAGES,
        "enlarged": NO_IMAGES,
        "exact": NONE,
        "near": NONE,
    }


def sound() -> dict[str, Any]:
    """Ten training and four test images, all of which look as they should."""
    return {
        "splits": {"train": a_split(cat=6, dog=4), "test": a_split(cat=2, dog=2)},
        "across": {"exact": NONE, "near": NONE},
        "nearest_neighbour": {"images": 4, "right": 3, "swapped": []},
    }


def faulty() -> dict[str, Any]:
    """Every fault once; names that a table must print literally."""
    report = sound()
    train, test = report["splits"].values()
    train["exact"] = {"images": 2, "other_label": 1, "first": [["b&_1", "a%"], ["c", "a%"]]}
    train["near"] = {"images": 1, "other_label": 0, "first": [["d", "e"]]}
    train["small_classes"] = ["dog"]
    test["constant"] = {"images": 1, "first": ["grey#1"]}
    test["enlarged"] = {"images": 1, "first": ["tiny"]}
    report["across"] = {
        "exact": {"images": 1, "other_label": 0, "first": [["t", "a%"]]},
        "near": {"images": 3, "other_label": 2, "first": [["u", "a%"], ["v", "c"], ["w", "c"]]},
    }
    report["nearest_neighbour"]["swapped"] = [["cat", "dog"]]
    return report


def test_each_number_stands_in_its_place() -> None:
    lines = list(csv.DictReader(io.StringIO(render(faulty())["csv"])))
    columns = "exact_copies", "near_copies", "constant", "enlarged"
    assert [[line[column] for column in columns] for line in lines] == [
        ["2", "1", "0", "0"],
        ["0", "0", "1", "1"],
        ["1", "3", "", ""],
    ]
    assert [line["images"] for line in lines] == [
        "training set",
        "test set",
        "test set in training set",
    ]
    sizes = [[line[c] for c in ("number", "smallest_class", "largest_class")] for line in lines]
    assert sizes == [["10", "4", "6"], ["4", "2", "2"], ["", "", ""]]


@pytest.mark.parametrize("report", [sound, faulty])
def test_readers_see_the_same_numbers(report: Any) -> None:
    texts = render(report())
    rows = parse_latex(texts["tex"])
    assert [row[:3] for row in rows[1:]] == [
        ["training set", "10", "4–6"],
        ["test set", "4", "2"],
        ["test set in training set", "", ""],
    ]
    markdown = [line for line in texts["md"].splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in markdown[2].split("|")[1:-1]] == rows[1]
    assert "3 (75.0 %) look most like" in " ".join(texts["txt"].split())
    assert texts["txt"].count("\n") <= 40
    assert max(map(len, texts["txt"].splitlines())) <= 100


def test_sound_images_bring_no_warning() -> None:
    assert warnings(sound()) == []
    assert "Warning" not in "".join(render(sound()).values())


def test_every_fault_is_told_with_its_first_image() -> None:
    told = warnings(faulty())
    starts = [
        "1 test image(s) (t as a%, the first) have the same pixels as a training image",
        "3 test image(s) (u as a%, the first, 2 of them with another label) have nearly the same",
        "class folders look swapped",
        "2 training image(s) (b&_1 as a%, the first, 1 of them with another label) have the same",
        "training images are few, against those of the median class, in dog (4)",
        "1 test image(s) (grey#1, the first) are one colour",
        "1 test image(s) (tiny, the first) are enlarged",
    ]
    assert len(told) == len(starts)
    for line, start in zip(told, starts, strict=True):
        assert line.startswith(start)
    text = " ".join(render(faulty())["txt"].split())
    assert all(f"Warning: {line}." in text for line in told)


def test_images_that_are_all_enlarged_are_no_fault() -> None:
    report = sound()
    report["splits"]["test"]["enlarged"] = {"images": 4, "first": ["a", "b", "c", "d"]}
    assert warnings(report) == []


def test_the_files_hold_what_was_rendered(tmp_path: Path) -> None:
    (tmp_path / "hygiene.json").write_text(json.dumps(faulty()))
    paths = write_data_table(tmp_path, tmp_path / "tables")
    assert [path.name for path in paths] == [
        f"data.{e}" for e in ("csv", "html", "md", "tex", "txt")
    ]
    for path in paths:
        assert path.read_text(encoding="utf-8") == render(faulty())[path.suffix[1:]]


def test_a_missing_or_foreign_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hygiene\.json is missing"):
        write_data_table(tmp_path, tmp_path)
    (tmp_path / "hygiene.json").write_text("{}")
    with pytest.raises(UserError, match=r"hygiene\.json is no report on images"):
        write_data_table(tmp_path, tmp_path)
