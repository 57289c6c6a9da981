"""The command line as a whole: light, with an example each, one line for a mistake."""

import os
import re
import subprocess
import sys

import pytest

from biorobust.__main__ import main
from pipeline import with_package

COMMANDS = [
    "plan",
    "table",
    "compare",
    "attack",
    "models",
    "export",
    "accept",
    "prune",
    "verify",
    "partial",
]
COMMANDS.append("completion")


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(re.findall(r"^    (\w+)", helped(capsys), re.M)) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_how_it_is_used(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = helped(capsys, command)
    examples = told[told.index("Example") :].splitlines()
    assert any(f"biorobust {command}" in line for line in examples)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: <command>"),
        (["tabel"], "'tabel'"),
        (["table"], "required: results"),
        (["verify", "a", "b"], "unrecognized arguments: b"),
        (["train"], "required: --plan"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and message in line and line.endswith("--help")


def test_help_costs_next_to_nothing() -> None:
    code = (
        "import sys, time, biorobust.__main__ as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'matplotlib', 'pydantic', 'grimp'}\n"
        "print(sorted(heavy & set(sys.modules)), time.process_time(), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=with_package(), capture_output=True, text=True, timeout=60
    )
    heavy, seconds = done.stderr.strip().rsplit(" ", 1)
    assert heavy == "[]" and float(seconds) < 0.5


@pytest.mark.parametrize("words", [["models"], ["completion", "bash"]])
def test_a_reader_that_leaves_ends_it_quietly(words: list[str]) -> None:
    """As `head` does. The status is what a shell gives of a program that SIGPIPE ended."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "biorobust", *words],
            env=with_package(),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
