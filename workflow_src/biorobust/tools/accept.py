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
        "covers is stale again. Without PATH: list what was accepted."
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
    """A result that was made by other code: its record, the digests, the modules that differ."""

    record: Path
    now: str
    earlier: str
    modules: set[str]


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
    print(f"{before - after} results of {planned.folder} are no longer stale")
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
    untold = [each for each in edited if not each.modules]
    if untold:
        return (
            f"{run_report(untold[0].record)} does not tell which modules its job ran, so that one "
            "edit cannot be told from another; nothing was accepted"
        )
    return f"no result in {folder} is stale through {named}; nothing was accepted"


def _list() -> None:
    found = acceptances()
    for each in found:
        print(f"{each['date']}  {' '.join(each['paths'])}: {each['reason']}")
    if not found:
        print("no edit was accepted")


def _edited(planned: Planned) -> Iterator[_Edited]:
    """Results of the experiment that were made by other code than there is now."""
    for place, plan in planned_records(planned.outline):
        record = planned.folder / place
        try:
            earlier = str(read_json(record)["code"])
            report = read_json(run_report(record))
        except (UserError, KeyError, TypeError):
            continue
        if earlier == plan["code"]:
            continue
        now = code_modules(*stage_modules(plan))
        # Of a report without them nothing is known.
        changed = now.items() ^ report["modules"].items() if "modules" in report else set()
        modules = {name for name, _ in changed}
        yield _Edited(record, digest_of_modules(now), earlier, modules)


def _names(path: Path, edited: Collection[_Edited]) -> Iterator[str]:
    """The modules that differ and stand in the file, or below the folder; it may be gone."""
    parts = path.absolute().with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    package = Path(__file__).parents[1].parts
    inside = parts[: len(package)] == package
    for module in {module for each in edited for module in each.modules}:
        words = tuple(module.split("."))
        if (words[0] == PACKAGE) is not inside:
            continue
        if inside:
            place = package[:-1] + words
            matches = place[: len(parts)] == parts if path.suffix != ".py" else place == parts
        elif path.suffix == ".py":
            matches = parts[-len(words) :] == words
        else:
            file = path.joinpath(*words)
            matches = file.is_dir() or file.with_suffix(".py").is_file()
        if matches:
            yield module


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
