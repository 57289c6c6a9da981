"""`biorobust plan`: jobs, hours and disk of an experiment by stage, before it runs.

Reads the config as the workflow does, without Snakemake, and writes nothing but the cache of the
source's hashes, which the workflow keeps too.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from biorobust.analysis.quantities import duration
from biorobust.analysis.typesetting import as_text
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.config.overlays import read_config
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.forecast.estimate import Forecast, Given, StageForecast, Sums, total
from biorobust.forecast.measured import Measured, read_measurements
from biorobust.forecast.workload import count_images, planned_jobs
from biorobust.tools.planned import add_config_arguments

_HEADER = ["Stage", "jobs", "to do", "wall time", "to do", "GPU hours", "to do", "disk", "to do"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = "Tell the jobs, hours and disk of an experiment by stage, before it runs."
    parser.epilog = "Example: biorobust plan --configfile experiments/cifar10.yaml --device cuda"
    add_config_arguments(parser)
    parser.add_argument("--device", choices=["cpu", "cuda"], help="where jobs will run")
    for stage, what in (("train", "an epoch"), ("attack", "all steps at one epsilon")):
        parser.add_argument(
            f"--{stage}-images-per-second",
            nargs="+",
            default=[],
            metavar="[MODEL=]NUMBER",
            help=f"of one job, each image counted once for {what}; wins over what was measured",
        )


def plan(options: argparse.Namespace) -> int:
    """Print the forecast. Raises UserError for a config that snakemake would refuse."""
    raw = read_config(Path("config.yaml"), options.configfile, options.config)
    experiment = read_experiment(raw)
    names = [entry.name for entry in experiment.models]
    given = Given(
        train=_throughputs("train", options.train_images_per_second, names),
        attack=_throughputs("attack", options.attack_images_per_second, names),
    )
    print(report(experiment, Path("results"), given, options.device))
    return 0


def report(experiment: Experiment, results: Path, given: Given, device: str | None = None) -> str:
    """The forecast as text.

    `results` is the folder of every experiment's results, to be measured by; `device` ("cpu" or
    "cuda") overrides the config's. Raises UserError where the data source is not there.
    """
    made = forecast(experiment, results, given, device)
    stages = made.stages()
    lines = [*stages, total(stages)]
    body = {line.stage: _cells(line) for line in lines}
    title = f"{experiment.name} in {results / experiment.name}, on {made.device}"
    if (device or experiment.execution.device) == "auto" and made.device == "cpu":
        title += " (torch sees no GPU here; --device cuda plans for GPUs)"
    return f"{title}\n\n{as_text(_HEADER, body, _caption(made, stages))}"


def forecast(
    experiment: Experiment, results: Path, given: Given, device: str | None = None
) -> Forecast:
    """The forecast of an experiment; arguments and errors are those of `report`."""
    outline = make_outline(experiment, cache=Path(".snakemake/source-hashes.json"))
    folder, execution = results / experiment.name, experiment.execution
    path = Path(experiment.data.path).expanduser() if experiment.data.path else None
    return Forecast(
        jobs=planned_jobs(folder, outline, execution.attack_shards),
        images=count_images(folder, outline, path),
        image_size=experiment.data.image_size,
        device=device or _device(execution.device),
        images_per_shard=execution.images_per_shard,
        attack_shards=execution.attack_shards,
        measured=Measured(read_measurements(results)),
        given=given,
    )


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _throughputs(
    stage: str, texts: Sequence[str], models: Sequence[str]
) -> dict[str | None, float]:
    option = f"--{stage}-images-per-second"
    found: dict[str | None, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        if equals and name not in models:
            raise UserError(f"{option} {text}: there is no model {name!r}; {', '.join(models)} are")
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise UserError(f"{option} {text}: {number!r} is no number above 0")
        found[name if equals else None] = value
    return found


def _cells(line: StageForecast) -> list[list[str]]:
    both = (line.planned, line.to_do)
    return [
        *([f"{sums.jobs:,}"] for sums in both),
        *([_known(duration(sums.seconds), sums.unknown, sums)] for sums in both),
        *([_known(_hours(sums), sums.unknown_on_gpu, sums)] for sums in both),
        *([_size(sums.bytes)] for sums in both),
    ]


def _hours(sums: Sums) -> str:
    return f"{sums.gpu_seconds / 3600:,.2f}"


def _known(text: str, unknown: int, sums: Sums) -> str:
    """A sum, marked where it lacks some of its jobs."""
    if not unknown:
        return text
    return "?" if unknown == sums.jobs else f"{text} + ?"


def _size(size: float) -> str:
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if size >= length:
            return f"{size / length:,.1f} {unit}"
    return f"{size / 1e3:.1f} kB"


def _caption(made: Forecast, stages: Sequence[StageForecast]) -> list[str]:
    sentences = [
        "Wall time and GPU hours: jobs one after the other, without Python's start and any wait "
        "for a turn. Disk: files as they are left, without logs; besides, a training keeps up to "
        f"{_size(3 * made.largest_weights)} of checkpoints until it is done.",
    ]
    for stage in stages:
        told = []
        for kind in ("time", "disk"):
            found = [(s, names) for s, names in stage.sources.items() if s.startswith(kind)]
            # Where all of a stage has one source, names would say nothing.
            told += [s if len(found) == 1 else f"{s} ({', '.join(names)})" for s, names in found]
        sentences.append(f"{stage.stage}: {'; '.join(told)}.")
    return sentences
