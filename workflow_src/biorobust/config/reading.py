"""From raw YAML to a checked experiment, or to every mistake in it at once."""

import difflib
import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from biorobust.config.experiment import Experiment
from biorobust.errors import UserError

Raw = dict[str, Any]


def overlaid(merged: Raw, overlay: Raw) -> Raw:
    """The config to use, from Snakemake's merge of the default with an overlay.

    Snakemake merges maps key by key. That suits settings, but the default's limits must not
    reach another data set: an overlay that names a `source` replaces the whole data section.
    """
    data = overlay.get("data")
    return {**merged, "data": data} if isinstance(data, dict) and "source" in data else merged


def read_experiment(raw: Raw) -> Experiment:
    """The experiment that a raw config describes.

    Raises UserError with one line for each mistake: where it is, what is there, what is allowed.
    """
    try:
        return Experiment.model_validate(raw)
    except ValidationError as error:
        lines = [_explained(dict(problem)) for problem in error.errors()]
    raise UserError("\n".join([f"the config has {len(lines)} mistake(s):", *lines]))


def _explained(problem: Raw) -> str:
    location, value = problem["loc"], problem["input"]
    section, where = _walk(location)
    if problem["type"] == "extra_forbidden":
        allowed = sorted(section.model_fields) if section else []
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"  {where}: unknown key{hint}; allowed: {', '.join(allowed)}"
    if problem["type"] == "missing":
        return f"  {where}: missing; it must be given"
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        given = value.get("kind") if isinstance(value, dict) else value
        tags = problem.get("ctx", {}).get("expected_tags", _tags(location))
        return f"  {where}.kind: {given!r} is not allowed; allowed: {tags}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if isinstance(value, dict) and problem["type"] == "value_error":
        return f"  {where}: {message}" if where else f"  {message}"
    return f"  {where}: {value!r} is not allowed; allowed: {message.removeprefix('must be ')}"


def _walk(location: tuple[int | str, ...]) -> tuple[type[BaseModel] | None, str]:
    """The section that holds a place, and the place as a person would write it."""
    section: type[BaseModel] | None = Experiment
    where = ""
    annotation: Any = Experiment
    for part in location:
        found = _sections(annotation)
        tagged = [one for one in found if _kind(one) == part]
        if isinstance(part, int):
            where += f"[{part}]"
            continue
        if tagged:
            # pydantic names the kind that it chose; nobody wrote it there as a key.
            annotation = tagged[0]
            continue
        section = found[0] if found else None
        where += f".{part}" if where else str(part)
        field = section.model_fields.get(part) if section else None
        annotation = field.annotation if field else None
        if field and field.discriminator is None and field.metadata:
            annotation = typing.Annotated[annotation, *field.metadata]
    return section, where


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_args(annotation):
        return [one for part in typing.get_args(annotation) for one in _sections(part)]
    return []


def _kind(section: type[BaseModel]) -> str | None:
    field = section.model_fields.get("kind")
    choices = typing.get_args(field.annotation) if field else ()
    return choices[0] if len(choices) == 1 else None


def _tags(location: tuple[int | str, ...]) -> str:
    field = Experiment.model_fields[str(location[0])]
    return ", ".join(repr(_kind(section)) for section in _sections(field.annotation))
