"""Figures of models that choose where to look: boxes, gazes, views and how they came about."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from biorobust import planning
from biorobust.analysis.gaze_trajectories import gaze_trajectories, read_trajectories
from biorobust.analysis.gaze_view import gaze_view, side_by_side
from biorobust.analysis.gazes_figure import gazes_figure
from biorobust.analysis.transformer_boxes import transformer_boxes, view_corners
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.models import build_model
from biorobust.models.multi_gaze import MultiGaze
from biorobust.models.parallel_transformers import ParallelTransformers
from biorobust.places import training_record
from biorobust.sampling.affine import affine_warp
from tiny_jobs import TinyExperiment, arguments, make_experiment, succeed

SLIM: dict[str, Any] = {"width": 2, "stem_width": 2, "localiser_width": 2}
BOXES = {"name": "boxes", "kind": "parallel_transformers", "transform": "affine", **SLIM}
GAZES = {"name": "gazes", "kind": "multi_gaze", **SLIM, "branches": 3}
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
INITIAL = 16 * math.tanh(0.5)


def untrained(kind: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return build_model(kind, image_size=32, classes=2, **options)


def points(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xydata())


def test_a_box_is_where_the_view_takes_its_corners_from() -> None:
    # Halves x and moves it right by a quarter of the image, mirrors y; half a side is 15 pixels.
    matrix = torch.tensor([[0.5, 0, 0.5], [0, -1, 0]])
    expected = [[15, 30], [30, 30], [30, 0], [15, 0]]
    assert view_corners(matrix, 32).tolist() == expected
    # What the sampler shows at the corners of a view are these pixels.
    place = torch.arange(32.0)
    image = torch.stack([place.expand(32, 32), place[:, None].expand(32, 32)])
    view = affine_warp(image[None], matrix[None])[0]
    seen = [view[:, row, column].tolist() for row, column in ((0, 0), (0, -1), (-1, -1), (-1, 0))]
    assert np.array(seen) == pytest.approx(np.array(expected), abs=1e-4)


@pytest.mark.parametrize("size", [32, 320])
def test_untrained_boxes_have_the_published_scale(size: int) -> None:
    model: ParallelTransformers = untrained("parallel_transformers", **SLIM)
    corners = view_corners(model.transforms(IMAGES), size)
    assert corners.shape == (2, 5, 4, 2)
    half = (size - 2) / 2
    assert corners[..., 0, :] == pytest.approx(half * (1 - math.tanh(1)), rel=1e-5)
    assert corners[..., 2, :] == pytest.approx(half * (1 + math.tanh(1)), rel=1e-5)


def test_every_branch_has_its_box_on_every_image() -> None:
    models: dict[str, ParallelTransformers] = {
        "five": untrained("parallel_transformers", **SLIM),
        "two": untrained("parallel_transformers", **SLIM, branches=2),
    }
    with torch.no_grad():
        # Far to the right, beyond the image.
        models["two"].localiser.dense.bias[1] = 9.0
    figure = transformer_boxes(IMAGES, models)
    assert [len(axes.get_lines()) for axes in figure.axes] == [5, 5, 2, 2]
    box = points(figure.axes[2].get_lines()[0])
    assert box[:4] == pytest.approx(view_corners(models["two"].transforms(IMAGES), 32)[0, 0])
    assert box[4].tolist() == box[0].tolist()
    for axes in figure.axes:
        assert axes.get_xlim()[1] > box[:, 0].max() > 32
        assert axes.get_ylim()[0] == axes.get_xlim()[1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        f"branch {branch}" for branch in range(1, 6)
    ]


def test_gazes_are_marked_in_pixels_from_the_centre() -> None:
    models: dict[str, MultiGaze] = {"five": untrained("multi_gaze", **SLIM)}
    figure = gazes_figure(IMAGES, models)
    assert len(figure.axes) == 2
    near, far = 15.5 - INITIAL, 15.5 + INITIAL
    # Published gazes as (row, column): lower right, upper right, upper left, lower left, centre.
    expected = [(far, far), (far, near), (near, near), (near, far), (15.5, 15.5)]
    for axes, image in zip(figure.axes, IMAGES, strict=True):
        marks = [tuple(points(line)[0]) for line in axes.get_lines()]
        assert marks == [pytest.approx(point, abs=1e-4) for point in expected]
        drawn = np.asarray(axes.get_images()[0].get_array())
        np.testing.assert_array_equal(drawn, image.permute(1, 2, 0).numpy())


def test_views_stand_beside_the_image_with_its_gazes() -> None:
    models: dict[str, MultiGaze] = {
        "retinal": untrained("multi_gaze", **SLIM),
        "cortical": untrained("multi_gaze", **SLIM, views="cortical", branches=2),
        "many": untrained("multi_gaze", **SLIM, branches=7),
    }
    figure = gaze_view(IMAGES[:1], models)
    assert len(figure.axes) == 6 + 3 + 6
    with torch.inference_mode():
        views = {name: model.views(IMAGES[:1]) for name, model in models.items()}
    for branch, axes in enumerate(figure.axes[1:6]):
        drawn = np.asarray(axes.get_images()[0].get_array())
        expected = views["retinal"][branch, 0].clamp(0, 1).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(drawn, expected)
        (mark,) = axes.get_lines()
        assert points(mark).tolist() == points(figure.axes[0].get_lines()[branch]).tolist()
    cortical = np.asarray(figure.axes[7].get_images()[0].get_array())
    assert cortical.shape == (8, 8, 3)
    scales = views["cortical"][0, 0].permute(0, 2, 3, 1).numpy()
    for scale, (row, column) in zip(scales, [(0, 0), (0, 4), (4, 0), (4, 4)], strict=True):
        np.testing.assert_array_equal(cortical[row : row + 4, column : column + 4], scale)


def test_pictures_side_by_side_fill_a_rectangle() -> None:
    three = torch.arange(1.0, 4)[:, None, None, None].expand(3, 3, 2, 2)
    joined = side_by_side(three)
    assert joined.shape == (3, 4, 4)
    assert joined[0, ::2, ::2].tolist() == [[1, 2], [3, 0]]
    assert torch.equal(side_by_side(three[:1]), three[0])


def write_training(folder: Path, arrays: dict[str, Tensor], **options: Any) -> dict[str, Any]:
    """A training's diagnostics, and a record with the options of its model."""
    folder.mkdir(parents=True)
    np.savez(folder / "diagnostics.npz", **{k: v.numpy() for k, v in arrays.items()})
    return {"image_size": 64, "config": {"model": options}}


def lines_of(figure: Figure, panel: int) -> list[np.ndarray]:
    """The drawn trajectories of a panel, without the levels behind them."""
    return [points(line) for line in figure.axes[panel].get_lines()[3:]]


def test_trajectories_are_the_remembered_means_and_spreads(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    # Ten images, four epochs, two branches: gazes that the training would have remembered.
    gazes = {s: 30 * torch.rand(10, 4, 2, 2, generator=generator).double() - 10 for s in (3, 8)}
    found = []
    for seed, of_seed in gazes.items():
        arrays = {"gazes": of_seed.mean(0), "gazes/squared": of_seed.square().mean(0)}
        record = write_training(tmp_path / f"{seed}", arrays, views="retinal")
        found += read_trajectories("m", seed, tmp_path / f"{seed}", record)
    figure = gaze_trajectories(found)
    assert [axes.get_title() for axes in figure.axes] == ["gaze row", "gaze column"]
    for panel in (0, 1):
        drawn = lines_of(figure, panel)
        assert len(drawn) == 4
        bands = [x for x in figure.axes[panel].collections if isinstance(x, PolyCollection)]
        for number, (line, band) in enumerate(zip(drawn, bands, strict=True)):
            values = gazes[(3, 8)[number // 2]][:, :, number % 2, panel]
            assert line[:, 0].tolist() == [1, 2, 3, 4]
            assert line[:, 1] == pytest.approx(values.mean(0).numpy())
            vertices = np.asarray(band.get_paths()[0].vertices)
            last = vertices[vertices[:, 0] == 4, 1]
            spread = values[:, 3].std(correction=0).item()
            middle = values[:, 3].mean().item()
            assert (last.min(), last.max()) == pytest.approx((middle - spread, middle + spread))
        # The image's borders, where gazes collapse to.
        low, high = figure.axes[panel].get_ylim()
        assert low < -32 < 32 < high
        assert figure.axes[panel].get_yticks().tolist() == [-32, 0, 32]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["branch 1", "branch 2", "seed 3", "seed 8"]
    styles = [line.get_linestyle() for line in figure.axes[0].get_lines()[3:]]
    assert styles[0] == styles[1] != styles[2] == styles[3]


def test_each_number_of_a_transform_has_its_panel(tmp_path: Path) -> None:
    # A cell holds its place: 11 is row 1, column 1.
    cell = torch.tensor([[0.00, 0.01, 0.02], [0.10, 0.11, 0.12]], dtype=torch.float64)
    matrix = cell.expand(2, 1, 2, 3)
    arrays = {"transforms": matrix, "transforms/squared": matrix.square()}
    cells = {
        "scale x": 0.00,
        "scale y": 0.11,
        "shift x": 0.02,
        "shift y": 0.12,
        "shear x": 0.01,
        "shear y": 0.10,
    }
    for transform, panels in (("affine", 6), ("attention", 4), ("isotropic_attention", 4)):
        record = write_training(tmp_path / transform, arrays, transform=transform)
        found = read_trajectories("m", 0, tmp_path / transform, record)
        assert [(t.label, t.mean[1, 0].item()) for t in found] == list(cells.items())[:panels]
        assert all((t.deviation == 0).all() and t.reach == 1 for t in found)
        assert len(gaze_trajectories(found).axes) == panels


def test_gazes_of_cortical_views_reach_less_far(tmp_path: Path) -> None:
    gazes = torch.zeros(1, 5, 2)
    arrays = {"gazes": gazes, "gazes/squared": gazes}
    record = write_training(tmp_path / "a", arrays, views="cortical")
    assert {t.reach for t in read_trajectories("m", 0, tmp_path / "a", record)} == {8}
    figure = gaze_trajectories(read_trajectories("m", 0, tmp_path / "a", record))
    # A single epoch is a point.
    assert all(line.get_marker() for line in figure.axes[0].get_lines()[3:])


def test_a_training_that_remembers_nothing_is_told(tmp_path: Path) -> None:
    record = write_training(tmp_path / "a", {"other": torch.zeros(1)})
    with pytest.raises(UserError, match="remembers neither gazes nor transforms; train"):
        read_trajectories("m", 0, tmp_path / "a", record)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    experiment = make_experiment(
        tmp_path_factory.mktemp("gazes"), models=[BOXES, GAZES], training={"epochs": 2}
    )
    for model in ("boxes", "gazes"):
        succeed(
            arguments(
                "train",
                planning.train_plan(experiment.outline, model, 0),
                {"shards": experiment.folder / "shards/train/manifest.json"},
                {"training": experiment.folder / training_record(model, 0)},
            )
        )
    return experiment


@pytest.mark.parametrize(
    "name",
    ["transformer_boxes", "gaze_view", "gazes", "gaze_trajectories", "adversarial_example"],
)
def test_a_figure_job_draws_trained_models_and_repeats_its_bytes(
    trained: TinyExperiment, name: str
) -> None:
    outline, folder = trained.outline, trained.folder
    sources = planning.report_inputs(outline, "figures", name)
    record = folder / "figures" / f"{name}.json"
    command = arguments(
        "figures",
        planning.report_plan(outline, "figures", name),
        {source: folder / path for source, path, _ in sources},
        {"figures": record},
    )
    found = []
    for _ in range(2):
        succeed(command)
        found.append(
            [record.with_suffix(ending).read_bytes() for ending in (".png", ".pdf", ".svg")]
        )
    assert found[0] == found[1]
    assert sorted(read_json(record)["outputs"]) == [
        f"{name}.{ending}" for ending in ("pdf", "png", "svg")
    ]
