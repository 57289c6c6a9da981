"""Where fixation models look: at random in training, at five fixed points in a test.

A gaze is (row, column) in pixels from the image centre. Its reach, the farthest it goes along
either axis, belongs to the sampling that it serves. Source: Vuyyuru et al. 2020 and their public
code (github.com/mvuyyuru/adversary @ d45b6ac, model_backbone.py).
"""

from torch import Tensor


def fixation_gazes(reach: int) -> list[tuple[int, int]]:
    """The five gazes of a test, in the published order: the centre, then the corners."""
    return [(0, 0), (-reach, reach), (reach, -reach), (-reach, -reach), (reach, reach)]


def gazes_from_draws(draws: Tensor, reach: int) -> Tensor:
    """Whole-pixel gazes, uniform on {-reach, ..., reach - 1} along each axis.

    draws: [B, 2] uniform numbers in [0, 1). Returns [B, 2] int64. The upper end is left out, as in
    the published training.
    """
    return (draws * (2 * reach)).floor().long() - reach
