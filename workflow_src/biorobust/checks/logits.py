"""Are the model's outputs logits?

Probabilities that are fed to a softmax cross-entropy go through a second softmax, whose gradient
is all but gone where the model is sure. It happened in the thesis's public code
(github.com/Kappa666/Attention-against-adversaries @ a2f5393, adversary.py), which attacked two of
its models so. Every attack refuses a batch of probabilities, so that a model which returns nothing
else has no rows to correct, and none are made here; this is for one that does for some images.
Source: the checks of AutoAttack (Croce and Hein 2020). Cost: `images` forward passes.
"""

from collections.abc import Mapping

from biorobust.checks.findings import Finding
from biorobust.checks.shares import share_of_images
from biorobust.checks.subject import Subject, examining

NAME = "logits"


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of images whose outputs are all in [0, 1] and sum to 1 within 1e-5.

    `thresholds`: warn, fail, images.
    """
    numbers = subject.chosen(thresholds["images"])
    outputs = subject.logits(subject.images[numbers]).double()
    inside = ((outputs >= 0) & (outputs <= 1)).all(1)
    found = inside & ((outputs.sum(1) - 1).abs() <= 1e-5)
    return share_of_images(
        NAME,
        subject,
        thresholds,
        numbers,
        found,
        says="The outputs of {} of {} images are probabilities",
        means="an attack's cross-entropy applies a second softmax, which hides the gradient; "
        "leave out the model's last softmax",
    )
