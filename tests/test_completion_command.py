"""`biorobust completion`: the script in a real shell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from biorobust.__main__ import main


def script(capsys: pytest.CaptureFixture[str], shell: str) -> str:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(text: str, folder: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in ("biorobust", *words))
    asked = (
        f"{text}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words)}\n"
        "$(complete -p biorobust | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_bash_completes_commands_options_values_and_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = script(capsys, "bash")
    (tmp_path / "results").mkdir()
    assert completed(text, tmp_path, "com") == {"compare", "completion"}
    assert completed(text, tmp_path, "attack", "--ep") == {"--epsilon"}
    assert completed(text, tmp_path, "attack", "--norm", "l") == {"linf", "l2"}
    assert completed(text, tmp_path, "plan", "--dev") == {"--device"}
    assert completed(text, tmp_path, "verify", "res") == {"results"}


def test_zsh_has_a_script_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = script(capsys, "zsh")
    assert text.startswith("#compdef biorobust") and "--epsilon" in text
    if zsh := shutil.which("zsh"):
        assert subprocess.run([zsh, "-n"], input=text, text=True).returncode == 0


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install shtab" in line
