"""Fixtures that several files share."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from background import Runs
from finished_results import finished
from own_code import write_own
from pipeline import ROOT, copy_project, snakemake

# Two workers on two cores: more threads each would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Subprocesses of a test run this clone's code, also in an environment made by another clone.
os.environ["PYTHONPATH"] = str(ROOT / "workflow_src")

# Where it is set, each job of a test would compile all of the code once more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Machines differ in speed, and a slow example is no fault.
settings.register_profile("biorobust", deadline=None)
settings.load_profile("biorobust")


# The files that take longest, longest first: begun last, one of them would leave the other workers
# idle. `make test-fast` leaves them out.
SLOW_FILES = [
    f"test_{name}.py"
    for name in (
        *("checks_honest_whole", "imagenette"),
        *("stale", "guides", "stale_results", "attack_catalogue", "attack_trained", "pipeline"),
        *("attack_ladder", "cards_planned", "training_devices", "attack_parts", "models"),
        *("checks_honest_models", "storage_faults", "training_midway", "training_kinds"),
        *("attack_fast_pass", "checks_planted_attacks", "from_python", "ending", "forecast"),
        *("unused_gpus", "cluster", "training", "unfinished_work", "attack_engine"),
        *("checks_planted_models", "attacks", "attack_restarts", "hygiene_option", "check_stage"),
        *("gaze_figures", "robustness", "planning_benchmark", "minimal_attacks", "costs_table"),
        *("checks_planted_evaluations", "training_resumed", "accuracy_curve", "attack_stage"),
        *("check_resumed", "attack_sizes", "survival_figure", "imagenet10", "figures_planned"),
        *("checks_masked", "forecast_checks", "random_models", "checks_cost", "checks_described"),
        *("attention_training", "latex", "progress", "architecture", "lies", "cards_untried"),
        *("attack_command", "tables", "cards", "hygiene_planted", "collect_refused"),
        *("picture_figures", "collect", "hygiene_search", "attack_norms", "checks_reach"),
        *("compare_command", "attention_models", "report", "accuracy_bars", "retinal_whole"),
        *("accept_command", "config_models", "command_line", "checks_honest_rows", "cards_page"),
        *("checks_by_attack", "own_stages", "own_kinds", "retinal"),
    )
]
STARTS_SNAKEMAKE = {"snakemake", "planned", "finished_project", "runs"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, and put the files that take longest first."""
    order = {name: number for number, name in enumerate(SLOW_FILES)}
    for item in items:
        assert isinstance(item, pytest.Function)
        names = {*item.fixturenames, *item.function.__code__.co_names}
        if item.path.name in order or names & STARTS_SNAKEMAKE:
            item.add_marker("slow")
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tiny experiment has been run. Copy it before changing it.

    The first of pytest's workers runs it, each of the others takes a copy.
    """
    project = tmp_path_factory.mktemp("finished") / "project"
    workers = "PYTEST_XDIST_WORKER" in os.environ
    common = tmp_path_factory.getbasetemp().parent if workers else project.parent
    shared = common / "finished-by-all"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            copy_project(project)
            done = snakemake(project, "--cores", "2")
            assert done.returncode == 0, done.stdout + done.stderr
            shutil.copytree(project, shared, symlinks=True)
            return project
    shutil.copytree(shared, project, symlinks=True)
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
