"""The shard stage: a data set's images, cut to size, as checked shards.

In: a data source. Out: `train/` and `test/`, each with shards, `index.csv` and `manifest.json`.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biorobust.data.images import CorruptImage, fit
from biorobust.data.shards import Example, remove_shards, write_shards
from biorobust.data.sources.catalogue import Source, Split, open_source, select, source_fingerprint
from biorobust.errors import UserError
from biorobust.jobs import Inputs, Job, Result
from biorobust.progress import Progress

SPLITS: tuple[Split, ...] = ("train", "test")


def run(job: Job, inputs: Inputs) -> Result:
    """Write both splits. Config: source, image_size, resize, train_limit, test_limit, on_corrupt.

    Raises UserError for a source that cannot be read and, unless `on_corrupt` is "skip", for the
    first image that cannot be decoded.
    """
    del inputs
    name = job.plan["config"]["source"]
    path = Path(job.execution["data_path"]) if job.execution["data_path"] else None
    source = open_source(name, path=path)
    if source_fingerprint(name, path=path) != job.plan["inputs"]["source"]:
        raise UserError(
            f"the files of data source {name} changed after this job was planned; "
            "start snakemake again, and it will plan with the files as they are now"
        )
    outputs: dict[str, dict[str, str]] = {}
    facts: dict[str, dict[str, Any]] = {}
    try:
        for split in SPLITS:
            outputs[split], facts[split] = _write_split(job, source, split)
    except BaseException:
        for record in job.records.values():
            remove_shards(record.parent)
        raise
    return Result(outputs, facts)


def _write_split(job: Job, source: Source, split: Split) -> tuple[dict[str, str], dict[str, Any]]:
    skipped: list[str] = []
    per_class: Counter[str] = Counter()
    ignored = source.ignored.get(split, 0)
    if ignored:
        job.say(
            f"{split} split: ignored {ignored} files or folders that are no png, jpg or jpeg "
            "directly in a class folder"
        )
    sums = write_shards(
        job.records[split].parent,
        _examples(job, source, split, skipped, per_class),
        job.execution["images_per_shard"],
    )
    if missing := [name for name in source.classes if not per_class[name]]:
        raise UserError(
            f"{split} split: no usable image of class {', '.join(missing)}; mend its images, "
            f"or raise data.{split}_limit where it leaves the class out"
        )
    facts = {
        "split": split,
        "classes": list(source.classes),
        "image_size": job.plan["config"]["image_size"],
        "images": per_class.total(),
        "images_per_class": dict(per_class),
        "skipped": skipped,
        "ignored": ignored,
    }
    return sums, facts


def _examples(
    job: Job, source: Source, split: Split, skipped: list[str], per_class: Counter[str]
) -> Iterator[Example]:
    config = job.plan["config"]
    items = select(source.splits[split], config[f"{split}_limit"])
    progress = Progress(f"{split} images", len(items), job.say)
    for done, item in enumerate(items, 1):
        try:
            image = fit(item.load(), config["image_size"], config["resize"])
        except CorruptImage as error:
            if config["on_corrupt"] != "skip":
                raise UserError(f"{error} (or set data.on_corrupt: skip)") from error
            job.say(f"left out: {error}")
            skipped.append(item.id)
            continue
        name = source.classes[item.label]
        per_class[name] += 1
        yield Example(item.id, item.label, name, image)
        progress.update(done)
