"""Fixtures that several files share."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from background import Runs
from finished_results import finished
from own_code import write_own
from pipeline import ROOT, copy_project, snakemake

# Two workers on two cores: more threads each would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Subprocesses of a test run this clone's code, also in an environment made by another clone.
os.environ["PYTHONPATH"] = str(ROOT / "workflow_src")

# Machines differ in speed, and a slow example is no fault.
settings.register_profile("biorobust", deadline=None)
settings.load_profile("biorobust")


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tiny experiment has been run. Copy it before changing it."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def project(finished_project: Path, tmp_path: Path) -> Path:
    """A copy of the finished project, to be changed."""
    copy = tmp_path / "project"
    shutil.copytree(finished_project, copy, symlinks=True)
    return copy


@pytest.fixture(scope="session")
def made_up_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with made-up results of all its stages. Copy it before changing it."""
    folder = tmp_path_factory.mktemp("made-up")
    finished(folder)
    return folder


@pytest.fixture
def made_up_project(
    made_up_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the made-up project, to be changed, which is the present folder."""
    copy = tmp_path / "project"
    shutil.copytree(made_up_original, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def runs() -> Iterator[Runs]:
    """Runs in the background that do not outlive their test."""
    started = Runs()
    yield started
    started.end()


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which snakemake would run, with a user's own code in it (see `own_code`)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    write_own(tmp_path)
    yield tmp_path
    # Another test's modules may have the same names.
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
