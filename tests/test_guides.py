"""The guides in docs/, followed to the letter in a copy of the project."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from guides import Change, Run, Write, steps
from pipeline import ROOT, clean_environment, copy_project, edit

DOCS = ROOT / "docs"
GUIDES = sorted(DOCS.glob("your-own-*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_does_what_it_says(guide: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", (ROOT / "config.yaml").read_text())
    programs = str(Path(sys.executable).parent)
    environment = clean_environment()
    environment["PATH"] = os.pathsep.join([programs, environment["PATH"]])
    done = 0
    for step in steps(guide):
        if isinstance(step, Write):
            (project / step.file).write_text(step.text)
        elif isinstance(step, Change):
            edit(project, step.file, step.old, step.new)
        else:
            ran = subprocess.run(
                shlex.split(step.command),
                cwd=project,
                env=environment,
                capture_output=True,
                text=True,
                timeout=600,
            )
            said = ran.stdout + ran.stderr
            assert ran.returncode == 0, said
            for pattern in step.says:
                assert re.search(rf"^\s*{pattern}\s*$", said, re.M), f"{pattern} is not in:\n{said}"
            done += len(step.says)
    assert done


def test_every_guide_has_code_edits_commands_and_outputs() -> None:
    assert len(GUIDES) == 3
    for guide in GUIDES:
        kinds = [type(step) for step in steps(guide)]
        assert kinds.count(Write) >= 2 and kinds.count(Change) == 1 and kinds.count(Run) >= 2


def test_every_link_leads_to_a_file() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (DOCS / target).is_file(), (page.name, target)
        for file in re.findall(r"`(biorobust/[\w/]+\.py)`", page.read_text()):
            assert (ROOT / "workflow_src" / file).is_file(), (page.name, file)


def test_the_front_end_is_about_thirty_lines() -> None:
    (code,) = [
        step.text
        for step in steps(DOCS / "your-own-front-end.md")
        if isinstance(step, Write) and step.file.endswith(".py")
    ]
    assert len([line for line in code.splitlines() if line.strip()]) <= 35
