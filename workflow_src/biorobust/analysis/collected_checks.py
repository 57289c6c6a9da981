"""What the checks of an experiment found, and the honest rows that they made.

In: the check jobs' `<group>.findings.json` and `<group>.corrections.csv`. Out: findings as
JSON-ready entries with model, seed and group, and corrections as a table like the attacks' rows.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.files import read_json
from biorobust.places import CheckJob, Outline, named

Findings = list[dict[str, Any]]

# What tells an attack job from another; a correction is of one.
_JOB = ["model", "seed", "attack", "epsilon_text"]
_ROW = ["label", "clean_prediction", "adversarial_prediction", "success", "steps", "loss"]
_ROW += ["linf", "l2", "rms"]


def read_findings(job: CheckJob, record: Path) -> Findings:
    """What the job's checks found, in the order of the experiment's checks."""
    where = {"model": job.model, "seed": job.seed, "group": job.group}
    found = read_json(record.with_name(f"{record.stem}.findings.json"))
    return [{**where, **finding} for finding in found]


def read_corrections(outline: Outline, job: CheckJob, record: Path) -> pd.DataFrame:
    """The job's honest rows, with the columns of an attack's and `corrects`; often none."""
    path = record.with_name(f"{record.stem}.corrections.csv")
    texts = dict.fromkeys(("attack", "corrects", "epsilon_text", "image"), str)
    rows = pd.read_csv(path, dtype=texts, keep_default_na=False)
    rows["success"] = rows["success"].astype(bool)
    attacks = [named(outline["attacks"], name) for name in rows["corrects"]]
    texts_and_attacks = zip(rows["epsilon_text"], attacks, strict=True)
    rows.insert(0, "model", job.model)
    rows.insert(1, "kind", named(outline["models"], job.model)["kind"])
    rows.insert(2, "seed", job.seed)
    rows["norm"] = [attack["norm"] for attack in attacks]
    rows["epsilon"] = [
        next(e["value"] for e in attack["epsilons"] if e["text"] == text)
        for text, attack in texts_and_attacks
    ]
    return rows


def joined_corrections(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The corrections of several jobs in one table."""
    columns = ["model", "kind", "seed", "attack", "corrects", "epsilon_text", "image", *_ROW]
    columns += ["norm", "epsilon"]
    kept = [table for table in tables if len(table)]
    # A table without rows has no types either, and pandas would let it change those of others.
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=columns)


def with_determinism(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Add `deterministic`: false for a (model, seed) that fails the check of determinism.

    Its jobs may see different clean predictions of the same weights; no other's may.
    """
    drawing = {
        (finding["model"], finding["seed"])
        for finding in findings
        if finding["check"] == "determinism" and finding["verdict"] == "fail"
    }
    trained = pd.MultiIndex.from_frame(rows[["model", "seed"]])
    return rows.assign(deterministic=[key not in drawing for key in trained])


def closed(rows: pd.DataFrame, corrections: pd.DataFrame) -> pd.DataFrame:
    """Add two verdicts: `broken_uncorrected` and, with what the checks found besides, `broken`.

    An image is broken by an attack at an epsilon if the attack, or for `broken` a correction of
    it, broke it there or in a smaller ball of the same norm, which this ball contains. Rows must
    come with epsilons ascending within (model, seed, attack).
    """
    found = corrections[corrections["success"].astype(bool)]
    corrected = pd.MultiIndex.from_frame(
        found[["model", "seed", "corrects", "epsilon_text", "image"]]
    )
    broken = pd.MultiIndex.from_frame(rows[[*_JOB, "image"]]).isin(corrected) | rows["success"]
    same = [rows[name] for name in ("model", "seed", "attack", "image")]
    return rows.assign(
        broken=broken.groupby(same, sort=False).cummax().astype(bool),
        broken_uncorrected=rows["success"].groupby(same, sort=False).cummax().astype(bool),
    )
