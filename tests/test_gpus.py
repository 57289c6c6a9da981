"""GPUs that jobs on one machine claim for themselves, without a GPU."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from biorobust import gpus
from biorobust.devices import prepare_torch
from biorobust.errors import UserError
from biorobust.gpus import claim_gpus
from pipeline import with_package

# Claims GPUs of so many, says which it has, and holds them until its input ends.
HOLDER = """
import os, sys
from functools import partial
from pathlib import Path
from biorobust.gpus import claim_gpus
say = partial(print, flush=True)
wanted, count = int(sys.argv[1]), int(sys.argv[2])
claim_gpus(wanted, lambda: count, say, folder=Path(sys.argv[3]))
say("has", os.environ["CUDA_VISIBLE_DEVICES"])
sys.stdin.read()
"""


class Holders:
    """Processes that claim GPUs in one folder, ended with the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.all: list[subprocess.Popen[str]] = []

    def start(self, wanted: int, count: int, **environment: str) -> subprocess.Popen[str]:
        inherited = {
            key: value
            for key, value in with_package().items()
            if key not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")
        }
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(wanted), str(count), str(self._folder)],
            env=inherited | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.all.append(holder)
        return holder


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[Holders]:
    found = Holders(tmp_path)
    yield found
    for holder in found.all:
        holder.kill()
        holder.communicate()


def said(holder: subprocess.Popen[str]) -> str:
    assert holder.stdout is not None
    return holder.stdout.readline().strip()


def has(holder: subprocess.Popen[str]) -> set[str]:
    line = said(holder)
    while not line.startswith("has "):
        assert line, "it ended"
        line = said(holder)
    return set(line.removeprefix("has ").split(","))


def test_jobs_get_gpus_of_their_own_and_those_of_a_killed_one(holders: Holders) -> None:
    one, other = holders.start(1, 3), holders.start(1, 3)
    first, second = has(one), has(other)
    assert len(first) == len(second) == 1
    assert first | second < {"0", "1", "2"} and not first & second
    third = holders.start(2, 3)
    assert said(third) == "waiting for 1 of 2 GPUs: other jobs hold the rest"
    # Whoever waits is served before those that come later, so a job for several GPUs gets them.
    fourth = holders.start(1, 3)
    time.sleep(0.2)
    one.kill()
    assert has(third) == {"0", "1", "2"} - second
    other.kill()
    assert has(fourth) == second


def test_of_an_existing_list_only_those_are_taken(holders: Holders) -> None:
    listed = {"CUDA_VISIBLE_DEVICES": "5, GPU-8932f937,7"}
    got = [has(holders.start(1, 3, **listed)) for _ in range(3)]
    assert got == [{"5"}, {"GPU-8932f937"}, {"7"}]


@pytest.mark.parametrize(
    ("wanted", "visible", "environment"),
    [
        (0, 4, {}),
        (1, 1, {}),
        (2, 1, {}),
        (2, 2, {"CUDA_VISIBLE_DEVICES": "4,6"}),
        (1, 0, {"CUDA_VISIBLE_DEVICES": ""}),
        (1, 4, {"SLURM_JOB_ID": "12"}),
    ],
)
def test_nothing_is_claimed_where_there_is_nothing_to_choose(
    tmp_path: Path, wanted: int, visible: int, environment: dict[str, str]
) -> None:
    before = dict(environment)
    claim_gpus(wanted, lambda: visible, pytest.fail, environment=environment, folder=tmp_path)
    assert environment == before
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"biorobust-gpus-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(UserError, match="is not yours"):
        claim_gpus(1, lambda: 2, print, environment={})


def test_gpus_are_claimed_before_torch_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    # Set and removed, so that it is put back as it was.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    seen = []
    monkeypatch.setattr(
        torch.cuda, "is_available", lambda: bool(seen.append(dict(os.environ))) or True
    )
    held = len(gpus._claims)
    device = prepare_torch({"device": "cuda", "threads": 1, "gpus": 1})
    for lock in gpus._claims[held:]:
        lock.release()
    assert device.type == "cuda"
    assert [each["CUDA_VISIBLE_DEVICES"] for each in seen] == ["0"]
    assert capsys.readouterr().out == "took GPU 0\n"


def test_a_job_on_the_cpu_claims_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: pytest.fail("looked for GPUs"))
    assert prepare_torch({"device": "cpu", "threads": 1, "gpus": 2}).type == "cpu"
