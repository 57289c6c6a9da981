"""What the checks took beside the attacks, in passes: an image once through a model, either way."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from biorobust.analysis.finding_marks import Finding

# The kinds whose rows count the steps of a descent; others count forward passes (attack stage).
_DESCENTS = ("fgsm", "bim", "pgd")
_COUNTED = ("forward_passes", "backward_passes", "honest_forward_passes", "honest_backward_passes")


class Passes(NamedTuple):
    """Numbers of passes."""

    forward: int
    backward: int

    @property
    def both(self) -> int:
        """Forward and backward passes together."""
        return self.forward + self.backward


def passes_of_attacks(rows: pd.DataFrame) -> Passes:
    """The passes that the attacks of collected rows took at least.

    `rows` are the collect stage's. A descent of k steps takes one pass at the original and one at
    each iterate, both ways but for the last iterate of all steps, which is only judged; restarts
    and places of a batch that stay free take some more. Of other attacks only the forward passes
    of the search are known.
    """
    steps = rows["steps"]
    descents = rows["attack_kind"].isin(_DESCENTS)
    early = steps < steps.groupby(rows["attack"]).transform("max")
    return Passes(
        forward=int((steps + descents).sum()), backward=int((steps + early)[descents].sum())
    )


def passes_of_checks(findings: Sequence[Finding]) -> dict[str, tuple[Passes, Passes]]:
    """By group of checks the passes of its checks, and those of the honest rows that followed."""
    table = pd.DataFrame(findings, columns=["group", *_COUNTED])
    sums = table.groupby("group", sort=False)[list(_COUNTED)].sum()
    return {
        str(group): (Passes(*map(int, counts[:2])), Passes(*map(int, counts[2:])))
        for group, *counts in sums.itertuples(name=None)
    }


def describe_costs(rows: pd.DataFrame, findings: Sequence[Finding]) -> str:
    """What each group of checks took, and what share of the attacks' passes that is."""
    attacks = passes_of_attacks(rows)
    told = [
        f"{group} checks {_told(checks, attacks)}, honest rows that followed from them "
        f"{_told(honest, attacks)}"
        for group, (checks, honest) in passes_of_checks(findings).items()
    ]
    return (
        "Passes of an image through a model, forward + backward: the attacks took at least "
        f"{attacks.forward:,} + {attacks.backward:,} (reckoned from the steps in their rows); "
        f"{'; '.join(told)}. Shares are of the attacks'."
    )


def _told(passes: Passes, attacks: Passes) -> str:
    if not passes.both:
        return "none"
    share = f" ({passes.both / attacks.both:.1%})" if attacks.both else ""
    return f"{passes.forward:,} + {passes.backward:,}{share}"
