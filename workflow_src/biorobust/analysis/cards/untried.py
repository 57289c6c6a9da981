"""The part of a card that tells what was not tried, so that nobody takes silence for a pass.

All of it follows from what the experiment asked for, what its checks could be applied to, and the
catalogue of what this program could have done.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from biorobust.analysis.cards.schema import (
    AttackPart,
    ChecksPart,
    DataPart,
    ResultsPart,
    Untried,
)

_BALLS = {"linf": "L∞", "l2": "L2 (or root-mean-square)", "l0": "L0"}
# Fewer say next to nothing of how seeds vary.
_FEW_SEEDS = 3


def untried_part(
    data: DataPart,
    attacks: Sequence[AttackPart],
    results: ResultsPart,
    checks: ChecksPart,
    catalogue: Mapping[str, Any],
) -> list[Untried]:
    """One entry for each thing that was not tried, from the attacks to the data."""
    applied = {f["check"]: f["verdict"] for f in checks["findings"] if f["verdict"] != "skipped"}
    found = [
        *_of_attacks(attacks, catalogue, applied),
        *_of_strength(attacks, results, applied),
        *_of_groups(checks, catalogue),
        *_of_sample(data, results),
    ]
    return [{"topic": topic, "sentence": sentence} for topic, sentence in found]


def _of_attacks(
    attacks: Sequence[AttackPart], catalogue: Mapping[str, Any], applied: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    balls = {_ball(attack["norm"]) for attack in attacks}
    if missing := [name for ball, name in _BALLS.items() if ball not in balls]:
        yield "norms", f"Perturbations bounded or measured in {_listed(missing)} norm."
    kinds = catalogue["attacks"]
    methods = {attack["method"] for attack in attacks}
    if "many steps" not in methods:
        yield "iterative attacks", "Attacks that follow gradients in several steps."
    if "black box" not in methods and "black_box" not in applied:
        names = [kind for kind, facts in kinds.items() if facts["method"] == "black box"]
        yield "black box", f"Attacks by queries alone ({', '.join(names)})."
    if "noise" not in methods and applied.keys().isdisjoint({"random_noise", "random_noise_all"}):
        yield "noise", "Random perturbations or degradations of the image."
    if all(attack["epsilons"] for attack in attacks):
        names = [kind for kind, facts in kinds.items() if facts["minimal"]]
        yield (
            "smallest perturbation",
            f"Attacks that search for the smallest perturbation ({', '.join(names)}); without them "
            "the sizes above are coarse upper bounds.",
        )
    losses = {attack["options"].get("loss") for attack in attacks}
    unused = [loss for loss in catalogue["losses"] if loss not in losses]
    if unused and "other_losses" not in applied:
        yield "losses", f"PGD on the loss {_listed(unused)}."
    if not any(attack["options"].get("restarts", 1) > 1 for attack in attacks) and (
        "restarts" not in applied
    ):
        yield "restarts", "Attacks with several random starts."
    used = {attack["kind"] for attack in attacks}
    left = [kind for kind in kinds if kind not in used]
    if left:
        yield "other kinds", f"These kinds of attack that the program has: {', '.join(left)}."
    yield (
        "adaptive attacks",
        "An attack designed against this very model: all are general ones, and a person who "
        "studies the model may find a stronger one.",
    )


def _of_strength(
    attacks: Sequence[AttackPart], results: ResultsPart, applied: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if "more_steps" not in applied:
        yield "more steps", "The same attacks with more steps."
    if "transfer" not in applied:
        yield "transfer", "Perturbations made on another model."
    if "expectation" not in applied:
        same = applied.get("determinism") == "pass"
        reason = (
            " Predictions did not differ between passes (check determinism), so that there is "
            "nothing to average."
            if same
            else ""
        )
        yield "expectation", f"Attacks on the mean of several passes.{reason}"
    for attack in attacks:
        told = [each for each in results["adversarial"] if each["attack"] == attack["name"]]
        if told and told[-1]["sum"]["standing"]:
            count = told[-1]["sum"]
            yield (
                "larger epsilons",
                f"{attack['name']} beyond ε = {told[-1]['epsilon']}, where {count['standing']} of "
                f"{count['images']} verdicts still stand.",
            )


def _of_groups(checks: ChecksPart, catalogue: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for asked in catalogue["checks"]:
        if left := [check["check"] for check in checks["not_run"] if check["asked_by"] == asked]:
            yield (
                "checks",
                f"{len(left)} checks that checks.groups: {asked} in the config asks for: "
                f"{', '.join(left)}.",
            )
    silent: dict[tuple[str, ...], dict[str, None]] = {}
    for finding in checks["findings"]:
        if finding["unexamined"] and finding["verdict"] != "skipped":
            silent.setdefault(tuple(finding["unexamined"]), {})[finding["check"]] = None
    for attacks, names in silent.items():
        yield (
            "unexamined attacks",
            f"Of {', '.join(attacks)}, whatever these checks look for, which cannot judge such an "
            f"attack: {', '.join(names)}.",
        )


def _of_sample(data: DataPart, results: ResultsPart) -> Iterator[tuple[str, str]]:
    seeds = len(results["clean"]["seeds"])
    if seeds < _FEW_SEEDS:
        yield (
            "seeds",
            f"More than {seeds} seed{'s' if seeds > 1 else ''}: how much another training would "
            "differ is hardly known.",
        )
    for split in ("train", "test"):
        limit = data["settings"].get(f"{split}_limit")
        if limit is not None:
            images = data["splits"][split]["images"]
            yield "images", f"More than {images} {split} images (data.{split}_limit)."
    yield (
        "other data",
        f"Any data set but {data['source']}, or images that are corrupted, of another style or "
        "otherwise unlike those.",
    )


def _ball(norm: str) -> str:
    """An L2 ball is a root-mean-square ball of another radius."""
    return "l2" if norm == "rms" else norm


def _listed(names: Sequence[str]) -> str:
    """One or more names in a sentence."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
