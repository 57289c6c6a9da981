"""From a checked experiment to its outline: everything that is missing is told together."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from biorobust.config.experiment import Experiment
from biorobust.config.outline import make_outline
from biorobust.errors import UserError
from tiny_jobs import tiny_config

KIND = {"kind": "standard"}


def outline(folder: Path, **sections: Any) -> Any:
    experiment = Experiment.model_validate(tiny_config(**sections))
    return make_outline(experiment, cache=folder / "hashes.json")


def test_everything_missing_is_told_together(tmp_path: Path) -> None:
    there, gone = tmp_path / "seed-1.safetensors", tmp_path / "gone.safetensors"
    there.write_bytes(b"weights")
    with pytest.raises(UserError) as caught:
        outline(
            tmp_path,
            seeds=[0, 1, 2],
            data={"source": "imagefolder", "image_size": 32, "path": str(tmp_path / "pets")},
            models=[
                {"name": "plain", **KIND},
                {"name": "each", **KIND, "weights": str(tmp_path / "seed-{seed}.safetensors")},
                {"name": "one", **KIND, "weights": str(gone)},
            ],
        )
    source, *weights = str(caught.value).splitlines()
    assert f"{tmp_path / 'pets'} is not a folder; set `path:`" in source
    todo = "put it there, correct the path, or leave `weights` out to train the model"
    named = [(1, "each", 0), (1, "each", 2), (2, "one", 0)]
    assert weights == [
        f"models[{position}].weights: there is no file "
        f"{tmp_path / f'seed-{seed}.safetensors' if name == 'each' else gone} "
        f"(model {name!r}, seed {seed}); {todo}"
        for position, name, seed in named
    ]


def test_missing_weights_beside_a_sound_source(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        outline(tmp_path, models=[{"name": "one", **KIND, "weights": str(tmp_path)}])
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"models[0].weights: there is no file {tmp_path} ")


def test_weights_count_by_their_content(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / f"seed-{seed}").write_bytes(b"weights %d" % seed)
    one, each = outline(
        tmp_path,
        seeds=[1, 0],
        models=[
            {"name": "one", **KIND, "weights": str(tmp_path / "seed-0")},
            {"name": "each", **KIND, "weights": str(tmp_path / "seed-{seed}")},
        ],
    )["models"]
    sums = [hashlib.sha256(b"weights %d" % seed).hexdigest() for seed in (0, 1)]
    # A file without {seed} stands for one run, whatever the seeds.
    assert one["seeds"] == [1]
    assert one["train_config"]["weights_sha256"] == {"1": sums[0]}
    assert each["seeds"] == [1, 0]
    assert each["train_config"]["weights_sha256"] == {"1": sums[1], "0": sums[0]}


def test_to_allow_copies_makes_nothing_stale(tmp_path: Path) -> None:
    data = {"source": "digits", "image_size": 32}
    stop, allow = (
        outline(tmp_path, data={**data, "on_duplicates": choice}) for choice in ("stop", "allow")
    )
    assert stop == allow
    assert "on_duplicates" not in stop["shard"]["config"]
    assert outline(tmp_path, data={**data, "on_corrupt": "skip"}) != stop
