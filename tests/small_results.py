"""Small results as the collect stage writes them, for tables of numbers worked out by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from biorobust.analysis.collected_checks import joined_corrections
from biorobust.analysis.summary import Grid

HARD_NAME = r"a_b%c&#$~^{x}\y|<z>"
"""A name that every typesetter must escape."""
FIVE = {"0.001": 0.001, "0.005": 0.005, "0.01": 0.01, "0.02": 0.02, "0.05": 0.05}
VALUES: dict[str, float | None] = {**FIVE, "8/255": 8 / 255, "minimal": None}


def counted_job(
    model: str, seed: int, attack: str, text: str, clean: int, robust: int, *, images: int = 10
) -> pd.DataFrame:
    """Images of two classes: the first `clean` are right, the first `robust` survive."""
    image = np.arange(images)
    predictions = np.where(image < clean, image % 2, 1 - image % 2)
    return pd.DataFrame(
        {
            "model": model,
            "kind": "resnet",
            "seed": seed,
            "attack": attack,
            "attack_kind": "pgd",
            "norm": "linf",
            "epsilon": VALUES[text],
            "epsilon_text": text,
            "image": [f"{i:03d}" for i in image],
            "label": image % 2,
            "clean_prediction": predictions,
            "adversarial_prediction": predictions,
            # The raw verdict stays False: only the closed one counts.
            "success": False,
            "steps": 20,
            "loss": 0.0,
            "linf": 0.0,
            "l2": 0.0,
            "rms": 0.0,
            "broken": (image >= robust) & (image < clean),
        }
    )


def sized_job(
    model: str, seed: int, attack: str, text: str, sizes: Sequence[float | None]
) -> pd.DataFrame:
    """An image a size: 0 is misclassified clean, None survives, else broken by that L-inf size.

    The true L2 norm is three times as large and the RMS half as large. An image that survives is
    perturbed as well, by very little, as an attack's last iterate is.
    """
    wrong = np.array([size == 0 for size in sizes])
    broken = np.array([size is not None for size in sizes]) & ~wrong
    linf = np.array([1e-6 if size is None else size for size in sizes])
    return pd.DataFrame(
        {
            "model": model,
            "kind": "resnet",
            "seed": seed,
            "attack": attack,
            "attack_kind": "pgd",
            "norm": "linf",
            "epsilon": np.nan if VALUES[text] is None else VALUES[text],
            "epsilon_text": text,
            "image": [f"{i:03d}" for i in range(len(sizes))],
            "label": 1,
            "clean_prediction": np.where(wrong, 0, 1),
            "adversarial_prediction": np.where(wrong | broken, 0, 1),
            "success": broken,
            "steps": 20,
            "loss": 0.0,
            "linf": linf,
            "l2": 3 * linf,
            "rms": linf / 2,
            "broken": broken,
        }
    )


def corrected(job: pd.DataFrame, by: str, sizes: Sequence[float | None]) -> pd.DataFrame:
    """Rows of a check that corrects a job of `sized_job`, an image a size as there."""
    model, seed, attack, text = job.iloc[0][["model", "seed", "attack", "epsilon_text"]]
    rows = sized_job(model, seed, f"{attack}+{by}", text, sizes)
    return rows.drop(columns="broken").assign(corrects=attack)


def finding(model: str, seed: int, check: str, verdict: str, **changes: Any) -> dict[str, Any]:
    """What a check found, as the collect stage writes it."""
    return {
        "model": model,
        "seed": seed,
        "group": "rows",
        "check": check,
        "verdict": verdict,
        "figure": 0.25,
        "threshold": "warns above 0, fails above 1",
        "images": [],
        "sentence": f"{check} of {model} {seed}.",
        "attack": "",
        "forward_passes": 3,
        "backward_passes": 2,
        "honest_forward_passes": 0,
        "honest_backward_passes": 0,
        **changes,
    }


def make_grid(models: dict[str, list[int]], attacks: dict[str, list[str]]) -> Grid:
    return {
        "models": [
            {"name": name, "kind": "resnet", "seeds": seeds} for name, seeds in models.items()
        ],
        "attacks": [
            {
                "name": name,
                "norm": "linf",
                "epsilons": [{"text": text, "value": VALUES[text]} for text in texts],
            }
            for name, texts in attacks.items()
        ],
        "checks": [],
    }


def write_results(
    folder: Path,
    rows: pd.DataFrame,
    grid: Grid,
    findings: list[dict[str, Any]] | None = None,
    corrections: Sequence[pd.DataFrame] = (),
) -> Path:
    """The collect stage's files; what the rows lack is listed as missing."""
    done = set(zip(rows["model"], rows["seed"], rows["attack"], rows["epsilon_text"], strict=True))
    missing = [
        {"model": m["name"], "seed": seed, "attack": a["name"], "epsilon": e["text"]}
        for m in grid["models"]
        for seed in m["seeds"]
        for a in grid["attacks"]
        for e in a["epsilons"]
        if (m["name"], seed, a["name"], e["text"]) not in done
    ]
    folder.mkdir(exist_ok=True)
    rows.to_parquet(folder / "results.parquet")
    joined_corrections(list(corrections)).to_parquet(folder / "corrections.parquet")
    record: dict[str, Any] = {
        "experiment": "small",
        "grid": grid,
        "missing": missing,
        "checks": findings or [],
    }
    (folder / "results.json").write_text(json.dumps(record))
    return folder
