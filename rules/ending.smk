# What a run shows when it ends, well or not. No rules here.
import shutil
import subprocess
import time

from biorobust.config.ending import closing_screen
from biorobust.config.failures import failure_screen

BEGUN = time.monotonic()


def show_tables():
    folder = Path("results", experiment.name)
    # It was of a run that failed.
    shutil.rmtree(folder / "partial", ignore_errors=True)
    print(closing_screen(folder, outline, time.monotonic() - BEGUN))


def show_partial_tables(logs):
    folder = Path("results", experiment.name)
    if any(
        (folder / places.attack_record(job)).is_file()
        for job in places.attack_jobs(outline)
    ):
        subprocess.run(
            [sys.executable, "-m", "biorobust", "partial", str(folder)], check=False
        )
        print(f"What there is so far: {folder / 'partial'}/", file=sys.stderr)
    # Below Snakemake's own last lines, where a person looks first.
    atexit.register(print, failure_screen(logs, command_line()), file=sys.stderr)
