"""An experiment as a config gives it, checked without importing torch."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from biorobust.config.models import ModelEntry
from biorobust.config.values import EpsilonText, Integer, Name, Number, Section, as_number

Positive = Annotated[Integer, Field(ge=1)]


class Data(Section):
    """Which images, at what size. `path` is where the source's files are, if it needs any."""

    source: Literal["digits", "fashion_mnist", "cifar10", "imagenette", "imagefolder", "imagenet10"]
    image_size: Annotated[Integer, Field(ge=32, le=4096, multiple_of=8)]
    path: str | None = None
    resize: Literal["thesis", "short_side"] = "thesis"
    train_limit: Positive | None = None
    test_limit: Positive | None = None
    on_corrupt: Literal["stop", "skip"] = "stop"


# Thesis §3.1 and public code: after 40, 60, 80 and 90 % of the epochs.
_PUBLISHED_STEPS = ((0.4, 1e-1), (0.6, 1e-2), (0.8, 1e-3), (0.9, 0.5e-3))

Share = Annotated[Number, Field(ge=0, lt=1)]
Factor = Annotated[Number, Field(gt=0, le=1)]


class Training(Section):
    """Adam with a step schedule; `learning_rate_steps` are [share of the epochs, factor]."""

    epochs: Positive
    batch_size: Annotated[Integer, Field(ge=2)] = 32
    learning_rate: Annotated[Number, Field(gt=0, le=10)] = 1e-3
    learning_rate_steps: tuple[tuple[Share, Factor], ...] = _PUBLISHED_STEPS
    augment: bool = True


class Pgd(Section):
    """Projected gradient descent; "rms" is what the thesis calls L2."""

    name: Name
    kind: Literal["pgd"]
    epsilons: Annotated[tuple[EpsilonText, ...], Field(min_length=1)]
    norm: Literal["linf", "l2", "rms"] = "linf"
    steps: Positive = 20
    relative_step: Annotated[Number, Field(gt=0, le=2)] = 1 / 3
    loss: Literal["cross_entropy", "margin"] = "cross_entropy"

    @model_validator(mode="after")
    def _epsilons_possible(self) -> Self:
        values = [as_number(text) for text in self.epsilons]
        if twice := _repeated(values):
            raise ValueError(f"epsilons: {twice[0]:g} is written twice; each value once")
        # A true L2 ball may be wider than one pixel's range.
        largest = math.inf if self.norm == "l2" else 1
        for text, value in zip(self.epsilons, values, strict=True):
            if not 0 <= value <= largest:
                raise ValueError(f"epsilons: {text} is not possible; allowed: 0 to 1 (pixel units)")
        return self


class Execution(Section):
    """How jobs run. Nothing here may change a number, so nothing here makes a result stale."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Positive = 1
    attack_batch_size: Positive = 50
    images_per_shard: Positive = 512


class Experiment(Section):
    """A whole config. Results stand in `results/<name>/`."""

    name: Name
    seeds: Annotated[tuple[Annotated[Integer, Field(ge=0, lt=2**31)], ...], Field(min_length=1)]
    data: Data
    training: Training
    models: Annotated[tuple[ModelEntry, ...], Field(min_length=1)]
    attacks: Annotated[tuple[Pgd, ...], Field(min_length=1)]
    execution: Execution = Execution()

    @model_validator(mode="after")
    def _written_once(self) -> Self:
        groups = {
            "seeds": self.seeds,
            "models": [entry.name for entry in self.models],
            "attacks": [entry.name for entry in self.attacks],
        }
        for where, values in groups.items():
            if twice := _repeated(values):
                raise ValueError(f"{where}: {twice[0]!r} is written twice; each once")
        return self


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, times in Counter(values).items() if times > 1]
