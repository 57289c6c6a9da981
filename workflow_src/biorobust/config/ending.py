"""The screen with which a run ends well: its table, its warnings, where all is, what it cost."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biorobust.analysis.finding_marks import objections
from biorobust.analysis.quantities import duration, peak_memory
from biorobust.analysis.unused_gpus import unused_gpus
from biorobust.config.strangers import is_planned
from biorobust.files import read_json
from biorobust.places import PAGE, Outline, report_record
from biorobust.planning import COSTS, report_files, report_plan

MAIN_TABLE = "adversarial_accuracy"

# So many lines are left for tables beside the first one, and for warnings.
_TABLE_LINES = 40
_WARNING_LINES = 8

# What a person looks for in an experiment's folder, and what it is.
_PLACES = {
    "tables": "as text, CSV, Markdown, LaTeX and HTML",
    "figures": "as PNG, PDF and SVG",
    "cards": "a card for each model",
    "results.parquet": "every attacked image",
    "models": "weights, rows and checks by model",
    "logs": "what each job said",
}


def closing_screen(folder: Path, outline: Outline, seconds: float) -> str:
    """What a person sees at the end of a run that took so long; `folder` holds its results.

    Tables and costs of earlier code, config or data are not shown.
    """
    told = [_tables(folder, outline), _warnings(folder, outline), _places(folder, outline)]
    if _costs_are_told(folder):
        told.append(_cost(folder))
    told.append(f"This run took {duration(seconds)}.")
    return "\n".join(filter(None, told))


def _tables(folder: Path, outline: Outline) -> str:
    """The main table, and as many of its further attacks as fit."""
    if not _is_current(folder, outline, MAIN_TABLE):
        return ""
    shown: list[str] = []
    for name in report_files(outline, MAIN_TABLE):
        path = folder / "tables" / f"{name}.txt"
        if not path.is_file():
            continue
        text = path.read_text()
        fits = sum(map(_height, [*shown, text])) <= _TABLE_LINES
        shown.append(text if fits or not shown else f"Not shown, for want of room: {path}\n")
    return "\n".join(shown)


def _height(text: str) -> int:
    return text.count("\n") + 1


def _is_current(folder: Path, outline: Outline, table: str) -> bool:
    record = folder / report_record("tables", table)
    return is_planned(record, report_plan(outline, "tables", table))


def _warnings(folder: Path, outline: Outline) -> str:
    lines = []
    record = folder / report_record("tables", MAIN_TABLE)
    if record.is_file() and not _is_current(folder, outline, MAIN_TABLE):
        lines.append(f"Not shown: {record} is of earlier code, config or data")
    for manifest in sorted(folder.glob("shards/*/manifest.json")):
        lines += _left_out(read_json(manifest), folder / "logs/shard.log")
    lines += [f"Warning: {warning}" for warning in unused_gpus(folder)]
    collected = folder / "results.json"
    if collected.is_file():
        facts = read_json(collected)
        lines += [f"Warning: {warning}" for warning in facts["warnings"]]
        lines += [f"Check {objection}" for objection in objections(facts["checks"])]
    elif not lines:
        return ""
    if (more := len(lines) - _WARNING_LINES) > 0:
        lines[_WARNING_LINES:] = [f"... and {more} more; see {folder / 'tables' / 'checks.txt'}"]
    return "".join(f"{line}\n" for line in lines or ["No warnings."])


def _left_out(facts: dict[str, Any], log: Path) -> Iterator[str]:
    """What of a split's files became no image."""
    if damaged := len(facts["skipped"]):
        images = "image" if damaged == 1 else "images"
        yield f"Warning: {damaged} damaged {facts['split']} {images} left out; see {log}"
    if ignored := facts.get("ignored", 0):
        files = "file or folder" if ignored == 1 else "files or folders"
        yield (
            f"Note: {ignored} {files} beside the {facts['split']} images ignored: no png, jpg or "
            "jpeg directly in a class folder"
        )


def _places(folder: Path, outline: Outline) -> str:
    found = {name: what for name, what in _PLACES.items() if (folder / name).exists()}
    width = max(map(len, found), default=0) + 1
    lines = [f"  {_spelled(folder / name):{width}}  {what}\n" for name, what in found.items()]
    page = folder / report_record(PAGE, PAGE)
    if is_planned(page, report_plan(outline, PAGE, PAGE)):
        lines.append(f"All of it on one page: {page.with_suffix('.html')}\n")
    return "".join([f"All of it: {folder}/\n", *lines])


def _spelled(path: Path) -> str:
    return f"{path.name}/" if path.is_dir() else path.name


def _costs_are_told(folder: Path) -> bool:
    """Whether the table of costs is of this run; one that stops at other tables leaves it old."""
    table, rows = folder / report_record("tables", COSTS), folder / "results.json"
    made = table.is_file() and rows.is_file()
    return made and table.stat().st_mtime >= rows.stat().st_mtime


def _cost(folder: Path) -> str:
    """What the whole experiment cost, in a line, by its table of costs."""
    path = folder / "tables" / f"{COSTS}.csv"
    with path.open(newline="") as file:
        total = list(csv.DictReader(file))[-1]
    figures = {name: float(text or "nan") for name, text in total.items() if name != "stage"}
    seconds = figures["wall_seconds"] + figures["earlier_seconds"]
    return (
        f"Cost: {figures['jobs']:.0f} jobs, {duration(seconds)} of work, "
        f"{figures['gpu_hours']:.2f} GPU hours, peak memory {', '.join(peak_memory(figures))}, "
        f"{figures['retries']:.0f} retries; by stage: {path.with_suffix('.txt')}"
    )
