"""The shard stage: a data set's images, cut to size, as checked shards.

In: a data source. Out: `train/` and `test/`, each with shards, `index.csv` and `manifest.json`;
in `test/`, `hygiene.json` tells of copies and other faults in both.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from biorobust.data.hygiene.copies import Part
from biorobust.data.hygiene.fingerprints import Fingerprints
from biorobust.data.hygiene.report import inspect, require_no_copies
from biorobust.data.images import CorruptImage, fit
from biorobust.data.shards import (
    HYGIENE,
    Example,
    Shards,
    open_blocks,
    remove_shards,
    write_shards,
)
from biorobust.data.sources.catalogue import Source, Split, open_source, select, source_fingerprint
from biorobust.errors import UserError
from biorobust.files import write_json
from biorobust.jobs import Inputs, Job, Result
from biorobust.progress import Progress

SPLITS: tuple[Split, ...] = ("train", "test")


class _Written(NamedTuple):
    """A split on disk: SHA-256 by file name, the record's facts, and what hygiene looks at."""

    sums: dict[str, str]
    facts: dict[str, Any]
    part: Part


def run(job: Job, inputs: Inputs) -> Result:
    """Write both splits. Config: source, image_size, resize, train_limit, test_limit, on_corrupt.

    Raises UserError for a source that cannot be read; unless `on_corrupt` is "skip", for the
    first image that cannot be decoded; and, unless the execution setting `on_duplicates` is
    "allow", for test images that are training images as well.
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
    try:
        written = {split: _write_split(job, source, split) for split in SPLITS}
        report = inspect(written["train"].part, written["test"].part)
        if job.execution["on_duplicates"] != "allow":
            require_no_copies(report)
        written["test"].sums[HYGIENE] = write_json(job.records["test"].with_name(HYGIENE), report)
        exact, near = (report["across"][kind]["images"] for kind in ("exact", "near"))
        job.say(f"{exact} exact and {near} near copies of training images in the test set")
    except BaseException:
        for record in job.records.values():
            remove_shards(record.parent)
        raise
    return Result(
        {split: each.sums for split, each in written.items()},
        {split: each.facts for split, each in written.items()},
    )


def _write_split(job: Job, source: Source, split: Split) -> _Written:
    skipped: list[str] = []
    prints = Fingerprints()
    ignored = source.ignored.get(split, 0)
    if ignored:
        job.say(
            f"{split} split: ignored {ignored} files or folders that are no png, jpg or jpeg "
            "directly in a class folder"
        )
    folder = job.records[split].parent
    sums = write_shards(
        folder,
        _examples(job, source, split, skipped, prints),
        job.execution["images_per_shard"],
    )
    per_class = Counter(source.classes[label] for label in prints.labels)
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
    shards = Shards(
        prints.ids, np.array(prints.labels), list(source.classes), open_blocks(folder, sums)
    )
    return _Written(sums, facts, Part(prints, shards))


def _examples(
    job: Job,
    source: Source,
    split: Split,
    skipped: list[str],
    prints: Fingerprints,
) -> Iterator[Example]:
    config = job.plan["config"]
    try:
        items = select(source.splits[split], config[f"{split}_limit"])
    except UserError as error:
        raise UserError(f"data.{split}_limit: {error}") from error
    progress = Progress(f"{split} images", len(items), job.say)
    for done, item in enumerate(items, 1):
        try:
            whole = item.load()
            image = fit(whole, config["image_size"], config["resize"])
        except CorruptImage as error:
            if config["on_corrupt"] != "skip":
                raise UserError(f"{error} (or set data.on_corrupt: skip)") from error
            job.say(f"left out: {error}")
            skipped.append(item.id)
            continue
        example = Example(item.id, item.label, source.classes[item.label], image)
        prints.add(example, short_side=min(whole.shape[:2]))
        yield example
        progress.update(done)
