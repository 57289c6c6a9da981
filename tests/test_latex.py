"""Every table of a run through a real LaTeX, where there is one; else see latex_reader.py."""

import shutil
import subprocess
from pathlib import Path

import pytest

_PAGE = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\input{table}
\end{document}
"""


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs texlive-latex-recommended")
def test_every_table_compiles_without_a_word(finished_project: Path, tmp_path: Path) -> None:
    tables = sorted(finished_project.glob("results/*/tables/*.tex"))
    assert len(tables) > 5
    (tmp_path / "page.tex").write_text(_PAGE)
    for table in tables:
        shutil.copy(table, tmp_path / "table.tex")
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="replace",
        )
        assert done.returncode == 0, f"{table.name}: {done.stdout}"
        for complaint in ("Missing character", "LaTeX Warning: Reference", "undefined"):
            assert complaint not in done.stdout, table.name
