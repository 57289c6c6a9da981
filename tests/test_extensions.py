"""Code from outside of the package: how it is found, imported, and covered by digests."""

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biorobust.code_digest import code_digest
from biorobust.errors import UserError
from biorobust.extension_imports import own_modules
from biorobust.extensions import load_extension
from own_code import write_own
from pipeline import with_package


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("own_model.py", '"""Two numbers an image."""', '"""Other words."""', False),
        ("own_model.py", "import torch\n", "import torch  # a comment\n", False),
        ("own_model.py", "images.mean((2, 3))", "images.mean((3, 2))", True),
        ("own_helper.py", "SCALE = 2.0", "SCALE  =  2.00", False),
        ("own_helper.py", "SCALE = 2.0", "SCALE = 3.0", True),
        ("own_attack.py", "1.0", "2.0", False),
    ],
)
def test_an_edit_counts_where_it_is_used_and_could_change_a_number(
    own_folder: Path, file: str, old: str, new: str, counts: bool
) -> None:
    before = code_digest("own_model.py")
    rewrite(own_folder / file, old, new)
    assert (code_digest("own_model.py") != before) == counts


def test_what_a_file_takes_of_the_package_counts_by_its_lazy_names_too(own_folder: Path) -> None:
    write_own(
        own_folder,
        {
            "lazy.py": "from biorobust.sampling import retinal_warp\nimport biorobust.errors",
            "whole.py": "import biorobust\nwarp = biorobust.sampling.retinal_warp",
            "part.py": "from biorobust import sampling",
        },
    )
    sampling = {"biorobust.sampling.retinal", "biorobust.sampling.cortical"}
    assert own_modules("lazy.py")[1] == {
        "biorobust.sampling",
        "biorobust.sampling.retinal",
        "biorobust.errors",
    }
    assert sampling <= own_modules("part.py")[1]
    assert {*sampling, "biorobust.models.registry"} <= own_modules("whole.py")[1]


def test_a_module_of_the_package_that_is_not_there_is_told(own_folder: Path) -> None:
    write_own(own_folder, {"wrong.py": "from biorobust.sampling.fovea import crop"})
    with pytest.raises(UserError, match=r"wrong\.py imports biorobust\.sampling\.fovea"):
        code_digest("wrong.py")


NAMES = "abcdef"
STYLES = (
    "import own_{}",
    "from own_{} import *",
    "from own_{} import X",
    "def f():\n import own_{}",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    edges=st.lists(
        st.tuples(st.sampled_from(list(combinations(NAMES, 2))), st.sampled_from(STYLES)),
        max_size=8,
    ),
    edited=st.sampled_from(NAMES),
)
def test_exactly_what_is_reachable_by_imports_counts(
    own_folder: Path, edges: list[tuple[tuple[str, str], str]], edited: str
) -> None:
    for name in NAMES:
        imports = [style.format(to) for (source, to), style in edges if source == name]
        (own_folder / f"own_{name}.py").write_text("\n".join(["X = 1", *imports, ""]))
    reachable = {"a"}
    for _ in NAMES:
        reachable |= {to for (source, to), _ in edges if source in reachable}
    before = code_digest("own_a.py")
    with (own_folder / f"own_{edited}.py").open("a") as file:
        file.write("Y = 2\n")
    assert (code_digest("own_a.py") != before) == (edited in reachable)


def test_what_is_followed_is_what_python_executes(own_folder: Path) -> None:
    write_own(
        own_folder / "eyes",
        {
            "top.py": "from eyes.inner.deep import A\nimport json, os.path, numpy, loose.one",
            "eyes/__init__.py": "from .inner import deep",
            "eyes/inner/__init__.py": "",
            "eyes/inner/deep.py": "from ..beside import A\nimport own_helper",
            "eyes/beside.py": "A = 1",
            "eyes/unused.py": "B = 1",
            "loose/one.py": "from .inner.two import C",
            "loose/inner/two.py": "C = 1",
        },
    )
    program = (
        "import json, sys; from biorobust.extensions import load_extension; "
        "load_extension('eyes/top.py:A'); print(json.dumps({n: m.__file__ for n, m in "
        "sys.modules.items() if (getattr(m, '__file__', '') or '').startswith(sys.argv[1])}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(own_folder)],
        env=with_package(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    followed = {
        place.name: str(place.file) for place in own_modules("eyes/top.py")[0] if place.file
    }
    assert followed == json.loads(done.stdout)


def test_a_module_of_a_package_has_dots_and_may_import_relatively(
    own_folder: Path,
) -> None:
    files = {"__init__.py": "", "front.py": "from .parts import X", "parts.py": "X = 7"}
    write_own(own_folder / "eyes", files)
    assert load_extension("eyes.front:X") == 7
    before = code_digest("eyes.front")
    rewrite(own_folder / "eyes/parts.py", "7", "8")
    assert code_digest("eyes.front") != before
    with pytest.raises(UserError, match=r"relative import.*name it as PACKAGE\.MODULE:NAME"):
        load_extension("eyes/front.py:X")


def test_of_an_installed_package_its_own_modules_alone_are_followed() -> None:
    places, _ = own_modules("foolbox.attacks.base")
    names = {place.name for place in places}
    assert {"foolbox", "foolbox.attacks", "foolbox.attacks.base", "foolbox.devutils"} <= names
    assert {name.partition(".")[0] for name in names} == {"foolbox"}


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("gone.py:Own", r"there is no file .*gone\.py; put it there, or correct the path"),
        ("gone.own:Own", r"there is no module gone\.own, neither in "),
        ("own_model.py:Other", r"own_model\.py has no Other; correct the name"),
        ("own-model.py:Own", r"own-model\.py cannot be imported by its name"),
        ("random.py:Own", r"random\.py has the name of the installed module random"),
        ("foolbox.py:Own", r"foolbox\.py has the name of the installed module foolbox"),
        ("own_model.py:", r"names no code; write FILE\.py:NAME or PACKAGE\.MODULE:NAME"),
        ("own model:Own", r"names no code"),
        (
            "fails.py:Own",
            r"fails\.py:Own cannot be imported: ZeroDivisionError: .*, line 2",
        ),
        ("broken.py:Own", r"broken\.py:Own cannot be imported: SyntaxError: .*, line 1"),
    ],
)
def test_what_cannot_be_imported_is_told_in_one_line(
    own_folder: Path, reference: str, told: str
) -> None:
    names = dict.fromkeys(("own-model.py", "random.py", "foolbox.py"), "")
    write_own(own_folder, {**names, "fails.py": "x = 0\n1 / x", "broken.py": "def ("})
    with pytest.raises(UserError, match=told) as caught:
        load_extension(reference)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_python_has_no_digest(own_folder: Path) -> None:
    write_own(own_folder, {"broken.py": "x = 1\ndef ("})
    with pytest.raises(UserError, match=r"broken\.py, line 2: .*; mend it"):
        code_digest("broken.py")


def test_two_files_of_one_name_are_not_used_together(own_folder: Path) -> None:
    write_own(own_folder / "left")
    write_own(own_folder / "right")
    assert code_digest("left/own_model.py") == code_digest("right/own_model.py")
    with pytest.raises(UserError, match=r"left/.*right/.* have one name and would be used"):
        code_digest("left/own_model.py", "right/own_model.py")
    load_extension("left/own_model.py:Own")
    with pytest.raises(UserError, match=r"right/own_model\.py cannot be imported, since .*left"):
        load_extension("right/own_model.py:Own")


def test_a_helper_with_the_name_of_an_installed_module_is_refused(own_folder: Path) -> None:
    write_own(own_folder, {"queue.py": "X = 1", "user.py": "import queue"})
    with pytest.raises(UserError, match=r"queue\.py has the name of the installed module queue"):
        code_digest("user.py")
