"""What makes an attack's verdicts meaningless, noticed before its first step."""

from inspect import getclosurevars

import foolbox
from torch import Tensor, nn


class UnfitForAttack(ValueError):
    """The model, the images, the labels or an epsilon cannot be attacked as they are."""


def require_eval_mode(model: object) -> None:
    """Refuse a module, or one wrapped by Foolbox, that is in training mode.

    Models that are not modules cannot be asked, and pass.
    """
    candidates = [model]
    if isinstance(model, foolbox.PyTorchModel):
        # Foolbox keeps the module in a function's closure and nowhere else.
        candidates = list(getclosurevars(model._model).nonlocals.values())
    modules = [each for each in candidates if isinstance(each, nn.Module)]
    if any(part.training for module in modules for part in module.modules()):
        raise UnfitForAttack(
            "the model is in training mode, where a verdict depends on the batch; "
            "call model.eval() first"
        )


def require_images(images: Tensor) -> None:
    """Refuse pixels outside [0, 1]."""
    if not len(images):
        return
    low, high = images.amin().item(), images.amax().item()
    if not (low >= 0 and high <= 1):
        raise UnfitForAttack(
            f"pixels go from {low:g} to {high:g}; they must be in [0, 1], as the model sees them "
            "before any normalisation of its own"
        )


def require_epsilons(epsilons: Tensor) -> None:
    """Refuse sizes that no ball has."""
    wrong = epsilons[~(epsilons.isfinite() & (epsilons >= 0))]
    if len(wrong):
        raise UnfitForAttack(f"epsilon is {wrong[0].item():g}; it must be finite, 0 or more")


def require_finite(logits: Tensor) -> None:
    """Refuse logits that are NaN or infinite: no class of them is a prediction."""
    if not logits.isfinite().all():
        raise UnfitForAttack("the model gives logits that are not finite (NaN or infinite)")


def require_logits(logits: Tensor, labels: Tensor) -> None:
    """Refuse what a model gave for clean images unless it is finite logits for these labels.

    logits: [B, K]; labels: [B].
    """
    if logits.ndim != 2:
        raise UnfitForAttack(f"the model's outputs are {list(logits.shape)}; expected [B, classes]")
    require_finite(logits)
    classes = logits.shape[1]
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= classes:
        raise UnfitForAttack(
            f"labels go from {low} to {high}, but the model has {classes} classes, "
            f"0 to {classes - 1}"
        )
    sums_to_one = ((logits.double().sum(1) - 1).abs() <= 1e-5).all()
    if bool(sums_to_one) and bool(((logits >= 0) & (logits <= 1)).all()):
        raise UnfitForAttack(
            "the model returns probabilities; an attack needs logits, since cross-entropy would "
            "apply a second softmax: leave out the model's last softmax"
        )
