"""`data.on_duplicates` in a run: it decides whether there is a result, and changes none."""

import shutil
from pathlib import Path

from hygienic import photograph
from pipeline import CONFIG, copy_project, planned, reconfigure, snakemake

BIRDS = CONFIG.replace("source: digits", "source: imagefolder\n  path: birds").replace(
    "  train_limit: 40\n  test_limit: 20\n", "  on_duplicates: stop\n"
)


def test_copies_are_refused_allowed_and_refused_again(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", BIRDS)
    for split in ("train", "test"):
        for label, name in enumerate(("heron", "stork")):
            folder = project / "birds" / split / name
            folder.mkdir(parents=True)
            for number in range(4):
                scene = photograph(100 * label + number + 50 * (split == "test"), 32, 3 * label)
                scene.save(folder / f"{number}.png")
    shutil.copy(project / "birds/train/heron/1.png", project / "birds/test/heron/8.png")
    told = "1 of 9 test images are training images too, pixel for pixel; the first: "
    told += "test/heron/8.png is train/heron/1.png; remove them from one split, or set "
    told += "data.on_duplicates: allow"

    refused = snakemake(project, "--cores", "1", "shards")
    assert refused.returncode != 0
    assert told in refused.stdout + refused.stderr
    assert not list((project / "results").rglob("*.npy"))

    reconfigure(project, "on_duplicates: stop", "on_duplicates: allow")
    table = "results/tiny/tables/data.txt"
    allowed = snakemake(project, "--cores", "1", table)
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    assert "Warning: 1 test image(s)" in (project / table).read_text()
    assert planned(project, table) == set()

    # Nothing is stale, so only the plan can tell.
    reconfigure(project, "on_duplicates: allow", "on_duplicates: stop")
    again = snakemake(project, "-n", table)
    assert again.returncode != 0
    assert told in again.stdout + again.stderr

    (project / "birds/test/heron/8.png").unlink()
    assert planned(project, table) == {"shard", "table_data"}
