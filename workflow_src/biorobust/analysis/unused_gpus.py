"""Jobs that were given a GPU and ran on the CPU, as the end of a run tells of them."""

from collections import Counter
from pathlib import Path
from typing import Any

from biorobust.errors import UserError
from biorobust.files import read_json


def unused_gpus(folder: Path) -> list[str]:
    """A warning for each stage and model of which a job did so; none is the rule.

    `folder` is an experiment's results. Jobs without a run report are passed over.
    """
    found: Counter[str] = Counter()
    for path in sorted((folder / "models").rglob("*.run.json")):
        try:
            report = read_json(path)
            if any(map(_unused, [report, *report.get("parts", [])])):
                found[
                    f"{report['record']['stage']} jobs of {path.relative_to(folder).parts[1]}"
                ] += 1
        except (UserError, KeyError, TypeError, AttributeError):
            continue
    return [
        f"{count} {what} asked for a GPU, were given one, and ran on the CPU, since torch saw none"
        for what, count in found.items()
    ]


def _unused(report: dict[str, Any]) -> bool:
    execution = report["execution"]
    asked = execution["device"] == "auto" and (execution.get("gpus") or 0) > 0
    return asked and report.get("device") == "cpu" and bool(report.get("granted_gpus"))
