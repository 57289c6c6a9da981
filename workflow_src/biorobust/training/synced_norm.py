"""Batch normalisation over a batch that is shared out among several devices.

torch's own SyncBatchNorm wants GPUs and forgets what a subclass of BatchNorm2d adds. This one runs
on any device, costs one exchange in each direction, and adds in the order of the ranks.
"""

from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn


class SyncedNorm2d(nn.BatchNorm2d):
    """Normalises, in training, by the statistics of all ranks' images together.

    The ranks may have different numbers of images. Running statistics move as those of one device
    that has the whole batch, and are the same on every rank. `apart`: every rank has the whole
    batch, so nothing is to be exchanged.
    """

    apart: bool = False

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.apart:
            return super().forward(input)
        assert self.momentum is not None and self.running_mean is not None
        assert self.running_var is not None and self.num_batches_tracked is not None
        output, mean, variance, count = _Normalise.apply(input, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        normalised: Tensor = output
        return normalised


def sync_norms(model: nn.Module) -> list[SyncedNorm2d]:
    """Let every BatchNorm2d of a model, in place, normalise over all ranks; returns them.

    A subclass keeps what it does around the normalisation itself.
    """
    norms = []
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            own = type(part)
            plain = own is nn.BatchNorm2d
            # Their state is the same; a new object would have to repeat what a subclass knows.
            part.__class__ = (
                SyncedNorm2d if plain else type(f"Synced{own.__name__}", (own, SyncedNorm2d), {})
            )
            assert isinstance(part, SyncedNorm2d)
            norms.append(part)
    return norms


def _gathered(value: Tensor) -> Tensor:
    """[K] of each rank -> [ranks, K]."""
    values = [torch.empty_like(value) for _ in range(distributed.get_world_size())]
    distributed.all_gather(values, value)
    return torch.stack(values)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the images of all ranks."""

    @staticmethod
    def forward(
        context: Any, input: Tensor, weight: Tensor, bias: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[B, C, H, W] -> the same, and of all ranks: mean [C], biased variance [C], count [1]."""
        channels = input.shape[1]
        spread, mean = torch.var_mean(input, dim=(0, 2, 3), correction=0)  # (C,)
        own = input.new_full((1,), input.numel() / channels)
        all_of = _gathered(torch.cat([own, mean, spread]))
        counts, means, spreads = torch.split(all_of, [1, channels, channels], dim=1)
        count = counts.sum(0)
        mean = (counts * means).sum(0) / count
        # Chan, Golub and LeVeque 1983: squares about the common mean from those about each own.
        variance = (counts * (spreads + (means - mean).square())).sum(0) / count
        scale = (variance + epsilon).rsqrt()
        context.save_for_backward(input, weight, mean, scale, count)
        context.mark_non_differentiable(mean, variance, count)
        factor = scale * weight
        shift = bias - mean * factor
        return input * _wide(factor) + _wide(shift), mean, variance, count

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of the sum of all ranks' losses; a weight's and bias's are this rank's part."""
        gradient = gradients[0]
        input, weight, mean, scale, count = context.saved_tensors
        normalised = (input - _wide(mean)) * _wide(scale)
        of_bias = gradient.sum(dim=(0, 2, 3))
        of_weight = (gradient * normalised).sum(dim=(0, 2, 3))
        both = _gathered(torch.cat([of_bias, of_weight])).sum(0) / count
        common, along = both.chunk(2)
        of_input = gradient - _wide(common) - normalised * _wide(along)
        return of_input * _wide(scale * weight), of_weight, of_bias, None


def _wide(values: Tensor) -> Tensor:
    """[C] -> [1, C, 1, 1]."""
    return values[None, :, None, None]
