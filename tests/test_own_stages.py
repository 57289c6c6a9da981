"""A user's own model, attack and data set in the stages: what they make, and what is refused."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import biorobust
from biorobust.__main__ import main
from biorobust.attacks import build_attack
from biorobust.config.reading import read_experiment
from biorobust.data.sources.catalogue import open_source, source_fingerprint
from biorobust.errors import UserError
from biorobust.forecast.command import forecast
from biorobust.forecast.estimate import Given
from own_code import CONFIG, write_own
from pipeline import edit
from tiny_jobs import TinyExperiment, make_experiment, succeed

MODEL = {"name": "plain", "kind": "own_model.py:Own", "gain": 3}


def experiment_in(folder: Path, **sections: Any) -> TinyExperiment:
    return make_experiment(
        folder / "results",
        models=[MODEL],
        attacks=[{"name": "pgd", "kind": "own_attack.py:Darker", "epsilons": ["0.01", "0.9"]}],
        **sections,
    )


def test_an_own_model_is_trained_attacked_checked_and_loaded_again(own_folder: Path) -> None:
    tied = "        self.again = self.head\n\n    def forward"
    edit(own_folder, "own_model.py", "    def forward", tied)
    experiment = experiment_in(own_folder, training={"epochs": 40, "learning_rate": 0.1})
    succeed(experiment.train())
    for epsilon in ("0.01", "0.9"):
        succeed(experiment.attack(epsilon))
    for group in ("rows", "cheap"):
        succeed(experiment.check(group))
    model = biorobust.load_model(experiment.seed_folder)
    assert type(model).__name__ == "Own" and model.gain == 3.0
    # Bright images are of class 1, so an attack that darkens breaks those that were right.
    with (experiment.seed_folder / "attacks/pgd/eps-0.9.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = [row for row in rows if row["clean_prediction"] == row["label"]]
    assert len(right) >= 4
    assert all((row["success"] == "1") == (row["label"] == "1") for row in right)
    assert all(float(row["linf"]) <= 0.9 + 1e-6 for row in right)


def test_a_job_stops_where_own_code_was_edited_after_it_was_planned(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = experiment_in(own_folder)
    (own_folder / "own_helper.py").write_text("SCALE = 4.0\n")
    assert main(experiment.train()) == 1
    assert "was edited after this job was planned" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("(ImageClassifier)", "(torch.nn.Module)", "is no ImageClassifier; derive it from"),
        ("self.gain = gain", "self.k = torch.ones(3)", "keeps the tensor k where it is not saved"),
        (
            "self.gain = gain",
            "self.register_buffer('k', torch.ones(3), persistent=False)",
            "keeps the tensor k where it is not saved",
        ),
        ("self.gain = gain", "self.gain = torch.ones(1).item()", "reads a tensor's values"),
        ("gain <= 0", "gain <= 9", "gain is 1.0; it must be positive"),
        ("image_size: int, ", "", "unexpected keyword argument 'image_size'"),
        ("classes: int", "classes: int, must: int", "missing a required argument: 'must'"),
    ],
)
def test_a_model_that_could_not_be_used_is_told_before_training(
    own_folder: Path, old: str, new: str, told: str
) -> None:
    edit(own_folder, "own_model.py", old, new)
    with pytest.raises(UserError, match=told) as caught:
        biorobust.build_model("own_model.py:Own", image_size=32, classes=2)
    assert "\n" not in str(caught.value)


def test_an_own_modules_tensors_and_the_random_numbers_are_left_alone(own_folder: Path) -> None:
    write_own(own_folder, {"own_helper.py": "import torch\n\nSCALE = torch.full((3,), 2.0)\n"})
    torch.manual_seed(0)
    model = biorobust.build_model("own_model.py:Own", image_size=32, classes=2)
    torch.manual_seed(0)
    assert torch.equal(model.head.weight, torch.nn.Linear(3, 2).weight)
    assert model(torch.ones(1, 3, 32, 32)).isfinite().all()


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("class Darker: pass", {}, "is no ImageAttack; derive it from BudgetAttack or"),
        (None, {"norm": "l2"}, "is of norm linf, and the config says l2"),
        (None, {"shade": 1}, "has no option 'shade'; its options are share"),
    ],
)
def test_an_attack_that_could_not_be_used_is_told(
    own_folder: Path, text: str | None, options: dict[str, Any], told: str
) -> None:
    if text:
        write_own(own_folder, {"own_attack.py": text})
    with pytest.raises(UserError, match=told):
        build_attack("own_attack.py:Darker", **options)
    if not text:
        assert build_attack("own_attack.py:Darker", norm="linf").norm == "linf"


def test_a_run_with_own_code_is_forecast(own_folder: Path) -> None:
    np.save(own_folder / "images.npy", np.zeros((8, 5, 6, 3), dtype=np.uint8))
    data = {"source": "own_data.py:OWN", "path": ".", "image_size": 32}
    made = forecast(read_experiment({**CONFIG, "data": data}), own_folder / "results", Given())
    jobs = {stage.stage: stage.to_do.jobs for stage in made.stages()}
    assert (jobs["shard"], jobs["train"], jobs["attack"]) == (1, 2, 4)


@pytest.mark.parametrize("minimal", [True, False])
def test_an_attack_that_is_not_what_its_epsilons_say_stops_its_job(
    own_folder: Path, capsys: pytest.CaptureFixture[str], minimal: bool
) -> None:
    # A base in another file hides from planning what kind of attack it is.
    text = (own_folder / "own_attack.py").read_text()
    base = text.replace("BudgetAttack", "MinimalAttack") if minimal else text
    write_own(
        own_folder,
        {
            "own_base.py": base,
            "own_attack.py": "from own_base import Darker as Base\n\n\nclass Darker(Base): pass\n",
        },
    )
    entry = {"name": "pgd", "kind": "own_attack.py:Darker", "norm": "linf"}
    attack = {**entry, "epsilons": ["0.01"]} if minimal else entry
    experiment = make_experiment(own_folder / "results", models=[MODEL], attacks=[attack])
    succeed(experiment.train())
    assert main(experiment.attack("0.01" if minimal else "minimal")) == 1
    told = "has no epsilon: leave epsilons out" if minimal else "needs epsilons"
    assert f"attack kind own_attack.py:Darker {told}" in capsys.readouterr().err


def test_an_own_data_set_is_opened_and_fingerprinted(own_folder: Path) -> None:
    images = np.arange(8 * 5 * 6 * 3, dtype=np.uint8).reshape(8, 5, 6, 3)
    np.save(own_folder / "images.npy", images)
    source = open_source("own_data.py:OWN", path=own_folder)
    assert source.classes == ("even", "odd")
    assert np.array_equal(source.splits["test"][3].load(), images[3])
    before = source_fingerprint("own_data.py:OWN", path=own_folder)
    np.save(own_folder / "images.npy", images + 1)
    assert source_fingerprint("own_data.py:OWN", path=own_folder) != before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Family(open_own, files)", "(open_own, files)", "is no Family; make one from two"),
        ('return {"images.npy"', 'return path, {"images.npy"', "files returned tuple; it must"),
        ('path / "images.npy"}', "path / None}", r"TypeError: .*own_data\.py, line 9\)"),
        ('("even", "odd")', '("even", "even")', "it must name two or more, each once"),
        ("% 2", "% 3", r"train/00002 has label 2; it must be from 0 to 1"),
        ('("train", "test")}', '("train",)}', "it must have train and test"),
        ("return Source", "return None and Source", "open returned NoneType; it must return a"),
        ('np.load(path / "images.npy")', "np.load(path)", r"IsADirectoryError: .*line 13\)"),
        (
            "np.load(path",
            "0.5 * np.load(path",
            r"image train/00000: load\(\) returned float64 \[5, 6, 3\]; it must return uint8",
        ),
    ],
)
def test_what_is_wrong_with_an_own_data_set_is_told_in_one_line(
    own_folder: Path, old: str, new: str, told: str
) -> None:
    np.save(own_folder / "images.npy", np.zeros((8, 5, 6, 3), dtype=np.uint8))
    edit(own_folder, "own_data.py", old, new)
    with pytest.raises(UserError, match=told) as caught:
        source_fingerprint("own_data.py:OWN", path=own_folder)
        open_source("own_data.py:OWN", path=own_folder).splits["train"][0].load()
    assert "\n" not in str(caught.value)
