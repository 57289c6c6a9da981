"""Fixtures that several files share."""

from pathlib import Path

import pytest

from pipeline import copy_project, snakemake


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tiny experiment has been run. Copy it before changing it."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return project
