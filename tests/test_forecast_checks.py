"""Passes and times of checks, reckoned before a first run and held against counted ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biorobust.checks.kinds import CHECKS, checks_of
from biorobust.config.reading import read_experiment
from biorobust.forecast.check_passes import cost_in_passes, group_passes
from biorobust.forecast.command import forecast, report
from biorobust.forecast.estimate import Given
from biorobust.places import CheckJob
from biorobust.planning import check_plan
from tiny_jobs import make_experiment, succeed, tiny_config

NAMES = {"n": 7, "s": 5, "a": 2, "steps": 20}
PGD = {"name": "pgd", "kind": "pgd", "epsilons": ["8/255"], "steps": 5}
FGSM = {"name": "fgsm", "kind": "fgsm", "epsilons": ["8/255"]}


@pytest.mark.parametrize("name", CHECKS)
def test_every_declared_cost_can_be_reckoned(name: str) -> None:
    passes = cost_in_passes(CHECKS[name].cost, NAMES)
    assert (passes == 0) == (CHECKS[name].group == "rows")


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ("none", 0),
        ("48", 48),
        ("16 * 20 at most", 320),
        ("8 a (2 + steps)", 8 * 2 * 22),
        ("n + s a steps", 7 + 5 * 2 * 20),
        ("4; of a random model 10 s a steps", 4),
    ],
)
def test_words_are_reckoned_as_they_are_meant(words: str, passes: int) -> None:
    assert cost_in_passes(words, NAMES) == passes


@pytest.mark.parametrize("words", ["", "3 x", "2 (n", "2 n)", "n +"])
def test_what_is_no_cost_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"none of|closed|too many"):
        cost_in_passes(words, NAMES)


TERMS = st.recursive(
    st.sampled_from([*NAMES, "3", "10"]),
    lambda inner: st.builds(str.format, st.sampled_from(["{} * {}", "({} + {})"]), inner, inner),
    max_leaves=8,
)


@given(TERMS)
def test_python_reckons_the_same(words: str) -> None:
    assert cost_in_passes(words.replace(" * ", " "), NAMES) == eval(words, dict(NAMES))


def test_attacks_of_unlike_steps_add_up() -> None:
    """By hand: 8 (2 + 5) of PGD and 8 (2 + 1) of FGSM; 64 for each of the two; 80 once."""
    names = ("rerun", "single_step", "determinism")
    attacks = [
        {"kind": "pgd", "config": {"steps": 5}},
        {"kind": "fgsm", "config": {}},
        {"kind": "square", "config": {"queries": 1000}},
    ]
    config = {"checks": [{"name": name} for name in names], "attacks": attacks}
    assert group_passes(config, images=6) == (56 + 24) + 2 * 64 + 80


def test_a_real_run_takes_no_more_passes_than_reckoned_and_not_far_fewer(tmp_path: Path) -> None:
    experiment = make_experiment(
        tmp_path,
        ids=[f"test/{number}" for number in range(40)],
        train_images=32,
        training={"epochs": 2, "batch_size": 8, "learning_rate": 1e-2},
        attacks=[{**PGD, "epsilons": ["0.001"]}],
    )
    succeed(experiment.train())
    succeed(experiment.attack("0.001"))
    succeed(experiment.check("cheap"))
    record = json.loads((experiment.seed_folder / "checks/cheap.json").read_text())
    plan = check_plan(experiment.outline, CheckJob("plain", 0, "cheap"))
    reckoned = group_passes(plan["config"], images=40)
    assert reckoned / 4 < record["passes"]["forward"] <= reckoned
    assert record["passes"]["backward"] <= reckoned


def test_before_a_first_run_the_attacks_throughput_tells_the_time_of_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"source": "digits", "image_size": 32, "test_limit": 10}
    experiment = read_experiment(tiny_config(data=data, attacks=[PGD, FGSM]))
    unknown = forecast(experiment, tmp_path / "results", Given(), "cuda").stages()
    (checks,) = [stage for stage in unknown if stage.stage == "check"]
    assert (checks.planned.jobs, checks.planned.unknown, checks.planned.unknown_on_gpu) == (2, 1, 1)

    given = Given(attack={None: 2})
    stages = forecast(experiment, tmp_path / "results", given, "cuda").stages()
    (checks,) = [stage for stage in stages if stage.stage == "check"]
    config = {
        "checks": [{"name": name} for name in checks_of("cheap")],
        "attacks": [{"kind": "pgd", "config": {"steps": 5}}, {"kind": "fgsm", "config": {}}],
    }
    # Half a second an image and attack, so a second for the six steps of both.
    assert checks.planned.seconds == pytest.approx(group_passes(config, 10) / 6)
    assert checks.planned.gpu_seconds == checks.planned.seconds
    text = " ".join(report(experiment, tmp_path / "results", given, "cuda").split())
    assert "as if every image survived its attacks and no honest rows were needed" in text
    assert "(given, 2 images a second) (cheap)" in text
    assert "next to none: no pass of a model (rows)" in text
