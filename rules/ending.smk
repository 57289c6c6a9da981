# What a run shows when it ends, well or not. No rules here.
import shutil
import subprocess

from biorobust.analysis.finding_marks import objections
from biorobust.analysis.unused_gpus import unused_gpus
from biorobust.config.strangers import is_planned


def show_tables():
    folder = Path("results", experiment.name)
    # It was of a run that failed.
    shutil.rmtree(folder / "partial", ignore_errors=True)
    for table in outline["tables"]:
        if table == planning.COSTS and not costs_are_told(folder):
            continue
        record = folder / "tables" / f"{table}.json"
        plan = planning.report_plan(outline, "tables", table)
        if record.is_file() and not is_planned(record, plan):
            print(f"Not shown: {record} is of earlier code, config or data")
            continue
        for pattern in table_files(table, "txt"):
            path = Path(pattern.format(experiment=experiment.name))
            if not path.is_file():
                continue
            text = path.read_text()
            # Accuracies are what a run is for; another table is shown if it fits a screen.
            if table == "adversarial_accuracy" or text.count("\n") <= 40:
                print(text)
    for manifest in sorted(folder.glob("shards/*/manifest.json")):
        facts = json.loads(manifest.read_text())
        if facts["skipped"]:
            print(
                f"Warning: {len(facts['skipped'])} damaged {facts['split']} images left out"
            )
    for warning in unused_gpus(folder):
        print(f"Warning: {warning}")
    record = folder / "results.json"
    if record.is_file():
        facts = json.loads(record.read_text())
        for warning in facts["warnings"]:
            print(f"Warning: {warning}")
        for objection in objections(facts["checks"]):
            print(f"Check {objection}")
    print(f"Tables, figures, cards and rows: {folder}/")
    page = folder / planning.report_record(planning.PAGE, planning.PAGE)
    if is_planned(page, planning.report_plan(outline, planning.PAGE, planning.PAGE)):
        print(f"All of it on one page: {page.with_suffix('.html')}")


def costs_are_told(folder):
    """Whether the table of costs is of this run; one that stops at other tables leaves it old."""
    table = folder / planning.report_record("tables", planning.COSTS)
    rows = folder / "results.json"
    made = table.is_file() and rows.is_file()
    return made and table.stat().st_mtime >= rows.stat().st_mtime


def show_partial_tables():
    folder = Path("results", experiment.name)
    if any(
        (folder / planning.attack_record(job)).is_file()
        for job in planning.attack_jobs(outline)
    ):
        subprocess.run(
            [sys.executable, "-m", "biorobust", "partial", str(folder)], check=False
        )
        print(f"What there is so far: {folder / 'partial'}/", file=sys.stderr)
