"""What a config may say of each kind of attack. A test holds it against the constructors.

What it may say of a user's own is told from the source of that.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from biorobust.config.own_kinds import BUILT_IN, BY_FORM, OWN, ClassOutline, Fault, OwnEntry
from biorobust.config.values import (
    EpsilonText,
    Integer,
    Name,
    NotEmpty,
    Number,
    Positive,
    Section,
    Switch,
)

Share = Annotated[Number, Field(gt=0, le=2)]
NotNegative = Annotated[Number, Field(ge=0)]
MoreThanNothing = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]


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

    @field_validator("restarts")
    @classmethod
    def _restarts_differ(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("random_start") is False:
            raise ValueError("more than 1 needs random_start: true; each would be the same")
        return value


class AdamPgd(_UnderBudget):
    """PGD with Adam's steps."""

    kind: Literal["adam_pgd"]
    steps: Positive = 40
    relative_step: Share = 1 / 30


class AdditiveUniformNoise(_UnderBudget):
    """Uniform noise, drawn anew `repeats` times."""

    kind: Literal["additive_uniform_noise"]
    repeats: Positive = 100


class Square(_UnderBudget):
    """Random search with squares; `share` of the image is what one covers at first."""

    kind: Literal["square"]
    queries: Positive = 5000
    share: Annotated[Number, Field(gt=0, le=1)] = 0.8


class AutoAttack(_UnderBudget):
    """AutoAttack's standard ensemble; needs the package pyautoattack."""

    kind: Literal["auto_attack"]


class _Minimal(Section):
    """An attack that searches for the smallest perturbation: one job, no epsilon."""

    name: Name


class DeepFool(_Minimal):
    """Steps to the nearest linearised boundary."""

    kind: Literal["deepfool"]
    norm: Literal["l2", "linf"] = "l2"
    steps: Positive = 50
    candidates: Annotated[Integer, Field(ge=2)] = 10
    overshoot: NotNegative = 0.02


class CarliniWagner(_Minimal):
    """Carlini and Wagner's L2 attack."""

    norm: ClassVar = "l2"
    kind: Literal["carlini_wagner"]
    steps: Positive = 1000
    binary_search_steps: Positive = 9
    step_size: MoreThanNothing = 1e-2
    confidence: NotNegative = 0.0


class Fmn(_Minimal):
    """The fast minimum-norm attack."""

    kind: Literal["fmn"]
    norm: Literal["l2", "linf"] = "l2"
    steps: Positive = 100
    gamma: Fraction = 0.05


class Ddn(_Minimal):
    """Decoupled direction and norm."""

    norm: ClassVar = "l2"
    kind: Literal["ddn"]
    steps: Positive = 100
    gamma: Fraction = 0.05
    start_size: MoreThanNothing = 1.0


class Boundary(_Minimal):
    """The boundary attack; `directions` are draws of noise to find a starting point."""

    norm: ClassVar = "l2"
    kind: Literal["boundary"]
    steps: Positive = 25_000
    directions: Positive = 1000
    spherical_step: MoreThanNothing = 1e-2
    source_step: MoreThanNothing = 1e-2


class HopSkipJump(_Minimal):
    """HopSkipJump; `probes` are the forward passes of its first gradient estimate."""

    kind: Literal["hop_skip_jump"]
    norm: Literal["l2", "linf"] = "l2"
    steps: Positive = 64
    probes: Positive = 100
    directions: Positive = 1000


class SinglePixel(_Minimal):
    """One pixel turned black or white."""

    norm: ClassVar = "l0"
    kind: Literal["single_pixel"]
    pixels: Positive = 1000


class LocalSearch(_Minimal):
    """Greedy local search over pixels."""

    norm: ClassVar = "l0"
    kind: Literal["local_search"]
    rounds: Positive = 150
    changed: Positive = 5
    distance: Positive = 5
    probe: MoreThanNothing = 10.0
    factor: Annotated[Number, Field(gt=1, le=2)] = 1.5


class GaussianBlur(_Minimal):
    """A Gaussian filter of growing width."""

    norm: ClassVar = "l2"
    kind: Literal["gaussian_blur"]
    steps: Positive = 1000


class SaltAndPepper(_Minimal):
    """More and more black and white pixels."""

    norm: ClassVar = "l2"
    kind: Literal["salt_and_pepper"]
    steps: Positive = 1000


class ContrastReduction(_Minimal):
    """Blending with mid-grey."""

    norm: ClassVar = "l2"
    kind: Literal["contrast_reduction"]
    steps: Positive = 1000


class OwnAttack(OwnEntry):
    """A user's own class, by reference; all other keys are options of its constructor.

    With epsilons it is under a budget, without it searches for the smallest perturbation. `norm`
    may be left out where the class or its constructor tells it.
    """

    no_options = ("norm",)

    name: Name
    norm: Literal["linf", "l2", "rms", "l0"] | None = None
    epsilons: Annotated[tuple[EpsilonText, ...], NotEmpty] | None = None

    def told_by(self, outline: ClassOutline) -> dict[str, Any]:
        return {"norm": self.norm or outline.norm}

    def faults_beside_options(self, outline: ClassOutline) -> Iterator[Fault]:
        for taken in {"epsilon", "seed"} & set(self.model_extra or {}):
            yield taken, "is not an option's name that an attack can have; rename it", None
        norm = self.norm or outline.norm
        fixed = None if "norm" in (outline.options or {}) else outline.norm
        if norm is None:
            yield "norm", "missing; say linf, l2, rms or l0, whichever the attack has", None
        elif fixed not in (None, norm):
            yield "norm", f"must be {fixed}, which is the attack's; leave it out", norm
        elif norm == "l0" and self.epsilons:
            yield "norm", "must be linf, l2 or rms, since there are epsilons", norm
        if outline.minimal is True and self.epsilons:
            yield "epsilons", f"{self.kind} searches for the smallest perturbation; leave it out", 0
        if outline.minimal is False and not self.epsilons:
            yield "epsilons", "missing; it must be given", None


BuiltInAttack = Annotated[
    AdamPgd
    | AdditiveUniformNoise
    | AutoAttack
    | Bim
    | Boundary
    | CarliniWagner
    | ContrastReduction
    | Ddn
    | DeepFool
    | Fgsm
    | Fmn
    | GaussianBlur
    | HopSkipJump
    | LocalSearch
    | Pgd
    | SaltAndPepper
    | SinglePixel
    | Square,
    Field(discriminator="kind"),
]
AttackEntry = Annotated[Annotated[BuiltInAttack, BUILT_IN] | Annotated[OwnAttack, OWN], BY_FORM]
