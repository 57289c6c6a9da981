"""How far an experiment is the published one: what it sets otherwise, model by model."""

from typing import Any

from pydantic import TypeAdapter

from biorobust.analysis.published_values import DATA_SETS, MODELS
from biorobust.config.attacks import Pgd
from biorobust.config.experiment import Data, Experiment, Training
from biorobust.config.models import ModelEntry

# What tells a model entry from another, but does not make the model.
_LABELS = {"name", "weights", "published"}


def published_comparison(experiment: Experiment) -> dict[str, Any]:
    """What the table of published values is made from, JSON-ready.

    "models": each model that says which published one it is, with `unlike`, a list of what its
    data, training or options have otherwise (empty where nothing). "attacks": each PGD attack
    with its norm, steps and relative step, and `unlike` for its other settings.
    """
    return {
        "models": [
            {
                "name": entry.name,
                "published": entry.published,
                "unlike": _unlike_published(experiment, entry),
            }
            for entry in experiment.models
            if entry.published is not None
        ],
        "attacks": [
            {
                "name": attack.name,
                "norm": attack.norm,
                "steps": attack.steps,
                "relative_step": attack.relative_step,
                "unlike": _unlike_default(attack),
            }
            for attack in experiment.attacks
            if isinstance(attack, Pgd)
        ],
    }


def _unlike_published(experiment: Experiment, entry: Any) -> list[str]:
    model = MODELS[entry.published]
    data_set = DATA_SETS[model.data_set]
    data = Data.model_validate(data_set.data)
    reference = TypeAdapter[Any](ModelEntry).validate_python({"name": "any", **model.options})
    unlike = [
        # The path and what to do with faulty images say nothing of the images.
        *_differences("data.", experiment.data, data, {"path", "on_corrupt", "on_duplicates"}),
        *_differences("", entry, reference, _LABELS),
    ]
    if entry.weights is not None:
        return [*unlike, "its weights were trained elsewhere"]
    training = experiment.training
    expected = Training(batch_size=data_set.batch_sizes[0], **data_set.training)
    unlike += _differences("training.", training, expected, {"batch_size"})
    if training.batch_size not in data_set.batch_sizes:
        sizes = " or ".join(map(str, data_set.batch_sizes))
        unlike.append(f"training.batch_size is {training.batch_size} (published: {sizes})")
    return unlike


def _unlike_default(attack: Pgd) -> list[str]:
    told = {"norm", "steps", "relative_step"}
    expected = Pgd(kind="pgd", name=attack.name, epsilons=attack.epsilons)
    return list(_differences("", attack, expected, {"name", "epsilons", *told}))


def _differences(prefix: str, given: Any, published: Any, ignored: set[str]) -> list[str]:
    """A line for each setting that is not the published one; other kinds differ by that alone."""
    mine, theirs = (section.model_dump(mode="json") for section in (given, published))
    if mine.get("kind") != theirs.get("kind"):
        return [f"kind is {mine['kind']} (published: {theirs['kind']})"]
    return [
        f"{prefix}{key} is {_spelled(mine[key])} (published: {_spelled(theirs[key])})"
        for key in theirs
        if key not in ignored and mine[key] != theirs[key]
    ]


def _spelled(value: Any) -> str:
    return "not given" if value is None else str(value)
