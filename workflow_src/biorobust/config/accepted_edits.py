"""Which results of an experiment count as made by the present code through an accepted edit."""

from collections.abc import Iterator, Mapping
from typing import Any

from biorobust.accepted import Acceptance
from biorobust.places import PAGE, Outline


def accepted_edits(outline: Outline, noted: Mapping[str, Acceptance]) -> list[dict[str, Any]]:
    """The acceptances that the outline's code digests rest on, oldest first, for card and page.

    `noted` are those that were made use of, by the digest that they led to. Each tells its paths,
    reason and date, and `of`, pairs of a stage and a model ("" for what is no model's).
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for stage, model, digest in _codes(outline):
        if digest in noted:
            told = {key: noted[digest][key] for key in ("date", "paths", "reason")}
            key = (told["date"], *told["paths"], told["reason"])
            of = found.setdefault(key, {**told, "of": []})["of"]
            if [stage, model] not in of:
                of.append([stage, model])
    return [found[key] for key in sorted(found)]


def _codes(outline: Outline) -> Iterator[tuple[str, str, str]]:
    """(stage, model, digest) of all code whose results are shown."""
    yield "shard", "", outline["shard"]["code"]
    for model in outline["models"]:
        yield "train", model["name"], model["train_code"]
        for stage in ("attack", "check"):
            for digest in model[f"{stage}_code"].values():
                yield stage, model["name"], digest
    yield "collect", "", outline["collect"]["code"]
    for stage in ("tables", "figures"):
        for entry in outline[stage].values():
            yield stage, "", entry["code"]
    for model, entry in outline["cards"].items():
        yield "cards", model, entry["code"]
    yield PAGE, "", outline[PAGE][PAGE]["code"]
