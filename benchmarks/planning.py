"""How long `snakemake -n` plans the thesis's whole experiment, for growing grids.

    python benchmarks/planning.py

Copies the project to a temporary folder with a made-up ILSVRC2012 tree of ten synsets, and plans
experiments/imagenet10.yaml with its first models and some seeds, from 100 to 5,000 jobs: at first
nothing is there; then, with records as a finished run leaves them and Snakemake's memory of them,
nothing is to be done. Prints CPU seconds (user and system, which other work on the machine hardly
changes) from start to end, start of Python and all digests included, and the line through them:
seconds to start with, and seconds per 1,000 jobs.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from biorobust.config.claims import Claim
from biorobust.config.outline import make_outline
from biorobust.config.overlays import read_config
from biorobust.config.reading import read_experiment
from biorobust.files import sha256_of_file, write_json, write_text
from biorobust.places import Outline
from biorobust.planning import planned_records
from biorobust.provenance import make_record, rows_digest

ROOT = Path(__file__).parent.parent
SYNSETS = [
    "n01742172",
    "n02099712",
    "n02123045",
    "n01644373",
    "n01665541",
    "n01855672",
    "n02510455",
    "n01484850",
    "n01981276",
    "n02206856",
]
OVERLAY = "experiments/imagenet10.yaml"
# 13 jobs a model and seed (its training, ten attacks, two of checks), and one a table or figure.
GRIDS = ["7x1", "21x1", "21x5", "21x10", "21x20"]
# What jobs leave beside their records; a check's and an attack's files begin with its own name.
BESIDE = {
    "shard": ["00000.npy", "index.csv"],
    "train": ["weights.safetensors", "history.csv", "diagnostics.npz"],
    "attack": [".csv"],
    "check": [".findings.json", ".corrections.csv"],
    "collect": ["results.parquet", "corrections.parquet"],
    "tables": [".csv", ".html", ".md", ".tex", ".txt"],
    "figures": [".png", ".pdf", ".svg"],
    "cards": [".md"],
    "report": [".html"],
}


def copied_project(folder: Path) -> None:
    """The project's code and experiments in `folder`, and a tree of two images a synset."""
    for name in ("rules", "envs", "workflow_src", "experiments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, folder / name)
    for split in ("train", "val"):
        for label, synset in enumerate(SYNSETS):
            file = folder / "ILSVRC2012" / split / synset / f"{synset}_1.JPEG"
            file.parent.mkdir(parents=True)
            Image.new("RGB", (40, 40), (20 * label, 0, 0)).save(file)


def write_overlay(project: Path, models: int, seeds: int) -> None:
    """Leave the experiment that many of its models, with that many seeds, and claims of these."""
    path = project / OVERLAY
    raw = yaml.safe_load(path.read_text())
    raw |= {"models": raw["models"][:models], "seeds": list(range(seeds))}
    names = {entry["name"] for entry in raw["models"]}
    raw["claims"] = [claim for claim in raw["claims"] if claimed(claim) <= names]
    path.write_text(yaml.safe_dump(raw))


def claimed(claim: dict[str, Any]) -> set[str]:
    """The models that a claim is about."""
    return {name for pair in Claim.model_validate(claim).pairs() for name in pair}


def finish(project: Path) -> None:
    """Write every record of the experiment as its job would, beside files without meaning."""
    raw = read_config(project / "config.yaml", [project / OVERLAY], [])
    raw["data"]["path"] = str(project / "ILSVRC2012")
    outline = make_outline(read_experiment(raw), cache=project / "hashes.json")
    folder = project / "results/imagenet10"
    sums: dict[str, str] = {}
    for path, plan in planned_records(outline):
        record = folder / path
        stems = plan.get("files", [record.stem])
        outputs = {
            name: write_text(record.with_name(name), name)
            for ending in BESIDE[plan["stage"]]
            for name in ([stem + ending for stem in stems] if ending[0] == "." else [ending])
        }
        inputs = {
            name: sums[digest] for name, digest in plan.get("inputs", {}).items() if digest in sums
        }
        written = make_record(plan, inputs, outputs, facts(plan["stage"], folder, outline))
        write_json(record, written)
        sums[written["digest"]] = sha256_of_file(record)


def facts(stage: str, folder: Path, outline: Outline) -> dict[str, Any]:
    """What a record tells that the end of a run, or the next plan, reads."""
    if stage == "shard":
        return {"split": "either", "skipped": []}
    if stage == "collect":
        return {"rows": rows_digest(folder, outline), "warnings": [], "checks": []}
    return {}


def snakemake(project: Path, *arguments: str) -> tuple[float, str]:
    """CPU seconds that a call takes, and what it says. Raises AssertionError where it fails."""
    command = [str(Path(sys.executable).parent / "snakemake"), *arguments, "--configfile", OVERLAY]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, said


def plan(models: int, seeds: int) -> tuple[int, float, float]:
    """Jobs of such a grid, and the CPU seconds of a dry run before and after all of them."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        copied_project(project)
        write_overlay(project, models, seeds)
        fresh, said = snakemake(project, "-n")
        found = re.search(r"^total\s+(\d+)", said, re.M)
        assert found is not None
        finish(project)
        snakemake(project, "--cores", "1", "--touch")
        done, said = snakemake(project, "-n")
        assert "Nothing to be done" in said, said
    return int(found[1]), fresh, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grids", nargs="+", default=GRIDS, metavar="MODELSxSEEDS")
    options = parser.parse_args()
    print("| jobs | nothing done: CPU s | all done: CPU s |\n|---|---|---|")
    rows = []
    for grid in options.grids:
        models, seeds = map(int, grid.split("x"))
        rows.append(plan(models, seeds))
        jobs, fresh, done = rows[-1]
        print(f"| {jobs:,} | {fresh:.1f} | {done:.1f} |", flush=True)
    if len(rows) < 2:
        return
    jobs, *times = zip(*rows, strict=True)
    for what, seconds in zip(("nothing", "all"), times, strict=True):
        slope, start = np.polyfit(jobs, seconds, 1)
        off = max(abs(start + slope * n - s) / s for n, s in zip(jobs, seconds, strict=True))
        print(f"{what} done: {start:.1f} s + {1000 * slope:.1f} s per 1,000 jobs ({off:.0%} off)")


if __name__ == "__main__":
    main()
