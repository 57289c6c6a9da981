"""A large test set in several jobs, and a job that was killed half-way: the rows are the same."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.attacks.attack_rows import KeptRows, Row, csv_text, read_csv
from biorobust.attacks.parts import numbers_of_part
from biorobust.files import read_json
from pipeline import edit, snakemake
from tiny_jobs import TinyExperiment, make_experiment, start, succeed

IDS = [f"test/{number}, with a comma" for number in range(100)]
PARTS = 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    """A trained model with a hundred test images, attacked in one job at 8/255."""
    experiment = make_experiment(
        tmp_path_factory.mktemp("parts"),
        ids=IDS,
        train_images=32,
        training={"epochs": 1, "batch_size": 8, "learning_rate": 1e-2},
        attacks=[
            {
                "name": "pgd",
                "kind": "pgd",
                "epsilons": ["0.01", "8/255"],
                "steps": 5,
                "random_start": True,
                "restarts": 2,
            }
        ],
    )
    succeed(experiment.train())
    succeed(experiment.attack("8/255"))
    return experiment


def place(experiment: TinyExperiment, ending: str, label: str = "eps-8_255") -> Path:
    return experiment.seed_folder / f"attacks/pgd/{label}{ending}"


@given(images=st.integers(0, 400), parts=st.integers(1, 20))
def test_parts_hold_each_image_once_and_whole_blocks(images: int, parts: int) -> None:
    ranges = [numbers_of_part(images, part, parts) for part in range(parts)]
    assert [number for numbers in ranges for number in numbers] == list(range(images))
    assert all(numbers.start % 32 == 0 for numbers in ranges if numbers)
    sizes = [len(numbers) for numbers in ranges]
    assert max(sizes) - min(sizes) < 64


def test_merged_parts_are_the_job_of_one_piece(
    trained: TinyExperiment, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = place(trained, ".csv").read_bytes()
    record = read_json(place(trained, ".json"))
    for ending in (".csv", ".json", ".run.json"):
        place(trained, ending).unlink()
    for part in range(PARTS):
        succeed(trained.attack_part("8/255", part, PARTS))
    capfd.readouterr()
    succeed(trained.attack("8/255", attack_shards=PARTS))
    assert "100 of 100 images are done already" in capfd.readouterr().out
    assert place(trained, ".csv").read_bytes() == whole
    assert read_json(place(trained, ".json")) == record
    assert not place(trained, ".parts").exists()
    report = read_json(place(trained, ".run.json"))
    assert [report["images"], *(part["images"] for part in report["parts"])] == [0, 32, 32, 36]
    assert all(part["wall_seconds"] > 0 and part["starts"] == 1 for part in report["parts"])


def test_a_part_that_is_missing_or_damaged_is_attacked_by_the_job_itself(
    trained: TinyExperiment, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = place(trained, ".csv").read_bytes()
    for ending in (".csv", ".json", ".run.json"):
        place(trained, ending).unlink()
    for part in (0, 1):
        succeed(trained.attack_part("8/255", part, PARTS))
    rows = place(trained, ".parts") / "1-of-3.rows"
    rows.write_text(rows.read_text().replace("test/40", "test/41"))
    capfd.readouterr()
    succeed(trained.attack("8/255", attack_shards=PARTS))
    said = capfd.readouterr().out
    assert "1-of-3.json is not the planned one" in said
    assert "2-of-3.json is missing" in said
    assert "32 of 100 images are done already" in said
    assert place(trained, ".csv").read_bytes() == whole


def test_another_number_of_parts_attacks_no_image_again(
    trained: TinyExperiment, capfd: pytest.CaptureFixture[str]
) -> None:
    succeed(trained.attack("8/255", attack_shards=1))
    whole = place(trained, ".csv").read_bytes()
    capfd.readouterr()
    succeed(trained.attack_part("8/255", 1, 4))
    succeed(trained.attack("8/255", attack_shards=4))
    said = capfd.readouterr().out
    assert "32 of 32 images are done already" in said
    assert "100 of 100 images are done already" in said
    assert place(trained, ".csv").read_bytes() == whole
    # The same number again is what a forced run asks for: it attacks.
    succeed(trained.attack("8/255", attack_shards=4))
    assert "done already" not in capfd.readouterr().out


def test_a_killed_job_goes_on_from_its_last_finished_batch(trained: TinyExperiment) -> None:
    kept = trained.seed_folder / "attacks/pgd/.eps-0.01.kept"
    # Slow enough to be caught: a batch of two images at a time.
    process = start(trained.attack("0.01", attack_batch_size=2))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if kept.is_file() and len(kept.read_text().splitlines()) >= 2:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert kept.is_file()
    again = start(trained.attack("0.01", attack_batch_size=2))
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert " of 100 images are done already" in output
    assert not kept.exists()
    resumed = place(trained, ".csv", "eps-0.01").read_bytes()
    succeed(trained.attack("0.01", attack_batch_size=2))
    assert place(trained, ".csv", "eps-0.01").read_bytes() == resumed


def test_snakemake_plans_the_parts_and_clears_them_away(
    finished_project: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(finished_project, project, symlinks=True)
    edit(project, "config.yaml", "attacks:\n", "execution: {attack_shards: 2}\nattacks:\n")
    edit(project, "config.yaml", "epsilons: [0.01, 8/255]", "epsilons: [0.01, 8/255, 0.1]")
    folder = Path("results/tiny/models/plain/seed-0/attacks/pgd")
    done = snakemake(project, f"{folder}/eps-0.1.json", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2-of-2" not in done.stdout and "1-of-2.json" in done.stdout + done.stderr
    left = sorted(path.name for path in (project / folder).iterdir() if "0.1" in path.name)
    assert left == ["eps-0.1.csv", "eps-0.1.json", "eps-0.1.run.json"]
    assert len(list(read_csv(project / folder / "eps-0.1.csv"))) == 20


ROWS = [Row(number, number % 2, f"id,{number}") for number in range(5)]


def test_kept_rows_survive_a_half_written_line(tmp_path: Path) -> None:
    path = tmp_path / ".kept"
    first = KeptRows(path, "origin")
    assert first.read() == []
    first.add(ROWS[:1], at_least=2)
    first.add(ROWS[1:2], at_least=2)
    first.add(ROWS[2:3], at_least=2)  # waits for a second one, and is lost
    whole = path.read_bytes()
    first.add(ROWS[3:4], at_least=2)
    # Everything of the last line may be there but its end.
    path.write_bytes(path.read_bytes()[:-1])
    second = KeptRows(path, "origin")
    assert second.read() == ROWS[:2]
    assert path.read_bytes() == whole
    second.add(ROWS[3:], at_least=1)
    assert KeptRows(path, "origin").read() == [*ROWS[:2], *ROWS[3:]]


@given(st.data())
def test_a_flipped_bit_in_kept_rows_costs_their_line_and_no_more(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.kept"
    path.unlink(missing_ok=True)
    kept = KeptRows(path, "origin")
    for row in ROWS:
        kept.add([row], at_least=1)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    hit = bytes(content[:place]).count(b"\n")
    path.write_bytes(content)
    # Without its end, a line also spoils the next.
    spoilt = {hit, hit + 1} if path.read_bytes().count(b"\n") < len(ROWS) else {hit}
    found = KeptRows(path, "origin").read()
    assert found == [row for row in ROWS if row.number not in spoilt]


@pytest.mark.parametrize("content", ["", "0 [[0, 1, 2]]\n", "\0\n\xff", "no seal\n\n \n"])
def test_what_no_job_wrote_is_thrown_away(tmp_path: Path, content: str) -> None:
    path = tmp_path / ".kept"
    path.write_bytes(content.encode("latin-1"))
    assert KeptRows(path, "origin").read() == []
    assert path.read_bytes() == b""


def test_rows_of_another_origin_are_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / ".kept"
    KeptRows(path, "origin").add(ROWS[:2], at_least=1)
    theirs = path.read_bytes()
    KeptRows(tmp_path / ".mine", "another").add(ROWS[2:], at_least=1)
    # Also where they were put in among the right ones.
    path.write_bytes(theirs + (tmp_path / ".mine").read_bytes())
    assert KeptRows(path, "another").read() == ROWS[2:]


def test_rows_read_back_as_they_were_written(tmp_path: Path) -> None:
    lines = ["plain,0,1,1,1,3,0.5,0.1,0.2,0.3", '"with, and ""q""",1,1,1,0,20,1e-05,0.0,0.0,0.0']
    rows = [Row(0, 1, lines[0]), Row(1, 0, lines[1])]
    path = tmp_path / "rows.csv"
    path.write_text(csv_text(reversed(rows)))
    assert list(read_csv(path)) == rows
