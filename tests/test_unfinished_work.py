"""Work that a kill left unfinished is gone on with from what it began with, and from nothing else.

The same plan gives other bytes on another machine or with other package versions: a model trained
anew, shards written anew. What was begun with the old ones is not finished with the new.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from biorobust import environment, jobs
from biorobust.__main__ import main
from biorobust.attacks import parts, stage
from biorobust.checks import stage as checks_stage
from biorobust.checks.kinds import checks_of
from biorobust.config.workflow import clear_marks
from biorobust.errors import UserError
from biorobust.files import read_json, write_json
from biorobust.jobs import orphan_mark
from biorobust.provenance import run_report
from biorobust.training.resuming import ResumeFolder
from tiny_jobs import TinyExperiment, make_experiment, succeed

DONE = "images are done already"


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    experiment = make_experiment(
        tmp_path_factory.mktemp("trained"), ids=[f"test/{number}" for number in range(40)]
    )
    succeed(experiment.train())
    return experiment


@pytest.fixture
def trained(trained_once: TinyExperiment, tmp_path: Path) -> TinyExperiment:
    """A trained model and forty test images."""
    shutil.copytree(trained_once.folder, tmp_path / "trained")
    return TinyExperiment(tmp_path / "trained", trained_once.outline)


def made_anew(record: Path) -> None:
    """The same plan, other bytes: what another machine makes of it."""
    changed = read_json(record) | {"made": "anew"}
    write_json(record, changed)
    if run_report(record).is_file():
        write_json(run_report(record), read_json(run_report(record)) | {"record": changed})


def nothing(experiment: TinyExperiment, patch: pytest.MonkeyPatch) -> None:
    """Goes on as if nothing had happened."""


def another_model(experiment: TinyExperiment, patch: pytest.MonkeyPatch) -> None:
    made_anew(experiment.seed_folder / "training.json")


def other_shards(experiment: TinyExperiment, patch: pytest.MonkeyPatch) -> None:
    for split in ("train", "test"):
        made_anew(experiment.folder / f"shards/{split}/manifest.json")


def other_versions(experiment: TinyExperiment, patch: pytest.MonkeyPatch) -> None:
    found = environment.package_versions() | {"torch": "1.0"}
    for module in (environment, jobs, parts):
        patch.setattr(module, "package_versions", lambda: found)


Change = Callable[[TinyExperiment, pytest.MonkeyPatch], None]
GoesOn = Callable[[TinyExperiment, Sequence[str]], str]
CHANGES = [nothing, another_model, other_shards, other_versions]


def interrupted(*_: Any, **__: Any) -> None:
    raise UserError("interrupted")


@contextmanager
def without(owner: object, name: str) -> Iterator[None]:
    """Whatever calls this is interrupted there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        yield


@pytest.fixture
def goes_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], change: Change
) -> GoesOn:
    """Makes the change, carries out a command on the experiment, and tells what it said."""

    def said(experiment: TinyExperiment, command: Sequence[str]) -> str:
        change(experiment, monkeypatch)
        capfd.readouterr()
        succeed(command)
        return capfd.readouterr().out

    return said


@pytest.mark.parametrize("change", CHANGES)
def test_kept_rows(trained: TinyExperiment, goes_on: GoesOn, change: Change) -> None:
    with without(stage, "_written"):
        assert main(trained.attack("8/255")) == 1
    assert (trained.seed_folder / "attacks/pgd/.eps-8_255.kept").stat().st_size > 0
    said = goes_on(trained, trained.attack("8/255"))
    assert (f"40 of 40 {DONE}" in said) == (change is nothing)


@pytest.mark.parametrize("change", CHANGES)
def test_rows_of_parts(trained: TinyExperiment, goes_on: GoesOn, change: Change) -> None:
    for part in (0, 1):
        succeed(trained.attack_part("8/255", part, 2))
    said = goes_on(trained, trained.attack("8/255", attack_shards=2))
    assert (f"40 of 40 {DONE}" in said) == (change is nothing)
    assert said.count("is not the planned one; its images are attacked here") == (
        0 if change is nothing else 2
    )


@pytest.mark.parametrize("change", CHANGES)
def test_rows_of_before_the_number_of_parts_was_changed(
    trained: TinyExperiment, goes_on: GoesOn, change: Change
) -> None:
    succeed(trained.attack("8/255"))
    said = goes_on(trained, trained.attack("8/255", attack_shards=2))
    assert (f"40 of 40 {DONE}" in said) == (change is nothing)


@pytest.mark.parametrize("change", CHANGES)
def test_kept_checks(trained: TinyExperiment, goes_on: GoesOn, change: Change) -> None:
    for epsilon in ("0.01", "8/255"):
        succeed(trained.attack(epsilon))
    with without(checks_stage, "write_json"):
        assert main(trained.check("rows")) == 1
    kept = trained.seed_folder / "checks/.rows.kept"
    count = len(checks_of("rows"))
    assert kept.read_bytes().count(b"\n") == count
    said = goes_on(trained, trained.check("rows"))
    assert said.count("is done already") == (count if change is nothing else 0)
    refused = f"{count} of {count} checks kept in {kept} are damaged, or of other code, config"
    assert (refused in said) == (change is not nothing)
    assert not kept.exists()


@pytest.mark.parametrize("change", [nothing, other_shards, other_versions])
def test_checkpoints(tmp_path: Path, goes_on: GoesOn, change: Change) -> None:
    experiment = make_experiment(tmp_path)
    with without(ResumeFolder, "clear"):
        assert main(experiment.train()) == 1
    assert ("goes on from" in goes_on(experiment, experiment.train())) == (change is nothing)
    assert list(experiment.seed_folder.glob(".*")) == []


def test_a_mark_beside_a_record_goes_and_others_stay(tmp_path: Path) -> None:
    """An orphan may publish its record between the marking and the planning of the next run."""
    done, lost = (tmp_path / f"models/{name}/attacks/eps-8_255.json" for name in ("done", "lost"))
    for record in (done, lost):
        record.parent.mkdir(parents=True)
        orphan_mark(record).touch()
    write_json(done, {})
    clear_marks(tmp_path)
    assert not orphan_mark(done).exists() and orphan_mark(lost).exists()
    clear_marks(tmp_path / "nowhere")
