"""Fixed gazes, whose sampling is kept, against the warp by the formula."""

import pytest
import torch

from biorobust.sampling import retinal_warp
from biorobust.sampling.gazes import fixation_gazes
from biorobust.sampling.retinal import INTERPOLATIONS, RetinalSampler
from retinas import noise, solved


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [32, 320])
def test_fixed_gazes_give_the_direct_warp_and_its_gradient(size, interpolation):
    images = noise(3, 2, size, size, dtype=torch.float64).requires_grad_()
    gazes = [*fixation_gazes(size // 4), (7, -3), (2.25, size)]
    table = torch.tensor(gazes, dtype=torch.float64)
    direct = [retinal_warp(images, table[i : i + 1].expand(3, 2), interpolation) for i in range(7)]
    expected = torch.cat(direct)
    views = solved(size, interpolation).warp_fixed(images, gazes)
    assert views.shape == (21, 2, size, size)
    exact = 1e-11 if interpolation == "bilinear" else 0
    assert (views - expected).abs().max() <= exact
    direction = noise(*views.shape, dtype=torch.float64, seed=1)
    pulled = [torch.autograd.grad(v, images, direction)[0] for v in (views, expected)]
    assert torch.allclose(*pulled, rtol=1e-9, atol=1e-9)
    single = solved(size, interpolation).warp_fixed(images.float(), gazes)
    assert (single - expected).abs().max() < 1e-6


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_fixed_gazes_treat_each_image_by_itself_to_the_bit(interpolation):
    sampler, gazes = solved(32, interpolation), fixation_gazes(8)

    def views_and_gradients(images):
        images = images.clone().requires_grad_()
        views = sampler.warp_fixed(images, gazes).unflatten(0, (5, -1))
        (gradients,) = torch.autograd.grad(views, images, views.detach())
        return views.detach(), gradients

    images = noise(13, 3, 32, 32)
    views, gradients = views_and_gradients(images)
    for part in (slice(0, 1), slice(7, 8), slice(2, 13)):
        alone = views_and_gradients(images[part])
        assert torch.equal(alone[0], views[:, part])
        assert torch.equal(alone[1], gradients[part])


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_fixed_gazes_leave_what_they_do_not_read_out_of_the_view(interpolation):
    # Black is 0 even where the image's nearest pixel is no number.
    images = noise(1, 1, 32, 32)
    sampler, gazes = solved(32, interpolation), [(8, 8)]
    black = sampler.warp_fixed(images, gazes) == 0
    images[:, :, [0, -1]] = images[:, :, :, [0, -1]] = torch.nan
    views = sampler.warp_fixed(images, gazes)
    assert black.sum() > 100
    assert torch.equal(views[black], torch.zeros(int(black.sum())))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_no_images_give_no_views(interpolation):
    images = torch.empty(0, 3, 32, 32, requires_grad=True)
    views = solved(32, interpolation).warp_fixed(images, [(0, 0), (3, 4)])
    assert views.shape == (0, 3, 32, 32)
    (gradient,) = torch.autograd.grad(views.sum(), images)
    assert gradient.shape == images.shape


def test_fixed_gazes_first_seen_in_inference_mode_still_serve_gradients():
    sampler = RetinalSampler(32, "bilinear")
    sampler.solve()
    with torch.inference_mode():
        sampler.warp_fixed(noise(1, 3, 32, 32), [(0, 0)])
    images = noise(1, 3, 32, 32).requires_grad_()
    sampler.warp_fixed(images, [(0, 0)]).sum().backward()
    assert images.grad.abs().sum() > 0


def test_coefficients_travel_with_the_state_and_replace_old_tables():
    small, sampler = RetinalSampler(64, "nearest"), RetinalSampler(64, "nearest")
    small.solve()
    sampler.solve()
    images = noise(1, 1, 64, 64)
    sampler.warp_fixed(images, [(0, 0)])
    identity = {"coefficients": torch.tensor([0.0, 1.0], dtype=torch.float64)}
    sampler.load_state_dict(identity)
    # g(rho) = rho reads output pixel p at p + 1/2 in the padded image; an even p rounds to p.
    view = sampler.warp_fixed(images, [(0, 0)])
    assert torch.equal(view[..., 2::2, 2::2], images[..., :-2:2, :-2:2])
    sampler.load_state_dict(small.state_dict())
    expected = small.warp_fixed(images, [(0, 0)])
    assert torch.equal(sampler.warp_fixed(images, [(0, 0)]), expected)


def test_an_unsolved_warp_says_so():
    with pytest.raises(RuntimeError, match="no coefficients"):
        RetinalSampler(32, "nearest").warp_fixed(noise(1, 3, 32, 32), [(0, 0)])
