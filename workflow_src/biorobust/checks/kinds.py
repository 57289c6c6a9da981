"""Which checks there are: where the code of each stands, its group, thresholds and cost.

A config asks for "rows", which reads what the attacks recorded, "cheap", which runs the model on
few images, and "thorough", which runs it often. Each stands for one or several groups, a job a
model and seed each. A figure above `warn` warns, above `fail` fails, unless a check's own docstring
says otherwise; a config may give other thresholds. Where one is looser than the source that the
check names, the reason stands beside it.
"""

from collections.abc import Mapping
from typing import NamedTuple

GROUPS_OF = {
    "rows": ("rows",),
    "cheap": ("cheap",),
    # What the gradient is worth, stronger attacks along it, attacks without it, and how it ran.
    "thorough": ("gradients", "search", "queries", "settings"),
}
"""The groups behind each word of a config: apart, so that an edited check reruns few others."""

GROUPS = tuple(group for groups in GROUPS_OF.values() for group in groups)
ALWAYS = ("rows", "cheap")
RUNS_MODEL = GROUPS[1:]
# Whose checks may attack the experiment's plain model, to see what that breaks in another.
TRANSFERS = ("queries",)


class Check(NamedTuple):
    """A check: its module, its group, its default thresholds, and its passes in words."""

    module: str
    group: str
    thresholds: Mapping[str, float]
    cost: str


def _of_rows(name: str, **thresholds: float) -> Check:
    return Check(f"biorobust.checks.{name}", "rows", thresholds, "none")


def _of_model(name: str, group: str, cost: str, **thresholds: float) -> Check:
    return Check(f"biorobust.checks.{name}", group, thresholds, cost)


# n: the test images, s: those that survive at one epsilon, a: iterative attacks.
_CHEAP = {
    # Here and below, samples, of images and of draws: the whole would cost more than cheap checks
    # may. Three of them come again among the thorough ones, with nothing left out.
    "determinism": _of_model(
        "determinism", "cheap", "80", warn=1e-5, fail=1e-4, images=16, repeats=5
    ),
    "batch_independence": _of_model(
        "batch_independence", "cheap", "16", warn=1e-4, fail=1e-2, images=8
    ),
    "logits": _of_model("logits", "cheap", "16", warn=0, fail=0, images=16),
    "zero_gradients": _of_model("zero_gradients", "cheap", "32", warn=0, fail=0.01, images=32),
    "saturation": _of_model("saturation", "cheap", "32", warn=0.05, fail=0.5, images=32),
    # It fails later than it warns, since a rectifier may switch within a difference.
    "finite_differences": _of_model(
        "finite_differences", "cheap", "44", warn=1e-4, fail=1e-3, images=4, directions=5
    ),
    "rerun": _of_model("rerun", "cheap", "8 a (2 + steps)", warn=0, fail=0, images=8),
    "unbounded": _of_model(
        "unbounded", "cheap", "16 * 20 at most", warn=0, fail=0.01, images=16, steps=20
    ),
    # A single image of the sample, up to 3 % of it, is no more than a warning.
    "single_step": _of_model("single_step", "cheap", "64 a", warn=0.01, fail=0.05, images=32),
    # Here, and wherever images are counted that another attack found: it warns where the source
    # objects, and honest rows count each image from then on. It fails where so many are found
    # that the gradient itself is in doubt: one in hundreds, which an attack of few steps passed by
    # beside a boundary, does not put it there, but one in a sample stands for many.
    "random_noise": _of_model(
        "random_noise", "cheap", "16 * 10 a", warn=0, fail=0.01, images=16, draws=10
    ),
}
_THOROUGH = {
    "unbounded_all": _of_model(
        "unbounded", "search", "100 n at most", warn=0, fail=0.01, steps=100
    ),
    "single_step_all": _of_model("single_step", "search", "2 s a", warn=0.01, fail=0.03),
    "random_noise_all": _of_model(
        "random_noise", "queries", "1000 s a", warn=0, fail=0.01, draws=1000
    ),
    # Not one image alone, as with a loss that no scale changes: at another scale the attack takes
    # other ways, and breaks an image or two of an honest model that it had missed.
    "logit_scale": _of_model("logit_scale", "gradients", "n + s a steps", warn=0.01, fail=0.03),
    "more_steps": _of_model("more_steps", "search", "10 s a steps", warn=0.01, fail=0.03),
    # Some survivors may creep on; whether more steps would break them is a check of its own.
    "loss_plateau": _of_model(
        "loss_plateau", "gradients", "32 a steps", warn=0.1, fail=0.5, images=32
    ),
    "restarts": _of_model("restarts", "search", "5 s a steps", warn=0.01, fail=0.03),
    "black_box": _of_model("black_box", "queries", "1000 s a", warn=0.002, fail=0.01),
    "transfer": _of_model("transfer", "queries", "2 s a", warn=0.0, fail=0.01),
    "expectation": _of_model(
        "expectation", "search", "4; of a random model 10 s a steps", warn=0.01, fail=0.03
    ),
    # One image is what rounding alone may turn, and it warns beyond that. A first pass in lower
    # precision besides takes other ways, and can break an image or two that float32 alone misses.
    "precision": _of_model("precision", "settings", "n a (1 + steps)", warn=1, fail=3),
    "loss_landscape": _of_model(
        "loss_landscape", "gradients", "1616", warn=0.5, fail=1, images=16, points=100
    ),
    "other_losses": _of_model("other_losses", "search", "s a (100 + steps)", warn=0.01, fail=0.03),
    "double_softmax": _of_model(
        "double_softmax", "settings", "n a (2 + steps)", warn=0.01, fail=0.03
    ),
    # It warns at the source's rate. Of 16 weaknesses an attack that misses just that many at large
    # misses four or more in one sample of 140 (binomial), so that only those are a failure.
    "planted_weakness": _of_model(
        "planted_weakness", "gradients", "16 a (30 + steps)", warn=0.05, fail=0.2, images=16
    ),
}

CHECKS: dict[str, Check] = {
    "possible_values": _of_rows("possible_values", warn=0, fail=0),
    "silent_success": _of_rows("silent_success", warn=0, fail=0),
    "ball_kept": _of_rows("ball_kept", warn=0, fail=0),
    "ball_used": _of_rows("ball_used", warn=0.5, fail=0.9),
    "epsilon_unit": _of_rows("epsilon_unit", warn=0.9, fail=0.99, grey_levels=0.3),
    # It warns where the source objects. The count is the worst of all pairs of epsilons, and steps
    # grow with epsilon, so that an honest attack may pass by an image or two in the larger ball.
    "monotone": _of_rows("monotone", warn=1, fail=3),
    "nesting": _of_rows("nesting", warn=0, fail=0.01),
    "recorded_noise": _of_rows("recorded_noise", warn=0, fail=0.01),
    "recorded_single_step": _of_rows("recorded_single_step", warn=0.01, fail=0.03),
    "recorded_black_box": _of_rows("recorded_black_box", warn=0.002, fail=0.01),
    "worst_case": _of_rows("worst_case", warn=0.01, fail=0.03),
    "learned": _of_rows("learned", warn=1e-6, fail=1e-3),
    **_CHEAP,
    **_THOROUGH,
}


def checks_of(group: str) -> dict[str, Check]:
    """The checks of a group, by name, in the order in which they are told."""
    return {name: check for name, check in CHECKS.items() if check.group == group}
