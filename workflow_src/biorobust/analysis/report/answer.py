"""The report's answer in sentences: which front end helps, by how much, and how sure that is."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from biorobust.analysis.differences import LEVEL
from biorobust.analysis.differences_table import interval, points
from biorobust.analysis.finding_marks import Finding
from biorobust.analysis.summary import CLEAN, Grid, budgets
from biorobust.analysis.typesetting import NORM_NAMES

Line = dict[Hashable, Any]


class Answer(NamedTuple):
    """What stands first: a headline an attack, what goes with it, and how sure it is."""

    headlines: list[str]
    details: list[str]
    certainty: list[str]


def answer(lines: pd.DataFrame, grid: Grid, findings: Sequence[Finding]) -> Answer:
    """The answer from what `compare_with_plain` returns, and what the checks found.

    The model that helps most under an attack is, of those told to be more accurate than the plain
    one at an epsilon or more, the one with the largest difference on average over the epsilons.
    """
    if lines.empty:
        (model,) = grid["models"]
        only = f"This experiment has one model, {model['name']}: there is nothing to compare."
        return Answer([*_guessing(findings), only], [], list(_trust(findings)))
    attacks = [attack for attack in grid["attacks"] if budgets(attack)]
    headlines = list(_guessing(findings))
    details: list[str] = []
    for attack in attacks:
        norm = NORM_NAMES[attack["norm"]]
        under = f"Under the attack {attack['name']} ({norm} norm)"
        known = lines[(lines["attack"] == attack["name"]) & (lines["images"] > 0)]
        headlines.append(_headline(under, known))
        details += _others(under, known)
    if not attacks:
        headlines.append(
            "No attack of this experiment is given an ε, so there is no accuracy under attack to "
            "compare: see the sizes of the smallest perturbations."
        )
    clean = lines[(lines["epsilon_text"] == CLEAN) & (lines["images"] > 0)]
    details += [_on_clean(line) for line in clean.to_dict("records") if line["told"]]
    if not (clean["told"] != 0).any():
        details.append(
            f"On clean images no model is told from {lines['second'].iloc[0]}: what any of them "
            "costs or gains there is within chance."
        )
    return Answer(headlines, details, [*_certainty(lines), *_trust(findings)])


def claims_told(claims: pd.DataFrame) -> str:
    """How the claims of the config came out, in a sentence; `claims` is the tidy table of them."""
    verdicts = Counter(claims.drop_duplicates("claim")["verdict"])
    told = ", ".join(
        f"{verdicts[verdict]} {verdict}" for verdict in ("supported", "contradicted", "undecided")
    )
    total = sum(verdicts.values())
    which = "the one claim" if total == 1 else f"the {total} claims"
    return f"Of {which} that the config makes about these models: {told}."


def _guessing(findings: Sequence[Finding]) -> Iterator[str]:
    """A comparison with models that only guess says nothing of front ends, however clear it is."""
    failed = (f["model"] for f in findings if f["check"] == "learned" and f["verdict"] == "fail")
    if models := list(dict.fromkeys(failed)):
        yield (
            f"Not told from guessing on clean images, in at least one seed: {', '.join(models)}. "
            "How hard to fool a model is that guesses says nothing of its front end; train first."
        )


def _headline(under: str, known: pd.DataFrame) -> str:
    if known.empty:
        return f"{under} there are no results yet."
    plain, means = known["second"].iloc[0], known.groupby("first")["difference"].mean()
    helping = known.loc[known["told"] > 0, "first"].unique()
    if not len(helping):
        best = str(means.idxmax())
        return (
            f"{under} no model is told to be harder to fool than {plain}, at any ε. The largest "
            f"difference on average over ε is that of {best}: {points(means[best])} points."
        )
    best = max(helping, key=lambda model: means[model])
    mine = known[known["first"] == best]
    line = mine.loc[mine["difference"].idxmax()].to_dict()
    return (
        f"{under} {best} is hardest to fool: {points(means[best])} points of accuracy against "
        f"{plain} on average over {len(mine)} values of ε, and most at ε = {line['epsilon_text']}: "
        f"{_shares(line)}. At single values of ε another model may lead or not be told from it: "
        "see the marks in the tables below."
    )


def _shares(line: Line) -> str:
    """Both accuracies, and their difference with its interval."""
    first, second = (f"{100 * line[key]:.1f}%" for key in ("first_share", "second_share"))
    return (
        f"{first} against {second}, {points(line['difference'])} points (95% interval "
        f"{interval(line)})"
    )


def _others(under: str, known: pd.DataFrame) -> Iterator[str]:
    """Who else is told from the plain model, and who is not."""
    told: dict[str, list[str]] = {}
    for model, group in known.groupby("first", sort=False):
        better, worse = (group["told"] > 0).any(), (group["told"] < 0).any()
        kind = "both" if better and worse else "better" if better else "worse" if worse else "no"
        told.setdefault(kind, []).append(str(model))
    if told.keys() <= {"no"}:
        return
    plain = known["second"].iloc[0]
    for kind, says in (
        ("better", f"harder to fool than {plain} at one ε or more"),
        ("worse", f"easier to fool than {plain} at one ε or more"),
        ("both", f"harder to fool than {plain} at some ε and easier at others"),
        ("no", f"not told from {plain} at any ε"),
    ):
        if kind in told:
            yield f"{under}, {says}: {', '.join(told[kind])}."


def _on_clean(line: Line) -> str:
    side = "more" if line["told"] > 0 else "less"
    return f"On clean images {line['first']} is {side} accurate than {line['second']}: " + (
        f"{_shares(line)}."
    )


def _certainty(lines: pd.DataFrame) -> Iterator[str]:
    """What the differences were tested by, and what the test covers."""
    known = lines[lines["images"] > 0]
    if known.empty:
        return
    images, seeds = int(known["images"].max()), int(known["seeds"].map(max).max())
    tested = (
        f"“Told” means p < {LEVEL:.0%} in a paired test on the same {images} test images, "
        f"corrected by Holm's method over {len(known)} comparisons"
    )
    if seeds == 1:
        yield (
            f"{tested}. There is one seed a model: the test tells of these trained networks, and "
            "says nothing of others that are trained in the same way."
        )
        return
    yield (
        f"{tested}. Test and interval cover the choice of test images and that of the {seeds} seeds"
        " a model."
    )
    if seeds < 5:
        yield (
            f"{seeds} seeds are few: how seeds vary is learnt from all models together, and takes "
            "for granted that models of like accuracy vary alike."
        )


def _trust(findings: Sequence[Finding]) -> Iterator[str]:
    """Which models' numbers the checks object to."""
    if not findings:
        yield "No checks were run on these numbers."
        return
    objected = False
    for verdict, does in (("fail", "fail"), ("warn", "warn")):
        models = dict.fromkeys(f["model"] for f in findings if f["verdict"] == verdict)
        if models:
            objected = True
            yield f"Checks of the evaluation {does} for {', '.join(models)}: see the checks below."
    if not objected:
        yield "No check of the evaluation objects to any of these numbers."
