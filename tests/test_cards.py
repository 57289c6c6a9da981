"""A robustness card's JSON: every number of it comes from rows, records and run reports."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pandas as pd
import pytest

from biorobust.analysis.cards.attacked import both_forms
from biorobust.analysis.cards.schema import Card
from biorobust.analysis.cards.subject import described
from biorobust.analysis.summary import CLEAN, read_results, summarise
from biorobust.files import canonical_json
from biorobust.models.kinds import MODELS
from carded import FINDINGS, Carded, make_carded


@pytest.fixture
def carded(tmp_path: Path) -> Carded:
    return make_carded(tmp_path)


def under(card: Card, epsilon: str) -> Any:
    (found,) = (each for each in card["results"]["adversarial"] if each["epsilon"] == epsilon)
    return found


def test_counts_and_sums_are_those_of_the_rows(carded: Carded) -> None:
    clean = carded.card()["results"]["clean"]
    # Two and one of ten are misclassified.
    assert [seed["standing"] for seed in clean["seeds"]] == [8, 9]
    assert clean["sum"]["standing"] == 17 and clean["sum"]["images"] == 20
    assert clean["mean"] == pytest.approx(0.85)
    small, large = under(carded.card(), "0.01"), under(carded.card(), "8/255")
    assert small["sum"] == {
        "images": 20,
        "attacked": 17,
        "broken": 6,
        "broken_by_attack_alone": 6,
        "standing": 11,
    }
    # A check broke one more than the attack's 4 + 7.
    assert [(seed["broken"], seed["broken_by_attack_alone"]) for seed in large["seeds"]] == [
        (5, 4),
        (7, 7),
    ]
    assert (large["mean"], large["by_attack_alone"]) == (pytest.approx(0.25), pytest.approx(0.3))


def test_an_honest_correction_leads_and_names_its_check(carded: Carded) -> None:
    assert under(carded.card(), "8/255")["corrected_by"] == ["nesting"]
    assert under(carded.card(), "0.01")["corrected_by"] == []


def test_intervals_are_published_ones(carded: Carded) -> None:
    """Wilson's interval of 5 in 10 and of 6 in 10, between which the mean count 5.5 lies."""
    small = under(carded.card(), "0.01")
    assert small["images_interval"]["low"] == pytest.approx(0.2366, abs=1e-4)
    assert small["images_interval"]["high"] == pytest.approx(0.8318, abs=1e-4)
    # 0.6 and 0.5: their distance over the square root of 2.
    assert small["deviation"] == pytest.approx(0.1 / math.sqrt(2))


def test_accuracies_are_those_of_the_main_table(carded: Carded) -> None:
    results = read_results(carded.folder)
    summary = summarise(results.rows, results.grid)
    lines = summary[summary["model"] == "plain"].to_dict("records")
    card = carded.card()["results"]
    assert len(lines) == 3
    for line in lines:
        text = line["epsilon_text"]
        found = card["clean"] if text == CLEAN else under(carded.card(), text)
        both = found["images_and_seeds_interval"]
        assert (found["mean"], found["deviation"]) == (line["mean"], line["std"])
        assert found["images_interval"] == {"low": line["low"], "high": line["high"]}
        assert both == {"low": line["both_low"], "high": line["both_high"]}
        assert found["by_attack_alone"] == line["uncorrected"]


def test_sums_of_sizes_stand_beside_means(carded: Carded) -> None:
    sizes = carded.card()["results"]["smallest_perturbations"]
    (cw,) = (each for each in sizes if (each["attack"], each["norm"]) == ("cw", "linf"))
    assert cw["seeds"] == [
        {"seed": 0, "never_broken": 5, "sum_of_sizes": 1.0},
        {"seed": 1, "never_broken": 0, "sum_of_sizes": 9.0},
    ]
    # The first seed's mean over all images is infinite; of the broken ones 1.0 / 5 and 9.0 / 10.
    assert cw["mean"] is None
    assert cw["mean_of_broken"] == pytest.approx((0.2 + 0.9) / 2)


def test_sizes_found_by_checks_lead(carded: Carded) -> None:
    """Seed 0: two of 0.01, two of 0.03 and two of none; a check adds one of 0.02."""
    sizes = carded.card()["results"]["smallest_perturbations"]
    (pgd,) = (each for each in sizes if (each["attack"], each["norm"]) == ("pgd", "linf"))
    assert pgd["seeds"][0] == {
        "seed": 0,
        "never_broken": 3,
        "sum_of_sizes": pytest.approx(0.1),
    }
    second = (4 * 0.01 + 3 * 0.03) / 8
    assert pgd["mean_of_broken"] == pytest.approx((0.1 / 7 + second) / 2)
    assert pgd["by_attack_alone"]["mean_of_broken"] == pytest.approx((0.08 / 6 + second) / 2)


def test_a_model_that_draws_at_random_counts_each_jobs_own_attacked_images(
    carded: Carded,
) -> None:
    """In another job's pass one image more is misclassified, and so not attacked."""
    path = carded.folder / "results.parquet"
    rows = pd.read_parquet(path).assign(deterministic=False)
    job = (rows["model"] == "plain") & (rows["seed"] == 0) & (rows["epsilon_text"] == "0.01")
    rows.loc[job & (rows["image"] == "009"), ["clean_prediction", "broken"]] = [0, False]
    rows.to_parquet(path)
    count = under(carded.card(), "0.01")["seeds"][0]
    assert (count["attacked"], count["broken"], count["standing"]) == (7, 2, 5)
    assert under(carded.card(), "8/255")["seeds"][0]["attacked"] == 8


@pytest.mark.parametrize(
    ("value", "norm", "per_pixel", "eight_bit", "l2"),
    [
        (8 / 255, "linf", 8 / 255, 8.0, None),
        # 320 x 320 colour images: sqrt(307200) = 554.26.
        (0.001, "rms", 0.001, 0.255, 0.55426),
        (554.26, "l2", 1.0, 255.0, 554.26),
    ],
)
def test_epsilon_is_told_in_both_forms(
    value: float, norm: str, per_pixel: float, eight_bit: float, l2: float | None
) -> None:
    found = both_forms("as written", value, norm, 320)
    assert found["value"] == value and found["text"] == "as written"
    assert found["per_pixel"] == pytest.approx(per_pixel, rel=1e-5)
    assert found["per_pixel_8bit"] == pytest.approx(eight_bit, rel=1e-5)
    assert found["l2"] == (None if l2 is None else pytest.approx(l2, rel=1e-5))


def test_attacks_tell_their_settings(carded: Carded) -> None:
    pgd, cw = carded.card()["attacks"]
    assert (pgd["norm"], pgd["method"], pgd["options"]["steps"]) == ("linf", "many steps", 4)
    assert [epsilon["text"] for epsilon in pgd["epsilons"]] == ["0.01", "8/255"]
    # A third of epsilon, the default.
    assert pgd["epsilons"][0]["step"] == pytest.approx(0.01 / 3)
    assert cw["epsilons"] == [] and cw["norm"] == "l2"


def test_model_and_data_are_those_of_the_records(carded: Carded) -> None:
    card = carded.card()
    assert card["model"]["parameters"] == {"network": 12345, "training_only": 0}
    weights = {seed["seed"]: seed["weights_sha256"] for seed in card["model"]["seeds"]}
    assert len(set(weights.values())) == 2
    last = card["model"]["seeds"][1]["last_epoch"]
    assert last == {
        "epoch": 1,
        "learning_rate": 0.001,
        "loss": 1.25,
        "extra_loss": None,
        "accuracy": 0.75,
    }
    splits = card["data"]["splits"]
    assert (splits["train"]["smallest_class"], splits["train"]["largest_class"]) == (7, 9)
    assert (splits["train"]["left_out"], splits["test"]["left_out"]) == (1, 0)
    assert card["data"]["test_near_copies_of_training"] == 3
    assert card["data"]["settings"]["test_limit"] == 10


def test_weights_from_elsewhere_have_no_history(carded: Carded) -> None:
    path = carded.folder / "models/plain/seed-0/history.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert carded.card()["model"]["seeds"][0]["last_epoch"] is None


def test_checks_are_the_models_own_and_the_rest_is_named(carded: Carded) -> None:
    checks = carded.card()["checks"]
    assert checks["counts"] == {"skipped": 2, "pass": 8, "warn": 1, "fail": 1}
    # Twelve findings, and honest rows for one.
    assert (checks["forward_passes"], checks["backward_passes"]) == (125, 12)
    assert {finding["check"] for finding in checks["findings"]}.isdisjoint({"learned"})
    left = {each["check"]: each["asked_by"] for each in checks["not_run"]}
    assert left["restarts"] == "thorough" and left["learned"] == "rows"
    assert left.keys().isdisjoint(finding["check"] for finding in FINDINGS[:-1])


def test_the_environment_is_what_jobs_reported(carded: Carded) -> None:
    (carded.folder / "models/plain/seed-0/attacks/cw/minimal.run.json").write_text("{")
    environment = carded.card("snakemake --profile slurm --configfile some.yaml")["environment"]
    assert environment["versions"] == {"python": ["3.11.4"], "torch": ["2.9"]}
    assert environment["devices"] == {"attack": ["cpu"], "train": ["cuda"]}
    assert environment["commits"] == ["abc+"]
    assert environment["threads"] == ["2"]
    # That one, and those of shards, four check jobs and collecting.
    assert environment["reports_missing"] == 7
    # Where it ran is for others to choose.
    assert environment["command"] == "snakemake --cores 1 --configfile some.yaml"
    first = carded.card()["protocol"]["first_pass"]
    assert first["precision"] == ["bfloat16", "float32"]
    assert carded.card()["protocol"]["batch_independence"] == ["pass", "pass"]


def test_a_config_in_the_folder_of_the_run_is_told_from_there(
    carded: Carded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = carded.card(f"snakemake --cores 4 --configfile {tmp_path}/experiments/own.yaml")
    expected = "snakemake --cores 1 --configfile experiments/own.yaml"
    assert told["environment"]["command"] == expected


def test_the_same_results_give_the_same_strict_json(carded: Carded) -> None:
    text = canonical_json(carded.card())
    assert canonical_json(carded.card()) == text
    assert json.loads(text) == carded.card()


def misfits(value: Any, kind: Any, place: str) -> Iterator[str]:
    """Where a value is not of the type that the schema gives it, without leave to omit a key."""
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        if value.keys() != hints.keys():
            yield f"{place}: {sorted(value.keys() ^ hints.keys())}"
        for key in value.keys() & hints.keys():
            yield from misfits(value[key], hints[key], f"{place}.{key}")
    elif kind is Any or (kind is NoneType and value is None):
        return
    elif get_origin(kind) is list:
        for each in value:
            yield from misfits(each, *get_args(kind), f"{place}[]")
    elif get_origin(kind) is dict:
        for key, each in value.items():
            yield from misfits(each, get_args(kind)[1], f"{place}[{key}]")
    elif get_args(kind):
        if all(list(misfits(value, option, place)) for option in get_args(kind)):
            yield f"{place}: {value!r}"
    elif type(value) is not kind:
        yield f"{place}: {value!r} is no {kind}"


def test_a_card_holds_just_what_its_schema_says(carded: Carded) -> None:
    card = carded.card()
    assert list(misfits(card, Card, "card")) == []
    # The comparison itself finds a wrong type and a missing key.
    broken: Any = {**card, "experiment": 3}
    del broken["data"]
    assert len(list(misfits(broken, Card, "card"))) == 2


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_model_says_what_it_is_and_from_where(kind: str) -> None:
    description, source = described(MODELS[kind])
    assert description is not None and len(description) > 20
    assert source is not None and "hesis" in source
