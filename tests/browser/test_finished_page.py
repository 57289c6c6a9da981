"""The page of an experiment that was really run, with a model for each figure that there is."""

from pathlib import Path
from typing import Any

import pytest

from biorobust.stages import FIGURES
from browsed import opened
from pipeline import copy_project, snakemake

SLIM = "width: 2, stem_width: 2"
CONFIG = f"""\
name: every
seeds: [0]
data: {{source: digits, image_size: 32, train_limit: 40, test_limit: 10}}
training: {{epochs: 2, batch_size: 10, learning_rate: 1e-3}}
models:
  - {{name: plain, kind: standard, {SLIM}}}
  - {{name: retinal, kind: retinal_fixations, {SLIM}}}
  - {{name: cortical, kind: cortical_fixations, {SLIM}}}
  - {{name: boxes, kind: parallel_transformers, {SLIM}, localiser_width: 2}}
  - {{name: gazes, kind: multi_gaze, {SLIM}, localiser_width: 2, localiser_stem_width: 2}}
attacks:
  - {{name: pgd, kind: pgd, steps: 2, epsilons: [8/255]}}
"""
# Of each figure: its name, its size in pixels, how many colours it has, and the share of its pixels
# that do not have the commonest one, its ground.
DRAWN = """() => [...document.querySelectorAll("figure img")].map(image => {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(
    context.getImageData(0, 0, canvas.width, canvas.height).data.buffer
  );
  const counts = new Map();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) || 0) + 1);
  const ground = Math.max(...counts.values());
  return {
    name: image.closest("figure").id.replace("figure-", ""),
    size: [canvas.width, canvas.height],
    colours: counts.size,
    drawn: 1 - ground / pixels.length,
  };
})"""


@pytest.fixture(scope="module")
def finished_page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page's address; nothing is run where there is no browser."""
    project: Path = copy_project(tmp_path_factory.mktemp("every") / "project", CONFIG)
    done = snakemake(project, "report", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return (project / "results/every/report.html").as_uri()


def test_every_figure_of_a_finished_run_shows_something(browser: Any, finished_page: str) -> None:
    with opened(browser, finished_page) as page:
        figures = {figure["name"]: figure for figure in page.evaluate(DRAWN)}
    assert figures.keys() == FIGURES.keys()
    for figure in figures.values():
        assert min(figure["size"]) > 100, figure
        # Letters alone, with their softened edges, have some shades.
        assert figure["colours"] >= 8 and figure["drawn"] > 0.01, figure
