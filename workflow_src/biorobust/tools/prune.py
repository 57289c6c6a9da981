"""`biorobust prune`: results that the config no longer names, listed, and deleted when asked."""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath

from filelock import FileLock, Timeout

from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.places import Outline
from biorobust.planning import planned_records
from biorobust.provenance import Record, run_report
from biorobust.tools.planned import STATE, add_config_arguments, read_planned

# What a table or a figure is written as; a card is its record and a page.
_REPORT_ENDINGS = {
    "tables": ("csv", "html", "md", "tex", "txt"),
    "figures": ("pdf", "png", "svg"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "List the results of an experiment that its config no longer names: models, seeds, "
        "attacks, epsilons, checks, tables, figures and cards that were taken out. With --yes they "
        "are deleted. Other experiments, logs and files that no stage wrote are left alone."
    )
    parser.epilog = (
        "Examples:\n  biorobust prune\n"
        "  biorobust prune --configfile experiments/cifar10.yaml --yes"
    )
    add_config_arguments(parser)
    parser.add_argument("--yes", action="store_true", help="delete what is listed")


def prune(options: argparse.Namespace) -> int:
    """List what is not planned, and delete it with `--yes`.

    Raises UserError where a run, or a process that a killed run left, is at work in the folder.
    """
    from biorobust.config.workflow import claim_folder

    planned = read_planned(options)
    # Held until the end, so that no run begins to use what is being deleted.
    lock = claim_folder(STATE, keep=True) if options.yes else None
    found = unplanned(planned.folder, planned.outline)
    if not found:
        print(f"{planned.folder} holds nothing that the config does not name")
        return 0
    total = 0
    for what, paths in found.items():
        size = sum(map(_size, paths))
        total += size
        print(f"{planned.folder / what}  ({size / 1e6:.1f} MB)")
    summed = f"{len(found)} results that the config does not name, {total / 1e6:.1f} MB"
    if lock is None:
        print(f"{summed}; delete them with: the same command and --yes")
        return 0
    _require_idle(path for paths in found.values() for path in paths)
    for paths in found.values():
        _delete(paths, planned.folder)
    lock.release()
    print(f"deleted {summed}")
    return 0


def unplanned(folder: Path, outline: Outline) -> dict[str, list[Path]]:
    """What stages wrote below an experiment's folder and its outline has no job for.

    Files and hidden folders by the place of their record without its ending, or that of the job's
    folder; records come first. Nothing is among them that a record of a planned job vouches for.
    """
    plans = {folder / place: plan for place, plan in planned_records(outline)}
    planned = set(plans)
    kept = set(planned)
    for path, plan in plans.items():
        kept |= {run_report(path), *_outputs(path, _record(path))}
        endings = _REPORT_ENDINGS.get(plan["stage"], ())
        kept |= {path.with_name(f"{stem}.{e}") for e in endings for stem in plan["files"]}
    found: dict[str, list[Path]] = {}

    def add(record: PurePath, paths: list[Path]) -> None:
        there = [path for path in paths if path not in kept and path.exists()]
        if there:
            found.setdefault(str(record.relative_to(folder).with_suffix("")), []).extend(there)

    for path in sorted(folder.rglob("*.json")):
        record = _record(path)
        part = path.parent.suffix == ".parts"
        if path not in planned and not part and record and "digest" in record:
            add(path, [path, run_report(path), *_outputs(path, record)])
    for record_path, left in _left_beside(folder, planned):
        add(record_path, [left])
    for kind, endings in _REPORT_ENDINGS.items():
        # A record that is made anew no longer vouches for the table of an attack taken out.
        for first in sorted((folder / kind).glob(f"*.{endings[0]}")):
            files = [first.with_suffix(f".{ending}") for ending in endings]
            if first.with_suffix(".json") not in planned and all(f.is_file() for f in files):
                add(first, [f for f in files if f not in found.get(f"{kind}/{first.stem}", [])])
    return found


def _left_beside(folder: Path, planned: set[Path]) -> Iterator[tuple[Path, Path]]:
    """What unfinished jobs that are not planned left: (the place of a record, file or folder)."""
    for seed in sorted(folder.glob("models/*/seed-*")):
        if seed / "training.json" not in planned:
            for left in sorted([*seed.glob(".*"), *seed.glob("tensorboard")]):
                yield seed / "training.json", left
        for place in sorted([*seed.glob("attacks/*"), seed / "checks"]):
            stems = [path.stem for path in planned if path.parent == place]
            for left in sorted([*place.glob(".*"), *place.glob("*.parts")]):
                own = left.name.removeprefix(".")
                # Rather too much is kept: "eps-1.5" begins like something of "eps-1".
                if not any(own.startswith(f"{stem}.") for stem in stems):
                    yield place / "unfinished.json", left


def _record(path: Path) -> Record | None:
    """The record at a place, or None where there is nothing that can be read as one."""
    try:
        record: Record = read_json(path)
        return record if isinstance(record["outputs"], dict) else None
    except (UserError, KeyError, TypeError):
        return None


def _outputs(path: Path, record: Record | None) -> list[Path]:
    """The files beside a record that it vouches for; a damaged one may name others."""
    names = record["outputs"] if record else {}
    return [path.with_name(name) for name in names if PurePath(name).name == name]


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _require_idle(paths: Iterator[Path]) -> None:
    for path in paths:
        if path.suffix == ".lock":
            try:
                with FileLock(path).acquire(timeout=0):
                    pass
            except Timeout:
                raise UserError(
                    f"a process is still at work in {path.parent}; wait until it ends, or stop it; "
                    "nothing was deleted"
                ) from None


def _delete(paths: list[Path], folder: Path) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        parent = path.parent
        while parent != folder and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent
