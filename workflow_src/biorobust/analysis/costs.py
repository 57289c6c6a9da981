"""What each trained model took: parameters from its record, time and memory from its run report."""

from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.statistics import mean_and_deviation
from biorobust.analysis.summary import Grid
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.places import training_jobs, training_record
from biorobust.provenance import Record, run_report


def read_costs(directory: Path, grid: Grid) -> pd.DataFrame:
    """One row per model and seed of the grid, below an experiment's results folder `directory`.

    - model, seed;
    - parameters: of the network that a test runs; training_only: of parts besides, which are
      trained and saved (auxiliary heads);
    - trained: whether it was trained here; weights may have been taken over;
    - seconds: wall time of the training. Of one that was resumed after a kill, only the last
      part is known, from which all epochs are reckoned (resumed is True). NaN where unknown:
      without a run report, or where not an epoch was left to run;
    - memory_bytes, gpu_memory_bytes: the most main memory of the process, and the most that it
      held on a GPU; NaN where unknown, or without a GPU;
    - device ("cpu", "cuda"), threads, host: on what it ran, None where unknown.

    Raises UserError where a record is missing or has no parameter counts.
    """
    lines = []
    for model, seed in training_jobs(dict(grid)):
        path = directory / training_record(model, seed)
        record = read_json(path)
        try:
            counts, config = record["parameters"], record["config"]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} holds no parameter counts; train the model again") from error
        trained = "training" in config
        lines.append(
            {
                "model": model,
                "seed": seed,
                "parameters": counts["network"],
                "training_only": counts["training_only"],
                "trained": trained,
                **_measured(path, record, config["training"]["epochs"] if trained else 0),
            }
        )
    return pd.DataFrame(lines)


def _measured(path: Path, record: Record, epochs: int) -> dict[str, Any]:
    try:
        run = read_json(run_report(path))
    except UserError:
        run = {}
    if run.get("record") != record:
        # It tells of another training.
        run = {}
    ran = run.get("epochs_run", 0)
    return {
        "seconds": run["wall_seconds"] * epochs / ran if ran else nan,
        "resumed": 0 < ran < epochs,
        "memory_bytes": run.get("peak_memory_bytes", nan),
        "gpu_memory_bytes": run.get("peak_gpu_memory_bytes", nan),
        "device": run.get("device"),
        "threads": run.get("execution", {}).get("threads"),
        "host": run.get("host"),
    }


def summarise_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Over seeds, one row a model, from what `read_costs` returns.

    parameters and training_only, which are alike for all seeds; trained; timed: how many seeds
    have a time; seconds and seconds_std: mean and sample standard deviation (NaN where unknown);
    memory_bytes, gpu_memory_bytes: the largest of any seed (NaN where unknown); resumed: how many
    seeds were resumed.
    """
    lines = []
    for model, group in costs.groupby("model", sort=False):
        seconds = group["seconds"].dropna().tolist()
        mean, deviation = mean_and_deviation(seconds) if seconds else (nan, nan)
        lines.append(
            {
                "model": model,
                **group[["parameters", "training_only", "trained"]].iloc[0],
                "timed": len(seconds),
                "seconds": mean,
                "seconds_std": deviation,
                "memory_bytes": group["memory_bytes"].max(),
                "gpu_memory_bytes": group["gpu_memory_bytes"].max(),
                "resumed": int(group["resumed"].sum()),
            }
        )
    return pd.DataFrame(lines)
