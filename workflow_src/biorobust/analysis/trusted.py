"""Which rows belong to an experiment as it is now: the chain from its shards to each row."""

from pathlib import Path

from biorobust.errors import UserError
from biorobust.files import sha256_of_file
from biorobust.places import (
    AttackJob,
    CheckJob,
    Outline,
    attack_record,
    check_record,
    training_record,
)
from biorobust.planning import (
    Plan,
    attack_plan,
    check_inputs,
    check_plan,
    plan_digest,
    shard_plan,
    train_plan,
)
from biorobust.provenance import Record, require_planned, require_whole


class Trusted:
    """The results below an experiment's folder that can be relied on.

    `snakemake` is how the workflow was started, for the commands that mend what cannot be. Without
    `source_files`, weights and images are taken to be what their records say: rows made from them
    stay right where a file is damaged later.
    """

    def __init__(
        self, folder: Path, outline: Outline, snakemake: str, *, source_files: bool = True
    ) -> None:
        self._folder, self._outline, self._snakemake = folder, outline, snakemake
        self._source_files = source_files
        self._sources: dict[Path, str] = {}

    def attack(self, job: AttackJob) -> Record:
        """An attack job's record, if code, config, weights, shards and rows are those planned.

        Raises UserError, with the command that mends it, where the record, its rows, the model or
        any shards that it was made from are missing, damaged or other than they are now.
        """
        outline = self._outline
        shards = {split: self._shards(split) for split in ("train", "test")}
        training = self._folder / training_record(job.model, job.seed)
        path = self._folder / attack_record(job)
        record = self._linked(
            path, attack_plan(outline, job), {"training": training, "shards": shards["test"]}
        )
        require_whole(path, record, self._mend(path))
        self._check(training, train_plan(outline, job.model, job.seed), {"shards": shards["train"]})
        self._check(shards["test"], shard_plan(outline), {})
        # The images to train on may be gigabytes: whoever trains on them reads them all.
        self._check(shards["train"], shard_plan(outline), {}, files=False)
        return record

    def checks(self, job: CheckJob) -> Record:
        """A check job's record, if code, config, inputs and files are those planned.

        Raises UserError as `attack` does.
        """
        path = self._folder / check_record(job)
        inputs = check_inputs(self._outline, job)
        sources = {name: self._folder / source for name, source, _ in inputs}
        record = self._linked(path, check_plan(self._outline, job), sources)
        require_whole(path, record, self._mend(path))
        return record

    def _shards(self, split: str) -> Path:
        return self._folder / "shards" / split / "manifest.json"

    def _mend(self, path: Path) -> str:
        return f"{self._snakemake} --force {path}"

    def _check(
        self, path: Path, plan: Plan, sources: dict[str, Path], *, files: bool = True
    ) -> None:
        """What several attack jobs were made from is read once, and refused for each of them."""
        if path not in self._sources:
            try:
                record = self._linked(path, plan, sources)
                if files and self._source_files:
                    require_whole(path, record, self._mend(path))
                self._sources[path] = ""
            except UserError as error:
                self._sources[path] = str(error)
        if fault := self._sources[path]:
            raise UserError(fault)

    def _linked(self, path: Path, plan: Plan, sources: dict[str, Path]) -> Record:
        """The record at `path`, if it is of this plan and made from the sources as they are now."""
        record = require_planned(path, plan_digest(plan), self._mend(path))
        for name, source in sources.items():
            if not source.is_file() or sha256_of_file(source) != record["inputs"][name]["sha256"]:
                raise UserError(
                    f"{path} was made from another {name} record than {source} as it is now; "
                    f"make it anew with: {self._mend(path)}"
                )
        return record
