"""What SLURM and Snakemake add to a job's own work, and whether job arrays save any of it.

    sudo .venv/bin/python benchmarks/slurm.py [--epsilons 10] [--rounds 2]

Starts the tests' cluster (tests/slurm/cluster.py) and attacks one slim model at so many epsilons, a
job each: on this machine without SLURM, as single SLURM jobs, and as a job array, in turn. Prints,
for each way, the seconds that the whole command takes, and by job the seconds from its start in
SLURM to its end, of which the attack itself (loading torch, model and images not counted).
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/slurm")]

from cluster import Cluster, run, why_not  # noqa: E402
from cluster_runs import cluster_project, slurm_jobs  # noqa: E402
from pipeline import SNAKEMAKE, clean_environment  # noqa: E402

CONFIG = """\
name: tiny
seeds: [0]
data: {{source: digits, image_size: 32, train_limit: 40, test_limit: 20}}
training: {{epochs: 2, batch_size: 20}}
models: [{{name: plain, kind: standard, width: 2, stem_width: 2}}]
attacks: [{{name: pgd, kind: pgd, steps: 2, epsilons: [{epsilons}]}}]
"""
WAYS = {
    "without SLURM": ["--cores", "4"],
    "single jobs": ["--profile", "slurm"],
    "a job array": ["--profile", "slurm", "--slurm-array-jobs", "attack"],
}


def snakemake(project: Path, *arguments: str) -> float:
    """Seconds that the command takes."""
    started = time.perf_counter()
    done = subprocess.run(
        [SNAKEMAKE, *arguments],
        cwd=project,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - started


def seconds_in_slurm(project: Path, known: set[str]) -> list[float]:
    """From start to end of each job of the project that is not among the known ones."""
    seconds = []
    for job in slurm_jobs(project):
        if job.number in known:
            continue
        facts = run("scontrol", "--oneliner", "show", "job", job.number)
        hours, minutes, rest = re.search(r"RunTime=(\d+):(\d+):(\d+)", facts).groups()
        seconds.append(3600 * int(hours) + 60 * int(minutes) + int(rest))
    return seconds


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epsilons", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if reason := why_not():
        raise SystemExit(f"no cluster here: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder, "cluster"))
        cluster.start()
        try:
            compare(Path(folder, "project"), options.epsilons, options.rounds)
        finally:
            cluster.stop()


def compare(folder: Path, epsilons: int, rounds: int) -> None:
    """Run the attacks in each way, and print a line for each."""
    texts = ", ".join(str(number / 1000) for number in range(1, epsilons + 1))
    project = cluster_project(folder, CONFIG.format(epsilons=texts))
    snakemake(project, "models", "--profile", "slurm")
    attacks = project / "results/tiny/models/plain/seed-0/attacks"
    for number in range(rounds):
        for way, arguments in WAYS.items():
            known = {job.number for job in slurm_jobs(project)}
            total = snakemake(project, "attacks", *arguments)
            reports = [json.loads(path.read_text()) for path in attacks.rglob("*.run.json")]
            assert len(reports) == epsilons
            work = mean(report["wall_seconds"] for report in reports)
            line = f"round {number + 1}, {way:13}: {total:6.1f} s for {epsilons} jobs"
            if inside := seconds_in_slurm(project, known):
                line += f"; {mean(inside):.1f} s a job in SLURM"
            print(f"{line}; {work:.2f} s of attack", flush=True)
            shutil.rmtree(attacks)


if __name__ == "__main__":
    main()
