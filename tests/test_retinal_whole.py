"""Whole-pixel gazes, looked up in a table, against the warp by the formula."""

import gc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biorobust.models import build_model
from biorobust.sampling import retinal_warp
from biorobust.sampling.retinal import INTERPOLATIONS, RetinalSampler, solve_warp
from retinas import noise, solved

SIZES = [32, 40, 64, 320]
whole_gazes = st.tuples(*[st.integers(-100, 100)] * 2)  # in percent of N


def pixels(gazes, size):
    return (torch.tensor(gazes) * size).div(100, rounding_mode="floor")


@pytest.mark.parametrize("interpolation", ["nearest", "truncated"])
@settings(max_examples=40)
@given(st.sampled_from(SIZES), st.lists(whole_gazes, min_size=1, max_size=3))
def test_pixels_read_are_those_of_the_formula_at_every_whole_gaze(interpolation, size, gazes):
    images, gazes = noise(len(gazes), 2, size, size), pixels(gazes, size)
    views = solved(size, interpolation).warp_whole(images, gazes)
    assert torch.equal(views, retinal_warp(images, gazes, interpolation))


@settings(max_examples=40)
@given(st.sampled_from(SIZES), st.lists(whole_gazes, min_size=1, max_size=3))
def test_bilinear_agrees_with_the_formula_to_the_rounding_of_a_coordinate(size, gazes):
    images, gazes = noise(len(gazes), 2, size, size, dtype=torch.float64), pixels(gazes, size)
    expected = retinal_warp(images, gazes, "bilinear")
    exact = solved(size, "bilinear").warp_whole(images, gazes)
    single = solved(size, "bilinear").warp_whole(images.float(), gazes)
    assert (exact - expected).abs().max() < 1e-11
    # Of the order of N float32 steps at 1; the formula in float32 is as far off.
    assert (single - expected).abs().max() < size * 5e-7


@settings(max_examples=20)
@given(st.sampled_from(SIZES[:3]), whole_gazes, st.sampled_from(INTERPOLATIONS))
def test_gradients_to_the_pixels_are_those_of_the_formula(size, gaze, interpolation):
    images = noise(1, 2, size, size, dtype=torch.float64).requires_grad_()
    gazes, direction = pixels([gaze], size), noise(1, 2, size, size, dtype=torch.float64, seed=1)
    pulled = [
        torch.autograd.grad(view, images, direction)[0]
        for view in (
            solved(size, interpolation).warp_whole(images, gazes),
            retinal_warp(images, gazes, interpolation),
        )
    ]
    assert torch.allclose(*pulled, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [32, 320])
def test_gazes_far_outside_do_not_wrap_around(size, interpolation):
    far = torch.tensor([1.1, 1.5, 1.8, 2.0, 2.1, 3.0, 5.0, 1e6]).mul(size).long()
    near = torch.full_like(far, 3)
    images = noise(1, 1, size, size).expand(len(far), 1, size, size)
    for gazes in ([far, near], [-far, near], [near, far], [near, -far], [far, -far]):
        gazes = torch.stack(gazes, dim=1)
        views = solved(size, interpolation).warp_whole(images, gazes)
        expected = retinal_warp(images, gazes.double(), interpolation)
        assert torch.equal(views == 0, expected == 0)
        assert torch.allclose(views, expected, atol=size * 5e-7)
        assert (views[3:] == 0).all()


def test_no_source_point_lies_on_a_pixel_or_midway_between_two():
    # A whole gaze moves the rounded point instead of rounding the moved one; at a tie, which
    # rounds to even, that would not be the same. And on a pixel the last bit of a coordinate would
    # decide which one is left when it is truncated.
    for size in [*range(32, 129, 8), 160, 224, 240, 320]:
        a, b = solve_warp(size)
        offset = np.arange(0.5, 2.5 * size)
        source = (a * np.hypot(offset[:, None], offset) + b) * offset[:, None]
        assert np.abs(source % 0.5 - 0.25).max() < 0.25 - 1e-9


def test_small_integer_types_and_one_image_each():
    images = noise(3, 3, 64, 64)
    gazes = torch.tensor([[0, 1], [-128, 127], [16, -16]], dtype=torch.int8)
    views = solved(64, "nearest").warp_whole(images, gazes)
    alone = [
        solved(64, "nearest").warp_whole(images[i : i + 1], gazes[i : i + 1]) for i in (0, 1, 2)
    ]
    assert torch.equal(views, torch.cat(alone))
    assert torch.equal(views, retinal_warp(images, gazes.double(), "nearest"))


def test_a_table_made_in_inference_mode_serves_gradients():
    sampler = RetinalSampler(32, "bilinear")
    sampler.solve()
    with torch.inference_mode():
        sampler.warp_whole(noise(1, 3, 32, 32), torch.tensor([[2, 3]]))
    images = noise(1, 3, 32, 32).requires_grad_()
    sampler.warp_whole(images, torch.tensor([[2, 3]])).sum().backward()
    assert images.grad.abs().sum() > 0


def test_other_coefficients_replace_the_table():
    sampler = RetinalSampler(64, "bilinear")
    sampler.solve()
    images, gaze = noise(1, 1, 64, 64), torch.tensor([[0, 0]])
    before = sampler.warp_whole(images, gaze)
    solved_state = sampler.state_dict()["coefficients"].clone()
    # g(rho) = rho reads output pixel p at p + 1/2 in the padded image: midway between two.
    sampler.load_state_dict({"coefficients": torch.tensor([0.0, 1.0], dtype=torch.float64)})
    view = sampler.warp_whole(images, gaze)[0, 0]
    corner = images[0, 0, :4, :4]
    mean = (corner[:-1, :-1] + corner[:-1, 1:] + corner[1:, :-1] + corner[1:, 1:]) / 4
    assert torch.allclose(view[2:5, 2:5], mean, atol=1e-5)
    sampler.load_state_dict({"coefficients": solved_state})
    assert torch.equal(sampler.warp_whole(images, gaze), before)


def test_each_device_and_type_has_its_own_table():
    sampler = RetinalSampler(32, "nearest")
    sampler.solve()
    gaze = torch.tensor([[4, -7]])
    single = sampler.warp_whole(noise(1, 1, 32, 32), gaze)
    double = sampler.warp_whole(noise(1, 1, 32, 32).double(), gaze)
    assert double.dtype == torch.float64
    assert torch.equal(single.double(), double)
    # The meta device stands in for an accelerator: mixing it with the CPU's table would fail.
    assert sampler.warp_whole(noise(1, 1, 32, 32).to("meta"), gaze).device.type == "meta"
    assert torch.equal(sampler.warp_whole(noise(1, 1, 32, 32), gaze), single)


def test_memory_does_not_grow_with_the_gazes_seen():
    sampler = RetinalSampler(32, "bilinear")
    sampler.solve()
    images = noise(1, 1, 32, 32)

    def tensors_after(numbers):
        for i in numbers:
            sampler.warp_whole(images, torch.tensor([[i, -i]]))
            sampler.warp_fixed(images, [(i, -i), (0, i)])
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    assert tensors_after(range(1, 20)) == tensors_after(range(2))


def test_training_looks_where_the_draws_say():
    model = build_model("retinal_fixations", image_size=32, classes=3, width=8)
    images = noise(2, 3, 32, 32)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.train().training_outputs(
        images, torch.tensor([0, 2]), torch.tensor([[0.0, 0.5], [0.999, 0.25]])
    )
    assert torch.equal(seen[0], retinal_warp(images, torch.tensor([[-8, 0], [7, -4]]), "nearest"))


def test_gazes_that_are_not_integers_are_refused():
    with pytest.raises(ValueError, match=r"gazes are torch\.float32; expected integers"):
        solved(32, "nearest").warp_whole(noise(1, 3, 32, 32), torch.zeros(1, 2))
