"""Do images that fool the plain model fool this one, where its own attack failed?

Adversarial images made on another model know nothing of this one's gradient. If they succeed where
the white box did not, the gradient is masked. They come from the experiment's plain model of the
same seed; honest rows count them in. Source: Carlini et al. 2019, "On Evaluating Adversarial
Robustness"; Athalye et al. 2018. Cost: for each iterative attack, survivors * 2 forward passes of
this model, and on the plain one survivors * steps both ways, which are not counted here.
"""

from collections.abc import Mapping

from biorobust.attacks.base import Model
from biorobust.checks.attacking import DESCENTS
from biorobust.checks.corrections import Correction
from biorobust.checks.findings import Finding
from biorobust.checks.honest import worst_case
from biorobust.checks.outdone import Rivals, outdone
from biorobust.checks.subject import NotExamined, Subject, examining
from biorobust.checks.transferred import TransferredDescent

NAME = "transfer"


@examining(NAME, DESCENTS)
def check(subject: Subject, thresholds: Mapping[str, float]) -> Finding:
    """Figure: what of the adversarial accuracy falls to images made on the plain model.

    `thresholds`: warn, fail.
    """
    if subject.transfer_from is None:
        raise NotExamined("There is no other model of kind standard to make images on.")
    return outdone(
        NAME,
        subject,
        thresholds,
        _from(subject.transfer_from),
        by="images made on the plain model",
        means="what another model's gradient finds and this one's does not is hidden, not absent",
    )


def honest(subject: Subject, thresholds: Mapping[str, float]) -> list[Correction]:
    """The rows that images made on the plain model give."""
    del thresholds
    return worst_case(subject, _from(subject.transfer_from)) if subject.transfer_from else []


def _from(source: Model) -> Rivals:
    return lambda ball: [TransferredDescent(source, **ball.entry.config)]
