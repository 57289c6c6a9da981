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
        "forward_passes": sum(finding["forward_passes"] for finding in own),
        "backward_passes": sum(finding["backward_passes"] for finding in own),
        "findings": verdicts,
        "not_run": [
            {"check": check, "group": group, "cost": cost}
            for group, checks in catalogue["checks"].items()
            for check, cost in checks.items()
            if check not in ran
        ],
    }
