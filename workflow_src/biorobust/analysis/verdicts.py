"""Which image which trained model keeps: what every comparison of two models is made from."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from biorobust.places import AttackJob

Booleans = npt.NDArray[np.bool_]

_JOB = ["model", "seed", "attack", "epsilon_text"]


class Verdicts(NamedTuple):
    """For each trained model, [N] booleans in one order of the N test images.

    right: classified correctly clean, by (model, seed). kept: so too under attack, by job.
    """

    right: dict[tuple[str, int], Booleans]
    kept: dict[AttackJob, Booleans]

    def of(self, model: str, seeds: list[int], job: tuple[str, str] | None) -> dict[int, Booleans]:
        """By seed, of those of `seeds` that have a result, in their order.

        `job` is an attack and an epsilon's text, or None for clean images.
        """
        if job is None:
            return {s: self.right[model, s] for s in seeds if (model, s) in self.right}
        jobs = {seed: AttackJob(model, seed, *job) for seed in seeds}
        return {seed: self.kept[key] for seed, key in jobs.items() if key in self.kept}


def per_image(rows: pd.DataFrame) -> Verdicts:
    """The verdicts of collected rows, on which the jobs must agree (see `check_agreement`).

    An image is kept if it is classified correctly clean and broken neither at this epsilon nor
    at a smaller one of the same attack (column `broken`, which counts what checks broke too).
    """
    right = rows["clean_prediction"] == rows["label"]
    kept = right & ~rows["broken"].astype(bool)
    told = rows[[*_JOB, "image"]].assign(right=right, kept=kept)
    verdicts = Verdicts({}, {})
    for key, group in told.sort_values("image", kind="stable").groupby(_JOB, sort=False):
        job = AttackJob._make(key)
        # The jobs of a seed agree on the clean predictions, so that any of them speaks for all;
        # where the model draws at random, each is as good a draw as the others.
        verdicts.right[job.model, job.seed] = group["right"].to_numpy(bool)
        verdicts.kept[job] = group["kept"].to_numpy(bool)
    return verdicts
