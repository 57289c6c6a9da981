"""An experiment's folder as it is before its page is made, from made-up verdicts."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from biorobust.analysis.accuracy_bars import draw_accuracy_bars
from biorobust.analysis.accuracy_curve import draw_accuracy_curve
from biorobust.analysis.checks_table import write_checks
from biorobust.analysis.claims_table import write_claims
from biorobust.analysis.collect import Collected, facts_of, write_rows
from biorobust.analysis.differences_table import write_differences
from biorobust.analysis.figure_style import write_figure
from biorobust.analysis.html_table import as_html
from biorobust.analysis.robustness_table import write_robustness
from biorobust.analysis.survival_figure import draw_survival
from biorobust.analysis.tables import write_tables
from biorobust.files import sha256_of_file, write_json, write_text
from biorobust.places import PAGE, Outline, attack_jobs
from biorobust.planning import report_inputs, report_plan
from biorobust.provenance import make_record
from made_up_results import FINDING, make_plan
from tiny_jobs import arguments

IMAGES = 40
CLAIM = {
    "name": "ants",
    "text": "Ants are harder to fool.",
    "better": "ant",
    "worse": "zebra",
    "attack": "pgd",
    "at": ["0.01"],
}
# Correct clean, then left at each epsilon from the smallest up.
LEFT = {"zebra": [36, 20, 10, 2], "ant": [32, 31, 30, 22]}
_MADE: dict[str, Callable[[Path, Path], list[Path]]] = {
    "adversarial_accuracy": write_tables,
    "robustness": write_robustness,
    "checks": write_checks,
    "accuracy_curve": draw_accuracy_curve,
    "accuracy_bars": draw_accuracy_bars,
    "survival": draw_survival,
}


def page_outline() -> Outline:
    """An outline of two models, "zebra" the plain one, two attacks and a claim."""
    return deepcopy(_outline())


@cache
def _outline() -> Outline:
    return make_plan(claims=[CLAIM])


def renamed(outline: Outline, old: str, new: str) -> Outline:
    """The outline with another name of a model, one that a config may not even give."""
    text = json.dumps(outline)
    # As a name of its own, and in those of inputs.
    for before, after in ('""', "::", ':"'):
        text = text.replace(f"{before}{old}{after}", f"{before}{new}{after}")
    changed: Outline = json.loads(text)
    return changed


def page_command(
    folder: Path,
    outline: Outline,
    left: dict[str, list[int]] | None = None,
    *,
    drawn: bool = False,
    **finding: Any,
) -> list[str]:
    """Write all that the page is made from below `folder`; the arguments that make the page.

    `left` are counts as in `LEFT`, the same for every seed but for one image; `finding` changes
    the one finding that there is on each model. Figures are blank unless `drawn`.
    """
    rows = _rows(outline, left or LEFT)
    findings = [
        {**FINDING, "model": model["name"], "seed": seed, "group": "rows", **finding}
        for model in outline["models"]
        for seed in model["seeds"]
    ]
    corrections = rows[:0].assign(corrects="")
    collected = Collected(rows, [], ["a made-up warning"], corrections, findings)
    outputs = write_rows(folder, collected)
    places = {}
    for name, place, plan in report_inputs(outline, PAGE, PAGE):
        record = places[name] = folder / place
        if name == "results":
            facts = facts_of(outline, collected)
        elif name == "shards":
            outputs, facts = {}, {"images": IMAGES, "image_size": 32, "classes": ["a", "<b>"]}
        else:
            made = _report(folder, record.parent, name.partition(":")[2], plan, drawn=drawn)
            outputs, facts = {path.name: sha256_of_file(path) for path in made}, {}
        write_json(record, make_record(plan, {}, outputs, facts))
    page = {"report": folder / "report.json"}
    return arguments("report", report_plan(outline, PAGE, PAGE), places, page)


def _report(
    folder: Path, output: Path, name: str, plan: dict[str, Any], *, drawn: bool
) -> list[Path]:
    """The files of one table or figure; a stand-in where it is not made from rows alone."""
    if name in _MADE and (drawn or plan["stage"] == "tables"):
        return _MADE[name](folder, output)
    if name == "claims":
        return write_claims(folder, output, plan["config"])
    if name == "differences":
        return write_differences(folder, output, [])
    if plan["stage"] == "figures":
        return write_figure(lambda: Figure(figsize=(4, 2)), output, name)
    if plan["stage"] == "cards":
        write_text(output / f"{name}.md", "# A stand-in\n")
        return [output / f"{name}.md"]
    path = output / f"{name}.html"
    write_text(path, as_html([name, "jobs"], {"one": [["1"]]}, ["A stand-in."]))
    return [path]


def _rows(outline: Outline, left: dict[str, list[int]]) -> pd.DataFrame:
    frames = []
    attacks = {attack["name"]: attack for attack in outline["attacks"]}
    kinds = {model["name"]: model["kind"] for model in outline["models"]}
    image = np.arange(IMAGES)
    for job in attack_jobs(outline):
        attack, counts = (
            attacks[job.attack],
            left["zebra" if kinds[job.model] == "standard" else "ant"],
        )
        place = [e["text"] for e in attack["epsilons"]].index(job.epsilon)
        clean, kept = counts[0] - job.seed % 2, counts[1 + place] - job.seed % 2
        right, broken = image < clean, (image >= kept) & (image < clean)
        size = np.where(broken, attack["epsilons"][place]["value"], 1e-6)
        frames.append(
            pd.DataFrame(
                {
                    "model": job.model,
                    "kind": kinds[job.model],
                    "seed": job.seed,
                    "attack": job.attack,
                    "attack_kind": attack["kind"],
                    "norm": attack["norm"],
                    "epsilon": attack["epsilons"][place]["value"],
                    "epsilon_text": job.epsilon,
                    "image": [f"test/{i:03d}" for i in image],
                    "label": image % 2,
                    "clean_prediction": np.where(right, image % 2, 1 - image % 2),
                    "adversarial_prediction": np.where(right & ~broken, image % 2, 1 - image % 2),
                    "success": broken,
                    "steps": 20,
                    "loss": 0.5,
                    "linf": size,
                    "l2": 3 * size,
                    "rms": size / 2,
                    "broken": broken,
                    "broken_uncorrected": broken,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
