"""The part of a card's page that tells of the checks."""

from collections.abc import Iterable, Iterator, Sequence

from biorobust.analysis.cards.schema import ChecksPart, Verdict
from biorobust.analysis.cards.tables import listed, number, table
from biorobust.analysis.finding_marks import REACH, VERDICTS


def examined(checks: ChecksPart) -> Iterator[str]:
    """Blocks of Markdown: a row a check and attack that it judged, and the checks not run."""
    yield (
        "A row a check, and an attack where that was judged: verdict, figure and the number of "
        "images concerned by seed, and what it says of the seed with the most serious verdict. "
        f"Skipped: it does not apply. {REACH}"
    )
    rows = []
    for same in _by_check(checks["findings"]):
        worst = _worst(same)
        middle = [
            listed([number(each["figure"]) for each in same]),
            worst["threshold"],
            listed([str(each["images"]) for each in same]),
        ]
        if worst["verdict"] == "skipped":
            middle = ["", "", ""]
        rows.append(
            [worst["check"], worst["attack"] or "", _verdicts(same), *middle, worst["sentence"]]
        )
    header = ["check", "attack", "verdict", "figure", "threshold", "images", "in words"]
    yield table(header, rows)
    yield (
        f"The checks took {checks['forward_passes']:,} forward and {checks['backward_passes']:,} "
        "backward passes of an image through the model, those of honest numbers among them."
    )
    if checks["not_run"]:
        header = ["check that was not run", "asked for by", "passes it takes"]
        yield table(
            header,
            [
                [each["check"], f"checks.groups: {each['asked_by']}", each["cost"]]
                for each in checks["not_run"]
            ],
        )
        yield (
            "In the passes, n is the test images, s those that survive at one ε, a the iterative "
            "attacks."
        )


def objections(findings: Iterable[Verdict]) -> list[str]:
    """Every check that warns or fails, with the attack that it judged and its worst verdict."""
    worst = [_worst(same) for same in _by_check(findings)]
    return [
        f"{each['check']}{' of ' + each['attack'] if each['attack'] else ''} ({each['verdict']})"
        for each in worst
        if each["verdict"] in ("warn", "fail")
    ]


def _by_check(findings: Iterable[Verdict]) -> list[list[Verdict]]:
    """The findings of all seeds, by check and by the attack that was judged."""
    found: dict[tuple[str, str | None], list[Verdict]] = {}
    for finding in findings:
        found.setdefault((finding["check"], finding["attack"]), []).append(finding)
    return list(found.values())


def _worst(findings: Sequence[Verdict]) -> Verdict:
    """The most serious; of equals the first."""
    return max(findings, key=lambda finding: VERDICTS.index(finding["verdict"]))


def _verdicts(findings: Sequence[Verdict]) -> str:
    """One word where all seeds agree."""
    if len({finding["verdict"] for finding in findings}) == 1:
        return findings[0]["verdict"]
    return ", ".join(f"seed {finding['seed']} {finding['verdict']}" for finding in findings)
