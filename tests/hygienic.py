"""Made-up photographs, and the hygiene of arrays as if the shard stage had written them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from biorobust.data.hygiene.copies import Part
from biorobust.data.hygiene.fingerprints import Fingerprints
from biorobust.data.shards import Example, Shards


def photograph(seed: int, size: int = 48, hue: int = 0) -> Image.Image:
    """A smooth scene of its own, brighter where its class (`hue`) has its light."""
    random = np.random.default_rng(seed)
    scene = random.integers(40, 150, (6, 6, 3))
    scene[hue % 6] += 60
    return Image.fromarray(scene.astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)


def part(
    images: np.ndarray, labels: Sequence[int], classes: Sequence[str], split: str = "train"
) -> Part:
    """A split in memory: images uint8 [n, N, N, 3]."""
    prints = Fingerprints()
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        example = Example(f"{split}/{number}", int(label), classes[label], image)
        prints.add(example, short_side=len(image))
    return Part(prints, Shards(prints.ids, np.array(labels), list(classes), [images]))
