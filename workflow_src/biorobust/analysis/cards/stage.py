"""The card stage: one model, all its seeds.

In: the collected rows, the test shards and the training records; run reports of every job of the
model. Out: `<model>.md`, for readers, and `<model>.json`, the record, which holds the card.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from biorobust.analysis.cards.attacked import attack_part
from biorobust.analysis.cards.markdown import as_page
from biorobust.analysis.cards.measured import results_part
from biorobust.analysis.cards.schema import SCHEMA_VERSION, Card, ChecksPart, Protocol
from biorobust.analysis.cards.subject import Trainings, data_part, model_part
from biorobust.analysis.cards.surroundings import (
    JobRun,
    environment_part,
    first_pass,
    read_runs,
)
from biorobust.analysis.cards.trust import checks_part
from biorobust.analysis.cards.untried import untried_part
from biorobust.analysis.finding_marks import read_findings
from biorobust.analysis.summary import read_corrections, read_results
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result
from biorobust.places import job_records


def run(job: Job, inputs: Inputs) -> Result:
    """Write the card of the planned model. Config: see `planning.card_config`."""
    config = job.plan["config"]
    trainings = {
        seed: (job.inputs[name], inputs[name])
        for seed in config["model"]["seeds"]
        for name in [f"training:{config['model']['name']}:{seed}"]
    }
    card = make_card(
        config,
        directory=job.inputs["results"].parent,
        manifest=job.inputs["shards"],
        trainings=trainings,
        command=job.execution["snakemake"],
    )
    page = job.record.with_suffix(".md")
    sums = {page.name: write_text(page, as_page(card))}
    return Result({"cards": sums}, {"cards": {"card": card}})


def make_card(
    config: Mapping[str, Any],
    *,
    directory: Path,
    manifest: Path,
    trainings: Trainings,
    command: str,
) -> Card:
    """The card of the model that `config` names (see `planning.card_config`).

    directory: the experiment's results folder; manifest: of the test split; command: how the
    workflow was started. The same files give the same card.
    Raises UserError as `read_results` does.
    """
    model, catalogue = config["model"]["name"], config["catalogue"]
    results = read_results(directory)
    corrections = read_corrections(directory)
    data = data_part(config, manifest)
    attacks = [attack_part(each, catalogue, data["image_size"]) for each in config["attacks"]]
    measured = results_part(results.rows, corrections, results.grid, model)
    checks = checks_part(read_findings(directory), model, catalogue)
    runs = read_runs(
        (stage, directory / record)
        for stage, record in job_records(dict(results.grid))
        if _is_of(record, model)
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": results.experiment,
        "model": model_part(config, trainings),
        "data": data,
        "attacks": attacks,
        "protocol": _protocol(runs, checks),
        "results": measured,
        "checks": checks,
        "not_tried": untried_part(data, attacks, measured, checks, catalogue),
        "environment": environment_part(runs, config["code"], config["accepted"], command),
    }


def _is_of(record: PurePosixPath, model: str) -> bool:
    """Whether a job is the model's, or one that serves all."""
    return record.parts[0] != "models" or record.parts[1] == model


def _protocol(runs: list[JobRun], checks: ChecksPart) -> Protocol:
    return {
        "attacked": "the test images that the model classifies correctly as they are",
        "broken": (
            "misclassified somewhere in the ball around the image, with pixel values in [0, 1]: at "
            "any iterate of an attack by gradients, at this or a smaller epsilon of the same "
            "attack, or where a check found such a place"
        ),
        "decided_in": "float32",
        "first_pass": first_pass(runs),
        "batch_independence": [
            finding["verdict"]
            for finding in checks["findings"]
            if finding["check"] == "batch_independence"
        ],
    }
