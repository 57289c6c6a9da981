"""Ways to run several networks over several views of an image: times, side by side, in one run.

    python benchmarks/branches.py
    python benchmarks/branches.py --device cuda --rounds 20

Own weights: our loop over the networks, `torch.func.vmap` over their stacked parameters, and one
network of grouped convolutions. Shared weights: our folded batch, and a loop over the branches;
both normalise in training over one branch at a time, so all ways compute the same. A training step
is a forward and a backward pass to weights and views, an attack's pass one in eval mode to the
views alone. Rounds go through the ways in turn, so that a busy machine troubles all of them; what
counts is the ratio to ours within a round.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from biorobust.models.branches import Branches
from biorobust.models.resnet import Backbone, SameConv2d, build_backbone, same_padding

BRANCHES = 5
Way = Callable[[Tensor], Tensor]  # views [k, B, 3, N, N] -> outputs [k, B, F]

SETTINGS: list[tuple[str, int, int, int]] = [
    # backbone, width, N, images
    ("resnet18", 4, 32, 32),
    ("resnet18", 16, 32, 32),
    ("resnet18", 32, 32, 32),
    ("resnet18", 64, 32, 32),
    ("resnet18", 16, 160, 4),
    ("resnet18", 64, 160, 4),
    ("resnet20", 4, 32, 32),
    ("resnet20", 16, 32, 32),
]


class GroupedConvolution(nn.Module):
    """The same convolution of several networks, one group of channels each."""

    def __init__(self, parts: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.like, self.groups = parts[0], len(parts)
        self.weight = nn.Parameter(torch.cat([part.weight.detach() for part in parts]))
        biases = [part.bias.detach() for part in parts if part.bias is not None]
        self.bias = nn.Parameter(torch.cat(biases))

    def forward(self, images: Tensor) -> Tensor:
        stride, padding = self.like.stride[0], self.like.padding
        if isinstance(self.like, SameConv2d):
            before, after = same_padding(images.shape[-1], self.like.kernel_size[0], stride)
            images, padding = F.pad(images, (before, after) * 2), 0
        return F.conv2d(images, self.weight, self.bias, stride, padding, groups=self.groups)


def grouped(networks: Sequence[nn.Module]) -> nn.Module:
    """Networks of one architecture as one, over channels [B, k * C, H, W]."""
    first = networks[0]
    if isinstance(first, nn.Conv2d):
        return GroupedConvolution([part for part in networks if isinstance(part, nn.Conv2d)])
    if isinstance(first, nn.BatchNorm2d):
        channels = first.num_features * len(networks)
        return nn.BatchNorm2d(channels, eps=first.eps, momentum=first.momentum)
    whole = copy.copy(first)
    whole._modules = {
        name: grouped([network.get_submodule(name) for network in networks])
        for name, _ in first.named_children()
    }
    return whole


def own_weights(build: Callable[[], Backbone]) -> dict[str, tuple[Way, nn.Module]]:
    """The ways to run networks with weights of their own, ours first."""
    branches = Branches(
        build,
        branches=BRANCHES,
        shared_weights=False,
        combination="concatenated_features",
        classes=2,
    )
    networks = list(branches.networks)
    parameters, buffers = stack_module_state(networks)
    stateless = copy.deepcopy(networks[0])
    whole = grouped(copy.deepcopy(networks))

    def vmapped(views: Tensor) -> Tensor:
        for parameter in parameters.values():
            parameter.requires_grad_(stateless.blocks[0].conv1.weight.requires_grad)
        found: Tensor = vmap(lambda *state_and_view: functional_call(stateless, *state_and_view))(
            (parameters, buffers), views
        )
        return found

    def as_groups(views: Tensor) -> Tensor:
        features: Tensor = whole(views.transpose(0, 1).flatten(1, 2))
        return features.unflatten(1, (BRANCHES, -1)).transpose(0, 1)

    return {
        "loop": (branches.outputs, branches),
        "vmap": (vmapped, stateless),
        "grouped": (as_groups, whole),
    }


def shared_weights(build: Callable[[], Backbone]) -> dict[str, tuple[Way, nn.Module]]:
    """The ways to run one network over all branches, ours first."""
    branches = Branches(
        build,
        branches=BRANCHES,
        shared_weights=True,
        combination="concatenated_features",
        classes=2,
    )
    network = build()
    network.load_state_dict(branches.networks[0].state_dict())
    return {
        "folded": (branches.outputs, branches),
        "loop": (lambda views: torch.stack([network(view) for view in views]), network),
    }


def seconds(way: Way, module: nn.Module, views: Tensor, training: bool) -> float:
    """One training step, or one pass of an attack."""
    module.train(training).requires_grad_(training)
    _settle(views)
    started = time.perf_counter()
    way(views).square().sum().backward()
    _settle(views)
    return time.perf_counter() - started


def _settle(views: Tensor) -> None:
    if views.is_cuda:
        torch.cuda.synchronize()


def compare(
    ways: dict[str, tuple[Way, nn.Module]], views: Tensor, rounds: int, training: bool
) -> str:
    """Milliseconds of ours, and the others' median and extreme ratios to it."""
    found = {name: way(views.detach()) for name, (way, _) in ways.items()}
    ours = next(iter(ways))
    for name, features in found.items():
        if not torch.allclose(features, found[ours], rtol=1e-3, atol=1e-3):
            raise AssertionError(f"{name} does not compute what {ours} computes")
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (way, module) in ways.items():
            taken = seconds(way, module, views, training)
            if number > 0:  # the first round warms up
                times[name].append(taken)
    texts = [f"{ours} {1e3 * statistics.median(times[ours]):.0f} ms"]
    for name in list(ways)[1:]:
        ratios = [other / own for other, own in zip(times[name], times[ours], strict=True)]
        extremes = f"{min(ratios):.2f}-{max(ratios):.2f}"
        texts.append(f"{name} {statistics.median(ratios):.2f} ({extremes})")
    return ", ".join(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print("backbone width N images | pass | own weights | shared weights")
    for name, width, size, images in SETTINGS:

        def build(name: str = name, width: int = width) -> Backbone:
            stem = {"stem_width": width} if name == "resnet18" else {}
            return build_backbone(name, width=width, **stem).to(options.device)

        views = torch.rand(BRANCHES, images, 3, size, size, device=options.device)
        views.requires_grad_(True)
        ways = own_weights(build), shared_weights(build)
        for training in (True, False):
            own, shared = (compare(each, views, options.rounds, training) for each in ways)
            kind = "training step" if training else "attack's pass"
            print(f"{name} {width} {size} {images} | {kind} | {own} | {shared}", flush=True)


if __name__ == "__main__":
    main()
