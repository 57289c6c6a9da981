"""Time and disk of every planned job, summed up by stage, and where each figure comes from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from biorobust.checks.attacking import GRADIENT_ATTACKS
from biorobust.files import canonical_json
from biorobust.forecast.check_passes import group_passes, steps_of
from biorobust.forecast.disk import shard_bytes, training_bytes, weights_bytes
from biorobust.forecast.measured import Measured, Rate, keys_of
from biorobust.forecast.workload import PART, Images, PlannedJob
from biorobust.planning import Plan, plan_digest

# Of the default experiment, where nothing was measured yet: bytes a row of an attack's CSV, a row
# of the collected table, findings and corrections of checks, a table in its five formats, a figure
# in its three, a card, the page.
_TYPICAL_BYTES = {
    "attack": 100,
    "collect": 50,
    "check": 5_000,
    "tables": 25_000,
    "figures": 400_000,
    "cards": 90_000,
    "report": 4_000_000,
}
# A record and its run report.
_TYPICAL_JSON_BYTES = 3_500

_NO_PASS = "next to none: no pass of a model"
_UNKNOWN = "not known: run a small experiment with it first"
_UNKNOWN_OF = {
    "train": f"{_UNKNOWN}, or give --train-images-per-second",
    "attack": f"{_UNKNOWN}, or give --attack-images-per-second",
    "check": f"{_UNKNOWN}, or give --attack-images-per-second",
}


@dataclass(frozen=True)
class Given:
    """Throughputs from the user, in images a second: by a model's name, or under None for all.

    Training counts each image once an epoch; an attack, once for all its steps at one epsilon.
    """

    train: Mapping[str | None, float] = field(default_factory=dict)
    attack: Mapping[str | None, float] = field(default_factory=dict)


@dataclass
class Sums:
    """Of some jobs: how many, wall and GPU seconds, and bytes.

    unknown: how many of them have no known time; unknown_on_gpu: of those that use GPUs.
    """

    jobs: int = 0
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    bytes: float = 0.0
    unknown: int = 0
    unknown_on_gpu: int = 0

    def add(self, other: "Sums") -> None:
        """Add another's sums to these."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class StageForecast:
    """All jobs of a stage, and those still to do; by where figures come from, what they are of."""

    stage: str
    planned: Sums = field(default_factory=Sums)
    to_do: Sums = field(default_factory=Sums)
    sources: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Forecast:
    """What an experiment of these jobs takes.

    images and image_size (N pixels): of the shards; device: "cpu" or "cuda", where jobs that train
    and attack run; images_per_shard, attack_shards: the config's execution settings.
    """

    jobs: Sequence[PlannedJob]
    images: Images
    image_size: int
    device: str
    images_per_shard: int
    attack_shards: int
    measured: Measured
    given: Given

    def stages(self) -> list[StageForecast]:
        """One a stage, in the order in which they run."""
        found: dict[str, StageForecast] = {}
        for job in self.jobs:
            stage = found.setdefault(job.stage, StageForecast(job.stage))
            time, disk = self._time(job), self._disk(job)
            seconds = time.value if time else 0.0
            on_gpu = self.device == "cuda" and "implementation" in job.plan
            gpu_seconds = seconds * time.gpus if time and on_gpu else 0.0
            unknown = time is None
            sums = Sums(1, seconds, gpu_seconds, disk.value, unknown, unknown and on_gpu)
            stage.planned.add(sums)
            if job.to_do:
                stage.to_do.add(sums)
            missing = _UNKNOWN_OF.get(job.plan["stage"], _UNKNOWN)
            for source in (f"time {time.source if time else missing}", f"disk {disk.source}"):
                names = stage.sources.setdefault(source, [])
                if (name := _name(job)) not in names:
                    names.append(name)
        return list(found.values())

    @cached_property
    def largest_weights(self) -> int:
        """The most bytes that one model's weights take."""
        return max(self._weights.values())

    def _time(self, job: PlannedJob) -> Rate | None:
        """Wall seconds of a job; None where unknown."""
        work = self._work(job)
        stage = job.plan["stage"]
        if not work:
            none = {"train": "none: weights are given", "check": _NO_PASS}
            return Rate(0.0, none.get(stage, "of its parts"))
        rate = self._seconds(job)
        if rate is None and stage == "check":
            rate = self._reckoned(job)
        return Rate(work * rate.value, rate.source, rate.gpus) if rate else None

    def _seconds(self, job: PlannedJob) -> Rate | None:
        """Wall seconds of a unit of a job's work, given or measured; None where unknown."""
        stage = job.plan["stage"]
        given = {"train": self.given.train, "attack": self.given.attack}.get(stage, {})
        if images_per_second := given.get(_name(job), given.get(None)):
            return Rate(1 / images_per_second, f"given, {images_per_second:g} images a second")
        return self.measured.seconds(job.plan, self._keys(job), self.device)

    def _reckoned(self, job: PlannedJob) -> Rate | None:
        """Wall seconds of a check's pass: of a mean step of the attacks on the same model."""
        if "implementation" not in job.plan:
            return Rate(0.0, _NO_PASS)
        attacks = self._descents.get(job.plan["inputs"]["training"], [])
        rates = [(self._seconds(attack), attack) for attack in attacks]
        known = [(rate, steps_of(attack.plan["config"])) for rate, attack in rates if rate]
        if not known:
            return None
        sources = ", ".join(dict.fromkeys(rate.source for rate, _ in known))
        return Rate(
            sum(rate.value for rate, _ in known) / sum(steps for _, steps in known),
            f"reckoned: {self._work(job):,.0f} passes, as if every image survived its attacks and "
            f"no honest rows were needed, each as long as a step of these attacks ({sources})",
            max(rate.gpus for rate, _ in known),
        )

    @cached_property
    def _descents(self) -> dict[str, list[PlannedJob]]:
        """Attack jobs along gradients, by the digest of the training of their model."""
        found: dict[str, list[PlannedJob]] = {}
        for job in self.jobs:
            if job.stage == "attack" and job.plan["config"]["kind"] in GRADIENT_ATTACKS:
                found.setdefault(job.plan["inputs"]["training"], []).append(job)
        return found

    def _work(self, job: PlannedJob) -> float:
        """Units of work: images, once an epoch in training; passes of checks; collected rows.

        Of all else, jobs.
        """
        train, test = self.images.counts["train"], self.images.counts["test"]
        match job.stage:
            case "shard":
                return train + test
            case "train":
                return train * _epochs(job)
            case "attack":
                return test if self.attack_shards == 1 else 0
            case _ if job.stage == PART:
                return test / self.attack_shards
            case "check" if "implementation" in job.plan:
                return group_passes(job.plan["config"], test)
            case "collect":
                return test * self._attacks
        return 1

    def _disk(self, job: PlannedJob) -> Rate:
        """Bytes of a job's files, its record and its run report."""
        keys = self._keys(job)
        json_bytes = self.measured.json_bytes(keys) or _TYPICAL_JSON_BYTES
        match job.stage:
            case "shard":
                size = shard_bytes(self.images, self.image_size, self.images_per_shard)
                return Rate(size + 2 * json_bytes, self.images.source)
            case "train":
                weights = self._weights[canonical_json(job.plan["config"]["model"])]
                size = training_bytes(weights, _epochs(job))
                return Rate(size + json_bytes, "of weights, by their shapes")
            case _ if job.stage == PART:
                return Rate(0.0, "none: parts go when their attack is done")
        rows = {"attack": self.images.counts["test"], "collect": self._work(job)}.get(job.stage, 1)
        rate = self.measured.output_bytes(keys)
        if rate is None:
            rate = Rate(_TYPICAL_BYTES[job.stage], "typical of the default experiment")
        return Rate(rows * rate.value + json_bytes, rate.source)

    @cached_property
    def _attacks(self) -> int:
        return sum(job.stage == "attack" for job in self.jobs)

    @cached_property
    def _weights(self) -> dict[str, int]:
        """Bytes of the weights of each model, by its kind and options."""
        models = [job.plan["config"]["model"] for job in self.jobs if job.stage == "train"]
        return {
            text: weights_bytes(model, self.image_size, self.images.classes)
            for text, model in {canonical_json(model): model for model in models}.items()
        }

    @cached_property
    def _trainings(self) -> dict[str, Plan]:
        return {plan_digest(job.plan): job.plan for job in self.jobs if job.stage == "train"}

    def _keys(self, job: PlannedJob) -> tuple[str, ...]:
        model: Mapping[str, Any] | None = None
        if job.plan["stage"] in ("attack", "check"):
            model = self._trainings[job.plan["inputs"]["training"]]["config"]
        return keys_of(job.plan, model, job.record.stem)


def total(stages: Iterable[StageForecast]) -> StageForecast:
    """The sums over all stages, under the name "all"."""
    result = StageForecast("all")
    for stage in stages:
        result.planned.add(stage.planned)
        result.to_do.add(stage.to_do)
    return result


def _epochs(job: PlannedJob) -> int:
    """Of a training job; weights that were trained elsewhere have none here."""
    epochs: int = job.plan["config"].get("training", {}).get("epochs", 0)
    return epochs


def _name(job: PlannedJob) -> str:
    """A model, a table or a figure by its name; the one job of another stage has none."""
    if job.plan["stage"] in ("train", "attack"):
        return job.record.parts[1]
    return job.record.stem if job.stage in ("check", "tables", "figures", "cards") else ""
