"""The list of all checks as a page in Markdown: `python -m biorobust.checks.described`.

What a check asks is the first line of its module; the rest is in the table of checks.
"""

from importlib import import_module

from biorobust.checks.kinds import GROUPS, Check, checks_of

COMMAND = "PYTHONPATH=workflow_src python -m biorobust.checks.described > docs/checks.md"

_HEAD = f"""\
# The checks

Each check judges one trained model, or each attack on it, by a figure that is the better the
smaller; exactly a threshold is still allowed. `checks: {{thresholds: {{<check>: {{<threshold>:
<number>}}}}}}` in a config sets other thresholds. Sources and reasons stand in each check's file,
`workflow_src/biorobust/checks/<file>.py`.

A check that runs the model judges an attack at one of its epsilons, the largest at which many
images still stand; the mark in tables stands on all of them nevertheless. A check of rows
reads every epsilon, and honest rows are made for every one.

Costs are passes of an image through the model, or steps, which take one forward and one backward.
n: the test images, s: those that survive at one epsilon, a: the attacks that the check examines.

This page is made by `{COMMAND}`.
"""


def page() -> str:
    """The page: a section for each group of checks, in it a row a check."""
    return "\n".join([_HEAD, *map(_section, GROUPS)])


def _section(group: str) -> str:
    lines = [f"## {group}", "", "| check | what it asks | thresholds | cost |", "|---|---|---|---|"]
    for name, check in checks_of(group).items():
        limits = ", ".join(f"{limit} {value:g}" for limit, value in check.thresholds.items())
        lines.append(f"| `{name}` | {asks(check)} | {limits} | {check.cost} |")
    return "\n".join([*lines, ""])


def asks(check: Check) -> str:
    """The first line of the check's module. Raises ValueError where it is no whole sentence."""
    line = (import_module(check.module).__doc__ or "").split("\n")[0]
    if not line.endswith((".", "?")):
        raise ValueError(f"the first line of {check.module} is no sentence: {line!r}")
    return line.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
