"""Fixtures that several files share."""

from pathlib import Path

import pytest
from hypothesis import settings

from pipeline import copy_project, snakemake

# Machines differ in speed, and a slow example is no fault.
settings.register_profile("biorobust")
settings.load_profile("biorobust")


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tiny experiment has been run. Copy it before changing it."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return project
