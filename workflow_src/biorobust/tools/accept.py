"""`biorobust accept`: an edit that changes no number, so that nothing reruns for it.

What somebody vouches for is written down with a reason, and every card and the page show it. Only
the edit is covered: each result is held against what its own job said of the code it ran, module by
module, and an edit of anything else keeps it stale.
"""

import argparse
import datetime
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from biorobust.accepted import FILE, acceptances, add_acceptance
from biorobust.code_digest import PACKAGE, code_modules, digest_of_modules
from biorobust.errors import UserError
from biorobust.extension_imports import own_modules
from biorobust.files import read_json
from biorobust.planning import planned_records
from biorobust.provenance import run_report
from biorobust.stages import stage_modules
from biorobust.tools.planned import STATE, Planned, add_config_arguments, read_planned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Vouch for an edit that changes no number, a refactoring say: results that are stale "
        "through these files alone count as made by the code as it is now. Nothing is computed "
        f"to verify it, so the reason is shown in each card and on the page. It is kept in "
        f"{FILE.name} in the package: commit it with the edit; take an entry out, and what it "
        "covers is stale again. One experiment's results are looked at; for those of another, give "
        "its --configfile. Without PATH: list what was accepted."
    )
    parser.epilog = (
        'Example:\n  biorobust accept workflow_src/biorobust/models/resnet.py --reason "names only"'
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="PATH",
        help="Python files or folders that were edited, added, moved or deleted",
    )
    parser.add_argument("--reason", help="why no number can change, for readers of the results")
    add_config_arguments(parser)


class _Edited(NamedTuple):
    """A result that was made by other code: its record, the digests, the modules that differ.

    `files` tells of a user's own modules where they stand now; one that is gone is not there.
    """

    record: Path
    now: str
    earlier: str
    modules: set[str]
    files: dict[str, Path]


def accept(options: argparse.Namespace) -> int:
    """Write the acceptance down, or list those that there are.

    Raises UserError where no result is stale through the paths alone, or where the results that
    it would cover were made by different code.
    """
    if not options.paths:
        _list()
        return 0
    if not (options.reason or "").strip():
        raise UserError('say why no number can change: --reason "..."')
    from biorobust.config.workflow import claim_folder

    # Jobs that wait were planned with the code as it is, accepted or not.
    lock = claim_folder(STATE, keep=True)
    planned = read_planned(options)
    edited = list(_edited(planned))
    names = {name for path in options.paths for name in _names(path, edited)}
    touched = [each for each in edited if each.modules & names]
    covered = [each for each in touched if each.modules <= names]
    if not covered:
        raise UserError(_why_nothing(options.paths, planned.folder, edited, touched, names))
    counts_as = _mapping(covered)
    before = _stale(planned)
    paths = sorted(str(path) for path in options.paths)
    add_acceptance(paths, options.reason.strip(), str(datetime.date.today()), counts_as)
    after = _stale(read_planned(options))
    print(f"accepted {' '.join(paths)}: {options.reason.strip()}")
    print(f"noted in {FILE}: commit it with the edit")
    print(
        f"no longer stale in {planned.folder}: {before - after} (other experiments: --configfile)"
    )
    if after:
        print(f"{after} will be made anew, cards and the page, which tell of it, among them")
    if others := _others(touched, names):
        print(f"what {others} stays stale, through that edit")
    if lock:
        lock.release()
    return 0


def _others(touched: Collection[_Edited], names: Collection[str]) -> str:
    """Which modules beside the named ones changed, for the middle of a sentence; empty if none."""
    others = sorted({module for each in touched for module in each.modules - set(names)})
    return f"{', '.join(others)} changed as well" if others else ""


def _why_nothing(
    paths: Collection[Path],
    folder: Path,
    edited: Collection[_Edited],
    touched: Collection[_Edited],
    names: Collection[str],
) -> str:
    named = " ".join(map(str, paths))
    if touched:
        return (
            f"since the results were made, {_others(touched, names)}; name those files too if "
            "they change no number, or put them back; nothing was accepted"
        )
    if any(each.earlier == each.now for each in edited):
        return (
            f"results in {folder} were made by the code as it is now, which is accepted as "
            f"counting as earlier code: make them anew, or take the entry out of {FILE}; "
            "nothing was accepted"
        )
    untold = [each for each in edited if not each.modules]
    if untold:
        return (
            f"{run_report(untold[0].record)} does not tell which modules its job ran, so that one "
            "edit cannot be told from another; nothing was accepted"
        )
    lost = [str(path) for path in paths if not path.exists()]
    gone = f" ({' '.join(lost)} is not there)" if lost else ""
    return f"no result in {folder} is stale through {named}{gone}; nothing was accepted"


def _list() -> None:
    found = acceptances()
    for each in found:
        print(f"{each['date']}  {' '.join(each['paths'])}: {each['reason']}")
    if not found:
        print("no edit was accepted")


def _edited(planned: Planned) -> Iterator[_Edited]:
    """Results of the experiment that were made by other code than there is now."""
    for place, plan in planned_records(planned.outline):
        path = planned.folder / place
        try:
            record = read_json(path)
            earlier = str(record["code"])
            told = read_json(run_report(path)).get("modules")
        except (UserError, KeyError, TypeError, AttributeError):
            continue
        if earlier == plan["code"]:
            continue
        entries = stage_modules(plan)
        now = code_modules(*entries)
        changed: set[str] = set()
        # Of a report that is not the record's own nothing is known.
        if told and digest_of_modules(told) == record.get("ran", earlier):
            changed = {name for name, _ in now.items() ^ told.items()}
        own = [module for module in entries if module.partition(".")[0] != PACKAGE]
        files = {
            each.name: each.file.absolute()
            for module in own
            for each in own_modules(module)[0]
            if each.file
        }
        yield _Edited(path, digest_of_modules(now), earlier, changed, files)


def _names(path: Path, edited: Collection[_Edited]) -> Iterator[str]:
    """The modules that differ and stand in the file, or below the folder; it may be gone."""
    path = path.absolute()
    package = Path(__file__).parents[1]
    for each in edited:
        for module in each.modules:
            *folders, name = module.split(".")
            if module.partition(".")[0] == PACKAGE:
                places = [package.parent.joinpath(*folders, name)]
            elif module in each.files:
                places = [each.files[module].with_suffix("")]
            else:
                # Of one that is gone it is only known how it was called.
                places = [
                    root.joinpath(*folders, name)
                    for root in (path, *path.parents)
                    if not root.joinpath(*folders, f"{name}.py").exists()
                ]
            files = [file for place in places for file in _sources(place)]
            if path in files or (path.is_dir() and any(path in file.parents for file in files)):
                yield module


def _sources(place: Path) -> list[Path]:
    """Where a module's source is, without its ending: a file, or a folder's."""
    module = place.parent if place.name == "__init__" else place
    return [module.with_name(f"{module.name}.py"), module / "__init__.py"]


def _mapping(covered: Collection[_Edited]) -> dict[str, str]:
    found: dict[str, _Edited] = {}
    for each in covered:
        first = found.setdefault(each.now, each)
        if first.earlier != each.earlier:
            raise UserError(
                f"{first.record} and {each.record} were made by different code; make one of them "
                "anew first, so that a table does not mix them; nothing was accepted"
            )
    return {now: each.earlier for now, each in found.items()}


def _stale(planned: Planned) -> int:
    """How many results stand there that were made otherwise than planned."""
    from biorobust.config.strangers import is_planned

    records = ((planned.folder / place, plan) for place, plan in planned_records(planned.outline))
    return sum(record.is_file() and not is_planned(record, plan) for record, plan in records)
