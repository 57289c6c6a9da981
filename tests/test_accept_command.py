"""`biorobust accept` on a tiny model of one's own that was trained and attacked before an edit."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from biorobust import accepted
from biorobust.__main__ import main
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.config.strangers import hollow_records, is_planned
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.places import Outline
from biorobust.planning import card_config, planned_records, report_plan
from biorobust.provenance import require_planned
from tiny_jobs import TinyExperiment, make_experiment, succeed, tiny_config

SECTIONS = {
    "models": [{"name": "plain", "kind": "own_model.py:Own"}],
    "attacks": [{"name": "pgd", "kind": "pgd", "steps": 2, "epsilons": ["0.01"]}],
    "training": {"epochs": 1, "batch_size": 8},
}
WHY = "two factors of one number"


@pytest.fixture
def experiment(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> TinyExperiment:
    """Trained and attacked, in the present folder; what is accepted stays in that folder."""
    monkeypatch.setattr(accepted, "FILE", own_folder / "accepted.json")
    Path("config.yaml").write_text(yaml.safe_dump(tiny_config(**SECTIONS)))
    experiment = make_experiment(Path("results/tiny"), **SECTIONS)
    succeed(experiment.train())
    succeed(experiment.attack("0.01"))
    return experiment


def outline_now() -> Outline:
    config = Experiment.model_validate(tiny_config(**SECTIONS))
    return make_outline(config, cache=Path("results/tiny/source-hashes.json"))


def stale() -> set[str]:
    """The stages of which a result is there that was made otherwise than it is planned now."""
    return {
        plan["stage"]
        for place, plan in planned_records(outline_now())
        if (record := Path("results/tiny", place)).is_file() and not is_planned(record, plan)
    }


def rewrite(name: str, old: str, new: str) -> None:
    path = Path(name)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def refactor() -> None:
    rewrite("own_helper.py", "SCALE = 2.0", "SCALE = 4.0 / 2")


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["accept", *words]) == 1
    assert not accepted.FILE.exists()
    return capsys.readouterr().err


def test_nothing_reruns_for_an_accepted_edit(
    experiment: TinyExperiment, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(planned_records(experiment.outline))
    assert stale() == set()
    refactor()
    assert stale() == {"train", "attack"}
    capsys.readouterr()
    succeed(["accept", "own_helper.py", "--reason", WHY])
    said = capsys.readouterr().out
    assert "no longer stale in results/tiny: 2 " in said
    assert stale() == set()
    after = dict(planned_records(outline_now()))
    there = {place for place in before if Path("results/tiny", place).is_file()}
    assert {after[place]["stage"] for place in there} == {"shard", "train", "attack"}
    assert all(before[place] == after[place] for place in there)
    # The job takes its plan, though the code is not the one of that digest.
    succeed(experiment.attack("0.01"))
    succeed(["accept"])
    assert f"own_helper.py: {WHY}" in capsys.readouterr().out


def test_cards_and_page_are_planned_with_the_reason(experiment: TinyExperiment) -> None:
    refactor()
    assert card_config(outline_now(), "plain")["accepted"] == []
    succeed(["accept", "own_helper.py", "--reason", WHY])
    outline = outline_now()
    (told,) = card_config(outline, "plain")["accepted"]
    assert (told["paths"], told["reason"]) == (["own_helper.py"], WHY)
    assert told["of"] == [["train", "plain"], ["attack", "plain"]]
    assert report_plan(outline, "report", "report")["accepted"] == [told]


def test_the_next_edit_is_not_covered_and_taking_it_back_is(experiment: TinyExperiment) -> None:
    refactor()
    succeed(["accept", "own_helper.py", "--reason", WHY])
    rewrite("own_helper.py", "4.0 / 2", "4.0 / 3")
    assert stale() == {"train", "attack"}
    rewrite("own_helper.py", "4.0 / 3", "4.0 / 2")
    assert stale() == set()
    rewrite("own_helper.py", "4.0 / 2", "2.0")
    assert stale() == set()
    assert outline_now()["accepted"] == []


def test_an_entry_that_is_taken_out_covers_nothing(experiment: TinyExperiment) -> None:
    refactor()
    succeed(["accept", "own_helper.py", "--reason", WHY])
    accepted.FILE.write_text("[]")
    assert stale() == {"train", "attack"}


def test_what_ran_under_an_acceptance_falls_with_it(experiment: TinyExperiment) -> None:
    folder = Path("results/tiny")
    record = folder / "models/plain/seed-0/attacks/pgd/eps-0.01.json"
    refactor()
    succeed(["accept", "own_helper.py", "--reason", WHY])
    succeed(experiment.attack("0.01"))
    assert stale() == set() and hollow_records(folder, outline_now()) == {}
    accepted.FILE.unlink()
    # Taken back, the code is again the one that the plan names, and not the one that ran.
    rewrite("own_helper.py", "4.0 / 2", "2.0")
    assert stale() == {"attack"}
    (fault,) = hollow_records(folder, outline_now()).items()
    assert fault == (record, f"{record} was made by code that is no longer accepted")
    with pytest.raises(UserError, match="was accepted in place of another, and no longer is"):
        require_planned(record, read_json(record)["digest"], "snakemake")


def test_results_of_the_code_as_it_is_are_not_called_stale_through_it(
    experiment: TinyExperiment, capsys: pytest.CaptureFixture[str]
) -> None:
    refactor()
    succeed(["accept", "own_helper.py", "--reason", WHY])
    kept = accepted.FILE.read_text()
    accepted.FILE.unlink()
    # As somebody has them who trained with the edited code and then got the acceptance.
    later = make_experiment(Path("results/tiny"), **SECTIONS)
    succeed(later.train())
    succeed(later.attack("0.01"))
    accepted.FILE.write_text(kept)
    capsys.readouterr()
    assert main(["accept", "own_helper.py", "--reason", WHY]) == 1
    assert "were made by the code as it is now" in capsys.readouterr().err
    assert accepted.FILE.read_text() == kept


def test_an_edit_while_a_job_runs_is_not_taken_for_what_it_ran(
    own_folder: Path, experiment: TinyExperiment, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("own_helper.py").read_text()
    rewrite("own_model.py", "self.gain * SCALE", "edited() * self.gain * SCALE")
    rewrite(
        "own_model.py",
        "class Own",
        "def edited():\n"
        "    from pathlib import Path\n"
        "    Path('own_helper.py').write_text('SCALE = 3.0\\n')\n"
        "    return 1.0\n\n\nclass Own",
    )
    del sys.modules["own_model"]
    later = make_experiment(Path("results/tiny"), **SECTIONS)
    succeed(later.train())
    assert Path("own_helper.py").read_text() != before
    rewrite("own_model.py", "return 1.0", "return 2.0 / 2")
    said = refusal(capsys, "own_model.py", "--reason", WHY)
    assert "own_helper changed as well" in said


def test_one_edit_after_another_may_be_accepted(experiment: TinyExperiment) -> None:
    refactor()
    succeed(["accept", "own_helper.py", "--reason", WHY])
    rewrite("own_model.py", "3, classes", "1 + 2, classes")
    assert stale() == {"train", "attack"}
    # What the first acceptance covers is still held against what the jobs ran.
    assert main(["accept", "own_model.py", "--reason", "three"]) == 1
    succeed(["accept", "own_model.py", "own_helper.py", "--reason", "three"])
    assert stale() == set()


def test_code_may_move_to_another_file(experiment: TinyExperiment) -> None:
    Path("own_helper.py").rename("own_scale.py")
    rewrite("own_model.py", "from own_helper", "from own_scale")
    succeed(["accept", "own_model.py", "own_helper.py", "own_scale.py", "--reason", "renamed"])
    assert stale() == set()


def test_a_folder_stands_for_what_is_in_it(experiment: TinyExperiment) -> None:
    refactor()
    succeed(["accept", ".", "--reason", WHY])
    assert stale() == set()


def test_what_else_was_edited_is_named_and_nothing_is_accepted(
    experiment: TinyExperiment, capsys: pytest.CaptureFixture[str]
) -> None:
    refactor()
    rewrite("own_model.py", "self.gain * SCALE", "2 * self.gain * SCALE")
    said = refusal(capsys, "own_helper.py", "--reason", WHY)
    assert "own_model changed as well; name those files too" in said
    assert stale() == {"train", "attack"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["own_helper.py"], "say why no number can change"),
        (["own_helper.py", "--reason", " "], "say why no number can change"),
        (["own_attack.py", "--reason", WHY], "no result in results/tiny is stale through"),
        (["nowhere.py", "--reason", WHY], "no result in results/tiny is stale through"),
        (["else/own_helper.py", "--reason", WHY], "no result in results/tiny is stale through"),
    ],
)
def test_what_cannot_be_accepted_is_told(
    words: list[str], told: str, experiment: TinyExperiment, capsys: pytest.CaptureFixture[str]
) -> None:
    refactor()
    assert told in refusal(capsys, *words)


def test_results_that_do_not_tell_their_modules_are_left_stale(
    experiment: TinyExperiment, capsys: pytest.CaptureFixture[str]
) -> None:
    for report in Path("results/tiny").rglob("*.run.json"):
        told = json.loads(report.read_text())
        del told["modules"]
        report.write_text(json.dumps(told))
    refactor()
    said = refusal(capsys, "own_helper.py", "--reason", WHY)
    assert "does not tell which modules its job ran" in said


def test_a_damaged_list_is_one_line(
    experiment: TinyExperiment, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted.FILE.write_text('{"paths": 3}')
    assert main(["accept"]) == 1
    assert "accepted.json is damaged" in capsys.readouterr().err
