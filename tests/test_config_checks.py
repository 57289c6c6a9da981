"""Checks in the config: which run, their thresholds, and how mistakes are told."""

from importlib import import_module
from pathlib import Path

import pytest

from biorobust.checks.kinds import CHECKS, GROUPS
from biorobust.config.outline import make_outline
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.places import named
from example_config import config_with


def mistake(**changes: str) -> str:
    with pytest.raises(UserError) as caught:
        read_experiment(config_with(**changes))
    head, line = str(caught.value).splitlines()
    assert head == "the config has 1 mistake(s):"
    return line.strip()


def test_rows_and_cheap_run_unless_more_is_asked() -> None:
    assert read_experiment(config_with(checks="{}")).checks.groups == ("rows", "cheap")
    asked = read_experiment(config_with(**{"checks.groups": "[thorough, cheap, rows]"}))
    assert asked.checks.groups == ("rows", "cheap", "thorough")


def test_thorough_is_several_jobs_and_every_check_is_in_one(tmp_path: Path) -> None:
    experiment = read_experiment(config_with(**{"checks.groups": "[rows, cheap, thorough]"}))
    groups = make_outline(experiment, cache=tmp_path / "hashes.json")["checks"]
    assert [group["name"] for group in groups] == list(GROUPS)
    told = [check["name"] for group in groups for check in group["checks"]]
    assert sorted(told) == sorted(CHECKS)
    thorough = groups[2:]
    assert len(thorough) > 2
    assert max(len(group["checks"]) for group in thorough) < len(told) / 3
    # A new plain model makes those alone anew whose images come from it.
    assert [group["name"] for group in groups if group["transfer_from"]] == ["queries"]


@pytest.mark.parametrize("groups", ["[rows]", "[thorough]", "[rows, cheap, cheap]", "[]"])
def test_what_always_runs_cannot_be_left_out(groups: str) -> None:
    assert "allowed: [rows, cheap], which always run" in mistake(**{"checks.groups": groups})


def test_unknown_checks_and_thresholds_are_named_with_what_is_near() -> None:
    line = mistake(**{"checks.thresholds": "{monoton: {warn: 1}}"})
    assert line.startswith("checks.thresholds: there is no check 'monoton'")
    assert "(did you mean monotone?)" in line
    line = mistake(**{"checks.thresholds": "{monotone: {warning: 1}}"})
    assert line.endswith(": check monotone has no threshold 'warning'; allowed: warn, fail")
    line = mistake(**{"checks.thresholds": "{monotone: {warn: few}}"})
    assert line.startswith("checks.thresholds.monotone.warn: 'few' is not allowed; allowed: ")


def test_given_thresholds_replace_the_defaults_one_by_one(tmp_path: Path) -> None:
    experiment = read_experiment(
        config_with(**{"checks.thresholds": "{monotone: {fail: 1e1}, rerun: {images: 3}}"})
    )
    groups = make_outline(experiment, cache=tmp_path / "hashes.json")["checks"]
    monotone = named(named(groups, "rows")["checks"], "monotone")["thresholds"]
    assert monotone == {**CHECKS["monotone"].thresholds, "fail": 10.0}
    rerun = named(named(groups, "cheap")["checks"], "rerun")["thresholds"]
    assert rerun == {**CHECKS["rerun"].thresholds, "images": 3}


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_can_be_carried_out_and_warns_before_it_fails(name: str) -> None:
    check = CHECKS[name]
    module = import_module(check.module)
    assert callable(module.check)
    told = " ".join(module.__doc__.split())
    assert "Cost" in told or "no pass" in told
    assert check.group in GROUPS
    assert check.thresholds["warn"] <= check.thresholds["fail"]
    assert check.cost
