"""`biorobust models`: what it prints of a kind is what the kind's constructor takes."""

import inspect
import re
import sys
from pathlib import Path

import pytest
import yaml

from biorobust.__main__ import main
from biorobust.models.kinds import MODELS
from biorobust.models.registry import model_class
from own_code import CONFIG

SPELLED = {"None": "as published", "True": "true", "False": "false"}


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["models", *words]) == 0
    return capsys.readouterr().out


def test_options_and_defaults_are_those_of_the_constructors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = {part.split(":")[0]: part for part in printed(capsys).split("\n\n")}
    assert set(parts) == set(MODELS)
    for kind, part in parts.items():
        told = dict(re.findall(r"^  (\w+) = (.*?)  \(", part, re.M))
        taken = {
            name: str(SPELLED.get(repr(given.default), given.default))
            for name, given in inspect.signature(model_class(kind)).parameters.items()
            if name not in ("image_size", "classes")
        }
        assert told == taken


def test_every_kind_names_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    for part in printed(capsys).split("\n\n"):
        assert re.search(r"^  Source: .*(thesis \d|Vuyyuru)", part, re.M), part


def test_choices_are_those_that_the_constructor_accepts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (choices,) = re.findall(
        r"interpolation = nearest  \((.*)\)", printed(capsys, "retinal_fixations")
    )
    family = model_class("retinal_fixations")
    for choice in choices.split(", "):
        family(image_size=32, classes=2, width=2, interpolation=choice)
    with pytest.raises(ValueError):
        family(image_size=32, classes=2, width=2, interpolation="cubic")


def test_one_kind_comes_with_what_its_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "multi_gaze")
    assert inspect.getdoc(model_class("multi_gaze")) in told
    assert "cortical_fixations:" not in told


def test_ones_own_is_described_from_its_source(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = printed(capsys, "own_model.py:Own").splitlines()
    assert told[:2] == ["own_model.py:Own: Two numbers an image.", "  gain = 1.0  (float)"]
    # Nothing of it was run, and what it takes is not required by `image_size` and `classes`.
    assert "own_model" not in sys.modules
    family = model_class("own_model.py:Own")
    assert set(inspect.signature(family).parameters) == {"image_size", "classes", "gain"}
    (own_folder / "bare.py").write_text("class Bare:\n    def __init__(self, *, depth): ...\n")
    bare = "bare.py:Bare: a model of your own\n  depth  (must be given)\n"
    assert printed(capsys, "bare.py:Bare") == bare


def test_a_config_brings_its_own_kinds(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    alone = printed(capsys)
    assert "own_model.py" not in alone
    told = printed(capsys, "--config", "name=other")
    assert told.startswith(alone.rstrip()) and "own_model.py:Own: Two numbers" in told


def test_code_that_is_not_there_is_one_line(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("none.py:Own", "own_model.py:None_"):
        assert main(["models", kind]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert kind.split(":")[0] in line


def test_an_unknown_kind_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "multigaze"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "'multigaze'" in line and "multi_gaze" in line
