"""What a config may say of a user's own model, attack and data set, and what it makes stale."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biorobust.config.outline import make_outline
from biorobust.config.reading import read_experiment
from biorobust.errors import UserError
from biorobust.planning import plan_digest, planned_records
from own_code import CONFIG, write_own


def with_model(**entry: Any) -> dict[str, Any]:
    """The config with one model, the user's own."""
    return {**CONFIG, "models": [{"name": "own", "kind": "own_model.py:Own", **entry}]}


def with_attack(**entry: Any) -> dict[str, Any]:
    """The config with one attack, the user's own, under a budget."""
    whole = {"name": "darker", "kind": "own_attack.py:Darker", "epsilons": [0.1], **entry}
    return {**CONFIG, "attacks": [{key: whole[key] for key in whole if whole[key] is not None}]}


def mistakes(config: dict[str, Any]) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_experiment(config)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_options_go_to_the_constructor_as_it_wants_them(own_folder: Path) -> None:
    experiment = read_experiment(CONFIG)
    outline = make_outline(experiment, own_folder / "hashes.json")
    model, attack = outline["models"][1], outline["attacks"][1]
    assert model["train_config"]["model"] == {"kind": "own_model.py:Own", "gain": 0.5}
    assert model["implementation"] == "own_model.py:Own"
    assert attack["config"] == {"kind": "own_attack.py:Darker", "norm": "linf"}
    assert attack["norm"] == "linf"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_an_option_annotated_as_a_number_takes_every_spelling_of_one(
    own_folder: Path, dividend: int, divisor: int
) -> None:
    exact = Fraction(dividend, divisor)
    for spelling in (f"{dividend}/{divisor}", float(exact), repr(float(exact))):
        (model,) = read_experiment(with_model(gain=spelling)).models
        assert model.model_dump()["gain"] == float(exact)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            {"gian": 1},
            "models[0].gian: unknown key (did you mean gain?); allowed: gain, ",
        ),
        ({"classes": 3}, "models[0].classes: unknown key; allowed: "),
        ({"gain": "much"}, "models[0].gain: 'much' is not allowed; allowed: a number such as"),
        ({"gain": None}, "models[0].gain: None is not allowed; allowed: a number such as"),
        ({"kind": "gone.py:Own"}, "models[0].kind: there is no file "),
        ({"kind": "gone.own:Own"}, "models[0].kind: there is no module gone.own"),
        ({"kind": "own_model.py:Owl"}, "models[0].kind: "),
        ({"kind": "broken.py:Own"}, "models[0].kind: "),
        ({"kind": "a:b:c"}, "models[0].kind: 'a:b:c' names no code; write FILE.py:NAME or"),
        ({"kind": "wants.py:Own"}, "models[0].gain: missing; it must be given"),
        ({"kind": "plain.py:Own", "x": b""}, "models[0].x: b'' is not allowed; allowed: made of"),
        ({"kind": "text.py:Own", "x": 1}, "models[0].x: 1 is not allowed; allowed: text, in"),
        ({"name": 3}, "models[0].name: 3 is not allowed; allowed: text (in quotes"),
        (
            {"kind": "own_model.py"},
            "models[0].kind: 'own_model.py' is not allowed; allowed: ",
        ),
    ],
    ids=str,
)
def test_mistakes_about_an_own_model(own_folder: Path, entry: dict[str, Any], told: str) -> None:
    model = (own_folder / "own_model.py").read_text()
    taken = {
        "broken.py": "def (",
        "wants.py": model.replace("gain: float = 1.0", "gain: float"),
        "plain.py": model.replace("gain: float = 1.0", "x=1"),
        "text.py": model.replace("gain: float = 1.0", "x: str = ''"),
    }
    write_own(own_folder, taken)
    (line,) = mistakes(with_model(**entry))
    assert line.startswith(told)


def test_all_mistakes_are_told_at_once(own_folder: Path) -> None:
    config = with_model(gian=1, gain="much") | {"seeds": [-1]}
    config["attacks"] = with_attack(kind="gone.py:Own")["attacks"]
    places = [line.split(":")[0] for line in mistakes(config)]
    assert sorted(places) == ["attacks[0].kind", "models[0].gain", "models[0].gian", "seeds[0]"]


def test_a_constructor_that_hands_options_on_takes_any(own_folder: Path) -> None:
    write_own(
        own_folder,
        {
            "handing.py": "from own_model import Own\n\n\nclass Handing(Own):\n    pass\n",
            "keywords.py": "class Any:\n    def __init__(self, **options):\n        pass\n",
            "inner.py": (own_folder / "own_model.py").read_text()
            + "\n\nclass Inner(Own):\n    pass\n",
        },
    )
    for kind in ("handing.py:Handing", "keywords.py:Any"):
        read_experiment(with_model(kind=kind, whatever=[1, {"a": None}]))
    assert mistakes(with_model(kind="inner.py:Inner", gian=1))[0].startswith("models[0].gian: unk")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"epsilons": None}, "attacks[0].epsilons: missing; it must be given"),
        (
            {"norm": "l2"},
            "attacks[0].norm: 'l2' is not allowed; allowed: linf, ",
        ),
        ({"norm": "l7"}, "attacks[0].norm: 'l7' is not allowed; allowed: 'linf', 'l2', 'rms' or "),
        ({"epsilons": ["x"]}, "attacks[0].epsilons[0]: 'x' is not allowed; allowed: a finite"),
        ({"kind": "minimal.py:Darker"}, "attacks[0].epsilons: "),
        ({"kind": "silent.py:Darker"}, "attacks[0].norm: missing; say linf, l2, rms or l0"),
        ({"kind": "seeded.py:Darker", "seed": 1}, "attacks[0].seed: "),
        ({"kind": "normed.py:Darker", "norm": "l0"}, "attacks[0].norm: 'l0' is not allowed"),
    ],
    ids=str,
)
def test_mistakes_about_an_own_attack(own_folder: Path, entry: dict[str, Any], told: str) -> None:
    attack = (own_folder / "own_attack.py").read_text()
    taken = {
        "minimal.py": attack.replace("BudgetAttack", "MinimalAttack"),
        "silent.py": attack.replace('norm = "linf"', "pass"),
        "seeded.py": attack.replace("share: float = 1.0", "seed: int = 0"),
        "normed.py": attack.replace('norm = "linf"', "pass").replace(
            "share: float", 'norm: str="l2", share: float'
        ),
    }
    write_own(own_folder, taken)
    (line,) = mistakes(with_attack(**entry))
    assert line.startswith(told)
    (attack,) = read_experiment(with_attack(kind="normed.py:Darker")).attacks
    assert attack.norm == "l2"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("own_data.py:OWL", "has no OWL; correct the name"),
        ("gone.py:OWN", "there is no file "),
        ("stripes", "'stripes' is not allowed; allowed: 'digits', 'fashion_mnist', "),
    ],
)
def test_mistakes_about_an_own_data_set(own_folder: Path, source: str, told: str) -> None:
    (line,) = mistakes({**CONFIG, "data": {"source": source, "image_size": 32}})
    assert line.startswith("data.source: ") and told in line


def plans(folder: Path, config: dict[str, Any] = CONFIG) -> dict[str, str]:
    """The digest of every planned job up to the checks, by its record."""
    outline = make_outline(read_experiment(config), folder / "hashes.json")
    return {
        str(path): plan_digest(plan)
        for path, plan in planned_records(outline)
        if plan["stage"] in ("shard", "train", "attack", "check")
    }


OWN = {"training.json", "attacks/pgd/eps-8_255.json", "attacks/darker/eps-8_255.json"}
OWN = {f"models/own/seed-0/{name}" for name in (*OWN, "checks/rows.json", "checks/cheap.json")}
DARKER = {
    f"models/{model}/seed-0/{name}.json"
    for model in ("plain", "own")
    for name in ("attacks/darker/eps-8_255", "checks/rows", "checks/cheap")
}


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("own_model.py", '"""Two', '# A comment.\n"""Some', set()),
        ("own_model.py", "mean", "amax", OWN),
        ("own_helper.py", "2.0", "3.0", OWN),
        ("own_attack.py", "images - self", "images + self", DARKER),
        ("own_data.py", "even", "other", set()),
    ],
)
def test_an_edit_makes_stale_exactly_what_uses_it(
    own_folder: Path, file: str, old: str, new: str, stale: set[str]
) -> None:
    before = plans(own_folder)
    path = own_folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    after = plans(own_folder)
    assert {name for name in before if before[name] != after[name]} == stale


def test_an_own_data_sets_code_and_files_make_everything_stale(own_folder: Path) -> None:
    config = {**CONFIG, "data": {"source": "own_data.py:OWN", "path": ".", "image_size": 32}}
    (own_folder / "images.npy").write_bytes(b"one")
    before = plans(own_folder, config)
    (own_folder / "images.npy").write_bytes(b"two")
    other_files = plans(own_folder, config)
    path = own_folder / "own_data.py"
    path.write_text(path.read_text().replace("% 2", "% 3"))
    other_code = plans(own_folder, config)
    for name in before:
        assert len({before[name], other_files[name], other_code[name]}) == 3, name
