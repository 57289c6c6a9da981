"""The attack against its peers: time, passes and verdicts, on one trained model, in one run.

    pip install --constraint requirements.lock --editable '.[bench]'
    pip install --no-deps torchattacks==3.5.1
    python benchmarks/attacks.py results/fashion_mnist/models/standard/seed-0 \\
        --shards results/fashion_mnist/shards/test --epsilons 0.001 0.02 0.04 0.06 0.1

Every attack is the thesis's: L-infinity PGD, 20 steps of epsilon/3, no random start, all images,
all epsilons. Peers that are not installed are left out. Rounds go through the attacks in turn, so
that a busy machine troubles all of them; what counts is the ratio within a round. Passes are
counted at the model: images that went forward, and images that went backward through it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import foolbox
import numpy as np
import torch
from torch import Tensor, nn

from biorobust import load_model
from biorobust.attacks import PGD
from biorobust.attacks.engine import Images
from biorobust.data.batches import to_pixels
from biorobust.data.shards import open_shards

STEPS = 20
Verdicts = Tensor  # bool [epsilons, images]: misclassified at the end


class Counted(nn.Module):
    """The model, counting the images that go through it each way."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards = self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        if images.requires_grad:
            # A copy, so that the hook sees this pass's gradient and no other.
            images = images.clone()
            images.register_hook(self._count_backward)
        logits: Tensor = self.model(images)
        return logits

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


class Setting:
    """What is attacked: a model, images, labels, epsilons, in batches."""

    def __init__(self, options: argparse.Namespace) -> None:
        shards = open_shards(options.shards)
        count = min(options.images, len(shards))
        self.images = to_pixels(torch.from_numpy(shards.read(np.arange(count))))
        self.labels = torch.from_numpy(shards.labels[:count])
        self.epsilons: list[float] = options.epsilons
        self.batch_size: int = options.batch_size
        self.model = Counted(load_model(options.model)).eval()

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        return list(
            zip(
                self.images.split(self.batch_size),
                self.labels.split(self.batch_size),
                strict=True,
            )
        )

    @torch.no_grad()
    def wrong(self, images: Tensor) -> Tensor:
        """Which images the plain model misclassifies (not counted as a pass of the attack)."""
        parts = images.split(self.batch_size)
        return torch.cat([self.model.model(p).argmax(1) for p in parts]) != self.labels


def ours(setting: Setting) -> Verdicts:
    """Our PGD, one call over the grid for all images; its queue makes the batches."""
    victim = foolbox.PyTorchModel(setting.model, bounds=(0, 1), device="cpu")
    attack = PGD("linf", steps=STEPS, batch_size=setting.batch_size)
    return attack(victim, setting.images, setting.labels, epsilons=setting.epsilons)[2]


def ours_apart(setting: Setting) -> Verdicts:
    """Our PGD, a call for each epsilon, as the pipeline's jobs make them."""
    victim = foolbox.PyTorchModel(setting.model, bounds=(0, 1), device="cpu")
    attack = PGD("linf", steps=STEPS, batch_size=setting.batch_size)
    return torch.stack(
        [attack(victim, setting.images, setting.labels, epsilons=e)[2] for e in setting.epsilons]
    )


def stock_foolbox(setting: Setting) -> Verdicts:
    """Foolbox's own, with parameters that take gradients, as a user has them."""
    setting.model.requires_grad_(True)
    victim = foolbox.PyTorchModel(setting.model, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(rel_stepsize=1 / 3, steps=STEPS, random_start=False)
    parts = [
        attack(victim, images, labels, epsilons=setting.epsilons)[2]
        for images, labels in setting.batches()
    ]
    setting.model.requires_grad_(False)
    setting.model.zero_grad()
    return torch.cat(parts, dim=1)


def torchattacks_pgd(setting: Setting) -> Verdicts:
    import torchattacks

    verdicts = []
    for epsilon in setting.epsilons:
        attack = torchattacks.PGD(
            setting.model, eps=epsilon, alpha=epsilon / 3, steps=STEPS, random_start=False
        )
        parts = [attack(images, labels) for images, labels in setting.batches()]
        verdicts.append(setting.wrong(torch.cat(parts)))
    return torch.stack(verdicts)


def art_pgd(setting: Setting) -> Verdicts:
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    shape = tuple(setting.images.shape[1:])
    victim = PyTorchClassifier(
        model=setting.model,
        loss=nn.CrossEntropyLoss(),
        input_shape=shape,
        nb_classes=int(setting.labels.max()) + 1,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    verdicts = []
    for epsilon in setting.epsilons:
        attack = ProjectedGradientDescent(
            victim,
            eps=epsilon,
            eps_step=epsilon / 3,
            max_iter=STEPS,
            batch_size=setting.batch_size,
            verbose=False,
        )
        found = attack.generate(setting.images.numpy(), setting.labels.numpy())
        verdicts.append(setting.wrong(torch.from_numpy(found)))
    return torch.stack(verdicts)


def attacks() -> dict[str, Callable[[Setting], Verdicts]]:
    """The attacks that can run here, ours first."""
    found: dict[str, Callable[[Setting], Verdicts]] = {
        "biorobust": ours,
        "biorobust, call per epsilon": ours_apart,
        "foolbox 3.3.4": stock_foolbox,
    }
    if find_spec("torchattacks"):
        found["torchattacks 3.5.1"] = torchattacks_pgd
    if find_spec("art"):
        found["ART 1.20.1"] = art_pgd
    return found


def lower_bound(setting: Setting) -> tuple[float, float]:
    """Forward and backward passes an image that no attack of this kind can do without.

    An image must fail once at its last robust epsilon (all steps, each iterate judged) and be
    broken once above it (the steps that this takes); the pass at the original serves both.
    """
    victim = foolbox.PyTorchModel(setting.model, bounds=(0, 1), device="cpu")
    attack = PGD("linf", steps=STEPS, batch_size=setting.batch_size)
    count = len(setting.labels)
    ladder = torch.tensor(sorted(setting.epsilons)).expand(count, -1)
    whole = Images(torch.arange(count), setting.images, setting.labels, ladder)
    forward = backward = 0
    for part in attack.stream(victim, iter([whole]), batch_size=setting.batch_size):
        missed = (part.steps == 0) & ~part.broken
        first_survived = ~part.broken & ~missed & (part.rungs == 0)
        forward += int(missed.sum()) + int(part.steps[part.broken].sum())
        backward += int((part.steps[part.broken] - 1).sum())
        forward += STEPS * int(first_survived.sum())
        backward += (STEPS - 1) * int(first_survived.sum())
    # Everyone who is attacked goes forward and backward once at the original.
    attacked = count - int(setting.wrong(setting.images).sum())
    return (forward + attacked) / count, (backward + attacked) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--epsilons", type=float, nargs="+", required=True)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    setting = Setting(options)
    count = len(setting.labels)
    clean = 1 - setting.wrong(setting.images).double().mean().item()
    print(f"{count} images, clean accuracy {clean:.3f}, batches of {setting.batch_size}")
    seconds: dict[str, list[float]] = {}
    verdicts: dict[str, Any] = {}
    passes: dict[str, tuple[float, float]] = {}
    for _ in range(options.rounds):
        for name, attack in attacks().items():
            setting.model.forwards = setting.model.backwards = 0
            started = time.perf_counter()
            verdicts[name] = attack(setting)
            seconds.setdefault(name, []).append(time.perf_counter() - started)
            passes[name] = (setting.model.forwards / count, setting.model.backwards / count)
    bound = lower_bound(setting)
    closed = {name: found.cummax(0).values for name, found in verdicts.items()}
    print(
        f"lower bound of the cost model: {bound[0]:.1f} forward, {bound[1]:.1f} backward an image"
    )
    print("attack | median s | ratio (range) | forward | backward | accuracy % | differing")
    for name, times in seconds.items():
        ratios = [t / o for t, o in zip(times, seconds["biorobust"], strict=True)]
        accuracy = " ".join(f"{100 * (1 - v.double().mean().item()):.1f}" for v in verdicts[name])
        differing = (closed[name] != closed["biorobust"]).sum(1).tolist()
        print(
            f"{name} | {statistics.median(times):.2f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f}) | {passes[name][0]:.1f} | "
            f"{passes[name][1]:.1f} | {accuracy} | {differing}"
        )


if __name__ == "__main__":
    main()
