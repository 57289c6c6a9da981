"""Full and read-only disks: one clear line from each stage, and all goes on when they are mended.

Every stage is tried with a little more free space each time until it succeeds, so that each file
that it writes is once the one for which there is no room.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from biorobust.__main__ import main
from biorobust.config.workflow import claim_folder, require_room
from biorobust.errors import UserError
from biorobust.files import read_json, write_json
from biorobust.planning import collect_plan, plan_digest, report_inputs, report_plan
from carded import write_hygiene
from checked import SECTIONS, checked
from disks import content, fill, remount, small_disk
from made_up_page import page_command, page_outline
from made_up_results import make_project
from tiny_jobs import TinyExperiment, arguments, make_experiment, succeed

IDS = [f"test/{number}" for number in range(60)]
MORE_IDS = [f"test/{number}" for number in range(60, 150)]
TRAINING = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2}
VARYING = re.compile(r"\.run\.json$|tensorboard/")


@dataclass(frozen=True)
class Stage:
    """A stage with its inputs in place: its command, and the folder below which it writes."""

    command: list[str]
    folder: Path

    def results(self) -> dict[str, bytes]:
        """What it wrote and must write again, byte for byte."""
        return {name: data for name, data in self.everything().items() if not VARYING.search(name)}

    def records(self) -> list[str]:
        """The files that vouch for the others."""
        names = [name for name in self.results() if name.endswith(".json")]
        return [name for name in names if not name.endswith(".findings.json")]

    def everything(self) -> dict[str, bytes]:
        return content(self.folder) if self.folder.is_dir() else {}


def trained(folder: Path) -> TinyExperiment:
    experiment = make_experiment(folder, ids=IDS, training=TRAINING)
    succeed(experiment.train())
    return experiment


def train_stage(folder: Path) -> Stage:
    experiment = make_experiment(folder, training=TRAINING)
    return Stage(experiment.train(), experiment.seed_folder)


def attack_stage(folder: Path) -> Stage:
    experiment = trained(folder)
    return Stage(experiment.attack("8/255"), experiment.seed_folder / "attacks")


def attack_part_stage(folder: Path) -> Stage:
    experiment = trained(folder)
    return Stage(experiment.attack_part("8/255", 0, 1), experiment.seed_folder / "attacks")


def collect_stage(folder: Path) -> Stage:
    project = make_project(folder)
    record = project.folder / "collected/results.json"
    record.parent.mkdir()
    for name in ("models", "shards"):
        (record.parent / name).symlink_to(project.folder / name)
    return Stage(
        arguments("collect", collect_plan(project.outline), {}, {"results": record}),
        record.parent,
    )


def report_stage(folder: Path, kind: str, name: str) -> Stage:
    project = make_project(folder)
    results = project.folder / "results.json"
    succeed(arguments("collect", collect_plan(project.outline), {}, {"results": results}))
    plan = report_plan(project.outline, kind, name)
    assert plan["inputs"] == {"results": plan_digest(collect_plan(project.outline))}
    record = project.folder / kind / f"{name}.json"
    return Stage(arguments(kind, plan, {"results": results}, {kind: record}), record.parent)


def table_stage(folder: Path) -> Stage:
    return report_stage(folder, "tables", "robustness")


def figure_stage(folder: Path) -> Stage:
    return report_stage(folder, "figures", "survival")


def check_stage(folder: Path) -> Stage:
    experiment = make_experiment(folder, ids=[*IDS, *MORE_IDS], **SECTIONS)
    succeed(experiment.train())
    for attack in ("weak", "fgsm"):
        succeed(experiment.attack("0.6", attack))
    return Stage(experiment.check("rows"), experiment.seed_folder / "checks")


def card_stage(folder: Path) -> Stage:
    experiment = checked(folder)
    outline = experiment.outline
    results = folder / "results.json"
    succeed(arguments("collect", collect_plan(outline), {}, {"results": results}))
    for split in ("train", "test"):
        manifest = folder / f"shards/{split}/manifest.json"
        write_json(manifest, {**read_json(manifest), "skipped": []})
    write_hygiene(folder / "shards")
    inputs = {name: folder / place for name, place, _ in report_inputs(outline, "cards", "plain")}
    record = folder / "cards/plain.json"
    plan = report_plan(outline, "cards", "plain")
    return Stage(arguments("cards", plan, inputs, {"cards": record}), record.parent)


def page_stage(folder: Path) -> Stage:
    command = page_command(folder, page_outline())
    record = folder / "page/report.json"
    return Stage([*command[:-1], f"report={record}"], record.parent)


CHECKED = ["rows.findings.json", "rows.corrections.csv"]
# How to set a stage up, the pages by which the free space grows, the files that must come up.
STAGES = [
    (train_stage, 40, ["tensorboard", "last.ckpt"]),
    (attack_stage, 1, [".eps-8_255.kept", "eps-8_255.csv"]),
    (attack_part_stage, 1, [".0-of-1.kept", "0-of-1.rows"]),
    (check_stage, 1, [".rows.kept", *CHECKED]),
    (collect_stage, 1, ["corrections.parquet", "results.parquet"]),
    (table_stage, 1, ["robustness.csv", "robustness.html"]),
    (figure_stage, 8, ["survival.png", "survival.pdf"]),
    (card_stage, 1, ["plain.md", "plain.json"]),
    (page_stage, 16, ["report.html"]),
]
NAMES = [setup.__name__ for setup, _, _ in STAGES]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "16m") as place:
        yield place


def one_line(capfd: pytest.CaptureFixture[str]) -> str:
    """The line with which a stage ended."""
    said = capfd.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("biorobust ")]
    assert "Traceback" not in said
    return line


# A thread of TensorBoard's may die of the full disk as well.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("setup", "pages", "named"), STAGES, ids=NAMES)
def test_whatever_has_no_room_is_named_and_nothing_is_lost(
    tmp_path: Path,
    disk: Path,
    capfd: pytest.CaptureFixture[str],
    setup: Callable[[Path], Stage],
    pages: int,
    named: list[str],
) -> None:
    roomy = setup(tmp_path / "roomy")
    succeed(roomy.command)
    stage = setup(disk)
    capfd.readouterr()
    room = 0
    lines = []
    while True:
        fill(disk, but=room)
        if main(stage.command) == 0:
            break
        line = one_line(capfd)
        assert re.search(r"cannot write (\S+): the disk is full; free some space", line), line
        lines.append(line)
        left = stage.everything()
        # The record, which vouches for the rest, is not there; nor is anything half written.
        assert not [name for name in left if re.search(r"\.part$|\.lock$", name)]
        assert not stage.records()
        room += pages
        assert room < 2000
    for name in named:
        assert any(f"/{name}: the disk is full" in line for line in lines), (name, lines)
    assert stage.results() == roomy.results()


@pytest.mark.parametrize("setup", [setup for setup, _, _ in STAGES], ids=NAMES)
def test_a_read_only_folder_is_named_and_nothing_changes(
    disk: Path, capfd: pytest.CaptureFixture[str], setup: Callable[[Path], Stage]
) -> None:
    stage = setup(disk)
    before = content(disk)
    capfd.readouterr()
    remount(disk, "ro")
    assert main(stage.command) == 1
    line = one_line(capfd)
    assert re.search(rf"cannot write {re.escape(str(disk))}\S*: the file system is read-only", line)
    assert content(disk) == before
    remount(disk, "rw")
    succeed(stage.command)
    assert stage.records()


def test_a_run_is_not_begun_on_a_full_disk(disk: Path) -> None:
    fill(disk, but=20)
    before = content(disk)
    for folder in (disk, disk / "results/new"):
        with pytest.raises(UserError, match=r"the disk is full; .*; nothing was run") as caught:
            require_room(disk.parent, folder)
        assert str(caught.value).startswith(f"cannot write {folder}: ")
    assert content(disk) == before
    fill(disk, but=400)
    require_room(disk, disk / "results/new")
    assert content(disk) == before


def test_a_run_is_not_begun_in_a_read_only_folder(disk: Path) -> None:
    (disk / "known").mkdir()
    remount(disk, "ro")
    for keep in (True, False):
        for state in (disk / "known", disk / "new"):
            with pytest.raises(UserError, match=r"is read-only; .*; nothing was run"):
                claim_folder(state, keep=keep)
    with pytest.raises(UserError, match=r"is read-only; .*; nothing was run"):
        require_room(disk / "known")
