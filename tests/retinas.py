"""Images of noise and retinal samplers that know their coefficients."""

from functools import cache

import torch

from biorobust.sampling.retinal import RetinalSampler


def noise(*shape, dtype=torch.float32, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@cache
def solved(size, interpolation):
    """One sampler for all who ask: a test that changes its coefficients makes its own."""
    sampler = RetinalSampler(size, interpolation)
    sampler.solve()
    return sampler
