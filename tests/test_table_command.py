"""`biorobust table`: what it prints is the file that the workflow wrote."""

from pathlib import Path

import pytest

from biorobust.__main__ import main
from biorobust.planning import report_plan
from made_up_results import Project, collect_command, make_project, table_command
from tiny_jobs import arguments, succeed


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two attacks' tables of accuracy, and that of robustness."""
    made = make_project(tmp_path_factory.mktemp("made"))
    succeed(collect_command(made))
    succeed(table_command(made))
    plan = report_plan(made.outline, "tables", "adversarial_accuracy")
    record = made.folder / "tables/adversarial_accuracy.json"
    results = {"results": made.folder / "results.json"}
    succeed(arguments("tables", plan, results, {"tables": record}))
    return made


def printed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main(["table", *map(str, words)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "ending"),
    [([], "txt"), (["--format", "md"], "md"), (["--format", "tex"], "tex")],
)
def test_a_table_is_printed_as_it_stands_in_its_file(
    project: Project, words: list[str], ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project.folder / f"tables/robustness.{ending}").read_text()
    assert printed(capsys, project.folder, "robustness", *words) == text


def test_without_a_name_every_attack_is_shown(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    blunt, pgd = ((project.folder / f"tables/{name}.txt").read_text() for name in ("blunt", "pgd"))
    assert printed(capsys, project.folder) == f"{blunt}\n{pgd}"
    assert printed(capsys, project.folder, "pgd") == pgd


def refusal(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main(["table", *map(str, words)]) == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert not out
    return line


def test_mistakes_are_told(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a folder" in refusal(capsys, tmp_path / "none")
    assert "has no tables yet" in refusal(capsys, tmp_path)
    line = refusal(capsys, project.folder, "pdg")
    assert "'pdg'" in line and "adversarial_accuracy, blunt, pgd, robustness" in line
    line = refusal(capsys, project.folder, "--format", "csv")
    assert "name one of blunt, pgd" in line


def test_a_table_that_was_edited_is_not_passed_off(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project.folder / "tables/pgd.md"
    text = path.read_text()
    path.write_text(text.replace("0", "9", 1))
    try:
        line = refusal(capsys, project.folder, "pgd")
        # Another attack's table has another file, and the same record.
        assert "pgd.md is damaged" in line and "--force" in line
    finally:
        path.write_text(text)
