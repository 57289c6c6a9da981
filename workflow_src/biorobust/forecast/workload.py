"""What an experiment consists of: its jobs, which of them are still to do, and its images."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from biorobust.config.strangers import hollow_records
from biorobust.data.shards import INDEX
from biorobust.data.sources.catalogue import Item, Split, needs_download, open_source, select
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.places import Outline, attack_part_record
from biorobust.planning import Plan, attack_part_plan, plan_digest, planned_records, shard_plan

PART = "attack part"
SPLITS: tuple[Split, ...] = ("train", "test")

# Images (train, test) and classes of what torchvision downloads, as published: cifar10
# (Krizhevsky 2009), fashion_mnist (Xiao et al. 2017), imagenette (fast.ai's imagenette2).
_PUBLISHED: dict[str, tuple[int, int, int]] = {
    "cifar10": (50_000, 10_000, 10),
    "fashion_mnist": (60_000, 10_000, 10),
    "imagenette": (9_469, 3_925, 10),
}
# A line of an index whose ids are not known yet.
_TYPICAL_LINE = 30


@dataclass(frozen=True)
class PlannedJob:
    """One job of the workflow; `record` is its (first) record below the experiment's folder."""

    stage: str
    record: PurePosixPath
    plan: Plan
    to_do: bool


@dataclass(frozen=True)
class Images:
    """How many images each split has, the bytes of its index, and the number of classes.

    `source` says where these are from.
    """

    counts: dict[Split, int]
    index_bytes: dict[Split, int]
    classes: int
    source: str


def planned_jobs(folder: Path, outline: Outline, attack_shards: int) -> list[PlannedJob]:
    """Every job of the experiment whose results stand in `folder`, inputs before users.

    A job is done where its record is the planned one and the files stand that it vouches for, and
    so do those of all its inputs: what is made anew makes anew what is made from it. With
    `attack_shards` above 1, each attack comes after its parts.
    """
    hollow = hollow_records(folder, outline)
    stale: set[str] = set()
    jobs: dict[str, PlannedJob] = {}
    for path, plan in planned_records(outline):
        digest = plan_digest(plan)
        # The plan of the collected rows has no list of inputs: every earlier result is one.
        inputs = plan["inputs"].values() if "inputs" in plan else stale
        to_do = (
            not stale.isdisjoint(inputs)
            or folder / path in hollow
            or _digest(folder / path) != digest
        )
        if to_do:
            stale.add(digest)
        if plan["stage"] == "shard" and digest in jobs:
            # One job writes the records of both splits.
            to_do = to_do or jobs[digest].to_do
            path = jobs[digest].record
        key = digest if plan["stage"] == "shard" else str(path)
        if plan["stage"] == "attack" and attack_shards > 1:
            for part in range(attack_shards):
                place = attack_part_record(path, part, attack_shards)
                part_plan = attack_part_plan(plan, part, attack_shards)
                left = to_do and _digest(folder / place) != plan_digest(part_plan)
                jobs[str(place)] = PlannedJob(PART, place, part_plan, left)
        jobs[key] = PlannedJob(plan["stage"], path, plan, to_do)
    return list(jobs.values())


def _digest(record: Path) -> str | None:
    try:
        digest: str = read_json(record)["digest"]
    except (UserError, KeyError, TypeError):
        return None
    return digest


def count_images(folder: Path, outline: Outline, path: Path | None) -> Images:
    """The images of the planned shards where these stand in `folder`, else of the source.

    `path` is the config's. Nothing is downloaded: of what torchvision fetches, the published
    counts are taken. Raises UserError as `open_source` does.
    """
    config = outline["shard"]["config"]
    name, limits = config["source"], [config[f"{split}_limit"] for split in SPLITS]
    if (standing := _standing(folder, outline)) is not None:
        return standing
    if needs_download(name, path=path):
        *published, classes = _PUBLISHED[name]
        counts = [min(*pair) for pair in zip(published, (n or 10**9 for n in limits), strict=True)]
        lengths = [count * _TYPICAL_LINE for count in counts]
        return Images(_by_split(counts), _by_split(lengths), classes, f"published counts of {name}")
    source = open_source(name, path=path)
    chosen = [
        select(source.splits[split], limit) for split, limit in zip(SPLITS, limits, strict=True)
    ]
    return Images(
        _by_split(map(len, chosen)),
        _by_split(_index_bytes(items, source.classes) for items in chosen),
        len(source.classes),
        f"counted in source {name}",
    )


def _standing(folder: Path, outline: Outline) -> Images | None:
    """What the records of the planned shards tell, if they stand."""
    planned = plan_digest(shard_plan(outline))
    try:
        records = [read_json(folder / "shards" / split / "manifest.json") for split in SPLITS]
        if any(record["digest"] != planned for record in records):
            return None
        return Images(
            _by_split(record["images"] for record in records),
            _by_split((folder / "shards" / split / INDEX).stat().st_size for split in SPLITS),
            len(records[0]["classes"]),
            f"counted in {folder}/shards",
        )
    except (UserError, OSError, KeyError, TypeError):
        return None


def _by_split(values: Iterable[int]) -> dict[Split, int]:
    return dict(zip(SPLITS, values, strict=True))


def _index_bytes(items: Sequence[Item], classes: Sequence[str]) -> int:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["id", "label", "class"])
    lines.writerows((item.id, item.label, classes[item.label]) for item in items)
    return len(text.getvalue().encode())
