"""`biorobust export`: the archive read back, and checked with another program."""

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from biorobust.__main__ import main
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.files import sha256_of_file
from biorobust.tools.export import own_code
from biorobust.tools.planned import Planned
from finished_results import finished, tree
from made_up_results import ATTACKS, MODELS
from own_code import ATTACK, HELPER, MODEL, write_own


def test_the_archive_holds_what_a_paper_needs(made_up_project: Path, tmp_path: Path) -> None:
    assert main(["export", "results/tiny", "tiny.zip"]) == 0
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile("tiny.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(unpacked)
    held, there = tree(unpacked / "tiny"), tree(made_up_project / "results/tiny")
    own = {"SHA256SUMS", "config.yaml"}
    assert set(held) - own <= set(there)
    assert all(held[name] == there[name] for name in set(held) - own)
    left_out = {name for name in there if name not in held}
    assert {"results.parquet", "results.json", "models/ant/seed-2/weights.safetensors"} <= set(held)
    for folder in ("tables/", "figures/", "cards/"):
        assert not [n for n in left_out if n.startswith(folder) and not n.endswith(".run.json")]
    # Rows by image are in the collected table; run reports name hosts.
    assert all("/attacks/" in n or "/checks/" in n or n.endswith(".run.json") for n in left_out)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=unpacked / "tiny"
    )
    assert done.returncode == 0
    listed = (unpacked / "tiny/SHA256SUMS").read_text().splitlines()
    assert {line.split("  ")[1] for line in listed} == set(held) - {"SHA256SUMS"}
    configs = [unpacked / "tiny/config.yaml", made_up_project / "config.yaml"]
    archived, original = (read_experiment(yaml.safe_load(path.read_text())) for path in configs)
    assert archived == original


def test_the_same_files_give_the_same_bytes(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "results/tiny", "a.zip"]) == 0
    for path in Path("results").rglob("*"):
        path.touch()
    assert main(["export", "results/tiny/", "made/b.zip"]) == 0
    assert Path("a.zip").read_bytes() == Path("made/b.zip").read_bytes()
    assert sha256_of_file(Path("a.zip")) in capsys.readouterr().out
    with zipfile.ZipFile("a.zip") as archive:
        names = archive.namelist()
    assert names[2:] == sorted(names[2:])


def test_code_of_ones_own_is_packed_with_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, beside = tmp_path / "here", tmp_path / "beside"
    code = {"mine/own_model.py": MODEL, "mine/own_helper.py": HELPER, "mine/unused.py": ""}
    write_own(here, code)
    write_own(beside, {"own_attack.py": ATTACK})
    model = {"name": "own", "kind": "mine/own_model.py:Own"}
    attack = {"name": "own", "kind": f"{beside}/own_attack.py:Darker", "epsilons": ["0.1"]}
    monkeypatch.chdir(here)
    finished(here, [*MODELS, model], [*ATTACKS, attack])
    assert main(["export", "results/tiny", "tiny.zip"]) == 0
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(here / "tiny.zip") as archive:
        archive.extractall(unpacked)
    packed = {
        path.relative_to(unpacked / "tiny/code").as_posix(): path.read_text()
        for path in (unpacked / "tiny/code").rglob("*.py")
    }
    assert packed == {
        "mine/own_model.py": MODEL,
        "mine/own_helper.py": HELPER,
        "own_attack.py": ATTACK,
    }
    sums = (unpacked / "tiny/SHA256SUMS").read_text()
    assert all(f"  code/{name}\n" in sums for name in packed)


def test_two_files_of_ones_own_in_one_place_are_refused(tmp_path: Path) -> None:
    for folder in ("data", "models"):
        write_own(tmp_path / folder, {"own.py": MODEL, "own_helper.py": HELPER})
    outline: Any = {
        "shard": {"config": {"source": f"{tmp_path}/data/own.py:OWN"}},
        "models": [{"kind": f"{tmp_path}/models/own.py:Own"}],
        "attacks": [],
    }
    with pytest.raises(UserError, match=r"data/own\S*\.py and .* would both be code/own\S*\.py"):
        own_code(Planned({}, outline))


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["export", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert not Path("tiny.zip").exists()
    return line


def test_nothing_half_finished_is_packed(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["results/tiny", "tiny.zip"]
    table = Path("results/tiny/tables/pgd.md")
    table.write_text("other\n")
    assert "tables/pgd.md is damaged" in refusal(capsys, *words)
    table.write_text("pgd.md\n")
    config = Path("config.yaml").read_text()
    Path("config.yaml").write_text(config.replace("epochs: 3", "epochs: 4"))
    line = refusal(capsys, *words)
    assert "other code, config or data" in line and "more such results" in line
    Path("config.yaml").write_text(config)
    Path("results/tiny/models/ant/seed-2/attacks/pgd/eps-0.1.json").unlink()
    line = refusal(capsys, *words)
    assert "eps-0.1.json is missing; finish the run" in line


def test_the_config_must_be_that_of_the_results(
    made_up_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, "results/tiny", "tiny.zip", "--config", "name=other")
    assert "the config is of results/other, not of results/tiny" in line
