"""What the checks found of an experiment, as tables and the end of a run tell it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biorobust.errors import UserError
from biorobust.files import read_json

Finding = dict[str, Any]

VERDICTS = ("skipped", "pass", "warn", "fail")
"""From the least to the most serious."""

MARKS = {"warn": "†", "fail": "‡"}


def read_findings(directory: Path) -> list[Finding]:
    """Every check's finding on every model and seed, from an experiment's `results.json`.

    Raises UserError where there is no such record, or it tells of no checks.
    """
    path = directory / "results.json"
    try:
        found: list[Finding] = read_json(path)["checks"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is not a record of results; delete it and run again") from error
    return found


def worst_over_seeds(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each model and check: the most serious, of equals the first seed's."""
    worst: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        kept = worst.setdefault((finding["model"], finding["check"]), finding)
        if VERDICTS.index(finding["verdict"]) > VERDICTS.index(kept["verdict"]):
            worst[finding["model"], finding["check"]] = finding
    return list(worst.values())


def objections(findings: Sequence[Finding]) -> list[str]:
    """A line for each model and check that warns or fails, the failures first."""
    told = [finding for finding in worst_over_seeds(findings) if finding["verdict"] in MARKS]
    told.sort(key=lambda finding: -VERDICTS.index(finding["verdict"]))
    return [
        f"{finding['verdict']}: {finding['model']} seed {finding['seed']}, {finding['check']}: "
        f"{finding['sentence']}"
        for finding in told
    ]


def marked(model: str, findings: Sequence[Finding]) -> str:
    """The model's name with the mark of the most serious verdict on it, if that is no pass."""
    verdicts = [finding["verdict"] for finding in findings if finding["model"] == model]
    worst = max(verdicts, key=VERDICTS.index, default="pass")
    return f"{model} {MARKS[worst]}" if worst in MARKS else model


def footnotes(findings: Sequence[Finding]) -> list[str]:
    """What the marks mean, and the checks behind them: sentences, none where nothing is marked."""
    sentences = []
    for verdict, mark in MARKS.items():
        named = [
            f"{finding['model']} ({finding['check']})"
            for finding in worst_over_seeds(findings)
            if finding["verdict"] == verdict
        ]
        if named:
            does = "fails a check" if verdict == "fail" else "gives a warning"
            sentences.append(f"{mark} The evaluation {does}: {', '.join(named)}; see table checks.")
    return sentences
