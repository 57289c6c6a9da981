"""The balls: sizes by closed formula, projections and directions by their defining properties."""

import math

import numpy as np
import pytest
import torch
from foolbox.distances import l2, linf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biorobust.attacks.norms import NORMS
from biorobust.attacks.pgd import RmsDistance

SHAPE = (3, 3, 2, 4)
COUNT = 3 * 2 * 4
VALUES = st.floats(-2, 2, width=32, allow_subnormal=False).map(
    lambda value: 0.0 if abs(value) < 1e-6 else value
)
TENSORS = arrays(np.float32, SHAPE, elements=VALUES).map(torch.from_numpy)
EPSILON = st.just(0.0) | st.floats(2**-14, 3, width=32)
EPSILONS = st.lists(EPSILON, min_size=3, max_size=3).map(torch.tensor)
few = settings(max_examples=30)
every_norm = pytest.mark.parametrize("norm", NORMS)


def sizes(norm: str, perturbation: torch.Tensor) -> list[float]:
    """By numpy, one image at a time, in double precision."""
    rows = perturbation.double().flatten(1).numpy()
    formulas = {
        "linf": lambda row: np.abs(row).max(),
        "l2": lambda row: math.sqrt((row**2).sum()),
        "rms": lambda row: math.sqrt((row**2).mean()),
    }
    return [float(formulas[norm](row)) for row in rows]


@every_norm
@few
@given(perturbation=TENSORS)
def test_size(norm: str, perturbation: torch.Tensor) -> None:
    assert NORMS[norm].size(perturbation).tolist() == pytest.approx(
        sizes(norm, perturbation), rel=1e-5
    )


@every_norm
@few
@given(perturbation=TENSORS, epsilons=EPSILONS)
def test_a_projection_is_in_the_ball_and_leaves_what_was_there(
    norm: str, perturbation: torch.Tensor, epsilons: torch.Tensor
) -> None:
    projected = NORMS[norm].project(perturbation, epsilons)
    assert torch.isfinite(projected).all()
    before, after = sizes(norm, perturbation), sizes(norm, projected)
    for number, epsilon in enumerate(epsilons.tolist()):
        assert after[number] <= epsilon * (1 + 1e-6) + 1e-30
        if before[number] <= epsilon * (1 - 1e-6):
            assert torch.equal(projected[number], perturbation[number])
        else:
            assert after[number] == pytest.approx(epsilon, rel=1e-5)
    again = NORMS[norm].project(projected, epsilons)
    assert torch.allclose(again, projected, rtol=1e-5, atol=0)


@every_norm
@few
@given(perturbation=TENSORS, other=TENSORS, epsilons=EPSILONS)
def test_no_point_of_the_ball_is_nearer_than_the_projection(
    norm: str, perturbation: torch.Tensor, other: torch.Tensor, epsilons: torch.Tensor
) -> None:
    """The projection p of x on a convex set: (x - p) . (y - p) <= 0 for each y of the set."""
    project = NORMS[norm].project
    projected, inside = (project(each, epsilons).double() for each in (perturbation, other))
    products = ((perturbation.double() - projected) * (inside - projected)).flatten(1).sum(1)
    assert products.max() <= 1e-4


@every_norm
@few
@given(gradient=TENSORS)
def test_no_step_of_size_one_climbs_faster(norm: str, gradient: torch.Tensor) -> None:
    """The climb of a linear function is the dual norm of its gradient (Hölder's inequality)."""
    direction = NORMS[norm].direction(gradient)
    rows = gradient.double().flatten(1)
    duals = {
        "linf": rows.abs().sum(1),
        "l2": rows.norm(dim=1),
        "rms": rows.norm(dim=1) * math.sqrt(COUNT),
    }
    climb = (rows * direction.double().flatten(1)).sum(1)
    assert climb.tolist() == pytest.approx(duals[norm].tolist(), rel=1e-5)
    for size, steep in zip(sizes(norm, direction), duals[norm].tolist(), strict=True):
        assert size == pytest.approx(1 if steep else 0, rel=1e-5)


@every_norm
def test_random_starts_fill_the_unit_ball_and_stay_in_it(norm: str) -> None:
    generator = torch.Generator().manual_seed(0)
    starts = torch.stack(
        [NORMS[norm].random_start(torch.Size(SHAPE[1:]), generator) for _ in range(100)]
    )
    found = sizes(norm, starts)
    assert all(0.5 <= size <= 1 + 1e-5 for size in found)
    assert max(found) > 0.98
    assert len(set(found)) == 100


@few
@given(perturbation=TENSORS)
def test_rms_distance_is_the_formula(perturbation: torch.Tensor) -> None:
    start = torch.zeros(SHAPE)
    distances = RmsDistance()(start, perturbation)
    assert distances.tolist() == pytest.approx(sizes("rms", perturbation), rel=1e-5)


@few
@given(perturbation=TENSORS, epsilon=EPSILON)
def test_projections_are_those_of_foolbox(perturbation: torch.Tensor, epsilon: float) -> None:
    start, epsilons = torch.zeros(SHAPE), torch.full((3,), epsilon)
    for norm, distance, scale in (("linf", linf, 1.0), ("l2", l2, 1.0), ("rms", l2, COUNT**0.5)):
        theirs = distance.clip_perturbation(start, perturbation, epsilon * scale)
        assert torch.allclose(NORMS[norm].project(perturbation, epsilons), theirs, rtol=1e-5)
    clipped = RmsDistance().clip_perturbation(start, perturbation, epsilon)
    assert torch.allclose(clipped, NORMS["rms"].project(perturbation, epsilons), rtol=1e-5)
