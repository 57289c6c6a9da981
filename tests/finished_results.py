"""A finished experiment without a run: a config, made-up rows, and reports that hold a word."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from biorobust.files import sha256_of_file, write_json, write_text
from biorobust.planning import planned_records
from biorobust.provenance import make_record, run_report
from made_up_results import ATTACKS, MODELS, Project, collect_command, make_project
from tiny_jobs import succeed, tiny_config

ENDINGS = {
    "tables": ("csv", "html", "md", "tex", "txt"),
    "figures": ("pdf", "png", "svg"),
    "cards": ("md",),
    "report": ("html",),
}


def finished(
    folder: Path, models: Sequence[Any] = MODELS, attacks: Sequence[Any] = ATTACKS
) -> Project:
    """A project's folder with `config.yaml` and all results of it below `results/tiny`."""
    config = tiny_config(seeds=[5, 2], models=list(models), attacks=list(attacks))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    project = make_project(folder / "results", models=list(models), attacks=list(attacks))
    succeed(collect_command(project))
    for place, plan in planned_records(project.outline):
        if plan["stage"] in ENDINGS:
            write_report(project.folder / place, plan, ENDINGS[plan["stage"]])
    return project


def write_report(path: Path, plan: dict[str, Any], endings: tuple[str, ...]) -> None:
    """A made-up table, figure, card or page, with its record and run report."""
    outputs = {}
    for name in (f"{stem}.{ending}" for stem in plan["files"] for ending in endings):
        outputs[name] = write_text(path.with_name(name), f"{name}\n")
    record = make_record(plan, {}, outputs, {})
    write_json(path, record)
    write_json(run_report(path), {"record": record, "host": "secret"})


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by path."""
    return {
        str(path.relative_to(folder)): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
