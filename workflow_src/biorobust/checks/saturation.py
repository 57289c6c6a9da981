"""Are the logits so large that a textbook softmax loses the gradient?

Multiplying logits by 10 or 1000 changes no prediction, but the cross-entropy of a model that is
so sure has a gradient of exactly zero in float32, or one so short that it is no longer
normalised; an attack in another library then stops, and the model looks robust. The textbook
form of the check, "the same robust accuracy at any scale of the logits", fails honest models: with
the scale the cross-entropy turns from a loss of all classes into one of the nearest class, so that
an attack takes other ways. So the gradient itself is measured, at the scale that the model has;
a model of honest confidence keeps it. This pipeline's own loss keeps it at every scale. Source:
Carlini and Wagner 2017 (how defensive distillation fell). Cost: `images` forward and backward
passes.
"""

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

from biorobust.checks import logit_scale
from biorobust.checks.findings import Finding
from biorobust.checks.shares import share_of_images
from biorobust.checks.subject import Subject, examining
from biorobust.checks.zero_gradients import vanished

NAME = "saturation"

honest = logit_scale.honest


@examining(NAME)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: the share of correctly classified images whose softmax cross-entropy, in float32,
    has no gradient in the pixels, or one shorter than `zero_gradients.VANISHED`.

    `thresholds`: warn, fail, images.
    """
    numbers = subject.classified(thresholds["images"])
    images, labels = subject.images[numbers], subject.labels[numbers]
    gone = vanished(subject.gradients(images, labels, _textbook))
    return share_of_images(
        NAME,
        subject,
        thresholds,
        numbers,
        gone,
        says="A textbook cross-entropy has no gradient left at {} of {} images",
        means="the logits are so large that attacks of other libraries would stop there; "
        "this pipeline's loss does not, and its numbers lead",
    )


def _textbook(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="none")
