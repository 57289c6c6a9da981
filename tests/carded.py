"""Results of two small models, worked out by hand, and the card of one of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from biorobust.analysis.cards.schema import Card
from biorobust.analysis.cards.stage import make_card
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.files import sha256_of_file, write_json, write_text
from biorobust.places import AttackJob, Outline, attack_record, training_record
from biorobust.planning import card_config
from biorobust.provenance import run_report
from small_results import corrected, finding, sized_job, write_results
from tiny_jobs import tiny_config

MODELS = [
    {"name": "plain", "kind": "standard", "width": 2},
    {"name": "other", "kind": "retinal_fixations", "width": 2},
]
ATTACKS = [
    {"name": "pgd", "kind": "pgd", "epsilons": ["8/255", "0.01"], "steps": 4},
    {"name": "cw", "kind": "carlini_wagner"},
]
# Ten images. Of a seed: (attack, epsilon): size of the perturbation that breaks each; 0 where the
# clean image is misclassified, None where it stands.
SEED_0: dict[tuple[str, str], list[float | None]] = {
    ("pgd", "0.01"): [0, 0, 0.01, 0.01, None, None, None, None, None, None],
    ("pgd", "8/255"): [0, 0, 0.03, 0.03, 0.03, 0.03, None, None, None, None],
    ("cw", "minimal"): [0, 0, 0.5, 0.25, 0.25, None, None, None, None, None],
}
SEED_1: dict[tuple[str, str], list[float | None]] = {
    ("pgd", "0.01"): [0, 0.01, 0.01, 0.01, 0.01, None, None, None, None, None],
    ("pgd", "8/255"): [0, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, None, None],
    ("cw", "minimal"): [0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
}
# What a check broke besides: seed 0 at 8/255.
CORRECTED = "006"
VERSIONS = {"python": "3.11.4", "torch": "2.9"}


def of_plain(check: str, seed: int, verdict: str = "pass", **changes: Any) -> dict[str, Any]:
    """What a check found on model "plain"."""
    told: dict[str, Any] = {"images": ["003"], "forward_passes": 10, "backward_passes": 1}
    if verdict == "skipped":
        told |= {"figure": None, "threshold": ""}
    told["sentence"] = f"What {check} says of seed {seed}."
    return finding("plain", seed, check, verdict, **told | changes)


FINDINGS = [
    of_plain("monotone", 0, attack="pgd"),
    of_plain("monotone", 1, "warn", attack="pgd"),
    of_plain("nesting", 0, "fail", attack="pgd", honest_forward_passes=5),
    of_plain("nesting", 0, attack="cw"),
    of_plain("nesting", 1, attack="pgd"),
    of_plain("nesting", 1, attack="cw"),
    of_plain("epsilon_unit", 0, "skipped"),
    of_plain("epsilon_unit", 1, "skipped"),
    of_plain("determinism", 0, group="cheap"),
    of_plain("determinism", 1, group="cheap"),
    of_plain("batch_independence", 0, group="cheap"),
    of_plain("batch_independence", 1, group="cheap"),
    finding("other", 0, "learned", "fail"),
]


@dataclass(frozen=True)
class Carded:
    """An experiment's folder with everything that a card is made from."""

    folder: Path
    outline: Outline

    def card(self, command: str = "snakemake --cores 1") -> Card:
        """The card of model "plain"."""
        places = {seed: self.folder / training_record("plain", seed) for seed in (0, 1)}
        return make_card(
            card_config(self.outline, "plain"),
            directory=self.folder,
            manifest=self.folder / "shards/test/manifest.json",
            trainings={seed: (path, json.loads(path.read_text())) for seed, path in places.items()},
            command=command,
        )


def make_carded(folder: Path, findings: Sequence[dict[str, Any]] = tuple(FINDINGS)) -> Carded:
    """Write the results, records, histories and run reports of the two models."""
    data = {"source": "digits", "image_size": 32, "test_limit": 10}
    config = tiny_config(data=data, seeds=[0, 1], models=MODELS, attacks=ATTACKS)
    outline = make_outline(Experiment.model_validate(config), cache=folder / "hashes.json")
    grid: Any = {
        "models": [{k: model[k] for k in ("name", "kind", "seeds")} for model in outline["models"]],
        "attacks": outline["attacks"],
        "checks": [{"name": group["name"]} for group in outline["checks"]],
    }
    rows = pd.concat(
        sized_job(model, seed, attack, text, sizes)
        for model, seeds in (("plain", [SEED_0, SEED_1]), ("other", [SEED_1, SEED_1]))
        for seed, jobs in enumerate(seeds)
        for (attack, text), sizes in jobs.items()
    ).assign(broken_uncorrected=lambda rows: rows["broken"])
    place = (rows["model"] == "plain") & (rows["seed"] == 0) & (rows["epsilon_text"] == "8/255")
    rows.loc[place & (rows["image"] == CORRECTED), "broken"] = True
    write_results(folder, rows.reset_index(drop=True), grid, list(findings), _corrections())
    _write_shards(folder / "shards")
    for model, seed in (("plain", 0), ("plain", 1)):
        _write_training(folder / training_record(model, seed), seed)
        for attack, text in SEED_0:
            path = folder / attack_record(AttackJob(model, seed, attack, text))
            execution = {"threads": 2, "attack_precision": "bfloat16" if seed else "float32"}
            _write_report(path, device="cpu", execution=execution)
    return Carded(folder, outline)


def _corrections() -> list[pd.DataFrame]:
    """Of two checks one broke an image that the attack had not, and both some that it had."""
    job = sized_job("plain", 0, "pgd", "8/255", SEED_0["pgd", "8/255"])
    known = SEED_0["pgd", "8/255"]
    found = [*known[:6], 0.02, *known[7:]]
    return [corrected(job, "nesting", found), corrected(job, "restarts", known)]


def _write_shards(folder: Path) -> None:
    facts = {"classes": ["a", "b"], "image_size": 32, "skipped": []}
    write_json(folder / "train/manifest.json", {**facts, "skipped": ["torn.png"]})
    write_json(folder / "test/manifest.json", facts)
    write_hygiene(folder)


def write_hygiene(folder: Path) -> None:
    """What sharding found out about made-up images, beside those of the folder `test`."""
    none = {"images": 0, "other_label": 0, "first": []}
    split = dict.fromkeys(("constant", "enlarged", "exact", "near"), none)
    split |= {"small_classes": []}
    write_json(
        folder / "test/hygiene.json",
        {
            "splits": {
                "train": {**split, "images": 16, "images_per_class": {"a": 9, "b": 7}},
                "test": {**split, "images": 10, "images_per_class": {"a": 5, "b": 5}},
            },
            "across": {
                "exact": none,
                "near": {"images": 3, "other_label": 1, "first": [["t_1", "u|1"]]},
            },
            "nearest_neighbour": {"images": 10, "right": 9, "swapped": []},
        },
    )


def _write_training(path: Path, seed: int) -> None:
    weights = path.with_name("weights.safetensors")
    write_text(weights, f"weights {seed}")
    history = ["epoch,learning_rate,loss,extra_loss,accuracy", "0,0.001,2.5,0.0,0.5"]
    history += ["1,0.001,1.25,nan,0.75"]
    write_text(path.with_name("history.csv"), "\n".join(history) + "\n")
    record = {
        "parameters": {"network": 12345, "training_only": 0},
        "outputs": {weights.name: sha256_of_file(weights)},
    }
    write_json(path, record)
    _write_report(path, device="cuda", git_commit="abc+", execution={"threads": 2})


def _write_report(record: Path, **facts: Any) -> None:
    write_json(run_report(record), {"versions": VERSIONS, "platform": "Linux", **facts})
