"""Published accuracies beside measured ones, and whether they agree."""

from collections.abc import Iterator
from math import isclose, nan
from typing import Any

import pandas as pd

from biorobust.analysis.published_marks import (
    CONTRADICTED,
    Mark,
    half_a_digit,
    marks,
    repeated_release,
)
from biorobust.analysis.published_values import DATA_SETS, MODELS, Attack, Row
from biorobust.analysis.statistics import prediction_interval
from biorobust.analysis.summary import CLEAN

AGREES, DIFFERS = "agrees", "differs"
NOT_JUDGED, NO_NUMBER, NOT_ATTACKED, MISSING = "not judged", "no number", "not attacked", "missing"

COLUMNS = ["model", "published_model", "source", "attack", "norm", "published_steps"]
COLUMNS += ["published_relative_step", "epsilon_text", "epsilon", "published", "mean", "std"]
COLUMNS += [
    "low",
    "high",
    "next_low",
    "next_high",
    "seeds",
    "images",
    "verdict",
    "mark",
    "mark_why",
]
COLUMNS += ["unlike", "repeats_release", "uncorrected"]

_MEASURED = ("mean", "std", "low", "high", "seeds", "uncorrected")
_DRAWN = ("0.001", "0.005", "0.01", "0.02", "0.05")


def compare(summary: pd.DataFrame, comparison: dict[str, Any]) -> pd.DataFrame:
    """Each published number of the experiment's models beside what was measured.

    `summary` is what `summarise` returns; `comparison` says which model is which published one,
    what its data, training and options have otherwise, and the settings of each attack (see the
    plan of this table). Of one source's lines in one norm, those made by an attack of this
    experiment are taken, or, if none was, all of them beside the first attack in that norm.

    One row per number, with the columns

    - model, published_model, source, attack, norm, epsilon_text ("clean" first, then from the
      largest epsilon down), epsilon; published_steps and published_relative_step: the source's;
    - published: percent as printed, "" where the source has no number;
    - mean, std, low, high, seeds, images: measured, as `summarise` has them, with what checks
      broke; uncorrected: what the attack alone gives, as the published attack did; next_low,
      next_high: the 95 % prediction interval of one more seed, NaN with fewer than two;
    - verdict: "agrees" if what was printed, within its rounding, lies between low and high or
      between next_low and next_high, else "differs". In place of that: a mark of
      `published_marks` that makes the number worthless, "no number", "not attacked", "missing",
      or "not judged" where anything differs from what was published;
    - mark: what is wrong with the printed number, "" if nothing; mark_why: in a sentence;
    - unlike: what differs from what was published, joined by "; ", "" if nothing does;
    - repeats_release: whether the line has the released numbers again.
    """
    lines: list[dict[str, Any]] = []
    for entry in comparison["models"]:
        published = MODELS[entry["published"]]
        images = DATA_SETS[published.data_set].images
        for row, attack in _pairs(published.rows, comparison["attacks"]):
            measured = summary[
                (summary["model"] == entry["name"]) & (summary["attack"] == attack["name"])
            ].to_dict("records")
            unlike = [*entry["unlike"], *attack["unlike"], *_otherwise(attack, row.attack)]
            if measured[0]["images"] != images:
                unlike.append(f"N is {measured[0]['images']} test images (published: {images})")
            wrong = marks(published, row, images)
            for place, printed in _places(row):
                found = _measured_at(measured, place)
                mark = wrong.get(place, Mark("", ""))
                verdict = _verdict(printed, found, mark.word, unlike)
                lines.append(
                    {
                        "model": entry["name"],
                        "published_model": entry["published"],
                        "source": row.source,
                        "attack": attack["name"],
                        "norm": attack["norm"],
                        "published_steps": row.attack.steps,
                        "published_relative_step": row.attack.relative_step,
                        "epsilon_text": place,
                        "epsilon": 0.0 if place == CLEAN else float(place),
                        "published": printed,
                        **(found or {"seeds": 0}),
                        "images": measured[0]["images"],
                        "verdict": verdict,
                        "mark": mark.word,
                        "mark_why": mark.why,
                        "unlike": "; ".join(unlike),
                        "repeats_release": repeated_release(published, row) is not None,
                    }
                )
    return pd.DataFrame(lines, columns=COLUMNS)


def _pairs(rows: list[Row], attacks: list[dict[str, Any]]) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Published lines with the attacks to hold them against, in the order of the attacks."""
    for norm in dict.fromkeys(attack["norm"] for attack in attacks):
        mine = [attack for attack in attacks if attack["norm"] == norm]
        for source in dict.fromkeys(row.source for row in rows):
            theirs = [r for r in rows if (r.source, r.attack.norm) == (source, norm)]
            same = [(r, a) for a in mine for r in theirs if not _otherwise(a, r.attack)]
            yield from same or [(row, mine[0]) for row in theirs]


def _otherwise(attack: dict[str, Any], published: Attack) -> list[str]:
    unlike = []
    if attack["steps"] != published.steps:
        unlike.append(f"steps is {attack['steps']} (published: {published.steps})")
    if not isclose(attack["relative_step"], published.relative_step):
        mine, theirs = attack["relative_step"], published.relative_step
        unlike.append(f"relative_step is {mine:.4g} (published: {theirs:.4g})")
    return unlike


def _places(row: Row) -> list[tuple[str, str]]:
    numbers = row.adversarial or dict.fromkeys(_DRAWN, "")
    return [(CLEAN, row.clean or ""), *sorted(numbers.items(), key=lambda pair: -float(pair[0]))]


def _measured_at(measured: list[dict[Any, Any]], place: str) -> dict[str, Any] | None:
    """What was measured clean or at an epsilon, however that is spelled; None if nothing was."""
    for line in measured:
        if line["epsilon_text"] == place or (
            CLEAN not in (place, line["epsilon_text"]) and line["epsilon"] == float(place)
        ):
            shares = [count / line["images"] for count in line["correct"]]
            next_low = next_high = nan
            if len(shares) > 1:
                low, high = prediction_interval(shares)
                # A share of images is none below 0 or above 1.
                next_low, next_high = max(0.0, low), min(1.0, high)
            return {
                **{key: line[key] for key in _MEASURED},
                "next_low": next_low,
                "next_high": next_high,
            }
    return None


def _verdict(printed: str, found: dict[str, Any] | None, mark: str, unlike: list[str]) -> str:
    if not printed:
        return NO_NUMBER
    if mark and mark != CONTRADICTED:
        return mark
    if found is None:
        return NOT_ATTACKED
    if not found["seeds"]:
        return MISSING
    if unlike:
        return NOT_JUDGED
    share, slack = float(printed) / 100, float(half_a_digit(printed)) / 100
    ends = (("low", "high"), ("next_low", "next_high"))
    inside = any(found[low] - slack <= share <= found[high] + slack for low, high in ends)
    return AGREES if inside else DIFFERS
