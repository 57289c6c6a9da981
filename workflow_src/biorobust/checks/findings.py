"""What a check found: its figure, its verdict, and one sentence for the reader."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Verdict = Literal["pass", "warn", "fail", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One check's word on one trained model.

    `figure` is what was measured, and `threshold` says in words when it warns and fails. "skipped"
    means that the check does not apply, and `sentence` says why. `images` are the ids of the
    images concerned. `attack` is the name of the attack that was judged, "" where the model was as
    a whole; `unexamined` are the names of attacks that the check cannot judge, whatever its
    verdict. A pass is one image through the model, forward or backward; those of honest rows, made
    because of this finding, are counted apart.
    """

    check: str
    figure: float
    threshold: str
    verdict: Verdict
    images: tuple[str, ...]
    sentence: str
    forward_passes: int = 0
    backward_passes: int = 0
    attack: str = ""
    honest_forward_passes: int = 0
    honest_backward_passes: int = 0
    unexamined: tuple[str, ...] = ()

    def says_nothing_of(self, attacks: Sequence[str], kinds: Sequence[str]) -> "Finding":
        """The same, but that it tells which attacks it cannot judge, and which kinds it can."""
        reach = f"This check examines only attacks of kind {' or '.join(kinds)}"
        sentence = f"{self.sentence} {reach}: it says nothing of {', '.join(attacks)}."
        return replace(self, sentence=sentence, unexamined=tuple(attacks))

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON-ready values; a figure that is infinite or NaN becomes None."""
        values = asdict(self)
        values["images"] = list(self.images)
        values["unexamined"] = list(self.unexamined)
        values["figure"] = self.figure if math.isfinite(self.figure) else None
        return values


def judged(figure: float, warn: float, fail: float) -> Verdict:
    """The verdict on a figure of which less is better; exactly a threshold is still allowed.

    A figure that is NaN fails: nothing was measured.
    """
    if not figure <= fail:
        return "fail"
    return "warn" if figure > warn else "pass"


def finding_of(
    check: str,
    figure: float,
    thresholds: Mapping[str, float],
    *,
    says: str,
    means: str,
    images: tuple[str, ...] = (),
) -> Finding:
    """The finding on a figure of which less is better, by the thresholds "warn" and "fail".

    `says` is what was measured, a sentence without its full stop; `means`, what follows from it,
    is added unless the verdict is "pass".
    """
    warn, fail = thresholds["warn"], thresholds["fail"]
    verdict = judged(figure, warn, fail)
    threshold = f"warns above {warn:g}, fails above {fail:g}"
    sentence = f"{says}." if verdict == "pass" else f"{says}: {means}."
    return Finding(check, figure, threshold, verdict, images, sentence)


def skipped(check: str, reason: str) -> Finding:
    """The finding of a check that does not apply; `reason` is a sentence."""
    return Finding(check, math.nan, "", "skipped", (), reason)
