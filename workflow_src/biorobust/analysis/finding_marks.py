"""What the checks found of an experiment, as tables and the end of a run tell it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from biorobust.errors import UserError
from biorobust.files import read_json

Finding = dict[str, Any]

# The models and attacks that numbers came from; the attack is "" for clean images.
Numbers = Iterable[tuple[str, str]]

VERDICTS = ("skipped", "pass", "warn", "fail")
"""From the least to the most serious."""

MARKS = {"warn": "†", "fail": "‡"}

REACH = "A check that attacks again does so at one epsilon of an attack; its mark stands on all."
"""What a reader must know of marks on the numbers of an attack."""

# The group of the checks that read what was recorded, at every epsilon, and attack nothing.
_OF_ROWS = "rows"


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


def most_serious(findings: Sequence[Finding], *fields: str) -> list[Finding]:
    """One finding for each model and check, and for each value of the further `fields`.

    It is the most serious of its seeds (and attacks), of equals the first.
    """
    worst: dict[tuple[Any, ...], Finding] = {}
    for finding in findings:
        key = tuple(finding[name] for name in ("model", "check", *fields))
        kept = worst.setdefault(key, finding)
        if VERDICTS.index(finding["verdict"]) > VERDICTS.index(kept["verdict"]):
            worst[key] = finding
    return list(worst.values())


def objections(findings: Sequence[Finding]) -> list[str]:
    """A line for each model, check and attack that warns or fails, the failures first."""
    told = [found for found in most_serious(findings, "attack") if found["verdict"] in MARKS]
    told.sort(key=lambda finding: -VERDICTS.index(finding["verdict"]))
    return [
        f"{finding['verdict']}: {finding['model']} seed {finding['seed']}, {judged(finding)}: "
        f"{finding['sentence']}"
        for finding in told
    ]


def judged(finding: Finding) -> str:
    """The check by name, and the attack that it judged, if it was one."""
    name = str(finding["check"])
    return f"{name} of {finding['attack']}" if finding["attack"] else name


def concerning(findings: Sequence[Finding], numbers: Numbers) -> list[Finding]:
    """The findings on any of these numbers.

    What was found of a model as a whole concerns all its numbers; what was found of an attack on
    it, those under this attack alone.
    """
    wanted = set(numbers)
    models = {model for model, _ in wanted}
    return [
        finding
        for finding in findings
        if (finding["model"], finding["attack"]) in wanted
        or (not finding["attack"] and finding["model"] in models)
    ]


def marked(text: str, findings: Sequence[Finding], numbers: Numbers) -> str:
    """A text with the mark of the most serious verdict on these numbers, if that is no pass."""
    verdicts = [finding["verdict"] for finding in concerning(findings, numbers)]
    worst = max(verdicts, key=VERDICTS.index, default="pass")
    return f"{text} {MARKS[worst]}" if worst in MARKS else text


def footnotes(findings: Sequence[Finding], numbers: Numbers) -> list[str]:
    """What the marks on a table's numbers mean, and the checks behind them.

    Sentences, none where nothing is marked.
    """
    concerned = most_serious(concerning(findings, numbers), "attack")
    sentences = []
    for verdict, mark in MARKS.items():
        named = [
            f"{finding['model']} ({judged(finding)})"
            for finding in concerned
            if finding["verdict"] == verdict
        ]
        if named:
            does = "fails a check" if verdict == "fail" else "gives a warning"
            sentences.append(f"{mark} The evaluation {does}: {', '.join(named)}; see table checks.")
    if any(f["attack"] and f["group"] != _OF_ROWS and f["verdict"] in MARKS for f in concerned):
        sentences.append(REACH)
    return sentences
