"""What an attack climbs: losses of logits [B, K] and classes [B], one value an image."""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy_margin(logits: Tensor, classes: Tensor) -> Tensor:
    """m = logsumexp of the other logits minus the class's own: [B, K], [B] -> [B].

    The cross-entropy is softplus(m). It grows with m, so both have the same direction of
    steepest growth, but m's gradient does not vanish when the model is sure of itself.
    """
    own = logits.gather(1, classes[:, None])
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return others.logsumexp(1) - own[:, 0]


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """The cross-entropy in float32: [B, K], [B] -> [B].

    Vectorised float32 rounds by an image's place in the batch; rounded from float64 it does not.
    """
    return torch.nn.functional.softplus(cross_entropy_margin(logits.double(), classes)).float()


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """The largest other logit minus the class's own: [B, K], [B] -> [B]."""
    own = logits.gather(1, classes[:, None])
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return others.amax(1) - own[:, 0]


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy_margin, "margin": margin}
