"""An experiment as a config gives it, checked without importing torch."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from biorobust.config.attacks import AttackEntry
from biorobust.config.checks import Checks
from biorobust.config.claims import Claim
from biorobust.config.models import ModelEntry
from biorobust.config.own_kinds import read_outline
from biorobust.config.values import (
    Integer,
    Name,
    NotEmpty,
    Number,
    Positive,
    Section,
    Switch,
    as_integer,
)
from biorobust.data.sources.catalogue import SOURCES
from biorobust.extensions import SPELLINGS, is_reference

Seed = Annotated[Integer, Field(ge=0, lt=2**31)]


def as_image_size(value: Any) -> int:
    """N in pixels, or text that spells it. Raises ValueError for what no model can take."""
    try:
        size = as_integer(value)
    except ValueError:
        size = 0
    if size % 8 or not 32 <= size <= 4096:
        raise ValueError("must be a whole number, a multiple of 8, from 32 to 4096")
    return size


def _as_source(value: Any) -> str:
    if isinstance(value, str) and is_reference(value):
        read_outline(value)
        return value
    if value not in SOURCES:
        raise ValueError(f"must be {', '.join(map(repr, SOURCES))}, or your own as {SPELLINGS}")
    return str(value)


class Data(Section):
    """Which images, at what size. `path` is where the source's files are, if it needs any.

    `on_duplicates`: what becomes of a test set that holds training images, pixel for pixel.
    """

    source: Annotated[str, BeforeValidator(_as_source)]
    image_size: Annotated[int, BeforeValidator(as_image_size)]
    path: str | None = None
    resize: Literal["thesis", "short_side"] = "thesis"
    train_limit: Positive | None = None
    test_limit: Positive | None = None
    on_corrupt: Literal["stop", "skip"] = "stop"
    on_duplicates: Literal["stop", "allow"] = "stop"


# Thesis §3.1 and public code: after 40, 60, 80 and 90 % of the epochs.
_PUBLISHED_STEPS = ((0.4, 1e-1), (0.6, 1e-2), (0.8, 1e-3), (0.9, 0.5e-3))

Share = Annotated[Number, Field(ge=0, lt=1)]
Factor = Annotated[Number, Field(gt=0, le=1)]
Steps = tuple[tuple[Share, Factor], ...]


def _ascending(steps: Steps) -> Steps:
    if any(before >= after for (before, _), (after, _) in pairwise(steps)):
        raise ValueError("must be a list of [share, factor] with ascending shares")
    return steps


class Training(Section):
    """Adam with a step schedule; `learning_rate_steps` are [share of the epochs, factor]."""

    epochs: Positive
    batch_size: Annotated[Integer, Field(ge=2)] = 32
    learning_rate: Annotated[Number, Field(gt=0, le=10)] = 1e-3
    learning_rate_steps: Annotated[Steps, AfterValidator(_ascending)] = _PUBLISHED_STEPS
    augment: Switch = True


class Execution(Section):
    """How jobs run. What is asked stays the same, so nothing here makes a result stale.

    `checkpoint_minutes`: how much training a kill may cost, where an epoch takes longer.
    `attack_shards`: into how many jobs a test set is split, which work at the same time.
    `attack_precision` and `attack_compiled` are of a first pass that finds; float32 judges.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Positive = 1
    checkpoint_minutes: Annotated[Number, Field(gt=0)] = 10
    attack_batch_size: Positive = 64
    attack_shards: Annotated[Integer, Field(ge=1, le=1000)] = 1
    attack_precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    attack_compiled: Switch = False
    attack_channels_last: Switch = True
    images_per_shard: Positive = 512


class Experiment(Section):
    """A whole config. Results stand in `results/<name>/`.

    `smoke` asks for the same experiment made tiny (see `smoke.slimmed`).
    `reading.read_experiment` also checks that no seed, name or epsilon is written twice.
    """

    name: Name
    smoke: Switch = False
    seeds: Annotated[tuple[Seed, ...], NotEmpty]
    data: Data
    training: Training
    models: Annotated[tuple[ModelEntry, ...], NotEmpty]
    attacks: Annotated[tuple[AttackEntry, ...], NotEmpty]
    claims: tuple[Claim, ...] = ()
    checks: Checks = Checks()
    execution: Execution = Execution()
