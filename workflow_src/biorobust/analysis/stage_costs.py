"""What each job of an experiment took, from the run reports beside the records."""

from collections.abc import Iterable, Iterator
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.summary import Grid
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.places import job_records
from biorobust.provenance import run_report

_SUMS = ("wall_seconds", "earlier_seconds", "gpu_hours", "retries")
_PEAKS = ("memory_bytes", "gpu_memory_bytes")
_MEASURED = (*_SUMS, *_PEAKS)


def read_stage_costs(
    directory: Path, grid: Grid, reports: Iterable[tuple[str, Path]]
) -> pd.DataFrame:
    """One row a job, stages in the order in which they run.

    `directory` is the experiment's results folder, whose jobs up to the collected rows follow from
    `grid`; `reports` are (stage, record) of tables and figures. The parts of an attack that was
    split are jobs of their own.

    - stage;
    - wall_seconds: of the work, from its beginning to its end; Python's own start, and any wait
      for a turn, come on top;
    - earlier_seconds: of starts before the last one, which failed or were killed, as far as known;
    - gpu_hours: both times the GPUs that the job had, 0 where it ran on none;
    - memory_bytes, gpu_memory_bytes: the most that the process held; NaN without a GPU;
    - retries: how many starts it needed beyond the first.

    Everything measured is NaN for a job without a run report.
    """
    records = [(stage, directory / record) for stage, record in job_records(dict(grid))]
    lines = [
        {"stage": stage, **measured}
        for stage, record in [*records, *reports]
        for measured in _jobs_of(run_report(record))
    ]
    return pd.DataFrame(lines, columns=["stage", *_MEASURED])


def _jobs_of(path: Path) -> Iterator[dict[str, float]]:
    """What the report's job and its parts took."""
    try:
        report = read_json(path)
        found = [_measured(job) for job in (report, *report.get("parts", []))]
    except (UserError, KeyError, TypeError, AttributeError):
        found = [dict.fromkeys(_MEASURED, nan)]
    yield from found


def _measured(report: dict[str, Any]) -> dict[str, float]:
    earlier = report.get("earlier_seconds", 0.0)
    # A figure that runs a model does not tell its device, but GPU memory was held.
    on_gpu = report.get("device") == "cuda" or "peak_gpu_memory_bytes" in report
    gpus = (report["execution"].get("gpus") or 1) if on_gpu else 0
    return {
        "wall_seconds": report["wall_seconds"],
        "earlier_seconds": earlier,
        "gpu_hours": (report["wall_seconds"] + earlier) * gpus / 3600,
        "retries": report.get("starts", 1) - 1,
        "memory_bytes": report["peak_memory_bytes"],
        "gpu_memory_bytes": report.get("peak_gpu_memory_bytes", nan),
    }


def summarise_stage_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """By stage, from what `read_stage_costs` returns, and a last row "all" over every stage.

    stage; jobs; known: how many of them have a run report; the sums of wall_seconds,
    earlier_seconds, gpu_hours and retries; the largest of memory_bytes and gpu_memory_bytes (NaN
    where unknown, or without a GPU).
    """
    groups = [(stage, group) for stage, group in costs.groupby("stage", sort=False)]
    lines = [
        {
            "stage": stage,
            "jobs": len(group),
            "known": int(group["wall_seconds"].notna().sum()),
            **group[list(_SUMS)].sum(),
            **group[list(_PEAKS)].max(),
        }
        for stage, group in [*groups, ("all", costs)]
    ]
    return pd.DataFrame(lines).astype({"retries": int})
