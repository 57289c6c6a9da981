"""What a card says was not tried follows from the experiment, and from what its checks covered."""

from pathlib import Path
from typing import Any

import pytest

from biorobust.analysis.cards.schema import AttackPart
from biorobust.analysis.cards.untried import untried_part
from biorobust.attacks.catalogue import build_attack
from biorobust.attacks.kinds import ATTACKS
from biorobust.config.cards import catalogue
from biorobust.errors import UserError
from carded import FINDINGS, make_carded, of_plain


def topics(folder: Path, **changes: Any) -> dict[str, str]:
    """What was not tried of the small experiment, by topic; `changes` as to `untried_part`."""
    card: Any = make_carded(folder, changes.pop("findings", FINDINGS)).card()
    given = {key: card[key] for key in ("data", "attacks", "results", "checks")}
    parts = untried_part(**{**given, **changes}, catalogue=catalogue())
    return {part["topic"]: part["sentence"] for part in parts}


def attack(kind: str, norm: str, method: str, **options: Any) -> AttackPart:
    return {
        "name": kind,
        "kind": kind,
        "norm": norm,
        "method": method,
        "options": options,
        "epsilons": [],
    }


def test_the_small_experiment_lacks_just_this(tmp_path: Path) -> None:
    found = topics(tmp_path)
    assert set(found) == {
        *("norms", "black box", "noise", "losses", "restarts", "other kinds"),
        *("adaptive attacks", "more steps", "transfer", "expectation", "larger epsilons"),
        *("checks", "seeds", "images", "other data"),
    }
    # PGD is in L-infinity, Carlini and Wagner's attack in L2.
    assert "L0" in found["norms"] and "L2" not in found["norms"] and "∞" not in found["norms"]
    # Three of the first seed and two of the second.
    assert "5 of 20" in found["larger epsilons"] and "8/255" in found["larger epsilons"]
    assert "margin" in found["losses"] and "cross_entropy" not in found["losses"]
    assert "pgd" not in found["other kinds"].replace("adam_pgd", "").split(": ")[1].split(", ")
    assert "10 test images" in found["images"]
    assert "digits" in found["other data"]
    assert "check determinism" in found["expectation"]


@pytest.mark.parametrize(
    ("check", "topic"),
    [
        ("black_box", "black box"),
        ("random_noise", "noise"),
        ("other_losses", "losses"),
        ("restarts", "restarts"),
        ("more_steps", "more steps"),
        ("transfer", "transfer"),
        ("expectation", "expectation"),
    ],
)
def test_what_a_check_tried_is_not_named_unless_it_was_skipped(
    tmp_path: Path, check: str, topic: str
) -> None:
    assert topic not in topics(tmp_path, findings=[*FINDINGS, of_plain(check, 0, "warn")])
    assert topic in topics(tmp_path, findings=[*FINDINGS, of_plain(check, 0, "skipped")])


@pytest.mark.parametrize(
    ("added", "topic"),
    [
        (attack("single_pixel", "l0", "black box"), "norms"),
        (attack("square", "linf", "black box"), "black box"),
        (attack("additive_uniform_noise", "linf", "noise"), "noise"),
        (attack("pgd", "linf", "many steps", loss="margin"), "losses"),
        (attack("pgd", "linf", "many steps", restarts=2), "restarts"),
    ],
)
def test_what_an_attack_tried_is_not_named(tmp_path: Path, added: AttackPart, topic: str) -> None:
    attacks = make_carded(tmp_path).card()["attacks"]
    assert topic not in topics(tmp_path, attacks=[*attacks, added])


def test_root_mean_square_counts_as_l2(tmp_path: Path) -> None:
    pgd = make_carded(tmp_path).card()["attacks"][0]
    named = topics(tmp_path, attacks=[pgd])
    assert "L2" in named["norms"] and "smallest perturbation" in named
    assert "L2" not in topics(tmp_path, attacks=[pgd, {**pgd, "norm": "rms"}])["norms"]


def test_attacks_that_checks_cannot_judge_are_named(tmp_path: Path) -> None:
    silent = [
        of_plain("rerun", seed, verdict, unexamined=["cw"])
        for seed, verdict in ((0, "pass"), (1, "warn"))
    ]
    found = topics(tmp_path, findings=[*FINDINGS, *silent])["unexamined attacks"]
    assert found.startswith("Of cw, ") and found.endswith(": rerun.")


def test_without_determinism_an_average_might_help(tmp_path: Path) -> None:
    failed = [{**f, "verdict": "fail"} if f["check"] == "determinism" else f for f in FINDINGS]
    assert "determinism" not in topics(tmp_path, findings=failed)["expectation"]


def test_the_catalogue_has_every_kind_with_norms_that_it_takes() -> None:
    attacks = catalogue()["attacks"]
    assert list(attacks) == list(ATTACKS)
    for kind, facts in attacks.items():
        for norm in facts["norms"]:
            options = {} if len(facts["norms"]) == 1 else {"norm": norm}
            try:
                built = build_attack(kind, **options)
            except UserError as error:
                # AutoAttack takes fewer norms than a config may write, and a package of its own.
                assert kind == "auto_attack", error
                continue
            assert (built.norm, built.minimal) == (norm, facts["minimal"])
