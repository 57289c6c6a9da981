"""The stages by name: where the code of each starts, and what a figure is drawn from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from biorobust.extensions import is_reference


class Figure(NamedTuple):
    """Where a figure's code starts, and what the figure is drawn from.

    inputs: any of "results" (the collected rows), "shards" (the test images), "models" (trained
    models, each from its first seed, to be run) and "trainings" (what models remember of their
    training, from every seed; weights trained elsewhere remember nothing). kinds: only models of
    these kinds count; all do where it is empty. most: not more than so many models, the first.
    attack: the experiment's first attack with epsilons is carried out again. moments: what it
    wants of the models takes moments, without a GPU.

    An experiment that has no such model, or no such attack, does without the figure.
    """

    module: str
    inputs: tuple[str, ...] = ("results",)
    kinds: tuple[str, ...] = ()
    most: int | None = None
    attack: bool = False
    moments: bool = False

    @property
    def runs_model(self) -> bool:
        """Whether it is a job for a machine that models run on."""
        return "models" in self.inputs and not self.moments


STAGES = {
    "shard": "biorobust.data.stage",
    "train": "biorobust.training.stage",
    "attack": "biorobust.attacks.stage",
    "check": "biorobust.checks.stage",
    "collect": "biorobust.analysis.collect",
}
TABLES = {
    "adversarial_accuracy": "biorobust.analysis.tables",
    "checks": "biorobust.analysis.checks_table",
    "robustness": "biorobust.analysis.robustness_table",
    "trade_off": "biorobust.analysis.trade_off_table",
    "published": "biorobust.analysis.published_table",
    "data": "biorobust.analysis.data_table",
    "differences": "biorobust.analysis.differences_table",
    "claims": "biorobust.analysis.claims_table",
    "costs": "biorobust.analysis.costs_table",
}
FIGURES = {
    "accuracy_curve": Figure("biorobust.analysis.accuracy_curve"),
    "accuracy_bars": Figure("biorobust.analysis.accuracy_bars"),
    "survival": Figure("biorobust.analysis.survival_figure"),
    "dataset_samples": Figure("biorobust.analysis.dataset_samples", ("shards",)),
    "retinal_sampling": Figure(
        "biorobust.analysis.retinal_sampling",
        ("shards",),
        kinds=("retinal_fixations", "multi_gaze"),
    ),
    "cortical_scales": Figure(
        "biorobust.analysis.cortical_scales",
        ("shards", "models"),
        kinds=("cortical_fixations",),
        moments=True,
    ),
    "transformer_boxes": Figure(
        "biorobust.analysis.transformer_boxes",
        ("shards", "models"),
        kinds=("parallel_transformers",),
    ),
    "gaze_view": Figure(
        "biorobust.analysis.gaze_view", ("shards", "models"), kinds=("multi_gaze",)
    ),
    "gazes": Figure("biorobust.analysis.gazes_figure", ("shards", "models"), kinds=("multi_gaze",)),
    "gaze_trajectories": Figure(
        "biorobust.analysis.gaze_trajectories",
        ("trainings",),
        kinds=("multi_gaze", "parallel_transformers"),
    ),
    "adversarial_example": Figure(
        "biorobust.analysis.adversarial_example", ("shards", "models"), most=2, attack=True
    ),
}
CARDS = "biorobust.analysis.cards.stage"
PAGE = "biorobust.analysis.report.stage"


def stage_modules(plan: Mapping[str, Any]) -> list[str]:
    """The modules in which a planned job's code starts: the stage's, its models', its attack's.

    Those of a user's own models, attacks and data set are as the config names them.
    """
    if plan["stage"] == "tables":
        module = TABLES[plan["name"]]
    elif plan["stage"] == "figures":
        module = FIGURES[plan["name"]].module
    elif plan["stage"] == "cards":
        module = CARDS
    elif plan["stage"] == "report":
        module = PAGE
    else:
        module = STAGES[plan["stage"]]
    used = [plan[key] for key in ("implementation", "attack_implementation") if key in plan]
    used += plan.get("implementations", [])
    if plan["stage"] == "shard" and is_reference(plan["config"]["source"]):
        used.append(plan["config"]["source"])
    return [module, *(implementation.split(":")[0] for implementation in used)]
