"""What earlier jobs took, from the run reports below `results/`, by what was done.

A job is known by a few keys, from the very same work to work of the same sort; a forecast asks
for its own keys in that order, and takes the mean of whatever is found first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biorobust.errors import UserError
from biorobust.files import canonical_json, read_json
from biorobust.forecast.check_passes import group_passes
from biorobust.planning import Plan


@dataclass(frozen=True)
class Measurement:
    """One finished job.

    work, seconds: units of work that were done (see `Forecast`) and the wall time that they took;
    0 units where that is unknown. rows, output_bytes: lines of the result, or 1, and the size of
    its files; json_bytes: of its record and run report. device, gpus: on what it ran, None where
    it does not matter, and how many GPUs it had if "cuda". where: its experiment, in words.
    """

    keys: tuple[str, ...]
    work: float
    seconds: float
    rows: int
    output_bytes: int
    json_bytes: int
    device: str | None
    gpus: int
    where: str


def keys_of(plan: Mapping[str, Any], model: Mapping[str, Any] | None, name: str) -> tuple[str, ...]:
    """By what a planned or finished job is known, the most telling first.

    `model` is the training config of the model that an attack is on, or checks are; `name` that of
    a group of checks, a table or a figure. Seeds do not count.
    """
    stage, config = plan["stage"], plan.get("config", {})
    on = {"model": (model or {}).get("model"), "image_size": (model or {}).get("image_size")}
    if stage == "shard":
        keys = [{key: config[key] for key in ("source", "image_size", "resize")}]
    elif stage == "train":
        keys = [{"model": config["model"], "image_size": config["image_size"]}]
    elif stage == "attack":
        attack = {key: value for key, value in config.items() if key != "seed"}
        alike = {key: value for key, value in attack.items() if key != "epsilon"}
        keys = [{**on, "attack": attack}, {**on, "attack": alike}]
    elif stage == "collect":
        keys = []
    elif stage == "check" and "implementation" in plan:
        keys = [{**on, "name": name}, {"name": name}]
    else:
        keys = [{"name": name}]
    return (*(canonical_json([stage, key]) for key in keys), stage)


def read_measurements(results: Path) -> list[Measurement]:
    """Every job below `results/` whose record and run report can be read."""
    found: list[Measurement] = []
    for folder in sorted(path for path in results.glob("*") if path.is_dir()):
        found += _of_experiment(folder)
    return found


def _of_experiment(folder: Path) -> Iterator[Measurement]:
    try:
        images = {
            split: int(read_json(folder / "shards" / split / "manifest.json")["images"])
            for split in ("train", "test")
        }
    except (UserError, KeyError, TypeError):
        return
    for path in sorted(folder.rglob("*.run.json")):
        record = path.with_name(f"{path.name.removesuffix('.run.json')}.json")
        # One job writes the shards of both splits, and one report stands for it.
        if "partial" in path.parts or record == folder / "shards/test/manifest.json":
            continue
        try:
            yield _measurement(folder, record, read_json(path), images)
        except (UserError, OSError, KeyError, TypeError, AttributeError):
            continue


def _measurement(
    folder: Path, path: Path, report: dict[str, Any], images: dict[str, int]
) -> Measurement:
    record = report["record"]
    stage, model = record["stage"], None
    jobs = [report, *report.get("parts", [])]
    rows, work = 1, 1.0
    if stage == "shard":
        work = sum(images.values())
    elif stage == "train":
        work = report.get("epochs_run", 0) * images["train"]
    elif stage == "attack":
        model = read_json(path.parents[2] / "training.json")["config"]
        rows, work = images["test"], sum(job["images"] for job in jobs)
    elif stage == "check" and "implementation" in record:
        model = read_json(path.parents[1] / "training.json")["config"]
        work = group_passes(record["config"], images["test"])
    elif stage == "collect":
        grid = record["grid"]
        pairs = sum(len(entry["seeds"]) for entry in grid["models"])
        rows = images["test"] * pairs * sum(len(entry["epsilons"]) for entry in grid["attacks"])
        work = rows
    seconds = sum(job["wall_seconds"] for job in jobs)
    if stage == "check":
        # The last start did not do again what earlier ones had finished.
        seconds += report.get("earlier_seconds", 0.0)
    device = next((job["device"] for job in jobs if job.get("device")), None)
    written = [path.parent / name for name in record["outputs"]]
    return Measurement(
        keys=keys_of(record, model, path.stem),
        work=work,
        seconds=seconds,
        rows=rows,
        output_bytes=sum(file.stat().st_size for file in written),
        json_bytes=path.stat().st_size + path.with_name(f"{path.stem}.run.json").stat().st_size,
        device=device,
        gpus=report["execution"].get("gpus") or 1,
        where=f"{folder} ({device or 'cpu'} of {report['host']})",
    )


@dataclass(frozen=True)
class Rate:
    """A mean over earlier jobs, or a number that was given, and in words where it is from.

    gpus: how many the jobs had that it was measured with, where they had any.
    """

    value: float
    source: str
    gpus: float = 1


class Measured:
    """Earlier jobs, to be asked for means by the keys of a planned one."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._by_key: dict[str, list[Measurement]] = {}
        for measurement in measurements:
            for key in measurement.keys:
                self._by_key.setdefault(key, []).append(measurement)

    def seconds(self, plan: Plan, keys: Sequence[str], device: str) -> Rate | None:
        """Wall seconds per unit of work, on the device ("cpu" or "cuda"); None where unknown."""
        # Any table tells how long another may take, but no model, source of images or check does.
        asked = keys[:-1] if plan["stage"] in ("shard", "train", "attack") else keys
        if plan["stage"] == "check":
            asked = keys[:1]
        for key in asked:
            found = [
                job
                for job in self._by_key.get(key, [])
                if job.work and job.device in (None, device)
            ]
            if found:
                seconds = sum(job.seconds for job in found)
                gpus = sum(job.seconds * job.gpus for job in found) / seconds if seconds else 1
                return Rate(seconds / sum(job.work for job in found), _sources(found), gpus)
        return None

    def output_bytes(self, keys: Sequence[str]) -> Rate | None:
        """Bytes of result files per row; None where unknown."""
        for key in keys:
            if found := self._by_key.get(key):
                value = sum(job.output_bytes for job in found) / sum(job.rows for job in found)
                return Rate(value, _sources(found))
        return None

    def json_bytes(self, keys: Sequence[str]) -> float | None:
        """Bytes of a job's record and run report; None where unknown."""
        for key in keys:
            if found := self._by_key.get(key):
                return sum(job.json_bytes for job in found) / len(found)
        return None


def _sources(jobs: Iterable[Measurement]) -> str:
    return "measured in " + ", ".join(dict.fromkeys(job.where for job in jobs))
