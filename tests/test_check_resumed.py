"""A job of checks that stops goes on after its last finished check, to the same bytes."""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import planted_faults as planted
from biorobust.__main__ import main
from biorobust.checks.finished import FinishedCheck, FinishedChecks
from biorobust.checks.kinds import checks_of
from biorobust.errors import UserError
from checked import checked
from examined import carried_out, examine, slim_standard
from tiny_jobs import TinyExperiment, flip_byte, start, succeed

ENDINGS = (".json", ".findings.json", ".corrections.csv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    """An experiment whose checks nobody disturbed."""
    return checked(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def unchecked(whole: TinyExperiment, tmp_path: Path) -> TinyExperiment:
    """The same before its checks."""
    shutil.copytree(whole.folder, tmp_path / "copy")
    experiment = TinyExperiment(tmp_path / "copy", whole.outline)
    shutil.rmtree(experiment.seed_folder / "checks")
    return experiment


def contents(experiment: TinyExperiment, group: str) -> list[bytes]:
    return [(experiment.seed_folder / f"checks/{group}{end}").read_bytes() for end in ENDINGS]


def kept(experiment: TinyExperiment, group: str) -> Path:
    return experiment.seed_folder / f"checks/.{group}.kept"


@pytest.fixture
def one_check_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of checks stop with an error as soon as they have kept one."""
    add = FinishedChecks.add

    def stop(self: FinishedChecks, check: FinishedCheck) -> None:
        add(self, check)
        raise UserError("stopped")

    monkeypatch.setattr(FinishedChecks, "add", stop)


@pytest.mark.parametrize("group", ["rows", "cheap"])
@pytest.mark.usefixtures("one_check_a_start")
def test_stopped_after_every_single_check_it_ends_with_the_same_bytes(
    whole: TinyExperiment,
    unchecked: TinyExperiment,
    capfd: pytest.CaptureFixture[str],
    group: str,
) -> None:
    names = list(checks_of(group))
    for done in range(len(names)):
        assert main(unchecked.check(group)) == 1
        assert capfd.readouterr().out.count("is done already") == done
    succeed(unchecked.check(group))
    assert capfd.readouterr().out.count("is done already") == len(names)
    assert contents(unchecked, group) == contents(whole, group)
    assert list(kept(unchecked, group).parent.glob(".*")) == []


def test_killed_it_goes_on(whole: TinyExperiment, unchecked: TinyExperiment) -> None:
    process = start(unchecked.check("cheap"))
    deadline = time.monotonic() + 60
    file = kept(unchecked, "cheap")
    while time.monotonic() < deadline and process.poll() is None:
        if file.is_file() and file.read_bytes().count(b"\n") >= 2:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    again = start(unchecked.check("cheap"))
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert 2 <= output.count("is done already") < len(checks_of("cheap"))
    assert contents(unchecked, "cheap") == contents(whole, "cheap")


@pytest.mark.usefixtures("one_check_a_start")
def test_a_damaged_check_is_refused_with_a_line_and_done_again(
    whole: TinyExperiment, unchecked: TinyExperiment, capfd: pytest.CaptureFixture[str]
) -> None:
    file = kept(unchecked, "rows")
    assert main(unchecked.check("rows")) == 1
    flip_byte(file)
    capfd.readouterr()
    assert main(unchecked.check("rows")) == 1
    said = capfd.readouterr().out
    assert f"1 of 1 checks kept in {file} are damaged" in said and "done again" in said
    assert "done already" not in said


def test_a_random_model_draws_the_same_whichever_checks_came_before() -> None:
    subject = examine(slim_standard(), count=16)
    noisy = replace(subject, model=type(subject.model)(planted.Noisy(slim_standard())))
    figures = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        figures.append(carried_out("determinism", noisy).figure)
    assert figures[0] == figures[1] > 0
