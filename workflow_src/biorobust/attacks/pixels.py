"""Attacks that change few pixels, by the model's scores alone."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from biorobust.attacks.base import MinimalAttack, Queried, at_least
from biorobust.attacks.losses import cross_entropy_margin

_TOGETHER = 256
"""Candidate images that go through the model at a time."""


class SinglePixel(MinimalAttack):
    """One pixel turned black or white (Narodytska and Kasiviswanathan 2016; thesis §2.2).

    Pixels are tried in a random order, all channels of one at once, first at 0 and then at 1, as
    in Foolbox 2; the first that breaks the image is kept. `pixels`: how many are tried at most.
    The norm is L0, and every success has size 1.

    Raises ValueError for pixels below 1.
    """

    norm = "l0"

    def __init__(self, *, pixels: int = 1000) -> None:
        self._pixels = at_least("pixels", pixels)

    @torch.no_grad()
    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        order = torch.rand(len(images), images.shape[2:].numel(), device=images.device).argsort(1)
        tries = order[:, : self._pixels].repeat_interleave(2, dim=1)  # each at 0, then at 1
        found, rows, place = images.clone(), torch.arange(len(images), device=images.device), 0
        while place < tries.shape[1] and len(rows):
            pixels = tries[rows, place : place + max(1, _TOGETHER // len(rows))]
            places = torch.arange(place, place + pixels.shape[1], device=images.device)
            values = (places % 2).to(images.dtype)[None, :, None]
            candidates = _with_pixels(images[rows], pixels, values)
            wrong = _logits(model, candidates, rows).argmax(2) != labels[rows, None]
            hit, first = wrong.any(1), wrong.int().argmax(1)
            found[rows[hit]] = candidates[hit, first[hit]]
            rows, place = rows[~hit], place + pixels.shape[1]
        return found


class LocalSearch(MinimalAttack):
    """Greedy local search over pixels (Narodytska and Kasiviswanathan 2016, LocSearchAdv).

    In each round up to 128 pixels, one by one, are set far out of range to see how much each
    matters to the class; the pixels that matter most are changed for good, and the next round
    looks at their surroundings. Ends with the first round that breaks the image. Pixel values
    are counted from mid-grey, so that they are in -1/2 to 1/2. The model is asked about images
    outside [0, 1]; those returned are inside.

    `rounds`: at most so many. `changed`: pixels that a round changes. `distance`: how far, in
    pixels, the surroundings reach. `probe`: what the sign of a pixel is multiplied by to see
    whether it matters. `factor`: what the pixels that do are multiplied by; where that leaves the
    range they come in again at the other end. Defaults are those of Foolbox 2. The norm is L0.

    Raises ValueError for rounds, changed or distance below 1.
    """

    norm = "l0"

    def __init__(
        self,
        *,
        rounds: int = 150,
        changed: int = 5,
        distance: int = 5,
        probe: float = 10.0,
        factor: float = 1.5,
    ) -> None:
        self._rounds = at_least("rounds", rounds)
        self._changed = at_least("changed", changed)
        self._distance = at_least("distance", distance)
        self._probe, self._factor = probe, factor

    @torch.no_grad()
    def perturb(self, model: Queried, images: Tensor, labels: Tensor) -> Tensor:
        """See `MinimalAttack.perturb`."""
        found, rows = images.clone(), torch.arange(len(images), device=images.device)
        pixels = images.shape[2:].numel()
        nearby = torch.ones(len(images), pixels, dtype=torch.bool, device=images.device)
        looked_at = min(128, max(self._changed, pixels // 10))
        for _ in range(self._rounds):
            if not len(rows):
                break
            # Everyone's draws, so that an image's own do not depend on who is left.
            keys = torch.rand(len(images), pixels, device=images.device)
            order = keys.masked_fill(~nearby, 2.0).argsort(1)[rows, :looked_at]
            known = nearby[rows].gather(1, order)
            worst = self._most_important(model, found[rows], labels[rows], rows, order, known)
            found[rows] = self._changed_for_good(found[rows], worst)
            nearby[rows] = self._surroundings(images[rows], worst)
            rows = rows[model(found[rows], rows).argmax(1) == labels[rows]]
            looked_at = min(128, pixels)
        return found

    def _most_important(
        self,
        model: Queried,
        images: Tensor,
        labels: Tensor,
        rows: Tensor,
        order: Tensor,
        known: Tensor,
    ) -> Tensor:
        """The pixels [m, changed] without which the class is least likely, out of those known."""
        values = (images - 0.5).flatten(2).gather(2, _for_channels(order, images)).sign()
        probes = _with_pixels(images, order, self._probe * values.transpose(1, 2) + 0.5)
        logits, repeated = _logits(model, probes, rows), labels.repeat_interleave(order.shape[1])
        against = cross_entropy_margin(logits.flatten(0, 1), repeated).view_as(order)
        best = against.masked_fill(~known, -torch.inf).topk(self._changed, dim=1).indices
        return order.gather(1, best)

    def _changed_for_good(self, images: Tensor, pixels: Tensor) -> Tensor:
        index = _for_channels(pixels, images)
        flat = (images - 0.5).flatten(2)
        values = self._factor * flat.gather(2, index)
        values = values - values.sign() * (values.abs() > 0.5)
        return (flat.scatter(2, index, values).view_as(images) + 0.5).clamp(0, 1)

    def _surroundings(self, images: Tensor, pixels: Tensor) -> Tensor:
        """Which pixels are near the given ones: [m, H * W]."""
        height, width = images.shape[2:]
        chosen = torch.zeros(len(images), height * width, device=images.device)
        maps = chosen.scatter(1, pixels, 1.0).view(-1, 1, height, width)
        reach = self._distance
        return max_pool2d(maps, 2 * reach + 1, stride=1, padding=reach).flatten(1) > 0


def _for_channels(pixels: Tensor, images: Tensor) -> Tensor:
    """The index of pixels [m, k] in images flattened to [m, C, H * W]: [m, C, k]."""
    return pixels[:, None, :].expand(-1, images.shape[1], -1)


def _with_pixels(images: Tensor, pixels: Tensor, values: Tensor) -> Tensor:
    """Copies in each of which one pixel is set: [m, C, H, W] -> [m, k, C, H, W].

    `pixels` [m, k]; `values`, which may be broadcast, [m, k, C].
    """
    copies = images.flatten(2)[:, None].repeat(1, pixels.shape[1], 1, 1)  # [m, k, C, H * W]
    index = pixels[:, :, None, None].expand(-1, -1, images.shape[1], -1)
    copies.scatter_(3, index, values[..., None].expand_as(index))
    return copies.view(*pixels.shape, *images.shape[1:])


def _logits(model: Queried, candidates: Tensor, rows: Tensor) -> Tensor:
    """Logits of each image's candidates: [m, k, C, H, W] of the images `rows` -> [m, k, K]."""
    owners = rows.repeat_interleave(candidates.shape[1])
    parts = zip(
        torch.split(candidates.flatten(0, 1), _TOGETHER),
        torch.split(owners, _TOGETHER),
        strict=True,
    )
    return torch.cat([model(*part) for part in parts]).view(*candidates.shape[:2], -1)
