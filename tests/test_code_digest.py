"""The digest of the code that a stage can reach."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.code_digest import LEFT_OUT, code_digest, reachable_modules, source_digest
from biorobust.stages import FIGURES, STAGES, TABLES
from pipeline import with_package

SAMPLE = '''"""Doc."""
from __future__ import annotations
import os as o

@o.cache
def f(a: int = 1, *b, c=(), **d) -> "x":
    """Doc."""
    match a:
        case {"k": [1, *rest]} if rest:
            return [lambda: 0, *{**d}]
    return f"{a!r:>{c}} {b}" + "é" + b"x".decode() + str(1e-3) + str(...) + str(None)

class C(list):
    """Doc."""
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Doc."""\n\nclass', "class"),
        ('    """Doc."""\n    match', "    match"),
        ("import os as o\n", "import os as o  # a comment\n\n\n"),
        ("a: int = 1, *b", "a: int=1,\n    *b"),
        ("'x'", '"x"'),
        ('b"x"', "b'x'"),
        ("1e-3", "0.001"),
    ],
)
def test_what_cannot_change_a_number_does_not_count(old: str, new: str) -> None:
    assert source_digest(SAMPLE.replace(old, new)) == source_digest(SAMPLE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("= 1,", "= 2,"),
        ("= 1,", "= 1.0,"),
        ("= 1,", "= True,"),
        ("f(a", "g(a"),
        ("!r", "!s"),
        ("[1, *rest]", "[1, *_]"),
        ('b"x"', '"x"'),
        ("C(list)", "C(dict)"),
        ("str(...)", "str(None)"),
        ("@o.cache\n", ""),
        ("import os as o", "import os as p"),
        ("(list):\n", "(list):\n    x = 1\n"),
    ],
)
def test_what_can_change_a_number_counts(old: str, new: str) -> None:
    assert old in SAMPLE
    assert source_digest(SAMPLE.replace(old, new)) != source_digest(SAMPLE)


@given(st.text(), st.text())
def test_different_constants_differ(first: str, second: str) -> None:
    same = source_digest(f"x = {first!r}") == source_digest(f"x = {second!r}")
    assert same == (first == second)


def test_the_digest_is_the_same_on_every_python_version() -> None:
    # Written down once; every supported version that runs this test must agree.
    assert source_digest(SAMPLE).startswith("79ac4ef48fa77ef4")


def test_other_pythons_at_hand_agree() -> None:
    source = Path(__file__).parent.parent / "workflow_src"
    texts = [SAMPLE, *(path.read_text() for path in sorted(source.rglob("*.py")))]
    expected = [source_digest(text) for text in texts]
    # The digest of one source needs no import graph, so grimp may be absent there.
    program = (
        "import json, sys, types; grimp = types.ModuleType('grimp'); grimp.ImportGraph = object; "
        f"sys.modules['grimp'] = grimp; sys.path.insert(0, {str(source)!r}); "
        "from biorobust.code_digest import source_digest; "
        "print(json.dumps([source_digest(text) for text in json.load(sys.stdin)]))"
    )
    for version in ("3.11", "3.12", "3.13", "3.14"):
        python = shutil.which(f"python{version}")
        if python and not subprocess.run([python, "-c", ""], capture_output=True).returncode:
            done = subprocess.run(
                [python, "-c", program], input=json.dumps(texts), capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == expected, version


def test_the_closure_follows_imports_inside_functions_and_parent_packages(tmp_path: Path) -> None:
    modules = reachable_modules(["biorobust.sampling.retinal"])
    assert {"biorobust", "biorobust.sampling", "biorobust.sampling.retinal"} <= set(modules)
    assert not any(name.startswith("biorobust.models") for name in modules)


def test_a_stage_reaches_no_model_but_its_own() -> None:
    for stage in ("train", "attack"):
        modules = reachable_modules([STAGES[stage], "biorobust.models.standard"])
        assert "biorobust.models.standard" in modules
        assert "biorobust.models.retinal_fixations" not in modules
        assert "biorobust.sampling.retinal" not in modules


def test_no_stage_reaches_config_or_another_stage() -> None:
    for name, module in STAGES.items():
        modules = reachable_modules([module])
        assert not any(found.startswith("biorobust.config") for found in modules)
        assert not set(modules) & (set(STAGES.values()) - {module}), name


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"biorobust\.nothing"):
        reachable_modules(["biorobust.nothing"])


def test_the_digest_names_modules_not_only_their_text() -> None:
    assert code_digest("biorobust.attacks.norms") != code_digest("biorobust.attacks.engine")


@pytest.mark.parametrize("module", sorted(LEFT_OUT))
def test_what_is_left_out_exists_and_cannot_compute(module: str) -> None:
    source = Path(importlib.import_module(module).__file__ or "")
    text = source.read_text()
    for library in ("numpy", "torch", "scipy", "pandas", "PIL", "sklearn", "foolbox"):
        assert f"import {library}" not in text and f"from {library}" not in text
    # Nothing hides behind it: what it imports is left out too, or counts by itself.
    program = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=with_package(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "module",
    [*STAGES.values(), *TABLES.values(), *(figure.module for figure in FIGURES.values())],
)
def test_every_stage_has_its_entry_point(module: str) -> None:
    assert callable(importlib.import_module(module).run)
