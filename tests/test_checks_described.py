"""The page that lists the checks: it says what their table says, and the README leads to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from biorobust.checks.described import COMMAND, asks, page
from biorobust.checks.kinds import CHECKS, Check
from tiny_jobs import child_environment

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/checks.md"


def test_the_page_is_in_step_with_the_checks() -> None:
    """If not, run the command that the page names."""
    assert PAGE.read_text(encoding="utf-8") == page()
    assert f"`{COMMAND}`" in page()
    assert "(docs/checks.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_command_prints_the_page() -> None:
    printed = subprocess.run(
        [sys.executable, *COMMAND.partition(" > ")[0].split()[2:]],
        env=child_environment(),
        capture_output=True,
        check=True,
    )
    assert printed.stdout.decode() == page()


def test_every_check_has_a_row_in_its_group() -> None:
    rows = {}
    for section in page().split("\n## ")[1:]:
        group, *lines = section.split("\n")
        for line in lines[3:]:
            if line:
                rows[line.split("`")[1]] = (group, line)
    assert {name: group for name, (group, _) in rows.items()} == {
        name: check.group for name, check in CHECKS.items()
    }
    line = rows["monotone"][1]
    assert line.endswith("| warn 1, fail 3 | none |")
    assert "an image that breaks in the smaller breaks in the larger." in line


def test_a_module_that_does_not_begin_with_a_sentence_is_refused() -> None:
    with pytest.raises(ValueError, match="first line of json is no sentence"):
        asks(Check("json", "rows", {}, "none"))
