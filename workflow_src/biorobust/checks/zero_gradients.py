"""Does a gradient come back to the pixels of every image?

Pixels that are rounded inside the model, or outputs that are detached, leave an attack nothing to
follow: it stands still and the image "survives". Judged per image, for a front end may well leave
single pixels unread: a retinal warp skips a part of the image. The gradient is that of the attack's
own loss, which does not vanish where the model is sure; what a textbook softmax would make of it
is the check of saturation. Source: AutoAttack's checks (Croce and Hein 2020); Pintor et al. 2022,
"Indicators of Attack Failure". Cost: `images` forward and backward passes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from biorobust.attacks.losses import cross_entropy_margin
from biorobust.checks import black_box
from biorobust.checks.findings import Finding
from biorobust.checks.shares import share_of_images
from biorobust.checks.subject import DetachedGradient, Subject, examining

NAME = "zero_gradients"

honest = black_box.honest

VANISHED = 1e-12
"""The length below which Foolbox, and this pipeline, no longer normalise a gradient."""


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of correctly classified images without a gradient, or with one that is
    shorter than `VANISHED`.

    `thresholds`: warn, fail, images.
    """
    numbers = subject.classified(thresholds["images"])
    images, labels = subject.images[numbers], subject.labels[numbers]
    try:
        found = vanished(subject.gradients(images, labels, cross_entropy_margin))
    except DetachedGradient:
        found = torch.ones(len(numbers), dtype=torch.bool)
    return share_of_images(
        NAME,
        subject,
        thresholds,
        numbers,
        found,
        says="{} of {} images have no gradient in their pixels",
        means="attacks along the gradient stand still there, and survival says nothing; believe "
        "attacks without gradients, such as square",
    )


def vanished(gradients: Tensor) -> Tensor:
    """Which images' gradients [m, 3, N, N] are gone: booleans [m]."""
    length: Tensor = torch.linalg.vector_norm(gradients.double().flatten(1), dim=1)
    return length < VANISHED
