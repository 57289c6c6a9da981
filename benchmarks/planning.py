"""How long `snakemake -n` plans the thesis's whole experiment, for growing grids.

    python benchmarks/planning.py

Copies the project to a temporary folder with a made-up ILSVRC2012 tree of ten synsets, and plans
experiments/imagenet10.yaml with 1, 5 and 20 seeds: at first nothing is there; then, with records
as a finished run leaves them and Snakemake's memory of them, nothing is to be done. Prints seconds
from start to end, start of Python included, and seconds per 1,000 jobs.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def finish(project: Path, seeds: list[int]) -> None:
    """Write every record of the experiment, and empty files in the places of what they name."""
    raw = yaml.safe_load((project / "experiments/imagenet10.yaml").read_text()) | {"seeds": seeds}
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
        write_json(record, make_record(plan, {}, dict.fromkeys(names, ""), {}))
        for name in names:
            (record.parent / name).touch()


def snakemake(project: Path, seeds: list[int], *arguments: str) -> tuple[float, str]:
    """Seconds that a call takes, and what it says. Raises CalledProcessError where it fails."""
    command = [str(Path(sys.executable).parent / "snakemake"), *arguments]
    command += ["--configfile", "experiments/imagenet10.yaml", "--config", f"seeds={seeds}"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 5, 20])
    options = parser.parse_args()
    print("| jobs | nothing done: s | per 1,000 | all done: s | per 1,000 |\n|---|---|---|---|---|")
    for count in options.seeds:
        seeds = list(range(count))
        with tempfile.TemporaryDirectory() as name:
            project = Path(name)
            copied_project(project)
            fresh, said = snakemake(project, seeds, "-n")
            found = re.search(r"^total\s+(\d+)", said, re.M)
            assert found is not None
            jobs = int(found[1])
            finish(project, seeds)
            snakemake(project, seeds, "--cores", "1", "--touch")
            done, said = snakemake(project, seeds, "-n")
            assert "Nothing to be done" in said, said
        thousands = jobs / 1000
        print(
            f"| {jobs:,} | {fresh:.1f} | {fresh / thousands:.1f} "
            f"| {done:.1f} | {done / thousands:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
