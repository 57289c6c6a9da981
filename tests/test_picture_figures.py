"""Pictures of images as data, as seen by eyes that nobody trained, and as attacked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from biorobust.analysis.adversarial_example import (
    Example,
    adversarial_example,
    describe,
    first_correct,
    magnification,
    make_example,
    verdict,
)
from biorobust.analysis.cortical_scales import cortical_scales, most_central_detail
from biorobust.analysis.dataset_samples import dataset_samples, draw_dataset_samples
from biorobust.analysis.retinal_sampling import (
    checkerboard,
    draw_retinal_sampling,
    retinal_sampling,
)
from biorobust.data.shards import Shards, open_shards
from biorobust.models.base import ImageClassifier
from biorobust.sampling.windows import cortical_windows
from tiny_jobs import make_experiment

CPU = torch.device("cpu")


def shown(axes: Axes) -> np.ndarray:
    """What is drawn in a panel."""
    (image,) = axes.get_images()
    return np.asarray(image.get_array())


def note(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def made_up_shards(labels: list[int], classes: int, size: int = 32) -> Shards:
    """Image number n has the grey value n."""
    images = np.zeros((len(labels), size, size, 3), np.uint8)
    images += np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    names = [f"class {n}" for n in range(classes)]
    ids = [f"id-{n}" for n in range(len(labels))]
    return Shards(ids, np.array(labels, np.int64), names, [images])


def test_samples_are_the_first_images_of_each_class() -> None:
    labels = [2, 0, 1, 1, 0, 2, 1] + [1] * 9
    figure = dataset_samples(made_up_shards(labels, 3))
    figure.draw_without_rendering()
    numbers = [int(shown(axes)[0, 0, 0]) for axes in figure.axes]
    assert numbers == [1, 4, 2, 3, 6, 7, 8, 9, 10, 11, 0, 5]
    labels_shown = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels_shown == ["class 0", "class 1", "class 2"]
    assert note(figure) == "the first test images of each of the 3 classes"


def test_of_many_classes_the_first_twenty_are_shown() -> None:
    figure = dataset_samples(made_up_shards(list(range(30)), 30))
    assert len(figure.axes) == 20
    assert note(figure) == "the first test images of the first 20 of 30 classes"


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    shards = make_experiment(tmp_path / "tiny").folder / "shards/test"
    first, second = (draw_dataset_samples(shards, tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [f"dataset_samples.{e}" for e in ("png", "pdf", "svg")]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_small_images_keep_the_edges_of_their_pixels(tmp_path: Path) -> None:
    png, *_ = draw_retinal_sampling(32, tmp_path)
    with Image.open(png) as image:
        pixels = np.asarray(image.convert("RGB"))
    # A smoothed edge between black and white would make many kinds of grey; the bilinear views
    # have some of their own.
    upper = pixels[: len(pixels) // 4]
    grey = (upper > 40) & (upper < 215)
    assert grey.all(axis=2).mean() < 0.02


@pytest.mark.parametrize("size", [32, 40, 320])
def test_a_checkerboard_is_seen_from_the_five_gazes(size: int) -> None:
    board = checkerboard(size)
    eighth = size // 8
    assert board.shape == (3, size, size)
    assert (
        board[:, :eighth, :eighth].eq(1).all()
        and board[:, :eighth, eighth : 2 * eighth].eq(0).all()
    )
    figure = retinal_sampling(size)
    assert len(figure.axes) == 15
    middle, reach = (size - 1) / 2, size // 4
    expected = [(0, 0), (-reach, reach), (reach, -reach), (-reach, -reach), (reach, reach)]
    for number, axes in enumerate(figure.axes):
        (mark,) = axes.get_lines()
        row, column = expected[number % 5]
        assert np.asarray(mark.get_xydata()).tolist() == [[middle + column, middle + row]]
    for top in figure.axes[:5]:
        np.testing.assert_array_equal(shown(top)[..., 0], board[0])
    for place in range(5):
        nearest, bilinear = shown(figure.axes[5 + place]), shown(figure.axes[10 + place])
        # Nearest reads pixels, bilinear mixes them; what lies far out is compressed by both.
        assert set(np.unique(nearest)) == {0, 1}
        assert 0 < np.mean((bilinear > 0.01) & (bilinear < 0.99)) < 0.6
        assert np.abs(nearest - bilinear).mean() < 0.2
    assert f"{size} × {size} pixels" in note(figure)


def test_cortical_windows_are_marked_where_they_are_cut() -> None:
    # Each pixel tells its own place: red its row, green its column, in 64ths.
    place = torch.arange(64) / 64
    image = torch.stack([place[:, None].expand(64, 64), place.expand(64, 64), torch.zeros(64, 64)])
    windows = cortical_windows(64)
    single = cortical_windows(64, radii=[6])
    figure = cortical_scales(image, {"a": windows, "ablation": single, "b": windows})
    rows = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert rows == ["a, b", "ablation"]
    assert len(figure.axes) == 5 + 2
    boxes = [line for line in figure.axes[0].get_lines() if len(line.get_xydata()) == 5]
    corners = [np.asarray(box.get_xydata()) for box in boxes]
    # Eight, 16, 32 and 48 pixels around the middle of 64, drawn along the pixels' edges.
    for corner, (low, high) in zip(
        corners, [(27.5, 35.5), (23.5, 39.5), (15.5, 47.5), (7.5, 55.5)], strict=True
    ):
        assert (corner.min(axis=0) == low).all() and (corner.max(axis=0) == high).all()
    # The narrow view has the pixels from 28 to 35, as its box says.
    narrow = shown(figure.axes[1])
    assert narrow.shape == (8, 8, 3)
    assert narrow[4, 4, 0] == pytest.approx(32 / 64, abs=0.02)
    assert figure.axes[4].get_title() == "48 pixels, every 6"
    marks = [line for line in figure.axes[0].get_lines() if len(line.get_xydata()) == 1]
    points = sorted(tuple(np.asarray(mark.get_xydata())[0]) for mark in marks)
    # The widest window has 8 pixels of room on each side.
    assert points == [(23.5, 23.5), (23.5, 39.5), (31.5, 31.5), (39.5, 23.5), (39.5, 39.5)]


def test_the_image_with_detail_in_the_middle_is_chosen() -> None:
    images = torch.zeros(3, 3, 32, 32)
    images[0, :, :8] = torch.rand(3, 8, 32)
    images[1, :, 15, 15] = 0.5
    images[2] = 1
    assert torch.equal(most_central_detail(images), images[1])


class Bright(ImageClassifier):
    """Class 1 where the mean pixel is above a threshold; the gradient is the same everywhere."""

    def __init__(self, threshold: float) -> None:
        super().__init__(image_size=32, classes=2)
        self.threshold = threshold

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = 10 * (images.mean(dim=(1, 2, 3)) - self.threshold)
        return torch.stack([-score, score], dim=1)


def attack(*epsilons: str) -> dict[str, Any]:
    return {
        "name": "pgd-$x$",
        "config": {"kind": "pgd", "norm": "linf", "steps": 4, "relative_step": 1 / 3},
        "epsilons": [{"text": text, "value": float(text)} for text in epsilons],
    }


def uniform_shards(greys: list[int], labels: list[int]) -> Shards:
    images = np.full((32, 32, 3, len(greys)), greys, np.uint8).transpose(3, 0, 1, 2)
    ids = [f"id-{n}" for n in range(len(greys))]
    return Shards(ids, np.array(labels, np.int64), ["dark", "bright"], [images])


def test_the_first_image_that_all_models_classify_correctly_is_found() -> None:
    # 102 is 0.4 of 255. The first image is wrong for both models, the second for one of them.
    shards = uniform_shards([0, 110, 102], [1, 0, 0])
    models = [Bright(0.405).eval(), Bright(0.435).eval()]
    for batch_size in (1, 2, 50):
        assert first_correct(models, shards, batch_size, CPU) == 2
    assert first_correct(models[1:], shards, 2, CPU) == 1
    assert first_correct(models, uniform_shards([0, 255], [1, 0]), 2, CPU) is None
    said = describe(shards, 2, "pgd")
    assert said.startswith("test image id-2 (dark), the first that all shown models classify")
    assert "id-0 (bright), for want of one that" in describe(shards, None, "pgd")


@pytest.mark.parametrize(
    ("threshold", "epsilon", "size", "prediction"),
    # The attack stops at the first iterate that fools: after two steps of a third of 0.01, and
    # after three of a third of 0.05.
    [(0.405, "0.01", 0.02 / 3, 1), (0.435, "0.05", 0.05, 1), (0.9, "0.05", 0.05, 0)],
)
def test_an_example_stands_at_the_models_smallest_epsilon(
    threshold: float, epsilon: str, size: float, prediction: int
) -> None:
    shards = uniform_shards([0, 110, 102], [1, 0, 0])
    model = Bright(threshold).eval()
    example = make_example(model, shards, 2, attack("0.001", "0.01", "0.05"), seed=0, device=CPU)
    assert example.epsilon == epsilon
    assert example.clean.numpy() == pytest.approx(0.4)
    assert (example.adversarial - example.clean).numpy() == pytest.approx(size, abs=1e-6)
    assert example.clean_logits.argmax() == 0
    assert example.adversarial_logits.argmax() == prediction
    torch.testing.assert_close(example.adversarial_logits, model(example.adversarial[None])[0])


def test_an_image_that_is_wrong_anyway_is_shown_as_it_is() -> None:
    shards = uniform_shards([0, 255], [1, 0])
    model = Bright(0.5).eval()
    example = make_example(model, shards, 0, attack("0.01"), seed=0, device=CPU)
    figure = adversarial_example({"wrong": example}, shards.classes, "a note")
    clean, adversarial, difference = figure.axes
    np.testing.assert_array_equal(shown(clean), shown(adversarial))
    assert (shown(difference) == 0.5).all()


def test_random_starts_repeat_and_follow_the_seed() -> None:
    shards = uniform_shards([102], [0])
    model = Bright(0.9).eval()
    drawn = attack("0.05")
    drawn["config"] |= {"random_start": True, "steps": 1}
    first, again, other = (
        make_example(model, shards, 0, drawn, seed=seed, device=CPU).adversarial
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_difference_is_magnified_as_said() -> None:
    clean = torch.full((3, 32, 32), 0.5)
    adversarial = clean.clone()
    adversarial[0, 3, 4], adversarial[1, 5, 6] = 0.52, 0.49
    logits = torch.tensor([0.0, float(np.log(3))]), torch.tensor([float(np.log(4)), 0.0])
    example = Example(clean, adversarial, *logits, "0.02")
    figure = adversarial_example(
        {"one": example, "none": Example(clean, clean, *logits, "1")}, ["cat", "cost $"], "a note"
    )
    titles = [axes.get_title().replace("\n", " ") for axes in figure.axes[:3]]
    assert titles == [r"clean: cost \$ (75.0%)", "ε = 0.02: cat (80.0%)", "difference × 20"]
    picture = shown(figure.axes[2])
    assert picture[3, 4] == pytest.approx([0.9, 0.5, 0.5], abs=1e-4)
    assert picture[5, 6] == pytest.approx([0.5, 0.3, 0.5], abs=1e-4)
    assert (shown(figure.axes[5]) == 0.5).all()
    assert note(figure) == "a note"
    assert verdict(torch.tensor([3.0, 3.0, 3.0, 3.0]), list("abcd")) == "a (25.0%)"


@given(st.floats(1e-6, 1.0))
def test_magnification_fills_the_range_and_never_leaves_it(largest: float) -> None:
    factor = magnification(largest)
    lead = f"{factor:.0e}"[0]
    assert lead in "125"
    if largest <= 0.5:
        # The next factor is at most 2.5 times as large.
        assert 0.2 <= factor * largest <= 0.5
    else:
        assert factor == 1


def test_nothing_is_cut(tmp_path: Path) -> None:
    folder = make_experiment(tmp_path / "tiny").folder / "shards/test"
    for figure in (retinal_sampling(32), dataset_samples(open_shards(folder))):
        figure.draw_without_rendering()
        page = figure.bbox
        for axes in figure.axes:
            box = axes.get_tightbbox()
            assert box is not None
            assert page.x0 - 1 <= box.x0 < box.x1 <= page.x1 + 1
            assert page.y0 - 1 <= box.y0 < box.y1 <= page.y1 + 1
