"""Several views of an image, each through a network, and one verdict on all of them.

In: views [k, B, ...], one row a branch. Out: logits [B, classes]. With own weights this costs k
networks in memory, with shared ones a single network; k passes either way. Source: thesis 3.3.1
and 3.4, and its public code (github.com/Kappa666/Attention-against-adversaries @ a2f5393,
model_backbone.py), which concatenates pooled features where the text concatenates logits.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from biorobust.models.resnet import Backbone, classification_head
from biorobust.models.scales import ScaleNetworks

COMBINATIONS = ("concatenated_features", "concatenated_logits", "averaged_logits")


class Branches(nn.Module):
    """k networks, or one that serves all branches, under a common end.

    build: makes a network without its last layer; branches: k; shared_weights: one network for
    all branches, in training normalised over the batch of one branch at a time, as a network that
    is called once for each branch would be. combination, for features of F numbers:

    - "concatenated_features": k F numbers into a dense layer (published code);
    - "concatenated_logits": the networks end in dense layers of their own, or a shared one, and
      the k * classes logits go into another (thesis text);
    - "averaged_logits": as before, but the mean of the k logits is the verdict (thesis 4).

    Raises ValueError for an option's impossible value.
    """

    def __init__(
        self,
        build: Callable[[], Backbone | ScaleNetworks],
        *,
        branches: int,
        shared_weights: bool,
        combination: str,
        classes: int,
    ) -> None:
        super().__init__()
        if isinstance(branches, bool) or not isinstance(branches, int) or branches < 1:
            raise ValueError(f"branches is {branches!r}; it must be a whole number, 1 or more")
        if not isinstance(shared_weights, bool):
            raise ValueError(f"shared_weights is {shared_weights!r}; it must be true or false")
        if combination not in COMBINATIONS:
            raise ValueError(
                f"combination is {combination!r}; it must be one of {', '.join(COMBINATIONS)}"
            )
        self.branches = branches
        self.shared_weights = shared_weights
        self.combination = combination
        backbones = [build() for _ in range(1 if shared_weights else branches)]
        if shared_weights:
            _normalise_by_branch(backbones[0], branches)
        width = backbones[0].feature_count
        networks: list[nn.Module] = [*backbones]
        if combination != "concatenated_features":
            networks = [
                nn.Sequential(network, classification_head(width, classes)) for network in backbones
            ]
            width = classes
        self.networks = nn.ModuleList(networks)
        if combination != "averaged_logits":
            self.head = classification_head(branches * width, classes)

    def outputs(self, views: Tensor) -> Tensor:
        """What each branch says, to be combined: [k, B, ...] -> [k, B, F or classes]."""
        if self.shared_weights:
            folded: Tensor = self.networks[0](views.flatten(0, 1))
            return folded.view(self.branches, -1, folded.shape[-1])
        # A loop, since the other ways lose where it matters. Time of a training step against the
        # loop's, ResNet-18, k = 5, one thread, 32 images at N = 32, widths 4, 16, 32, 64: vmap
        # over stacked parameters 0.77, 1.18, 1.26, 1.73 times, grouped convolutions 0.68, 1.19,
        # 1.40, 2.46 times; 4 images at N = 160, widths 16, 64: 1.11, 1.34 and 1.08, 1.20 times.
        # With shared weights a loop takes 1.1 to 1.6 times as long as the folded batch; with the
        # full ResNet-20, whose activations are large, 0.97. See benchmarks/branches.py.
        return torch.stack(
            [network(view) for network, view in zip(self.networks, views, strict=True)]
        )

    def forward(self, views: Tensor) -> Tensor:
        """Logits of all views together: [k, B, ...] -> [B, classes]."""
        outputs = self.outputs(views)
        if self.combination == "averaged_logits":
            mean: Tensor = outputs.mean(dim=0)
            return mean
        logits: Tensor = self.head(outputs.transpose(0, 1).flatten(1))
        return logits

    def regularisation(self) -> Tensor:
        """The weight penalties of the networks, a scalar; a shared one counts once."""
        parts = [part for part in self.modules() if isinstance(part, Backbone)]
        return torch.stack([part.regularisation() for part in parts]).sum()


class BranchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of a folded batch, which in training keeps its branches apart.

    Takes the settings of `like`. In: [k * B, C, H, W], branch by branch. In training each branch
    is normalised by its own statistics and moves the running ones in its turn.
    """

    def __init__(self, like: nn.BatchNorm2d, branches: int) -> None:
        super().__init__(like.num_features, eps=like.eps, momentum=like.momentum)
        self.branches = branches

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        normalise = super().forward
        return torch.cat([normalise(part) for part in input.chunk(self.branches)])


def _normalise_by_branch(network: nn.Module, branches: int) -> None:
    for name, part in network.named_children():
        if isinstance(part, nn.BatchNorm2d):
            setattr(network, name, BranchNorm2d(part, branches))
        else:
            _normalise_by_branch(part, branches)
