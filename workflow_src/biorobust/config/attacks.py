"""What a config may say of each kind of attack. A test holds it against the constructors."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from biorobust.config.values import (
    EpsilonText,
    Name,
    NotEmpty,
    Number,
    Positive,
    Section,
    Switch,
)

Share = Annotated[Number, Field(gt=0, le=2)]


class _UnderBudget(Section):
    """An attack at each of its epsilons; "rms" is what the thesis calls L2."""

    name: Name
    norm: Literal["linf", "l2", "rms"] = "linf"
    epsilons: Annotated[tuple[EpsilonText, ...], NotEmpty]


class Fgsm(_UnderBudget):
    """The fast gradient sign method: one step."""

    kind: Literal["fgsm"]


class Bim(_UnderBudget):
    """The basic iterative method; `relative_step` is the step's size as a share of epsilon."""

    kind: Literal["bim"]
    steps: Positive = 10
    relative_step: Share = 1 / 5


class Pgd(_UnderBudget):
    """Projected gradient descent; with `restarts` each attempt has a random start of its own."""

    kind: Literal["pgd"]
    steps: Positive = 20
    relative_step: Share = 1 / 3
    loss: Literal["cross_entropy", "margin"] = "cross_entropy"
    random_start: Switch = False
    restarts: Positive = 1
    expectation: Positive = 1

    @field_validator("restarts")
    @classmethod
    def _restarts_differ(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("random_start") is False:
            raise ValueError("more than 1 needs random_start: true; each would be the same")
        return value


AttackEntry = Annotated[Bim | Fgsm | Pgd, Field(discriminator="kind")]
