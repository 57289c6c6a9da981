"""What the checks that always run cost beside the attacks, in passes counted by the model."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from biorobust.analysis.check_costs import passes_of_attacks
from biorobust.checks.attacking import attacked, own_attack
from biorobust.checks.by_attack import findings_of
from biorobust.checks.findings import Finding
from biorobust.checks.honest import rows_of
from biorobust.checks.kinds import ALWAYS, RUNS_MODEL, checks_of
from biorobust.checks.recorded import AttackEntry
from biorobust.checks.subject import Passes, Subject
from biorobust.config.experiment import Experiment
from biorobust.config.reading import read_experiment
from biorobust.config.values import as_number
from examined import examine, slim_standard

CONFIG = Path(__file__).parent.parent / "config.yaml"


def entries(experiment: Experiment) -> list[AttackEntry]:
    return [
        AttackEntry(
            attack.name,
            attack.kind,
            attack.norm,
            attack.model_dump(exclude={"name", "kind", "epsilons"}),
            tuple((text, as_number(text)) for text in sorted(attack.epsilons, key=as_number)),
        )
        for attack in experiment.attacks
    ]


@pytest.fixture(scope="module")
def examined_by_default() -> tuple[Subject, Passes]:
    """A model with as many digits as config.yaml's, under its attacks, and their passes."""
    experiment = read_experiment(yaml.safe_load(CONFIG.read_text()))
    count = experiment.data.test_limit
    assert count is not None
    attacks = entries(experiment)
    subject = examine(slim_standard(), entries=(), count=count)
    subject = replace(subject, batch_size=experiment.execution.attack_batch_size)
    rows = {
        (entry.name, text): rows_of(
            attacked(subject, own_attack(entry), torch.arange(count), value)
        )
        for entry in attacks
        for text, value in entry.epsilons
    }
    recorded = replace(subject.recorded, attacks=tuple(attacks), rows=rows)
    return replace(subject, recorded=recorded), replace(subject.model.passes)


def test_checks_that_always_run_take_at_most_15_percent_of_the_default_runs_attacks(
    examined_by_default: tuple[Subject, Passes],
) -> None:
    subject, attacks = examined_by_default
    findings: list[Finding] = []
    for group in ALWAYS:
        for name, check in checks_of(group).items():
            given = subject if group in RUNS_MODEL else subject.recorded
            findings += [found for found, _ in findings_of(name, given, check.thresholds)]
    taken = sum(finding.forward_passes + finding.backward_passes for finding in findings)
    counted = subject.model.passes
    assert counted.forward + counted.backward == attacks.forward + attacks.backward + taken
    assert 0 < taken <= 0.15 * (attacks.forward + attacks.backward)


def test_the_table_reckons_a_little_less_than_the_attacks_took(
    examined_by_default: tuple[Subject, Passes],
) -> None:
    """Places of a batch that stay free are what it leaves out, so that no share looks too small."""
    subject, attacks = examined_by_default
    kinds = {entry.name: entry.kind for entry in subject.recorded.attacks}
    rows = pd.concat(
        pd.DataFrame({"attack": name, "attack_kind": kinds[name], "steps": found.steps})
        for (name, _), found in subject.recorded.rows.items()
    )
    reckoned = passes_of_attacks(rows)
    assert 0.9 * attacks.forward <= reckoned.forward <= attacks.forward
    assert 0.9 * attacks.backward <= reckoned.backward <= attacks.backward
