"""A fast pass that finds, in less than float32 or compiled, before an exact one that judges.

Nothing that the fast pass says is believed: what it found must be misclassified by the plain model
in float32, and whatever it did not find, or found wrongly, is attacked again in float32. So it
can save work, and cannot spare an image. Its rounding sends it along other iterates, so it may
break an image that float32 alone would not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from biorobust.attacks.engine import Finished, Images, Logits, attack_stream
from biorobust.attacks.losses import cross_entropy
from biorobust.attacks.moves import Settings
from biorobust.attacks.sanity import require_finite

PRECISIONS = ("float32", "tf32", "bfloat16")

_SURVIVING_BATCHES = 4


def finding_model(model: Any, precision: str, *, compiled: bool) -> Logits:
    """The model as the fast pass runs it: [B, C, H, W] -> logits [B, K] in its own precision."""
    run: Logits = torch.compile(model, dynamic=False) if compiled else model

    def logits_of(pixels: Tensor) -> Tensor:
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
    *,
    precision: str = "float32",
) -> Iterator[Finished]:
    """As `engine.attack_stream`, for ladders of one epsilon: yields each image once.

    Raises ValueError for longer ladders, and as `engine.attack_stream` does.
    """
    radii: dict[int, Tensor] = {}

    def remembered() -> Iterator[Images]:
        for stretch in stretches:
            if stretch.epsilons.shape[1] != 1:
                raise ValueError("with a first pass each image has one epsilon at a time")
            radii.update(zip(stretch.numbers.tolist(), stretch.epsilons, strict=True))
            yield stretch

    around = partial(tensor_float_32, precision == "tf32")
    rest: list[Images] = []
    for part in _gathered(
        attack_stream(finding, remembered(), settings, batch_size, say, around), batch_size
    ):
        judged = _judged(judging, part, settings, batch_size)
        yield _chosen(judged, judged.broken)
        epsilons = torch.stack([radii.pop(number) for number in part.numbers.tolist()])
        left = _chosen(judged, ~judged.broken)
        rest.append(Images(left.numbers, left.originals, left.labels, epsilons[~judged.broken]))
        # A few batches at a time, so that most of them are full and memory stays flat.
        if sum(len(images.numbers) for images in rest) >= _SURVIVING_BATCHES * batch_size:
            yield from attack_stream(judging, iter(rest), settings, batch_size, say)
            rest = []
    yield from attack_stream(judging, iter(rest), settings, batch_size, say)


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


def _judged(judging: Logits, part: Finished, settings: Settings, batch_size: int) -> Finished:
    """The same with predictions, losses and verdicts of the plain model in float32."""
    clean = _plain_logits(judging, part.originals, settings, batch_size).argmax(1)
    # Where the fast pass ran into NaN there is nothing to judge.
    sound = part.iterates.flatten(1).isfinite().all(1)
    iterates = torch.where(sound[:, None, None, None], part.iterates, part.originals)
    logits = _plain_logits(judging, iterates, settings, batch_size)
    predictions = logits.argmax(1)
    reached = (predictions == part.labels) == settings.targeted
    attackable = (clean == part.labels) | settings.targeted
    return replace(
        part,
        iterates=iterates,
        clean_predictions=clean,
        predictions=predictions,
        losses=cross_entropy(logits, part.labels),
        broken=part.broken & reached & attackable,
    )


@torch.no_grad()
def _plain_logits(judging: Logits, images: Tensor, settings: Settings, batch_size: int) -> Tensor:
    """Logits [B, K] in float32, in batches that are halved where memory does not suffice."""
    parts = []
    while len(images):
        try:
            draws = [judging(images[:batch_size]).float() for _ in range(settings.expectation)]
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size //= 2
            continue
        parts.append(torch.stack(draws).mean(0) if len(draws) > 1 else draws[0])
        require_finite(parts[-1])
        images = images[batch_size:]
    return torch.cat(parts)


def _chosen(part: Finished, chosen: Tensor) -> Finished:
    return Finished(*(getattr(part, field.name)[chosen] for field in fields(Finished)))


def _joined(parts: list[Finished]) -> Finished:
    return Finished(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Finished)))
