"""Claims in a config: what is accepted, how mistakes are told, what an edit makes stale."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import yaml

from biorobust import planning
from biorobust.analysis import claims_table, differences_table
from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.config.reading import overlaid, read_experiment
from biorobust.errors import UserError
from biorobust.files import canonical_json
from biorobust.jobs import Job
from example_config import CONFIG
from small_results import counted_job, make_grid, write_results
from tiny_jobs import tiny_config

ROOT = Path(__file__).parent.parent
BOTH = "{name: c, text: It is so., better: eye, worse: plain"


def config(*claims: str) -> Any:
    return yaml.safe_load(CONFIG) | {"claims": [yaml.safe_load(claim) for claim in claims]}


def mistakes(*claims: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_experiment(config(*claims))
    return [line.removeprefix("  ") for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        (f"{BOTH}, worse: plane}}", ".worse: there is no model 'plane'; models: plain, eye"),
        ("{name: c, text: a, models: [eye, x]}", ".models: there is no model 'x'; models: plain,"),
        (f"{BOTH}, attack: fgsm}}", ".attack: there is no attack 'fgsm' with epsilons; attacks"),
        (f"{BOTH}, attack: pgd, at: 0.5}}", ".at: pgd has no epsilon 0.5; its epsilons: 0.01, 8"),
        (f"{BOTH}, attack: pgd, at: clean}}", ".attack: a claim about clean images has none"),
        (f"{BOTH}, at: never}}", ".at: 'never' is not allowed; allowed: clean, all (epsilons), an"),
        (f"{BOTH}, at: []}}", ".at: [] is not allowed; allowed: clean, all (epsilons), an"),
        (f"{BOTH}, models: [eye, plain]}}", ": give better and worse, or models: at least two"),
        ("{name: c, text: a, models: [eye]}", ": give better and worse, or models: at least two"),
        ("{name: c, text: a, better: eye}", ": give better and worse, or models: at least two"),
        ("{name: c, text: a, models: [eye, eye]}", ": 'eye' cannot be compared with itself"),
        (f"{BOTH}, direction: similar}}", ".margin: missing; direction similar needs one, in p"),
        (f"{BOTH}, margin: 2}}", ".margin: direction higher takes none; leave it out"),
        (f"{BOTH}, direction: up}}", ".direction: 'up' is not allowed; allowed: 'higher', 'not_"),
        (f"{BOTH}, measure: retention, at: clean}}", ": retention is about attacks; leave clean"),
        ("{name: c, better: eye, worse: plain}", ".text: missing; it must be given"),
        (f"{BOTH}, text: 7}}", ".text: 7 is not allowed; allowed: text, in quotes where it looks"),
        (f"{BOTH}, best: eye}}", ".best: unknown key"),
    ],
)
def test_mistakes_are_told_in_one_line(claim: str, told: str) -> None:
    (line,) = mistakes(claim)
    assert line.startswith(f"claims[0]{told}")


def test_names_are_taken_once_and_every_claim_is_told_of() -> None:
    lines = mistakes(f"{BOTH}}}", f"{BOTH}, worse: x, better: y}}")
    assert lines[0] == "claims: 'c' is written twice; each once"
    assert [line.split(":")[0] for line in lines[1:]] == ["claims[1].better", "claims[1].worse"]


def test_the_attack_goes_without_saying_where_there_is_one() -> None:
    read_experiment(config(f"{BOTH}}}"))
    several = config(f"{BOTH}}}", f"{BOTH}, name: d, at: clean}}")
    several["attacks"].append({"name": "fgsm", "kind": "fgsm", "epsilons": [0.1]})
    several["attacks"].append({"name": "ddn", "kind": "ddn"})
    with pytest.raises(UserError) as caught:
        read_experiment(several)
    (line,) = str(caught.value).splitlines()[1:]
    assert line.startswith("  claims[0].attack: missing; it must be given here")
    assert line.endswith("attacks with epsilons: pgd, fgsm")


def outline(tmp_path: Path, **sections: Any) -> planning.Outline:
    models = [{"name": name, "kind": "standard"} for name in ("plain", "eye", "third")]
    made = tiny_config(models=models, **sections)
    return make_outline(Experiment.model_validate(made), cache=tmp_path / "hashes.json")


def claims_of(tmp_path: Path, *claims: str) -> list[dict[str, Any]]:
    entries = [yaml.safe_load(claim) for claim in claims]
    attacks = [{"name": "pgd", "kind": "pgd", "epsilons": ["0.1", "1e-2"]}]
    made = outline(tmp_path, attacks=attacks, claims=entries)
    found: list[dict[str, Any]] = made["tables"]["claims"]["config"]
    return found


def test_a_claim_becomes_every_comparison_that_it_makes(tmp_path: Path) -> None:
    order, several = claims_of(
        tmp_path,
        "{name: a, text: b, models: [third, eye, plain], at: [clean, 0.01]}",
        "{name: c, text: d, better: [eye, third], worse: plain, at: [1/10, all]}",
    )
    assert order["comparisons"] == [
        ["third", "eye", "", "clean", "accuracy"],
        ["third", "eye", "pgd", "1e-2", "accuracy"],
        ["eye", "plain", "", "clean", "accuracy"],
        ["eye", "plain", "pgd", "1e-2", "accuracy"],
    ]
    assert several["comparisons"] == [
        [better, "plain", "pgd", text, "accuracy"]
        for better in ("eye", "third")
        for text in ("0.1", "1e-2")
    ]


def digests(made: planning.Outline) -> dict[str, str]:
    return {str(path): planning.plan_digest(plan) for path, plan in planning.planned_records(made)}


def test_a_claim_makes_only_its_tables_stale(tmp_path: Path) -> None:
    without = digests(outline(tmp_path))
    claim = {"name": "c", "text": "so", "better": "eye", "worse": "plain", "at": "clean"}
    one = digests(outline(tmp_path, claims=[claim]))
    assert set(one) - set(without) == {"tables/claims.json"}
    changed = {path for path in without if one[path] != without[path]}
    assert changed == {"tables/differences.json", "tables/costs.json", "report.json"}
    # Other words are not another comparison.
    reworded = digests(outline(tmp_path, claims=[claim | {"text": "thus", "source": "me"}]))
    changed = {path for path in one if one[path] != reworded[path]}
    assert changed == {"tables/claims.json", "tables/costs.json", "report.json"}


@pytest.mark.parametrize(
    ("table", "module"), [("claims", claims_table), ("differences", differences_table)]
)
def test_the_planned_job_writes_what_was_claimed(
    tmp_path: Path, table: str, module: ModuleType
) -> None:
    claim = {"name": "c", "text": "so", "better": "third", "worse": ["plain", "eye"], "at": "clean"}
    made = outline(tmp_path, claims=[claim])
    models = {"plain": [0, 1], "eye": [0, 1], "third": [0, 1]}
    rows = [
        counted_job(model, seed, "pgd", "0.05", right, 0)
        for right, model in enumerate(models, start=6)
        for seed in (0, 1)
    ]
    folder = write_results(tmp_path / "r", pd.concat(rows), make_grid(models, {"pgd": ["0.05"]}))
    job = Job(
        plan=json.loads(canonical_json(planning.report_plan(made, "tables", table))),
        execution={},
        inputs={"results": folder / "results.json"},
        records={"tables": folder / "tables" / f"{table}.json"},
        say=print,
    )
    result = module.run(job, {})
    assert set(result.outputs["tables"]) == {
        f"{table}.{e}" for e in ("csv", "html", "md", "tex", "txt")
    }
    found = pd.read_csv(folder / "tables" / f"{table}.csv")
    assert list(found["second"]) == ["plain", "eye"]
    assert list(found["difference"]) == pytest.approx([0.2, 0.1])


def test_one_model_has_nothing_to_differ_from(tmp_path: Path) -> None:
    made = tiny_config(models=[{"name": "plain", "kind": "standard"}])
    tables = make_outline(Experiment.model_validate(made), cache=tmp_path / "hashes.json")["tables"]
    assert "differences" not in tables and "claims" not in tables


@pytest.mark.parametrize("replaced", ["models", "attacks"])
def test_an_overlay_with_other_models_or_attacks_drops_the_claims(replaced: str) -> None:
    default = config(f"{BOTH}}}")
    overlay: dict[str, Any] = {"name": "mine", replaced: default[replaced][:1]}
    merged = {**default, **overlay}
    assert read_experiment(overlaid(merged, overlay)).claims == ()
    # Claims of its own must be about what is there.
    own = overlay | {"claims": config(f"{BOTH}, worse: x}}")["claims"]}
    with pytest.raises(UserError, match=r"claims\[0\]\.worse: there is no model 'x'"):
        read_experiment(overlaid({**default, **own}, own))


def test_an_overlay_that_keeps_models_and_attacks_keeps_the_claims() -> None:
    default = config(f"{BOTH}}}")
    overlay: dict[str, Any] = {"name": "mine", "seeds": [3]}
    assert len(read_experiment(overlaid({**default, **overlay}, overlay)).claims) == 1


@pytest.mark.parametrize(
    "name", ["config", "experiments/imagenet10", "experiments/fashion_mnist_all"]
)
def test_the_shipped_claims_name_their_place_in_the_thesis(name: str) -> None:
    shipped = yaml.safe_load((ROOT / f"{name}.yaml").read_text())
    claims = read_experiment(shipped).claims
    assert len(claims) >= 15
    assert all("hesis" in str(claim.source) for claim in claims)
    assert read_experiment({**shipped, "smoke": True}).claims == claims
