"""The parts of the models against their alternatives: ratios of times, measured in one run.

    pip install --constraint requirements.lock --editable .
    pip install --no-deps foveatorch==0.1.8 kornia==0.7.4 kornia_rs
    python benchmarks/models.py --sizes 32 320

A row is a measurement at one image size: how long one thing takes over how long another does.
Each round times both, one right after the other and in turn first, so that a busy machine troubles
both; what counts is the ratio within a round, given as the median and the range over the rounds.
A peer that is not installed is left out. To add a measurement, add a line to MEASUREMENTS.
"""

import argparse
import itertools
import math
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

from biorobust import build_model
from biorobust.sampling.gazes import fixation_gazes, gazes_from_draws
from biorobust.sampling.retinal import RetinalSampler

CLASSES = 10
LONG_ENOUGH = 0.05  # seconds; what is shorter is repeated within a round
Run = Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """What a measurement is made on: image size N, images in a batch, device."""

    size: int
    batch_size: int
    device: str

    def images(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        shape = (self.batch_size, 3, self.size, self.size)
        return torch.rand(shape, generator=generator).to(self.device)

    def gazes(self) -> Tensor:
        """Training's random gazes, one an image: [B, 2] int64."""
        draws = torch.rand(self.batch_size, 2, generator=torch.Generator().manual_seed(1))
        return gazes_from_draws(draws, self.size // 4).to(self.device)

    def retina(self, interpolation: str) -> RetinalSampler:
        sampler = RetinalSampler(self.size, interpolation)
        sampler.solve()
        return sampler.to(self.device)


def backward(view: Callable[[Tensor], Tensor], images: Tensor) -> Run:
    """A view and its gradient in the pixels, as an attack takes them."""
    images = images.clone().requires_grad_()
    return lambda: torch.autograd.grad(view(images).sum(), images)


def training_step(setting: Setting) -> Run:
    """Forward, cross-entropy, backward and Adam on the published ResNet-18, no front end."""
    model = build_model("standard", image_size=setting.size, classes=CLASSES)
    model.to(setting.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = setting.images()
    labels = torch.arange(setting.batch_size, device=setting.device) % CLASSES

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def random_gazes_in_training(setting: Setting, interpolation: str) -> tuple[Run, Run]:
    retina, images, gazes = setting.retina(interpolation), setting.images(), setting.gazes()
    return lambda: retina.warp_whole(images, gazes), training_step(setting)


def random_gazes_and_gradient(setting: Setting, interpolation: str) -> tuple[Run, Run]:
    retina, gazes = setting.retina(interpolation), setting.gazes()
    warp = backward(lambda images: retina.warp_whole(images, gazes), setting.images())
    return warp, training_step(setting)


def random_gazes_from_formula(setting: Setting, interpolation: str) -> tuple[Run, Run]:
    retina, images, gazes = setting.retina(interpolation), setting.images(), setting.gazes()
    return lambda: retina.warp(images, gazes), lambda: retina.warp_whole(images, gazes)


def five_gazes(
    setting: Setting, interpolation: str
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The five views of a test, with a grid computed on each call for each view, and fixed."""
    retina, fixed = setting.retina(interpolation), fixation_gazes(setting.size // 4)
    gazes = torch.tensor(fixed, device=setting.device).repeat_interleave(setting.batch_size, 0)
    return (
        lambda images: retina.warp(images.repeat(len(fixed), 1, 1, 1), gazes),
        lambda images: retina.warp_fixed(images, fixed),
    )


def fixed_gazes(setting: Setting, interpolation: str) -> tuple[Run, Run]:
    recomputed, fixed = five_gazes(setting, interpolation)
    images = setting.images()
    return lambda: recomputed(images), lambda: fixed(images)


def fixed_gazes_shared(setting: Setting, interpolation: str) -> tuple[Run, Run]:
    """As `fixed_gazes`, but what is computed on each call is one grid a gaze, for all images."""
    retina, images = setting.retina(interpolation), setting.images()
    gazes = torch.tensor(fixation_gazes(setting.size // 4), device=setting.device)
    planes = images.flatten(0, 1).expand(len(gazes), -1, -1, -1)  # [5, 3 B, N, N]
    return lambda: retina.warp(planes, gazes), fixed_gazes(setting, interpolation)[1]


def fixed_gazes_and_gradient(setting: Setting, interpolation: str) -> tuple[Run, Run]:
    recomputed, fixed = five_gazes(setting, interpolation)
    return backward(recomputed, setting.images()), backward(fixed, setting.images())


def foveatorch(setting: Setting, interpolation: str) -> tuple[Run, Run] | None:
    """Not the same view: foveatorch blurs with eccentricity (a blend of Gaussian pyramid levels)
    and leaves every point where it is, whereas the warp moves points and blurs nothing. Both make
    of an image and a gaze a view of the same size, differentiable in the pixels."""
    # Its pyramid of six levels does not fit into a small image.
    if not find_spec("foveatorch") or setting.size < 128:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from foveatorch import Foveate2D

    retina, gazes = setting.retina(interpolation), setting.gazes()
    foveate = Foveate2D(device=setting.device)
    points = (gazes.flip(1) + setting.size / 2)[:, None]  # [B, 1, 2], (x, y) from the corner
    return (
        backward(lambda images: foveate(images, points), setting.images()),
        backward(lambda images: retina.warp_whole(images, gazes), setting.images()),
    )


MEASUREMENTS: dict[str, Callable[[Setting, str], tuple[Run, Run] | None]] = {
    "random gazes / ResNet-18 training step": random_gazes_in_training,
    "random gazes and gradient to pixels / ResNet-18 training step": random_gazes_and_gradient,
    "random gazes from the formula / from the table": random_gazes_from_formula,
    "five gazes, a grid for each view / fixed": fixed_gazes,
    "five gazes, a grid for each gaze / fixed": fixed_gazes_shared,
    "five gazes and gradient, a grid for each view / fixed": fixed_gazes_and_gradient,
    "foveatorch 0.1.8 and gradient / random gazes and gradient": foveatorch,
}


def seconds(run: Run, repeats: int, device: str) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        run()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - started) / repeats


def measure(pair: tuple[Run, Run], rounds: int, device: str) -> list[tuple[float, float]]:
    """Seconds of the two runs in each round, the first round (tables, caches) left out."""
    repeats = []
    for run in pair:
        seconds(run, 1, device)
        repeats.append(math.ceil(LONG_ENOUGH / seconds(run, 1, device)))
    times = []
    for number in range(rounds):
        found = [0.0, 0.0]
        for side in (0, 1) if number % 2 else (1, 0):
            found[side] = seconds(pair[side], repeats[side], device)
        times.append((found[0], found[1]))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 320])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="measurements whose name holds this text")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"batches of {options.batch_size}, {options.threads} threads, {options.device}")
    print("measurement | N | sampling | ms | ms | ratio (range)")
    wanted = {name: make for name, make in MEASUREMENTS.items() if options.only in name}
    for (name, make), size, interpolation in itertools.product(
        wanted.items(), options.sizes, ("nearest", "bilinear")
    ):
        pair = make(Setting(size, options.batch_size, options.device), interpolation)
        if pair is None:
            continue
        times = measure(pair, options.rounds, options.device)
        ratios = [first / second for first, second in times]
        first, second = (1000 * statistics.median(side) for side in zip(*times, strict=True))
        print(
            f"{name} | {size} | {interpolation} | {first:.2f} | {second:.2f} | "
            f"{statistics.median(ratios):.3g} ({min(ratios):.3g}-{max(ratios):.3g})",
            flush=True,
        )


if __name__ == "__main__":
    main()
