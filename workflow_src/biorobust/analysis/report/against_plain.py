"""Every model set beside the plain one: what the report's answer is drawn from."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from biorobust.analysis.differences import LEVEL, against_the_first, compare
from biorobust.analysis.differences_table import interval, points
from biorobust.analysis.html_table import as_html, as_paragraphs
from biorobust.analysis.summary import CLEAN, Grid
from biorobust.analysis.typesetting import Body, Strong
from biorobust.analysis.verdicts import Verdicts

Line = dict[Hashable, Any]

_PLAIN_KIND = "standard"


def plain_model(grid: Grid) -> str:
    """The model that the others are set beside: the first without a front end, else the first."""
    kinds = {model["kind"]: model["name"] for model in reversed(grid["models"])}
    return kinds.get(_PLAIN_KIND, grid["models"][0]["name"])


def compare_with_plain(verdicts: Verdicts, grid: Grid) -> pd.DataFrame:
    """What `compare` returns of every other model against `plain_model`, in the grid's order.

    On clean images and at each attack's epsilons, the largest first; p corrected by Holm's method
    over all of these. Without rows where there is but one model.
    """
    plain = plain_model(grid)
    models = sorted(grid["models"], key=lambda model: model["name"] != plain)
    return compare(verdicts, grid, against_the_first({**grid, "models": models}))


def tables_against_plain(lines: pd.DataFrame) -> str:
    """HTML of a table an attack, a row a model: differences in points with their intervals.

    `lines` is what `compare_with_plain` returns, one comparison at least. Bold is what is told.
    """
    clean = lines[lines["epsilon_text"] == CLEAN]
    attacks = [attack for attack in lines["attack"].unique() if attack]
    tables = []
    for attack in attacks or [""]:
        group = pd.concat([clean, lines[lines["attack"] == attack]]) if attack else clean
        texts = list(dict.fromkeys(group["epsilon_text"]))
        header = [attack or "Model", *(text if text == CLEAN else f"ε = {text}" for text in texts)]
        body: Body = {
            str(model): [_cell(line) for line in of_model.to_dict("records")]
            for model, of_model in group.groupby("first", sort=False)
        }
        tables.append(as_html(header, body, []))
    plain = lines["second"].iloc[0]
    meaning = (
        f"Accuracy less that of {plain}, in points (% of the test images), with its 95% interval. "
        f"Bold: told from {plain} at {LEVEL:.0%} by a paired test on the same images, corrected by "
        f"Holm's method over the {int(lines['p'].notna().sum())} comparisons shown here."
    )
    return "\n".join([*tables, *as_paragraphs([meaning])]) + "\n"


def _cell(line: Line) -> list[str]:
    if not line["images"]:
        return ["missing"]
    difference = points(line["difference"])
    return [Strong(difference) if line["told"] else difference, interval(line)]
