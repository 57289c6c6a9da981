"""What a run took: jobs, wall time, GPU hours, peak memory and retries, a row a stage.

Made after every other table and figure, whose costs it tells too; its own it cannot know. Like
the table of training costs, it is not the same from run to run.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.html_table import as_html
from biorobust.analysis.quantities import duration, peak_memory
from biorobust.analysis.stage_costs import read_stage_costs, summarise_stage_costs
from biorobust.analysis.summary import Grid
from biorobust.analysis.typesetting import Body, as_latex, as_markdown, as_text
from biorobust.errors import UserError
from biorobust.files import read_json, write_text
from biorobust.jobs import Inputs, Job, Result, files_written

_HEADER = ["Stage", "jobs", "wall time", "GPU hours", "peak memory", "retries"]


def run(job: Job, inputs: Inputs) -> Result:
    """The table stage: write the table beside the job's record."""
    del inputs
    reports = [
        (name.partition(":")[0], path) for name, path in job.inputs.items() if name != "results"
    ]
    folder = job.inputs["results"].parent
    return files_written("tables", write_costs(folder, job.folder, reports))


def write_costs(directory: Path, output: Path, reports: Iterable[tuple[str, Path]]) -> list[Path]:
    """Write `<output>/costs.csv`, `.html`, `.md`, `.tex` and `.txt`.

    `directory` is the experiment's results folder; `reports` are (stage, record) of its tables
    and figures. Returns the paths written. Raises UserError where `results.json` there is no
    record of results.
    """
    path = directory / "results.json"
    try:
        grid: Grid = read_json(path)["grid"]
        costs = read_stage_costs(directory, grid, reports)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is not a record of results; delete it and run again") from error
    paths = []
    for ending, text in render(costs).items():
        paths.append(output / f"costs.{ending}")
        write_text(paths[-1], text)
    return paths


def render(costs: pd.DataFrame) -> dict[str, str]:
    """The table as {"csv": ..., "html": ..., "md": ..., "tex": ..., "txt": ...}.

    `costs` is what `read_stage_costs` returns. The CSV is for machines: seconds, hours and bytes
    in full precision. The LaTeX needs the package booktabs.
    """
    summary = summarise_stage_costs(costs)
    body: Body = {
        str(line["stage"]): [
            [f"{line['jobs']:,}"],
            _wall_time(line),
            [f"{line['gpu_hours']:.2f}"],
            peak_memory(line),
            [str(line["retries"])],
        ]
        for line in summary.to_dict("records")
    }
    caption = describe(summary)
    return {
        "csv": summary.to_csv(index=False, lineterminator="\n"),
        "html": as_html(_HEADER, body, caption),
        "md": as_markdown(_HEADER, body, caption),
        "tex": as_latex(_HEADER, body, caption, "costs"),
        "txt": as_text(_HEADER, body, caption),
    }


def describe(summary: pd.DataFrame) -> list[str]:
    """The sentences below the table: what was added up, and what of it is unknown."""
    sentences = [
        "Wall time: the jobs' work one after the other, without Python's start and any wait for a "
        "turn. GPU hours: wall time by the GPUs of the jobs that ran on some. Memory: the most of "
        "any job. Retries: starts beyond each job's first. This table differs from run to run."
    ]
    total = summary.iloc[-1]
    if lost := int(total["jobs"] - total["known"]):
        sentences.append(f"{lost} of {total['jobs']} jobs are not in it: no usable run report.")
    return sentences


def _wall_time(line: dict[Any, Any]) -> list[str]:
    if not line["known"]:
        return ["unknown"]
    seconds, earlier = line["wall_seconds"], line["earlier_seconds"]
    lost = [f"{duration(earlier)} in starts that failed"] if earlier else []
    return [duration(seconds + earlier), *lost]
