"""`biorobust attack`: what it says and saves, measured again from the files."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from biorobust import load_model, publish_model
from biorobust.__main__ import main
from biorobust.data.images import fit
from tiny_jobs import CLASSES, TinyExperiment, make_experiment, succeed


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    made = make_experiment(tmp_path_factory.mktemp("attacked") / "tiny")
    succeed(made.train())
    return made


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that is no square, in between of the two classes of the tiny experiment."""
    noise = np.random.default_rng(3).integers(60, 190, (50, 40, 3)).astype(np.uint8)
    path = tmp_path_factory.mktemp("photos") / "my photo.png"
    Image.fromarray(noise).save(path)
    return path


def attacked(
    capsys: pytest.CaptureFixture[str], trained: TinyExperiment, *words: str | Path
) -> str:
    capsys.readouterr()
    assert main(["attack", *map(str, (trained.seed_folder, "--device", "cpu", *words))]) == 0
    return capsys.readouterr().out


def said(logits: torch.Tensor) -> str:
    """The verdict with its confidence, computed apart."""
    shares = np.exp(logits.numpy().astype(np.float64))
    shares /= shares.sum()
    return f"{CLASSES[shares.argmax()]} ({100 * shares.max():.1f}%)"


@pytest.mark.parametrize(
    ("norm", "epsilon", "size"),
    # A whole level loses nothing by being saved; others are rounded down.
    [("linf", "0.3", 0.3), ("linf", "1/255", 1 / 255), ("rms", "0.2", 0.2)],
)
def test_the_saved_image_lies_in_the_ball_and_is_judged_as_told(
    norm: str,
    epsilon: str,
    size: float,
    trained: TinyExperiment,
    photo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "new" / "picture.png"
    words = ["--image", photo, "--norm", norm, "--epsilon", epsilon, "--steps", "10"]
    told = attacked(capsys, trained, *words, "--output", output)
    saved = np.asarray(Image.open(tmp_path / "new" / "picture.adversarial.png")).astype(int)
    # The thesis's way with an image that is large enough: its centre.
    clean = np.asarray(Image.open(photo)).astype(int)[9:41, 4:36]
    assert np.array_equal(clean, fit(np.asarray(Image.open(photo)), 32))
    difference = (saved - clean) / 255
    assert saved.shape == (32, 32, 3) and difference.any()
    measured = np.abs(difference).max() if norm == "linf" else np.sqrt((difference**2).mean())
    assert measured <= size + 1e-7
    (size_told,) = re.findall(rf"saved: .*{norm} ([\d.e-]+)", told)
    assert float(size_told) == pytest.approx(measured, rel=1e-5)
    images = torch.from_numpy(np.stack([clean, saved])).movedim(-1, 1).float() / 255
    clean_logits, saved_logits = load_model(trained.seed_folder)(images)
    assert f"clean: {said(clean_logits)}" in told
    assert f"saved in 8 bits: {said(saved_logits)}" in told
    with Image.open(output) as picture:
        assert picture.format == "PNG" and picture.width > 600
    assert output.with_suffix(".pdf").is_file()


def test_a_large_ball_fools_and_a_ball_of_nothing_does_not(
    trained: TinyExperiment, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--image", photo, "--output", tmp_path / "a.png"]
    assert "; fooled by PGD" in attacked(capsys, trained, *words, "--epsilon", "0.9")
    told = attacked(capsys, trained, *words, "--epsilon", "0")
    assert "not fooled" in told and "saved: linf 0," in told


def test_an_image_that_is_wrong_already_is_left_alone(
    trained: TinyExperiment, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--image", photo, "--output", tmp_path / "a.png"]
    told = attacked(capsys, trained, *words)
    (mine,) = re.findall(r"^clean: (\w+)", told, re.M)
    other = next(name for name in CLASSES if name != mine)
    assert f"which is wrong ({other})" in attacked(capsys, trained, *words, "--label", other)
    saved = np.asarray(Image.open(tmp_path / "a.adversarial.png"))
    assert np.array_equal(saved, fit(np.asarray(Image.open(photo)), 32))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epsilon", "much"], "--epsilon much: must be a number"),
        (["--epsilon", "-1"], "epsilon"),
        (["--steps", "0"], "steps must be a whole number, at least 1"),
        (["--label", "cat"], "the classes are dark, bright"),
        (["--image", "none.jpg"], "none.jpg cannot be read"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    message: str,
    trained: TinyExperiment,
    photo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "a.png"
    given = [str(trained.seed_folder), "--image", str(photo), "--output", str(output), *words]
    assert main(["attack", *given]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not output.exists()


def test_weights_away_from_their_experiment_need_to_be_told_how_images_fit(
    trained: TinyExperiment, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "a/b/c/alone"
    alone.mkdir(parents=True)
    for name in ("training.json", "weights.safetensors"):
        (alone / name).write_bytes((trained.seed_folder / name).read_bytes())
    words = [str(alone), "--image", str(photo), "--output", str(tmp_path / "a.png")]
    assert main(["attack", *words]) == 1
    assert "give --resize thesis or short_side" in capsys.readouterr().err
    assert main(["attack", *words, "--resize", "short_side"]) == 0
    saved = np.asarray(Image.open(tmp_path / "a.adversarial.png")).astype(int)
    clean = fit(np.asarray(Image.open(photo)), 32, "short_side").astype(int)
    assert np.abs(saved - clean).max() <= 8


def test_a_published_file_is_attacked_as_its_folder_is(
    trained: TinyExperiment, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--image", photo, "--output", tmp_path / "a.png"]
    expected = attacked(capsys, trained, *words)
    publish_model(trained.seed_folder, tmp_path / "plain.safetensors")
    given = [tmp_path / "plain.safetensors", *words, "--resize", "thesis", "--device", "cpu"]
    assert main(["attack", *map(str, given)]) == 0
    assert capsys.readouterr().out == expected
    assert main(["attack", *map(str, given[:5])]) == 1
    assert "give --resize" in capsys.readouterr().err


def test_a_folder_without_weights_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attack", str(tmp_path), "--image", "my.jpg"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "training.json is missing" in line
