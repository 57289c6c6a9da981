"""A fast pass that finds, in less than float32 or compiled, before an exact one that judges.

Nothing that the fast pass says is believed: what it found must be misclassified by the plain model
in float32, and whatever it did not find, or found wrongly, is attacked again in float32. So it
can save work, and cannot spare an image. Its rounding sends it along other iterates, so it may
break an image that float32 alone would not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from biorobust.attacks.engine import Finished, Images, Logits, Settings, attack_stream
from biorobust.attacks.losses import cross_entropy

PRECISIONS = ("float32", "tf32", "bfloat16")


def finding_model(model: Any, precision: str, *, compiled: bool) -> Logits:
    """The model as the fast pass runs it: [B, C, H, W] -> logits [B, K] in its own precision."""
    run: Logits = torch.compile(model, dynamic=False) if compiled else model

    def logits_of(pixels: Tensor) -> Tensor:
        if precision == "tf32":
            with tensor_float_32(True):
                return run(pixels)
        half = precision == "bfloat16"
        with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=half):
            return run(pixels)

    return logits_of


@contextmanager
def tensor_float_32(allowed: bool) -> Iterator[None]:
    """Let CUDA's matrix products and convolutions round to 10 bits of mantissa, or forbid it."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def attack_fast_first(
    finding: Logits,
    judging: Logits,
    stretches: Iterator[Images],
    settings: Settings,
    batch_size: int,
    say: Callable[[str], None],
) -> Iterator[Finished]:
    """As `engine.attack_stream`, for ladders of one epsilon: yields each image once."""
    confirmed: list[Finished] = []
    radii: dict[int, Tensor] = {}

    def remembered() -> Iterator[Images]:
        for stretch in stretches:
            radii.update(zip(stretch.numbers.tolist(), stretch.epsilons, strict=True))
            yield stretch

    def unsettled() -> Iterator[Images]:
        found = attack_stream(finding, remembered(), settings, batch_size, say)
        for part in _gathered(found, batch_size):
            judged = _judged(judging, part, settings)
            epsilons = torch.stack([radii.pop(number) for number in part.numbers.tolist()])
            confirmed.append(_chosen(judged, judged.broken))
            rest = _chosen(judged, ~judged.broken)
            yield Images(rest.numbers, rest.originals, rest.labels, epsilons[~judged.broken])

    for part in attack_stream(judging, unsettled(), settings, batch_size, say):
        while confirmed:
            yield confirmed.pop()
        yield part
    yield from confirmed


def _gathered(parts: Iterator[Finished], wanted: int) -> Iterator[Finished]:
    """The same rows in parts of about the wanted size, since each part costs a pass."""
    waiting: list[Finished] = []
    for part in parts:
        waiting.append(part)
        if sum(len(one.numbers) for one in waiting) >= wanted:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _judged(judging: Logits, part: Finished, settings: Settings) -> Finished:
    """The same with predictions, losses and verdicts of the plain model in float32."""
    with torch.no_grad():
        clean = judging(part.originals).float().argmax(1)
        logits = judging(part.iterates).float()
    predictions = logits.argmax(1)
    reached = (predictions == part.labels) == settings.targeted
    attackable = (clean == part.labels) | settings.targeted
    return replace(
        part,
        clean_predictions=clean,
        predictions=predictions,
        losses=cross_entropy(logits, part.labels),
        broken=part.broken & reached & attackable,
    )


def _chosen(part: Finished, chosen: Tensor) -> Finished:
    return Finished(*(getattr(part, field.name)[chosen] for field in fields(Finished)))


def _joined(parts: list[Finished]) -> Finished:
    return Finished(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Finished)))
