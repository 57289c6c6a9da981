"""A whole experiment of the smallest size, in a copy of the project, driven through Snakemake."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SNAKEMAKE = Path(sys.executable).parent / "snakemake"

CONFIG = """\
name: tiny
seeds: [0]
data:
  source: digits
  image_size: 32
  train_limit: 40
  test_limit: 20
training:
  epochs: 12
  batch_size: 20
  learning_rate: 1e-3
models:
  - {name: plain, kind: standard, width: 2, stem_width: 2}
  - {name: retinal, kind: retinal_fixations, width: 2, stem_width: 2}
attacks:
  - {name: pgd, kind: pgd, steps: 2, epsilons: [0.01, 8/255]}
"""
EXECUTION = "execution: {threads: 2, attack_batch_size: 7, device: cpu}\n"


def copy_project(folder: Path, config: str = CONFIG) -> Path:
    """The project's code in `folder`, with a config of its own and no results."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("rules", "envs", "workflow_src", "experiments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "Snakefile", folder / "Snakefile")
    (folder / "config.yaml").write_text(config)
    return folder


def snakemake(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run snakemake in a project, with the interpreter's folder not on PATH."""
    return subprocess.run(
        [SNAKEMAKE, *arguments],
        cwd=project,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


def clean_environment() -> dict[str, str]:
    """The environment of a user who has activated nothing."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    programs = str(Path(sys.executable).parent)
    path = [p for p in kept["PATH"].split(os.pathsep) if p != programs]
    return kept | {"PATH": os.pathsep.join(path)}


def with_package() -> dict[str, str]:
    """The environment of a command that is not started by the workflow, with this clone's code."""
    return clean_environment() | {"PYTHONPATH": str(ROOT / "workflow_src")}


def planned(project: Path, *arguments: str) -> set[str]:
    """What a dry run would do: "rule" or "rule model seed attack epsilon", `all` left out."""
    done = snakemake(project, "-n", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = set()
    for block in re.split(r"\n(?=\[|\n)", done.stdout + done.stderr):
        if not (found := re.search(r"^(?:local)?rule (\w+):$", block, re.M)):
            continue
        wildcards = re.search(r"^    wildcards: (.*)$", block, re.M)
        pairs = wildcards[1].split(", ")[1:] if wildcards else []
        values = [pair.split("=", 1)[1].removeprefix("eps-") for pair in pairs]
        jobs.add(" ".join([found[1], *values]))
    return jobs - {"all", "tables", "figures", "cards"}


def edit(project: Path, file: str, old: str, new: str) -> None:
    """Replace text that must be there, once, in a file of the project."""
    path = project / file
    text = path.read_text()
    assert text.count(old) >= 1, f"{file} does not hold {old!r}"
    path.write_text(text.replace(old, new, 1))


def reconfigure(project: Path, old: str, new: str) -> None:
    """Replace text that must be there, once, in a project's config."""
    edit(project, "config.yaml", old, new)


def result_bytes(project: Path, experiment: str = "tiny") -> dict[str, str]:
    """SHA-256 of every result that must be the same from run to run, by path.

    Times and memory, which differ, stand in run reports, in the two tables of them, and on the page
    that shows these.
    """
    folder = project / "results" / experiment
    varying = re.compile(
        r"(^|/)(logs|tensorboard|partial)/|\.run\.json$|^(tables/(trade_off|costs)|report)\."
    )
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not varying.search(name := str(path.relative_to(folder)))
    }
