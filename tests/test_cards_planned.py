"""Cards as the workflow makes them: a job a model, remade to the byte, missed when gone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from biorobust.__main__ import main
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.jobs import Job, Result, perform
from biorobust.places import report_record
from biorobust.planning import plan_digest, report_inputs, report_plan
from pipeline import CONFIG, copy_project, planned, result_bytes, snakemake
from pipeline_jobs import COSTS
from tiny_jobs import PLAIN, arguments, succeed, tiny_config

CARD = "results/tiny/cards/plain"


def outline_of(folder: Path, **sections: Any) -> Any:
    return make_outline(Experiment.model_validate(tiny_config(**sections)), cache=folder / "hashes")


def digest_of(folder: Path, model: str, **sections: Any) -> str:
    return plan_digest(report_plan(outline_of(folder, **sections), "cards", model))


def test_a_card_remade_is_the_same_to_the_byte(project: Path) -> None:
    before = result_bytes(project)
    assert {f"cards/{model}.{e}" for model in ("plain", "retinal") for e in ("md", "json")} <= set(
        before
    )
    done = snakemake(project, "--cores", "1", "--force", f"{CARD}.json")
    assert done.returncode == 0, done.stderr
    assert result_bytes(project) == before


def test_a_real_card_tells_of_the_run(finished_project: Path) -> None:
    card = read_json(finished_project / f"{CARD}.json")["card"]
    assert card["model"]["name"] == "plain" and card["data"]["splits"]["test"]["images"] == 20
    assert len(card["results"]["adversarial"]) == 2
    assert card["environment"]["reports_missing"] == 0
    devices = {"train": ["cpu"], "attack": ["cpu"], "check": ["cpu"]}
    assert card["environment"]["devices"] == devices
    weights = read_json(finished_project / "results/tiny/models/plain/seed-0/training.json")
    (seed,) = card["model"]["seeds"]
    assert seed["weights_sha256"] == weights["outputs"]["weights.safetensors"]
    page = (finished_project / f"{CARD}.md").read_text()
    assert seed["weights_sha256"] in page


def test_a_deleted_card_is_made_anew(project: Path) -> None:
    before = result_bytes(project)
    (project / f"{CARD}.json").unlink()
    assert planned(project) == {"card plain"} | COSTS
    assert planned(project, "cards") == {"card plain"}
    # Of a page alone a dry run speaks, and a run makes it.
    (project / "results/tiny/cards/retinal.md").unlink()
    assert "cards/retinal.md is gone; a run makes it anew" in snakemake(project, "-n").stderr
    assert snakemake(project, "cards", "--cores", "1").returncode == 0
    assert result_bytes(project) == before


def test_a_damaged_card_is_found(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / f"{CARD}.md"
    path.write_text(path.read_text().replace("%", "percent", 1))
    assert main(["verify", str(project / "results/tiny")]) == 1
    assert "cards/plain.md is damaged" in capsys.readouterr().out


def test_a_number_changed_in_the_json_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / f"{CARD}.json"
    path.write_text(path.read_text().replace('"confidence": 0.95', '"confidence": 0.99', 1))
    assert main(["verify", str(project / "results/tiny")]) == 1
    assert "cards/plain.json is damaged" in capsys.readouterr().out


def test_cards_that_were_copied_in_are_refused_if_they_are_old(project: Path) -> None:
    (project / ".snakemake").rename(project / "moved")
    assert planned(project) == set()
    path = project / f"{CARD}.json"
    text = path.read_text()
    path.write_text(text.replace(read_json(path)["digest"], "0" * 64))
    done = snakemake(project, "-n")
    assert done.returncode != 0
    assert f"--forcerun {CARD}.json" in done.stdout + done.stderr


def test_a_card_is_of_its_model_and_of_all_results(tmp_path: Path) -> None:
    other = {"name": "other", "kind": "retinal_fixations", "width": 2}
    two = [PLAIN, other]
    before = digest_of(tmp_path, "plain", models=two)
    assert digest_of(tmp_path, "plain", models=two, execution={"threads": 2}) == before
    # The spread of seeds is taken from all models.
    wider = [PLAIN, {**other, "width": 3}]
    assert digest_of(tmp_path, "plain", models=wider) != before
    assert digest_of(tmp_path, "plain", models=two, seeds=[0, 1]) != before


def test_weights_from_elsewhere_have_a_card_as_well(tmp_path: Path) -> None:
    given = "kind: standard, weights: own.safetensors"
    project = copy_project(tmp_path / "project", CONFIG.replace("kind: standard", given))
    (project / "own.safetensors").write_bytes(b"weights")
    assert {"card plain", "card retinal"} <= planned(project, "cards")


def test_a_model_may_bear_the_name_of_a_table(tmp_path: Path) -> None:
    for name in ("published", "adversarial_accuracy", "costs"):
        outline = outline_of(tmp_path, models=[{**PLAIN, "name": name}])
        plan = report_plan(outline, "cards", name)
        assert plan["files"] == [name] and plan["config"]["model"]["name"] == name
        sources = [source for source, _, _ in report_inputs(outline, "cards", name)]
        assert sources == ["results", "shards", f"training:{name}:0"]


def test_a_name_that_ends_as_run_reports_do_is_refused() -> None:
    config = tiny_config(models=[{**PLAIN, "name": "plain.run"}])
    with pytest.raises(UserError, match=r"does not end in \.run"):
        read_experiment(config)
    assert read_experiment(tiny_config(models=[{**PLAIN, "name": "run.plain"}]))


def test_a_card_clears_no_other_models_half_written_card(tmp_path: Path) -> None:
    """A model may be called "a" and another "a.b", and their cards are made at the same time."""
    record = tmp_path / "cards" / "a.json"
    record.parent.mkdir()
    theirs = [".a.b.json.8.part", ".a.b.md.7.part", ".ab.md.7.part"]
    for name in [*theirs, ".a.md.5.part", ".a.json.6.part", ".a.run.json.6.part"]:
        (record.parent / name).touch()
    outline = outline_of(tmp_path, models=[{**PLAIN, "name": "a"}])
    plan = {**report_plan(outline, "cards", "a"), "inputs": {}}
    job = Job(plan, {"snakemake": "snakemake"}, {}, {"cards": record}, print)
    perform(job, lambda *_: Result({"cards": {}}, {"cards": {}}), "biorobust.analysis.cards.stage")
    left = sorted(path.name for path in record.parent.iterdir() if path.name.startswith("."))
    assert left == theirs


def test_a_stale_input_is_refused_by_the_job_itself(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Started without the workflow, as a job that waited in a queue is."""
    config = yaml.safe_load((project / "config.yaml").read_text())
    outline = make_outline(read_experiment(config), cache=project / "hashes")
    folder = project / "results/tiny"
    inputs = {s: folder / p for s, p, _ in report_inputs(outline, "cards", "plain")}
    records = {"cards": folder / report_record("cards", "plain")}
    command = arguments("cards", report_plan(outline, "cards", "plain"), inputs, records)
    succeed(command)
    inputs["results"].write_text(
        inputs["results"].read_text().replace('"digest": "', '"digest": "0')
    )
    assert main(command) == 1
    assert "results.json was made by other code, config or data" in capsys.readouterr().err
