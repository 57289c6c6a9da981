"""The part of a card that tells of the checks."""

from collections.abc import Mapping, Sequence
from typing import Any

from biorobust.analysis.cards.schema import ChecksPart, Verdict
from biorobust.analysis.finding_marks import VERDICTS, Finding


def checks_part(
    findings: Sequence[Finding], model: str, catalogue: Mapping[str, Any]
) -> ChecksPart:
    """What the checks found on a model, and which of the catalogue's `checks` were not run."""
    own = [finding for finding in findings if finding["model"] == model]
    ran = {finding["check"] for finding in own}
    verdicts: list[Verdict] = [
        {
            "check": finding["check"],
            "group": finding["group"],
            "seed": finding["seed"],
            "attack": finding["attack"] or None,
            "unexamined": list(finding.get("unexamined", [])),
            "verdict": finding["verdict"],
            "figure": finding["figure"],
            "threshold": finding["threshold"],
            "images": len(finding["images"]),
            "sentence": finding["sentence"],
        }
        for finding in own
    ]
    return {
        "counts": {
            verdict: sum(finding["verdict"] == verdict for finding in own) for verdict in VERDICTS
        },
        "forward_passes": _passes(own, "forward"),
        "backward_passes": _passes(own, "backward"),
        "findings": verdicts,
        "not_run": [
            {"check": check, "asked_by": asked, "cost": cost}
            for asked, checks in catalogue["checks"].items()
            for check, cost in checks.items()
            if check not in ran
        ],
    }


def _passes(findings: Sequence[Finding], way: str) -> int:
    return sum(each[f"{way}_passes"] + each[f"honest_{way}_passes"] for each in findings)
