"""An experiment in a storm of kills, started again with the same plain command until it is done.

At least twenty signals hit processes of the run at random moments: jobs of every stage, orphans,
snakemake itself and whole process groups. The draws follow from one number, which is said; set
BIOROBUST_CHAOS_SEED to it to draw them again (the machine's own timing stays its own).
"""

import os
import signal
import time
from collections import Counter
from pathlib import Path
from random import Random
from secrets import randbelow

import pytest

from background import Process, Run, Runs, freeze, leftovers, processes_of, processor_ticks
from pipeline import CONFIG, copy_project, result_bytes, snakemake

COMMAND = ["--cores", "2"]
# Long enough to be hit in the middle of its work, in parts as well.
STORMY = (
    CONFIG.replace("epochs: 12", "epochs: 60")
    .replace("test_limit: 20", "test_limit: 40")
    .replace("steps: 2", "steps: 10")
    + "execution: {attack_batch_size: 4, attack_shards: 2}\n"
)
# How many signals are meant for each stage, those to the whole run included.
QUOTAS = {
    "shard": 3,
    "train": 5,
    "attack": 7,
    "check": 5,
    "collect": 3,
    "tables": 3,
    "figures": 4,
    "cards": 2,
    "report": 2,
}
LAST = ("tables", "figures", "cards", "report")
LEAST_HITS = 20
KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
# Whom a signal goes to, as often as it stands here.
BLOWS = [
    *[("job", KILL)] * 4,
    *[("job", TERM), ("job", INT)],
    *[("snakemake", KILL)] * 3,
    *[("snakemake", TERM), ("snakemake", INT)],
    *[("group", KILL)] * 2,
    ("group", INT),
]


class Storm:
    """Runs of one project, and the signals that hit them."""

    def __init__(self, project: Path, runs: Runs, random: Random, spans: dict[str, float]) -> None:
        self.project, self.runs, self._random, self._spans = project, runs, random, spans
        self.left = dict(QUOTAS)
        self.untouched = set(QUOTAS)
        self.hits: list[str] = []

    def one_run(self) -> Run:
        """Start the command, strike once when a stage with signals left is at work, and wait."""
        run = self.runs.start(self.project, *COMMAND)
        struck = False
        while run.process.poll() is None:
            for process in self._jobs():
                # Whatever else comes, each stage's jobs are hit, the first that is seen.
                if process.stage in self.untouched:
                    self._wait(process, self._random.uniform(0, 0.5))
                    struck |= self._hit(process, KILL)
                elif not struck and self._wanted(process.stage):
                    self._wait(process, self._random.uniform(0, 0.7))
                    struck = self._strike(run, process)
            time.sleep(0.02)
        return run

    def _wanted(self, stage: str) -> bool:
        # What was missed before is made up for at the end.
        return self.left[stage] > 0 or (stage in LAST and len(self.hits) < LEAST_HITS)

    def _wait(self, process: Process, share: float) -> None:
        """Let a job do this share of its work, however fast or busy the machine is."""
        while 0 <= processor_ticks(process.pid) < share * self._spans[process.stage]:
            time.sleep(0.003)

    def _jobs(self) -> list[Process]:
        return [process for process in processes_of(*self.runs.all) if process.stage in QUOTAS]

    def _strike(self, run: Run, process: Process) -> bool:
        whom, number = self._random.choice(BLOWS)
        if run.process.poll() is not None or any(p.stage in self.untouched for p in self._jobs()):
            return False
        if whom == "job":
            return self._hit(process, number)
        if whom == "group":
            os.killpg(run.process.pid, number)
        else:
            run.process.send_signal(number)
        self._note(process.stage, f"{whom} in {process.stage}", number)
        return True

    def _hit(self, process: Process, number: signal.Signals) -> bool:
        if not freeze(process.pid):
            return False
        os.kill(process.pid, number)
        if number is not KILL:
            # It takes other signals only when it goes on.
            os.kill(process.pid, signal.SIGCONT)
        self.untouched.discard(process.stage)
        self._note(process.stage, f"{process.stage} job", number)
        return True

    def _note(self, stage: str, whom: str, number: signal.Signals) -> None:
        self.left[stage] -= 1
        self.hits.append(f"{number.name} to {whom}")


def undisturbed(run: Run) -> dict[str, float]:
    """Wait for a run; the shortest job of each stage, in ticks of processor time."""
    ticks: dict[Process, int] = {}
    while run.process.poll() is None:
        for process in processes_of(run):
            ticks[process] = max(ticks.get(process, 0), processor_ticks(process.pid))
        time.sleep(0.02)
    assert run.process.returncode == 0, run.end()
    return {
        stage: min(count for process, count in ticks.items() if process.stage == stage)
        for stage in QUOTAS
    }


@pytest.mark.skipif(
    not Path("/proc/self/stat").is_file(), reason="finds a run's processes through /proc"
)
def test_a_storm_of_kills_changes_no_byte(
    tmp_path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("BIOROBUST_CHAOS_SEED", randbelow(10**6)))
    with capsys.disabled():
        print(f"\nBIOROBUST_CHAOS_SEED={seed}")
    calm, stormy = (copy_project(tmp_path / name, STORMY) for name in ("calm", "stormy"))
    spans = undisturbed(runs.start(calm, *COMMAND))
    storm = Storm(stormy, runs, Random(seed), spans)
    started = time.monotonic()
    said = []
    for _ in range(60):
        hits = len(storm.hits)
        run = storm.one_run()
        hit = ", ".join(storm.hits[hits:]) or "nothing hit"
        said.append(f"--- {hit}, exit status {run.process.returncode}\n{run.end()}")
        # Nobody has to unlock or clear anything, and nothing fails that was not hit.
        assert not any(word in said[-1] for word in ("--unlock", "incomplete", "at work in"))
        if run.process.returncode == 0:
            break
        assert len(storm.hits) > hits, said[-1]
    else:
        pytest.fail("\n".join(said))
    minutes = (time.monotonic() - started) / 60
    with capsys.disabled():
        print(f"{len(storm.hits)} hits in {len(runs.all) - 1} runs, {minutes:.1f} minutes:")
        print("\n".join(f"{count} x {hit}" for hit, count in sorted(Counter(storm.hits).items())))
    assert len(storm.hits) >= LEAST_HITS
    assert storm.untouched == set()
    assert list(processes_of(*runs.all)) == []
    assert result_bytes(storm.project) == result_bytes(calm)
    assert leftovers(storm.project) == []
    assert "Nothing to be done" in snakemake(storm.project, *COMMAND).stderr
