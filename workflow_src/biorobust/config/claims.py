"""What a config claims of its models, and the comparisons that decide each claim.

A claim is about accuracies of models in the experiment, clean or at epsilons of an attack. The
list goes with the models: an overlay that replaces these drops the claims that it does not give
anew (see `reading.overlaid`).
"""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from biorobust.config.values import Name, Number, Section, as_number, as_written

CLEAN, ALL = "clean", "all"


def _as_names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_conditions(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    try:
        texts = tuple(at if at in (CLEAN, ALL) else as_written(_number(at)) for at in values)
    except ValueError:
        texts = ()
    if not texts:
        raise ValueError(f"must be {CLEAN}, {ALL} (epsilons), an epsilon, or a list of these")
    return texts


def _number(value: Any) -> Any:
    as_number(value)
    return value


def _as_line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text, in quotes where it looks like something else")
    return " ".join(value.split())


Names = Annotated[tuple[Name, ...], BeforeValidator(_as_names)]
Line = Annotated[str, BeforeValidator(_as_line)]


class Claim(Section):
    """One claim: `better` over `worse` (each of these against each of those), or `models`.

    text: the claim in a sentence; source: who says it, and where. at: clean, an epsilon, all (of
    the attack's epsilons), or a list of these; the claim is about each of them. measure: accuracy,
    or retention (the share of images that the attack does not turn from right to wrong).
    direction: "higher"; "not_lower", by no more than `margin` points; "similar", within `margin`
    points either way. `models` is a list from best to worst, each against the next.
    """

    name: Name
    text: Line
    source: Line | None = None
    better: Names = ()
    worse: Names = ()
    models: Names = ()
    attack: Name | None = None
    at: Annotated[tuple[str, ...], BeforeValidator(_as_conditions)] = (ALL,)
    measure: Literal["accuracy", "retention"] = "accuracy"
    direction: Literal["higher", "not_lower", "similar"] = "higher"
    margin: Annotated[Number, Field(gt=0, le=100)] | None = Field(None, validate_default=True)

    @field_validator("margin")
    @classmethod
    def _margin_fits(cls, value: float | None, info: ValidationInfo) -> float | None:
        direction = info.data.get("direction", "higher")
        if direction != "higher" and value is None:
            raise ValueError(f"missing; direction {direction} needs one, in points")
        if direction == "higher" and "direction" in info.data and value is not None:
            raise ValueError("direction higher takes none; leave it out")
        return value

    @model_validator(mode="after")
    def _models_fit(self) -> "Claim":
        pairs = list(self.pairs())
        if bool(self.models) == bool(self.better or self.worse) or not pairs:
            raise ValueError("give better and worse, or models: at least two, from best to worst")
        if both := [first for first, second in pairs if first == second]:
            raise ValueError(f"{both[0]!r} cannot be compared with itself")
        if CLEAN in self.at and self.measure == "retention":
            raise ValueError("retention is about attacks; leave clean out of `at`")
        return self

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Who is said to be better than whom."""
        yield from pairwise(self.models) if self.models else product(self.better, self.worse)


def claim_faults(claim: Claim, models: list[str], attacks: dict[str, list[str]]) -> Iterator[str]:
    """What a claim names that the experiment lacks: place within the claim, and what to do.

    `attacks`: the epsilons' texts by attack, of attacks that have epsilons.
    """
    for field in ("better", "worse", "models"):
        for name in getattr(claim, field):
            if name not in models:
                yield f".{field}: there is no model {name!r}; models: {', '.join(models)}"
    if set(claim.at) == {CLEAN}:
        if claim.attack is not None:
            yield ".attack: a claim about clean images has none; leave it out"
        return
    known = f"attacks with epsilons: {', '.join(attacks) or 'none'}"
    if claim.attack is None:
        if len(attacks) != 1:
            yield f".attack: missing; it must be given here, for there is not just one; {known}"
    elif claim.attack not in attacks:
        yield f".attack: there is no attack {claim.attack!r} with epsilons; {known}"
    else:
        texts = attacks[claim.attack]
        for at in claim.at:
            if at not in (CLEAN, ALL) and _same(at, texts) is None:
                yield (f".at: {claim.attack} has no epsilon {at}; its epsilons: {', '.join(texts)}")


def planned_claim(claim: Claim, attacks: dict[str, list[str]]) -> dict[str, Any]:
    """A faultless claim as JSON-ready values: what it says, and the comparisons that decide it.

    A comparison is [better, worse, attack, epsilon's text, measure], attack "" for clean images.
    """
    attack = claim.attack or next(iter(attacks), "")
    texts: list[str] = []
    for at in claim.at:
        found = [at] if at == CLEAN else attacks[attack]
        texts += found if at in (CLEAN, ALL) else [str(_same(at, attacks[attack]))]
    return {
        "name": claim.name,
        "text": claim.text,
        "source": claim.source,
        "direction": claim.direction,
        "margin": claim.margin,
        "comparisons": [
            [*pair, "" if text == CLEAN else attack, text, claim.measure]
            for pair in claim.pairs()
            for text in dict.fromkeys(texts)
        ],
    }


def _same(at: str, texts: list[str]) -> str | None:
    """The text of the same number among an attack's epsilons."""
    return next((text for text in texts if as_number(text) == as_number(at)), None)
