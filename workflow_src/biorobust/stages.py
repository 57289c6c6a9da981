"""The stages by name: where the code of each starts."""

STAGES = {
    "shard": "biorobust.data.stage",
    "train": "biorobust.training.stage",
    "attack": "biorobust.attacks.stage",
    "collect": "biorobust.analysis.collect",
}
TABLES = {
    "adversarial_accuracy": "biorobust.analysis.tables",
    "robustness": "biorobust.analysis.robustness_table",
    "trade_off": "biorobust.analysis.trade_off_table",
    "published": "biorobust.analysis.published_table",
}
FIGURES = {
    "accuracy_curve": "biorobust.analysis.accuracy_curve",
    "survival": "biorobust.analysis.survival_figure",
}


def stage_modules(plan: dict[str, str]) -> list[str]:
    """The modules in which a planned job's code starts: the stage's, its model's, its attack's."""
    named = {"tables": TABLES, "figures": FIGURES}.get(plan["stage"])
    module = named[plan["name"]] if named else STAGES[plan["stage"]]
    used = [plan[key] for key in ("implementation", "attack_implementation") if key in plan]
    return [module, *(implementation.split(":")[0] for implementation in used)]
