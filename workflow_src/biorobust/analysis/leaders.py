"""The best model of each column of a table, and those that the data do not tell from it."""

from biorobust.analysis.differences import ACCURACY, Comparison, compare, kept_seeds
from biorobust.analysis.summary import CLEAN, Grid, budgets
from biorobust.analysis.verdicts import Verdicts


def leaders(verdicts: Verdicts, grid: Grid, attack: str) -> dict[str, set[str]]:
    """By epsilon's text or "clean": the models of the best mean accuracy, or not told from it.

    Each other model is compared with the best (see `compare`), with p corrected over the column.
    Empty where the best is told from none of them, as where no model survives.
    """
    entry = next(found for found in grid["attacks"] if found["name"] == attack)
    found: dict[str, set[str]] = {}
    for text in (CLEAN, *budgets(entry)):
        condition = ("" if text == CLEAN else attack, text)
        means = {}
        for model in grid["models"]:
            seeds = kept_seeds(verdicts, model["name"], model["seeds"], *condition, ACCURACY)
            if seeds:
                means[model["name"]] = sum(kept.mean() for kept in seeds.values()) / len(seeds)
        best = max(means, key=means.__getitem__, default="")
        others = [Comparison(best, model, *condition) for model in means if model != best]
        lines = compare(verdicts, grid, others).to_dict("records")
        equals = {line["second"] for line in lines if not line["told"]}
        found[text] = equals | {best} if len(equals) < len(others) else set()
    return found
