"""Ours and the peers' PGD, each as its users call it: the thesis's, over a list of epsilons.

Every function takes a `Setting` and returns verdicts, bool [epsilons, images]: misclassified.
"""

from collections.abc import Callable
from copy import deepcopy
from importlib.util import find_spec

import foolbox
import torch
from torch import Tensor, nn

from biorobust.attacks import PGD

STEPS = 20
Verdicts = Tensor


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
    """What is attacked: a model, images [B, C, H, W], labels [B] and epsilons, in batches."""

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        epsilons: list[float],
        batch_size: int,
    ) -> None:
        self.images, self.labels = images, labels
        self.epsilons = epsilons
        self.batch_size = batch_size
        self.model = Counted(model).eval()
        # What `execution.attack_channels_last` does in the pipeline's jobs.
        self.reordered = Counted(deepcopy(model).to(memory_format=torch.channels_last)).eval()

    @property
    def device(self) -> torch.device:
        """Where the attack runs."""
        return self.images.device

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """Images and labels, as peers get them."""
        parts = self.images.split(self.batch_size), self.labels.split(self.batch_size)
        return list(zip(*parts, strict=True))

    @torch.no_grad()
    def wrong(self, images: Tensor) -> Tensor:
        """Which images the plain model misclassifies (not counted as a pass of the attack)."""
        parts = images.split(self.batch_size)
        return torch.cat([self.model.model(p).argmax(1) for p in parts]) != self.labels

    def reset(self) -> None:
        """Count passes from 0 again."""
        for model in (self.model, self.reordered):
            model.forwards = model.backwards = 0

    def passes(self) -> tuple[float, float]:
        """Images forward and backward since the reset, an attacked image."""
        models, count = (self.model, self.reordered), len(self.labels)
        return sum(m.forwards for m in models) / count, sum(m.backwards for m in models) / count


def ours(setting: Setting, **options: object) -> Verdicts:
    """One call over the grid for all images; the attack's own queue makes the batches."""
    model = setting.reordered if options.get("channels_last") else setting.model
    victim = foolbox.PyTorchModel(model, bounds=(0, 1), device=setting.device)
    attack = PGD("linf", steps=STEPS, batch_size=setting.batch_size, **options)
    verdicts: Tensor = attack(victim, setting.images, setting.labels, epsilons=setting.epsilons)[2]
    return verdicts


def ours_reordered(setting: Setting) -> Verdicts:
    """The same with model and images in channels-last order."""
    return ours(setting, channels_last=True)


def ours_apart(setting: Setting) -> Verdicts:
    """A call for each epsilon, as the pipeline's jobs make them."""
    victim = foolbox.PyTorchModel(setting.model, bounds=(0, 1), device=setting.device)
    attack = PGD("linf", steps=STEPS, batch_size=setting.batch_size)
    return torch.stack(
        [attack(victim, setting.images, setting.labels, epsilons=e)[2] for e in setting.epsilons]
    )


def ours_in_bfloat16(setting: Setting) -> Verdicts:
    """A first pass in bfloat16, judged and completed in float32."""
    return ours(setting, precision="bfloat16")


def stock_foolbox(setting: Setting) -> Verdicts:
    """Foolbox's own, with parameters that take gradients, as a user has them."""
    setting.model.requires_grad_(True)
    victim = foolbox.PyTorchModel(setting.model, bounds=(0, 1), device=setting.device)
    attack = foolbox.attacks.LinfPGD(rel_stepsize=1 / 3, steps=STEPS, random_start=False)
    parts = [
        attack(victim, images, labels, epsilons=setting.epsilons)[2]
        for images, labels in setting.batches()
    ]
    setting.model.requires_grad_(False)
    setting.model.zero_grad()
    return torch.cat(parts, dim=1)


def torchattacks_pgd(setting: Setting) -> Verdicts:
    """torchattacks' PGD, an epsilon at a time."""
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
    """The Adversarial Robustness Toolbox's PGD, an epsilon at a time."""
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    victim = PyTorchClassifier(
        model=setting.model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(setting.images.shape[1:]),
        nb_classes=int(setting.labels.max()) + 1,
        clip_values=(0.0, 1.0),
        device_type="gpu" if setting.device.type == "cuda" else "cpu",
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
        found = attack.generate(setting.images.cpu().numpy(), setting.labels.cpu().numpy())
        verdicts.append(setting.wrong(torch.from_numpy(found).to(setting.device)))
    return torch.stack(verdicts)


def attacks() -> dict[str, Callable[[Setting], Verdicts]]:
    """The attacks that can run here by name, ours first."""
    found: dict[str, Callable[[Setting], Verdicts]] = {
        "biorobust": ours,
        "biorobust, channels last": ours_reordered,
        "biorobust, call per epsilon": ours_apart,
        "foolbox 3.3.4": stock_foolbox,
    }
    if torch.cuda.is_available():
        found["biorobust, bfloat16 first"] = ours_in_bfloat16
    if find_spec("torchattacks"):
        found["torchattacks 3.5.1"] = torchattacks_pgd
    if find_spec("art"):
        found["ART 1.20.1"] = art_pgd
    return found


def stock_ever_wrong(setting: Setting, epsilon: float) -> Tensor:
    """Which images any iterate of stock Foolbox's attack has misclassified, batch by batch: [B].

    Its attack returns the last iterate alone; run with fewer steps it returns the earlier ones.
    """
    victim = foolbox.PyTorchModel(setting.model.model, bounds=(0, 1), device=setting.device)
    ever = torch.zeros_like(setting.labels, dtype=torch.bool)
    for steps in range(1, STEPS + 1):
        attack = foolbox.attacks.LinfPGD(rel_stepsize=1 / 3, steps=steps, random_start=False)
        parts = [attack(victim, x, y, epsilons=epsilon)[2] for x, y in setting.batches()]
        ever |= torch.cat(parts)
    return ever
