"""Only stale stages rerun, and all of them: one test a sentence, through Snakemake's dry run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import CONFIG, EXECUTION, clean_environment, copy_project, edit, planned, reconfigure
from pipeline_jobs import (
    ACCURACIES,
    CARDS,
    CHECKS,
    COSTS,
    EVERYTHING,
    EXAMPLE,
    FIGURES,
    IMAGES,
    PAGE,
    PLAIN,
    PLAIN_ATTACKS,
    REPORT,
    RETINAL,
    RETINAL_ATTACKS,
    SAMPLES,
    SAMPLING,
    SIZES,
    TRADE_OFF,
    VERDICTS,
)

PACKAGE = "workflow_src/biorobust"


def test_nothing_is_stale_after_a_run(project: Path) -> None:
    assert planned(project) == set()


def test_a_first_run_does_everything(project: Path) -> None:
    shutil.rmtree(project / "results")
    assert planned(project) == EVERYTHING


@pytest.mark.parametrize(
    "file", ["training/module.py", "attacks/engine.py", "data/stage.py", "analysis/tables.py"]
)
def test_comment_docstring_reformat_and_touch_make_nothing_stale(project: Path, file: str) -> None:
    path = project / PACKAGE / file
    source = path.read_text()
    assert source.startswith('"""') and '    """' in source
    source = source.replace('"""', '"""Other words. ', 1).replace('    """', '    """Other. ', 1)
    path.write_text(source.replace("\n\n\n", "\n\n\n\n# A comment.\n") + "# The end.\n")
    os.utime(path)
    assert planned(project) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        (
            "models/retinal_fixations.py",
            "draws_per_image = 2",
            "draws_per_image = 3",
            RETINAL | REPORT,
        ),
        ("sampling/retinal.py", "import", "SPARE = 1\nimport", RETINAL | REPORT | SAMPLING),
        ("models/standard.py", "from torch", "SPARE = 1\nfrom torch", PLAIN | REPORT),
        ("models/resnet.py", "import torch", "SPARE = 1\nimport torch", PLAIN | RETINAL | REPORT),
        (
            "training/module.py",
            "_ADAM_EPSILON = 1e-7",
            "_ADAM_EPSILON = 1e-8",
            PLAIN | RETINAL | REPORT,
        ),
        ("data/augmentation.py", "300 / 320", "304 / 320", PLAIN | RETINAL | REPORT),
        (
            "attacks/moves.py",
            "rows.steps + 1",
            "rows.steps + 2",
            PLAIN_ATTACKS | RETINAL_ATTACKS | CHECKS | REPORT | EXAMPLE,
        ),
        (
            "attacks/iterative.py",
            "steps=1,",
            "steps=2,",
            PLAIN_ATTACKS | RETINAL_ATTACKS | CHECKS | REPORT | EXAMPLE,
        ),
        ("data/stage.py", "progress.update(done)", "progress.update(done, '')", EVERYTHING),
        ("data/sources/digits.py", "import", "SPARE = 1\nimport", EVERYTHING),
        ("analysis/collected_checks.py", "cummax", "cummin", REPORT),
        (
            "analysis/statistics.py",
            "from math",
            "SPARE = 1\nfrom math",
            ACCURACIES | SIZES | TRADE_OFF | VERDICTS | CARDS,
        ),
        (
            "analysis/typesetting.py",
            "_TEXT_WIDTH = 100",
            "_TEXT_WIDTH = 90",
            {name for name in REPORT if name.startswith("table")} | IMAGES | CARDS,
        ),
        (
            "analysis/figure_style.py",
            "_PANELS_A_ROW = 3",
            "_PANELS_A_ROW = 2",
            FIGURES,
        ),
        ("analysis/power.py", "10**7, 1000", "10**7, 999", {"table_differences"}),
        (
            "analysis/leaders.py",
            "import ACCURACY",
            "import LEVEL, ACCURACY",
            {"table_adversarial_accuracy"},
        ),
        ("analysis/robustness.py", 'side="right"', 'side="left"', SIZES | CARDS),
        ("analysis/cards/untried.py", "_FEW_SEEDS = 3", "_FEW_SEEDS = 4", CARDS),
        ("analysis/cards/markdown.py", "Clean accuracy", "Accuracy", CARDS),
        (
            "analysis/accuracy_curve.py",
            "_BAR_STEP, _BARS_WIDTH = 3.0",
            "_BAR_STEP, _BARS_WIDTH = 2.0",
            {"figure_accuracy_curve"},
        ),
        (
            "analysis/picture_grid.py",
            "_SIDE, _LINE, _MARGIN = 1.5",
            "_SIDE, _LINE, _MARGIN = 1.4",
            SAMPLES | SAMPLING | EXAMPLE,
        ),
        (
            "checks/monotone.py",
            "combinations(attack.epsilons, 2)",
            "combinations(attack.epsilons, 3)",
            {"check_rows plain 0", "check_rows retinal 0"} | REPORT,
        ),
        (
            "checks/rerun.py",
            "count // 4",
            "count // 5",
            {"check_cheap plain 0", "check_cheap retinal 0"} | REPORT,
        ),
        # Code that describes, guards or reports a run and cannot change a number.
        ("progress.py", "every: float = 5.0", "every: float = 6.0", set()),
        ("environment.py", "os.cpu_count()", "os.cpu_count() or 1", set()),
        ("models/kinds.py", "MODELS: dict", "SPARE = 1\nMODELS: dict", set()),
        ("attacks/kinds.py", "ATTACKS: dict", "SPARE = 1\nATTACKS: dict", set()),
        ("checks/kinds.py", "CHECKS: dict", "SPARE = 1\nCHECKS: dict", set()),
        ("config/values.py", "class Section", "SPARE = 1\n\n\nclass Section", set()),
    ],
)
def test_an_edit_reruns_what_can_reach_it(
    project: Path, file: str, old: str, new: str, stale: set[str]
) -> None:
    edit(project, f"{PACKAGE}/{file}", old, new)
    assert planned(project) == (stale | COSTS if stale else set())


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("analysis/report/answer.py", "if seeds < 5:", "if seeds < 4:"),
        ("analysis/report/templates/page.html", "The answer", "Answers"),
        ("analysis/report/templates/style.css", "--page: #fdfdfb", "--page: #fefefe"),
        ("analysis/report/templates/tables.js", "rows.length < 6", "rows.length < 7"),
    ],
)
def test_an_edit_of_the_page_makes_the_page_alone_anew(
    project: Path, file: str, old: str, new: str
) -> None:
    edit(project, f"{PACKAGE}/{file}", old, new)
    assert planned(project) == PAGE


PLANS = """\
from pathlib import Path
from yaml import safe_load
from biorobust.config.outline import make_outline
from biorobust.config.reading import read_experiment
from biorobust.files import canonical_json
from biorobust.places import attack_jobs
from biorobust.planning import attack_plan, plan_digest
outline = make_outline(read_experiment(safe_load(Path("config.yaml").read_text())), Path("hashes"))
jobs = attack_jobs(outline)
print(canonical_json({str(job): plan_digest(attack_plan(outline, job)) for job in jobs}))
"""


def test_an_accepted_edit_reruns_what_tells_of_it_alone(project: Path) -> None:
    file = f"{PACKAGE}/models/resnet.py"
    edit(project, file, "import torch", "SPARE = 1\nimport torch")
    before = planned(project)
    assert before >= PLAIN | RETINAL
    done = subprocess.run(
        [sys.executable, "-m", "biorobust", "accept", file, "--reason", "a spare name"],
        cwd=project,
        env=clean_environment() | {"PYTHONPATH": str(project / "workflow_src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert planned(project) == CARDS | COSTS
    (project / PACKAGE / "accepted.json").unlink()
    assert planned(project) == before


def test_an_edit_of_one_attacks_module_makes_that_attacks_jobs_alone_stale(tmp_path: Path) -> None:
    attacks = "attacks:\n  - {name: fool, kind: deepfool}\n  - {name: noise, kind: salt_and_pepper}"
    project = copy_project(tmp_path / "project", CONFIG.replace("attacks:", attacks))

    def plans() -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", PLANS],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(project / "workflow_src")},
            capture_output=True,
            check=True,
        )
        found: dict[str, str] = json.loads(done.stdout)
        return found

    before = plans()
    assert len(before) == 2 * (1 + 1 + 2)
    edit(project, f"{PACKAGE}/attacks/deepfool.py", "overshoot=overshoot", "overshoot=0.0")
    after = plans()
    changed = {job for job in before if before[job] != after[job]}
    assert changed == {"plain seed 0, fool", "retinal seed 0, fool"}


def test_an_edit_of_a_package_init_reruns_what_passes_through_it(project: Path) -> None:
    path = project / PACKAGE / "sampling/__init__.py"
    path.write_text(path.read_text() + "\nSPARE = 1\n")
    assert planned(project) == RETINAL | REPORT | SAMPLING


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ("epsilons: [0.01,", "epsilons: [0.02, 0.01,",
         {"attack plain 0 pgd 0.02", "attack retinal 0 pgd 0.02"} | CHECKS | REPORT | EXAMPLE),
        ("seeds: [0]", "seeds: [0, 7]",
         {"train plain 7", "train retinal 7"} | REPORT
         | {f"check_{group} {m} 7" for group in ("rows", "cheap") for m in ("plain", "retinal")}
         | {f"attack {m} 7 pgd {e}" for m in ("plain", "retinal") for e in ("0.01", "8_255")}),
        ("attacks:", "  - {name: third, kind: standard, width: 2, stem_width: 4}\nattacks:",
         {"train third 0", "attack third 0 pgd 0.01", "attack third 0 pgd 8_255"} | REPORT
         | {"check_rows third 0", "check_cheap third 0", "card third"}),
        ("attacks:", "checks: {thresholds: {monotone: {warn: 0}}}\nattacks:",
         {"check_rows plain 0", "check_rows retinal 0"} | REPORT),
        ("learning_rate: 1e-3", "learning_rate: 2e-3", PLAIN | RETINAL | REPORT),
        ("steps: 2", "steps: 3", PLAIN_ATTACKS | RETINAL_ATTACKS | CHECKS | REPORT | EXAMPLE),
        ("test_limit: 20", "test_limit: 30", EVERYTHING),
        # The same number, written otherwise.
        ("learning_rate: 1e-3", "learning_rate: 0.001", set()),
        # Defaults spelt out are no change.
        ("steps: 2", "steps: 2, norm: linf", set()),
    ],
)  # fmt: skip
def test_a_config_edit_reruns_its_own_jobs(
    project: Path, old: str, new: str, stale: set[str]
) -> None:
    reconfigure(project, old, new)
    assert planned(project) == stale


def test_two_swapped_values_rerun(project: Path) -> None:
    # The same set of values, under each other's names.
    reconfigure(project, "train_limit: 40\n  test_limit: 20", "train_limit: 20\n  test_limit: 40")
    assert planned(project) == EVERYTHING


def test_the_order_of_yaml_keys_is_nothing(project: Path) -> None:
    reconfigure(project, "  epochs: 12\n  batch_size: 20\n", "  batch_size: 20\n  epochs: 12\n")
    reconfigure(
        project,
        "kind: standard, width: 2, stem_width: 2",
        "stem_width: 2, width: 2, kind: standard",
    )
    assert planned(project) == set()


def test_execution_settings_make_nothing_stale(project: Path) -> None:
    path = project / "config.yaml"
    path.write_text(CONFIG + EXECUTION)
    assert planned(project) == set()


def test_execution_settings_are_recorded(project: Path) -> None:
    report = project / "results/tiny/models/plain/seed-0/training.run.json"
    assert json.loads(report.read_text())["execution"]["threads"] == 1
