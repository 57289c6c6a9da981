"""How far a job is: lines in its log, a bar or lines on the terminal, and no more than that."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from biorobust import progress, terminal
from biorobust.progress import Progress
from biorobust.terminal import shown_on, warn
from terminals import recorded_terminal
from tiny_jobs import TinyExperiment, child_environment, make_experiment, succeed

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Clock:
    """A clock that a test turns on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "monotonic", made)
    monkeypatch.setenv("TERM", "xterm")
    return made


def work(
    clock: Clock, step: float, total: int = 200, note: Callable[[int], str] = lambda done: ""
) -> list[str]:
    """What the log says of steps that take so many seconds each."""
    lines: list[str] = []
    bar = Progress("images", total, lines.append)
    for done in range(1, total + 1):
        clock.now += step
        bar.update(done, note(done))
    return lines


def seconds_of(span: str) -> int:
    return sum(int(part) * 60**power for power, part in enumerate(reversed(span.split(":"))))


def test_log_lines_tell_the_time_that_is_really_left(clock: Clock) -> None:
    lines = work(clock, 0.5, note=lambda done: f"{done // 3} broken")
    assert len(lines) == 20
    assert lines[0] == "10 of 200 images, 1:35 left, 3 broken"
    for line in lines[:-1]:
        done, left = re.match(r"(\d+) of 200 images, ([\d:]+) left", line).groups()
        assert seconds_of(left) == round((200 - int(done)) * 0.5)
    assert lines[-1] == "200 of 200 images in 1:40, 66 broken"


def test_the_time_that_an_earlier_process_took_is_not_counted(clock: Clock) -> None:
    lines: list[str] = []
    bar = Progress("epochs", 400, lines.append)
    clock.now += 500
    bar.begin(300)
    clock.now += 3600
    bar.update(300)
    bar.update(325.5)
    assert lines == ["325 of 400 epochs, 2:55:18 left"]


def test_a_day_of_work_leaves_a_log_that_can_be_read(clock: Clock) -> None:
    lines = work(clock, 1.0, total=86_400)
    assert 1440 < len(lines) < 2000


def test_the_bar_of_a_lone_job_shows_the_same_and_goes_away(clock: Clock) -> None:
    with recorded_terminal() as screen, shown_on(screen.stream, "attack plain", 1):
        lines = work(clock, 0.5, note=lambda done: f"{done // 3} broken")
        warn("a nuisance")
    assert all("\x1b" not in line for line in lines)
    drawn = [line for line in re.split(r"[\r\n]", screen.text) if "━" in line]
    assert len(drawn) > 150
    shown = [re.sub(r"\x1b\[[\d;?]*\w", "", line) for line in drawn]
    wanted = re.compile(r"attack plain [━╺╸]+ 10 of 200 images, 1:35 left, 3 broken")
    assert any(map(wanted.fullmatch, shown))
    assert {len(line) for line in shown} == {100}
    assert "\nwarning: a nuisance" in screen.text.replace("\x1b[2K", "").replace("\r", "\n")
    # The line is erased at the end, and the cursor was never hidden.
    assert screen.text.endswith("\x1b[2K") and "\x1b[?25l" not in screen.text


def test_a_narrow_terminal_gets_one_line_still(clock: Clock) -> None:
    with recorded_terminal(columns=40) as screen, shown_on(screen.stream, "attack plain " * 3, 1):
        work(clock, 0.5)
    assert "\x1b[1A" not in screen.text.removesuffix("\x1b[1A\x1b[2K")


def test_jobs_that_share_a_terminal_write_lines_now_and_then(clock: Clock) -> None:
    with recorded_terminal() as screen, shown_on(screen.stream, "attack plain", 4):
        work(clock, 0.5)
    assert screen.text.splitlines() == [
        f"attack plain: {done} of 200 images, {left} left"
        for done, left in [(2, "1:39"), (82, "0:59"), (162, "0:19")]
    ]


@pytest.mark.parametrize("jobs_at_once", [None, 1, 4])
def test_what_is_no_terminal_gets_warnings_alone(
    clock: Clock, tmp_path: Path, jobs_at_once: int | None
) -> None:
    path = tmp_path / "piped"
    with path.open("w") as stream, shown_on(stream, "attack plain", jobs_at_once):
        work(clock, 0.5)
        warn("a nuisance")
    assert path.read_text() == "warning: a nuisance\n"


def test_a_terminal_that_cannot_draw_gets_lines(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with recorded_terminal() as screen, shown_on(screen.stream, "shard", 1):
        work(clock, 0.5)
    assert screen.text.startswith("shard: 2 of 200 images, 1:39 left\r\n")
    assert "\x1b" not in screen.text


def test_a_terminal_that_is_closed_midway_ends_no_work(clock: Clock) -> None:
    with recorded_terminal() as screen, shown_on(screen.stream, "shard", 1):
        work(clock, 0.5)
        os.dup2(os.open(os.devnull, os.O_RDONLY), screen.stream.fileno())
        lines = work(clock, 0.5)
        warn("nobody sees it")
    assert lines[-1] == "200 of 200 images in 1:40"


def test_an_error_reaches_the_log_where_the_terminal_takes_nothing(tmp_path: Path) -> None:
    command, log = make_experiment(tmp_path).attack("0.01"), tmp_path / "log"
    with Path("/dev/full").open("w") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "biorobust", *command, "--log", str(log)],
            env=child_environment(),
            stderr=nobody,
        )
    assert done.returncode == 1
    (line,) = log.read_text().splitlines()
    assert line.startswith(f"biorobust attack (log: {log}): ") and "training.json" in line


def test_work_of_a_moment_neither_draws_nor_loads_the_library(clock: Clock) -> None:
    with recorded_terminal() as screen, shown_on(screen.stream, "attack plain", 1):
        work(clock, 0.004)
    assert screen.text == ""
    program = (
        "import sys, biorobust.__main__, biorobust.attacks.stage; "
        "print([name for name in ('rich', 'pandas', 'pytorch_lightning') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=child_environment(), capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    return make_experiment(tmp_path_factory.mktemp("shown"))


def on_a_terminal(command: list[str], log: Path, jobs_at_once: int | None) -> str:
    """Carry out a stage with a terminal as its standard error; what the terminal got."""
    command = list(command)
    place = command.index("--execution") + 1
    command[place] = command[place].replace("{", f'{{"jobs_at_once": {jobs_at_once or "null"}, ', 1)
    kept = os.dup(2), os.dup(1)
    with recorded_terminal(columns=120) as screen:
        try:
            os.dup2(screen.stream.fileno(), 2)
            # Pytest has put something else in its place.
            with open(1, "w", buffering=1, closefd=False) as output, redirect_stdout(output):
                succeed([*command, "--log", str(log)])
        finally:
            os.dup2(kept[0], 2)
            os.dup2(kept[1], 1)
            for each in kept:
                os.close(each)
    return screen.text


@pytest.fixture
def drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars appear without waiting for work that takes long."""
    monkeypatch.setattr(terminal, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_LOOK_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("drawn_at_once")
def test_training_and_attack_show_what_they_are_about(
    experiment: TinyExperiment, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    train = on_a_terminal(experiment.train(), logs / "train/plain/seed-0.log", 1)
    assert "train plain seed-0" in train
    # Midway through the second epoch, with what the first one came to.
    assert re.search(r"1 of 3 epochs, 0:\d\d left, loss \d\.\d{4}, accuracy [\d.]+%", train)
    assert re.search(r"3 of 3 epochs in 0:\d\d, loss", train)
    attack = on_a_terminal(experiment.attack("0.01"), logs / "attack/plain/eps-0.01.log", 1)
    assert "attack plain eps-0.01" in attack
    assert re.search(r"6 of 6 images in 0:\d\d, \d broken", attack)
    for log in logs.rglob("*.log"):
        text = log.read_text()
        assert re.search(r"^(3 of 3 epochs|6 of 6 images) in 0:\d\d, (loss|\d broken)", text, re.M)
        assert not CONTROL.search(text)


@pytest.mark.usefixtures("drawn_at_once")
def test_the_bar_changes_no_byte_of_the_results(experiment: TinyExperiment, tmp_path: Path) -> None:
    folder = experiment.seed_folder
    found = []
    for jobs_at_once in (None, 1):
        on_a_terminal(experiment.train(), tmp_path / "log", jobs_at_once)
        on_a_terminal(experiment.attack("8/255"), tmp_path / "log", jobs_at_once)
        names = ("weights.safetensors", "history.csv", "training.json")
        names += ("attacks/pgd/eps-8_255.csv", "attacks/pgd/eps-8_255.json")
        found.append([(folder / name).read_bytes() for name in names])
    assert found[0] == found[1]
