"""The results that stand in a folder before a run plans: which of them Snakemake may count on.

Snakemake sees records alone, and compares with what it remembers. So records whose files are gone
are found here, and results that it has no memory of are held against the experiment as it is now.
"""

from contextlib import suppress
from pathlib import Path

from biorobust.config.workflow import noted
from biorobust.data.hygiene.report import require_no_copies
from biorobust.data.shards import HYGIENE, MANIFEST
from biorobust.errors import UserError
from biorobust.files import read_json, sha256_of_file
from biorobust.places import Outline
from biorobust.planning import Plan, plan_digest, planned_records, shard_plan
from biorobust.provenance import is_vouched, rows_digest


def hollow_records(folder: Path, outline: Outline) -> dict[Path, str]:
    """Records that nothing stands behind any more, each with what is wrong.

    A file that it vouches for was deleted, or it was made by code that was accepted in place of
    another (`biorobust accept`), and no longer is.
    """
    hollow = {}
    for path, plan in planned_records(outline):
        record = folder / path
        if record.is_file():
            gone = [f for f in _vouched(record, plan["stage"]) if not f.is_file()]
            if gone:
                hollow[record] = f"{gone[0]} is gone"
            elif _is_disowned(record):
                hollow[record] = f"{record} was made by code that is no longer accepted"
    return hollow


def _is_disowned(record: Path) -> bool:
    try:
        # Few have it, and to read them all as JSON would take longer.
        return b'"ran"' in record.read_bytes() and not is_vouched(read_json(record))
    except (UserError, OSError):
        return False


def _vouched(record: Path, stage: str) -> list[Path]:
    """The files beside a record. The many records are not read for it: their files are known."""
    if stage == "attack":
        return [record.with_suffix(".csv")]
    if stage == "check":
        endings = ("findings.json", "corrections.csv")
        return [record.with_name(f"{record.stem}.{ending}") for ending in endings]
    if stage == "train":
        names = ["weights.safetensors", "history.csv", "diagnostics.npz"]
    else:
        try:
            names = list(read_json(record)["outputs"])
        except (UserError, KeyError, TypeError):
            names = []
    return [record.with_name(name) for name in names]


def refuse_strangers(folder: Path, outline: Outline, state: Path, snakemake: str) -> None:
    """Stop where Snakemake would pass off results of another plan or origin as up to date.

    It knows nothing of results that were copied in, or whose memory in `state` was deleted; of
    those, the ones that this experiment did not plan, or that were made from other bytes than
    stand here now, raise UserError with the command that makes them anew.
    """
    known = {output for _, output in noted(state / "metadata")}
    made: dict[str, list[Path]] = {}
    stale: dict[Path, str] = {}
    roots = []
    for path, plan in planned_records(outline):
        record, digest = folder / path, plan_digest(plan)
        if record.is_file():
            made.setdefault(digest, []).append(record)
        if record in known or not record.is_file():
            continue
        if is_planned(record, plan) and _is_linked(record, made, folder, outline):
            continue
        # What is made from a stale result is made anew with it. The plan of the collected rows
        # has no list of inputs: every earlier result is one.
        inputs = plan["inputs"].values() if "inputs" in plan else stale.values()
        if set(inputs).isdisjoint(stale.values()):
            roots.append(str(record))
        stale[record] = digest
    if not stale:
        return
    raise UserError(
        f"{len(stale)} result(s), {next(iter(stale))} the first, were made by other code, config "
        "or data than this run has planned, and Snakemake has no memory of them (copied in, or "
        f".snakemake/ deleted); make them anew with: {snakemake} --forcerun {' '.join(roots)}"
    )


def refuse_copies(folder: Path, outline: Outline) -> None:
    """Stop where a test set with copies of training images was allowed once, and is no longer.

    The shards are what they would be if made anew, so nothing else would notice. Raises UserError
    as `require_no_copies` does.
    """
    manifest = folder / "shards" / "test" / MANIFEST
    report = manifest.with_name(HYGIENE)
    if manifest.is_file() and report.is_file() and is_planned(manifest, shard_plan(outline)):
        require_no_copies(read_json(report))


def is_planned(record: Path, plan: Plan) -> bool:
    """Whether the result with this record was made by this plan."""
    try:
        found = read_json(record)
        return bool(found["digest"] == plan_digest(plan) and is_vouched(found))
    except (UserError, KeyError, TypeError):
        return False


def _is_linked(record: Path, made: dict[str, list[Path]], folder: Path, outline: Outline) -> bool:
    """Whether a planned result was made from the records that stand there now.

    The same plan may have given other bytes on another machine. `made`: records by the digest of
    their plan. One that is missing is made anew, and with it what is made from it.
    """
    found = read_json(record)
    try:
        if found["stage"] == "collect":
            with suppress(FileNotFoundError):
                return bool(found["rows"] == rows_digest(folder, outline))
        return all(
            source["sha256"] in map(sha256_of_file, made[source["digest"]])
            for source in found["inputs"].values()
            if source["digest"] in made
        )
    except (KeyError, TypeError, AttributeError):
        return False
