"""The part of a card that tells with what its numbers were made, from the jobs' run reports."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from biorobust.analysis.cards.environment_schema import EnvironmentPart
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.provenance import run_report

_FIRST_PASS = {
    "precision": "attack_precision",
    "compiled": "attack_compiled",
    "channels_last": "attack_channels_last",
}


class JobRun(NamedTuple):
    """A job or a part of one: its stage, and its run report; None where that was lost."""

    stage: str
    report: Mapping[str, Any] | None


def read_runs(records: Iterable[tuple[str, Path]]) -> list[JobRun]:
    """The runs of jobs, given as (stage, record); those of parts after the whole's."""
    runs = []
    for stage, record in records:
        try:
            report = read_json(run_report(record))
            found = [report, *report.get("parts", [])]
        except (UserError, AttributeError):
            found = [None]
        runs += [JobRun(stage, each) for each in found]
    return runs


def environment_part(
    runs: Iterable[JobRun],
    code: Mapping[str, Any],
    accepted: Iterable[Mapping[str, Any]],
    command: str,
) -> EnvironmentPart:
    """Everything that jobs ran with. `command` is how the workflow was started.

    `code` and `accepted` are those of `planning.card_config`.
    """
    told = [run for run in runs if run.report is not None]
    reports = [run.report for run in told if run.report is not None]
    versions: dict[str, set[str]] = {}
    devices: dict[str, set[str]] = {}
    for run in told:
        for package, version in (run.report or {}).get("versions", {}).items():
            versions.setdefault(package, set()).add(version)
        if run.report and "device" in run.report:
            devices.setdefault(run.stage, set()).add(run.report["device"])
    return {
        "versions": {package: sorted(found) for package, found in sorted(versions.items())},
        "platforms": _values(reports, "platform"),
        "devices": {stage: sorted(found) for stage, found in sorted(devices.items())},
        "threads": _settings(reports, "threads"),
        "commits": _values(reports, "git_commit"),
        "reports_missing": sum(run.report is None for run in runs),
        "code": dict(code),
        "accepted": [
            {
                "date": edit["date"],
                "paths": edit["paths"],
                "reason": edit["reason"],
                "of": list(dict.fromkeys(stage for stage, _ in edit["of"])),
            }
            for edit in accepted
        ],
        "command": _anywhere(command),
    }


def first_pass(runs: Iterable[JobRun]) -> dict[str, list[str]]:
    """The settings of the attacks' first pass, each with every value that jobs had."""
    reports = [run.report for run in runs if run.stage == "attack" and run.report is not None]
    return {name: _settings(reports, setting) for name, setting in _FIRST_PASS.items()}


def _values(reports: Iterable[Mapping[str, Any]], key: str) -> list[str]:
    return sorted({str(report[key]) for report in reports if report.get(key) is not None})


def _settings(reports: Iterable[Mapping[str, Any]], key: str) -> list[str]:
    return _values((report.get("execution", {}) for report in reports), key)


def _anywhere(command: str) -> str:
    """The command without what is of this machine: on which cluster it ran, and in which folder."""
    words = [_relative(word) for word in shlex.split(command)]
    kept = [place for place, word in enumerate(words) if word in ("--configfile", "--config")]
    chosen = words[min(kept) :] if kept else []
    return shlex.join(["snakemake", "--cores", "1", *chosen])


def _relative(word: str) -> str:
    """A path below the folder in which jobs run, from there; anything else as it is."""
    here = Path.cwd()
    path = Path(word)
    return str(path.relative_to(here)) if path.is_relative_to(here) else word
