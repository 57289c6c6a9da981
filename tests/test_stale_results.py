"""Results that were lost, changed or left behind: made anew, or refused with what mends them."""

import json
import shutil
from pathlib import Path

from pipeline import planned, reconfigure, result_bytes, snakemake
from pipeline_jobs import CHECKS, EXAMPLE, FIGURES, IMAGES, PLAIN_ATTACKS, REPORT, RETINAL_ATTACKS

ATTACKS = "results/tiny/models/plain/seed-0/attacks/pgd"


def test_changed_weights_on_disk_are_not_silently_attacked(project: Path) -> None:
    weights = project / "results/tiny/models/plain/seed-0/weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    reconfigure(project, "epsilons: [0.01,", "epsilons: [0.02, 0.01,")
    done = snakemake(project, "--cores", "1", f"{ATTACKS}/eps-0.02.json")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{weights.relative_to(project)} is damaged" in said
    assert "snakemake --cores 1 --force results/tiny/models/plain/seed-0/training.json" in said


# Nothing that the retinal model is made from, so that only the plain one is trained again.
DELETABLE = [
    "models/plain/seed-0/weights.safetensors",
    "models/plain/seed-0/attacks/pgd/eps-8_255.json",
    "models/retinal/seed-0/attacks/pgd/eps-0.01.csv",
    "models/plain/seed-0/checks/cheap.findings.json",
    "results.parquet",
    "tables/pgd.txt",
    "figures/accuracy_curve.pdf",
    "figures/adversarial_example.png",
]


def test_deleted_results_are_made_anew_but_not_by_a_dry_run(project: Path) -> None:
    folder = project / "results/tiny"
    before = result_bytes(project)
    for name in DELETABLE:
        (folder / name).unlink()
    left = result_bytes(project)
    assert len(left) == len(before) - len(DELETABLE)
    done = snakemake(project, "-n")
    assert "weights.safetensors is gone; a run makes it anew" in done.stderr
    assert result_bytes(project) == left
    done = snakemake(project, "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert result_bytes(project) == before


def test_a_deleted_shard_is_made_anew_and_makes_nothing_stale(project: Path) -> None:
    before = result_bytes(project)
    (project / "results/tiny/shards/train/00000.npy").unlink()
    done = snakemake(project, "shards", "--cores", "1")
    assert done.returncode == 0, done.stderr
    assert result_bytes(project) == before
    assert planned(project) == set()


def test_without_snakemakes_memory_stale_results_are_refused_with_the_command(
    project: Path,
) -> None:
    shutil.rmtree(project / ".snakemake")
    assert planned(project) == set()
    reconfigure(project, "steps: 2", "steps: 3")
    for arguments in (["-n"], ["--cores", "1"]):
        done = snakemake(project, *arguments)
        assert done.returncode != 0
    roots = " ".join(
        f"results/tiny/models/{model}/seed-0/attacks/pgd/eps-{epsilon}.json"
        for model in ("plain", "retinal")
        for epsilon in ("0.01", "8_255")
    )
    # Drawn from the models and not from the rows, it does not come with the attacks.
    roots += " results/tiny/figures/adversarial_example.json"
    mend = f"snakemake --cores 1 --forcerun {roots}"
    assert mend in done.stderr
    expected = PLAIN_ATTACKS | RETINAL_ATTACKS | CHECKS | REPORT | EXAMPLE
    assert planned(project, *mend.split()[1:]) == expected
    # Only what was planned otherwise is refused.
    reconfigure(project, "steps: 3", "steps: 2")
    reconfigure(project, "epsilons: [0.01,", "epsilons: [0.02, 0.01,")
    for record in ("results.json", "report.json"):
        (project / "results/tiny" / record).unlink()
    for folder in ("tables", "figures", "cards"):
        shutil.rmtree(project / "results/tiny" / folder)
    for folder in (project / "results/tiny/models").glob("*/*/checks"):
        shutil.rmtree(folder)
    new = {"attack plain 0 pgd 0.02", "attack retinal 0 pgd 0.02"}
    assert planned(project) == new | CHECKS | REPORT | FIGURES | IMAGES


def test_a_stage_refuses_input_that_its_plan_does_not_name(project: Path) -> None:
    record = project / "results/tiny/models/plain/seed-0/training.json"
    forged = json.loads(record.read_text()) | {"digest": "0" * 64}
    record.write_text(json.dumps(forged))
    attack = f"{ATTACKS}/eps-0.01.json"
    done = snakemake(project, "--cores", "1", "--force", attack)
    assert done.returncode != 0
    assert "was made by other code, config or data than this run has planned" in done.stderr
    mend = "snakemake --cores 1 --force results/tiny/models/plain/seed-0/training.json"
    assert mend in done.stderr
    mended = snakemake(project, *mend.split()[1:])
    assert mended.returncode == 0, mended.stderr
    again = snakemake(project, "--cores", "1", attack)
    assert again.returncode == 0, again.stderr


def test_a_table_of_another_config_is_not_shown_as_a_result(project: Path) -> None:
    table = (project / "results/tiny/tables/pgd.txt").read_text()
    command = ["shards", "--forcerun", "shard", "--cores", "1"]
    assert table in snakemake(project, *command).stdout
    reconfigure(project, "steps: 2", "steps: 3")
    done = snakemake(project, *command)
    assert done.returncode == 0, done.stderr
    assert table not in done.stdout
    assert "Not shown: results/tiny/tables/adversarial_accuracy.json is of earlier" in done.stdout
    # It may be asked for again.
    assert (project / "results/tiny/tables/pgd.txt").read_text() == table
