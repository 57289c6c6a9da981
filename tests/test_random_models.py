"""A model that draws at random when it is tested: marked, corrected, and not in the way."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from biorobust.analysis.collect import gather
from biorobust.analysis.summary import check_agreement, read_results
from biorobust.analysis.tables import write_tables
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.models.standard import Standard
from biorobust.planning import collect_plan, report_plan
from tiny_jobs import TinyExperiment, arguments, make_experiment, succeed

EPSILONS = ["0.01", "0.02"]
SNAKEMAKE = "snakemake --cores 1"


def noisy(model: Standard, images: Tensor) -> Tensor:
    """Noise on the pixels, so much that the digits' two classes are often taken for each other."""
    drawn = images if model.training else images + torch.randn_like(images)
    logits: Tensor = model.head(model.backbone(drawn))
    return logits


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyExperiment]:
    """Everything up to the collected rows, through the stages."""
    made = make_experiment(
        tmp_path_factory.mktemp("random"),
        ids=[f"test/{number}" for number in range(20)],
        train_images=32,
        training={"epochs": 2, "batch_size": 8, "learning_rate": 1e-2},
        attacks=[{"name": "pgd", "kind": "pgd", "steps": 2, "epsilons": EPSILONS}],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Standard, "forward", noisy)
        torch.manual_seed(0)
        succeed(made.train())
        for epsilon in EPSILONS:
            succeed(made.attack(epsilon))
        for group in ("rows", "cheap"):
            succeed(made.check(group))
    record = made.folder / "results.json"
    succeed(arguments("collect", collect_plan(made.outline), {}, {"results": record}))
    yield made


def test_its_jobs_disagree_and_reach_the_tables_with_a_mark(
    experiment: TinyExperiment, tmp_path: Path
) -> None:
    rows = read_results(experiment.folder).rows
    first, second = (
        rows.loc[rows["epsilon_text"] == epsilon, "clean_prediction"].tolist()
        for epsilon in EPSILONS
    )
    assert first != second
    write_tables(experiment.folder, tmp_path)
    text = (tmp_path / "pgd.txt").read_text()
    assert "plain ‡" in text
    assert "plain (determinism)" in " ".join(text.partition("‡ The evaluation")[2].split())
    for name in ("adversarial_accuracy", "robustness", "checks"):
        plan = report_plan(experiment.outline, "tables", name)
        results = {"results": experiment.folder / "results.json"}
        succeed(arguments("tables", plan, results, {"tables": tmp_path / f"tables/{name}.json"}))


def test_the_attack_on_the_mean_gives_its_honest_rows(experiment: TinyExperiment) -> None:
    corrections = pd.read_parquet(experiment.folder / "corrections.parquet")
    made = corrections[corrections["attack"] == "pgd+determinism"]
    assert set(made["epsilon_text"]) == set(EPSILONS)
    rows = read_results(experiment.folder).rows
    assert (rows["broken"] >= rows["broken_uncorrected"]).all()


def test_without_that_finding_the_same_rows_are_refused(experiment: TinyExperiment) -> None:
    """Disagreement that no randomness was seen to cause is still of other weights or software."""
    collected = gather(experiment.folder, experiment.outline, SNAKEMAKE)
    assert not collected.rows["deterministic"].any()
    check_agreement(collected.rows)
    with pytest.raises(UserError, match="disagree about the clean prediction"):
        check_agreement(collected.rows.assign(deterministic=True))
    findings = read_json(experiment.seed_folder / "checks/cheap.findings.json")
    (told,) = [finding for finding in findings if finding["check"] == "determinism"]
    assert told["verdict"] == "fail"


def test_what_else_objects_says_that_the_draws_alone_can_cause_it(
    experiment: TinyExperiment,
) -> None:
    said = "The model draws random numbers, which alone can cause this"
    objections = {"rows": 0, "cheap": 0}
    for group in objections:
        for finding in read_json(experiment.seed_folder / f"checks/{group}.findings.json"):
            objects = finding["verdict"] in ("warn", "fail")
            expected = objects and finding["check"] != "determinism"
            assert (said in finding["sentence"]) == expected
            objections[group] += expected
    assert objections["cheap"] > 0
