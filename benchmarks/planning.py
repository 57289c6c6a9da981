"""How long `snakemake -n` plans the thesis's whole experiment, for growing grids.

    python benchmarks/planning.py

Copies the project to a temporary folder with a made-up ILSVRC2012 tree of ten synsets, and plans
experiments/imagenet10.yaml with its first models and some seeds, from 100 to 5,000 jobs: at first
nothing is there; then, with records as a finished run leaves them and Snakemake's memory of them,
nothing is to be done. Prints seconds from start to end, start of Python and all digests included,
and the line through them: seconds to start with, and seconds per 1,000 jobs.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from biorobust.config.outline import make_outline
from biorobust.config.reading import overlaid, read_experiment
from biorobust.files import write_json
from biorobust.planning import planned_records
from biorobust.provenance import make_record

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
# 11 jobs a model and seed (its training, ten attacks), and one a table or figure.
GRIDS = ["8x1", "21x1", "21x5", "21x10", "21x22"]
BESIDE = {"train": ["weights.safetensors", "history.csv", "diagnostics.npz"]}


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
    """Leave the experiment that many of its models, with that many seeds."""
    path = project / OVERLAY
    raw = yaml.safe_load(path.read_text())
    raw |= {"models": raw["models"][:models], "seeds": list(range(seeds))}
    path.write_text(yaml.safe_dump(raw))


def finish(project: Path) -> None:
    """Write every record of the experiment, and empty files in the places of what they name."""
    raw = yaml.safe_load((project / OVERLAY).read_text())
    raw["data"]["path"] = str(project / "ILSVRC2012")
    outline = make_outline(read_experiment(overlaid(raw, raw)), cache=project / "hashes.json")
    folder = project / "results/imagenet10"
    for path, plan in planned_records(outline):
        record = folder / path
        stage = plan["stage"]
        names = BESIDE.get(stage, [])
        if stage == "attack":
            names = [f"{record.stem}.csv"]
        elif stage == "collect":
            names = ["results.parquet"]
        elif stage in ("tables", "figures"):
            endings = ("csv", "md", "tex", "txt") if stage == "tables" else ("png", "pdf")
            names = [f"{name}.{ending}" for name in plan["files"] for ending in endings]
        elif stage == "cards":
            names = [f"{record.stem}.md"]
        write_json(record, make_record(plan, {}, dict.fromkeys(names, ""), {}))
        for name in names:
            (record.parent / name).touch()


def snakemake(project: Path, *arguments: str) -> tuple[float, str]:
    """Seconds that a call takes, and what it says. Raises CalledProcessError where it fails."""
    command = [str(Path(sys.executable).parent / "snakemake"), *arguments, "--configfile", OVERLAY]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout + done.stderr


def plan(models: int, seeds: int) -> tuple[int, float, float]:
    """Jobs of such a grid, and the seconds that a dry run takes before and after all of them."""
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
    print("| jobs | nothing done: s | all done: s |\n|---|---|---|")
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
