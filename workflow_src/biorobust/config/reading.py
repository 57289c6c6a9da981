"""From raw YAML to a checked experiment, or to every mistake in it at once."""

import difflib
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from biorobust.config.claims import Claim, claim_faults
from biorobust.config.experiment import Experiment, as_image_size
from biorobust.config.models import ModelEntry
from biorobust.config.own_kinds import FORMS
from biorobust.config.smoke import slimmed
from biorobust.config.values import as_integer, as_number, as_written, repeated
from biorobust.errors import UserError
from biorobust.extensions import SPELLINGS
from biorobust.stages import TABLES

Raw = dict[str, Any]
Location = tuple[int | str, ...]
_T = TypeVar("_T")

# What is allowed, by pydantic's type of error, in words for people who write YAML.
_ALLOWED = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "model_attributes_type": "a section of `key: value` lines",
    "model_type": "a section of `key: value` lines",
    "string_type": "text, in quotes where it looks like something else",
    "too_long": "a list of {max_length} entries",
    "tuple_type": "a list, as in [a, b]",
}


def overlaid(merged: Raw, overlay: Raw) -> Raw:
    """The config to use, from Snakemake's merge of the default with an overlay.

    Snakemake merges maps key by key. That suits settings, but the default's limits must not
    reach another data set: an overlay that names a `source` replaces the whole data section. Nor
    must the default's claims reach other models or attacks: one that replaces either without
    giving claims has none.
    """
    experiment = set(overlay) & {"seeds", "data", "training", "models", "attacks"}
    if experiment and "name" not in overlay:
        raise UserError(
            f"the overlay changes {', '.join(sorted(experiment))} and gives no name of its own; "
            "add name: <a new name>, or its results would replace the default experiment's"
        )
    data = overlay.get("data")
    if isinstance(data, dict) and "source" in data:
        merged = {**merged, "data": data}
    if {"models", "attacks"} & set(overlay) and "claims" not in overlay:
        merged = {**merged, "claims": []}
    return merged


def read_experiment(raw: Any) -> Experiment:
    """The experiment that a raw config describes, made tiny where it says `smoke: true`.

    Raises UserError with one line for each mistake: where it is, what is there, what is allowed.
    """
    across = [*_repeats(raw), *_misfits(raw), *_unfounded(raw)]
    try:
        experiment = Experiment.model_validate(raw)
    except ValidationError as error:
        mistakes = [_explained(dict(problem)) for problem in error.errors()] + across
    else:
        if not across:
            if experiment.smoke:
                return read_experiment(slimmed(experiment.model_dump(mode="json")))
            return experiment
        mistakes = across
    lines = [f"  {mistake}" for mistake in mistakes]
    raise UserError("\n".join([f"the config has {len(lines)} mistake(s):", *lines]))


def _repeats(raw: Any) -> Iterable[str]:
    """Names taken twice, told from the raw config: wrong entries beside it do not hide it."""
    for seed in repeated(_read(as_integer, _list(raw, "seeds"))):
        yield f"seeds: {seed} is written twice; each once"
    for group in ("models", "attacks", "claims"):
        names = [entry.get("name") for entry in _list(raw, group) if isinstance(entry, dict)]
        for name in repeated(name for name in names if isinstance(name, str)):
            yield f"{group}: {name!r} is written twice; each once"
        if group == "attacks" and (taken := set(TABLES).intersection(map(str, names))):
            yield f"attacks: {min(taken)!r} is the name of a table; choose another for the attack"
    for position, attack in enumerate(_list(raw, "attacks")):
        pairs = _read(
            lambda value: (as_number(value), as_written(value)), _list(attack, "epsilons")
        )
        for twice in repeated(number for number, _ in pairs):
            same = " and ".join(text for number, text in pairs if number == twice)
            yield f"attacks[{position}].epsilons: {same} are one value; each value once"


def _misfits(raw: Any) -> Iterable[str]:
    """What is too large for the images, told from the raw config as repeats are."""
    try:
        image_size = as_image_size(raw["data"]["image_size"])
    except (KeyError, TypeError, ValueError):
        return
    models = TypeAdapter[ModelEntry](ModelEntry)
    for position, given in enumerate(_list(raw, "models")):
        for entry in _read(models.validate_python, [given]):
            try:
                entry.check_fit(image_size)
            except ValueError as error:
                yield f"models[{position}]: {error}; data.image_size is {image_size}"


def _unfounded(raw: Any) -> Iterable[str]:
    """Claims about models, attacks and epsilons that are not there, told from the raw config."""
    entries = {
        group: [entry for entry in _list(raw, group) if isinstance(entry, dict)]
        for group in ("models", "attacks")
    }
    models = [str(entry.get("name")) for entry in entries["models"]]
    attacks = {
        str(entry.get("name")): _read(_epsilon, _list(entry, "epsilons"))
        for entry in entries["attacks"]
        if _list(entry, "epsilons")
    }
    if not models:
        return
    for position, given in enumerate(_list(raw, "claims")):
        for claim in _read(Claim.model_validate, [given]):
            for fault in claim_faults(claim, models, attacks):
                yield f"claims[{position}]{fault}"


def _epsilon(value: Any) -> str:
    as_number(value)
    return as_written(value)


def _list(section: Any, key: str) -> list[Any]:
    value = section.get(key) if isinstance(section, dict) else None
    return value if isinstance(value, list) else []


def _read(kind: Callable[[Any], _T], values: list[Any]) -> list[_T]:
    """The values that are of this kind; each of the others is a mistake told elsewhere."""
    found = []
    for value in values:
        with suppress(ValueError):
            found.append(kind(value))
    return found


def _explained(problem: Raw) -> str:
    """One mistake in words. `problem`: pydantic's type, loc, input, msg and ctx of an error."""
    location, value, context = problem["loc"], problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden" | "invalid_key":
            where, section = _walk(location[:-1])
            if location[0] == "attacks" and location[-1] == "epsilons":
                return (
                    f"{where}.epsilons: attack kind {location[-2]} searches for the smallest "
                    "perturbation and has no epsilon; leave epsilons out"
                )
            # A key that is no text (YAML reads `on` as true) is the input of its own error.
            key = str(value if problem["type"] == "invalid_key" else location[-1])
            allowed = sorted(section["properties"])
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            return f"{_joined(where, key)}: unknown key{hint}; allowed: {', '.join(allowed)}"
        case "missing":
            return f"{_walk(location)[0]}: missing; it must be given"
        case "union_tag_not_found" | "union_tag_invalid":
            where, union = _walk(location)
            kinds = f"{', '.join(union['discriminator']['mapping'])}, or your own as {SPELLINGS}"
            if "kind" in value:
                return f"{where}.kind: {_shown(value['kind'])} is not allowed; allowed: {kinds}"
            return f"{where}.kind: missing; allowed: {kinds}"
    where = _walk(location)[0] or "the config"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in _ALLOWED:
        message = "must be " + _ALLOWED[problem["type"]].format(**context)
    if message.startswith("must be "):
        allowed = message.removeprefix("must be ")
        return f"{where}: {_shown(value)} is not allowed; allowed: {allowed}"
    return f"{where}: {message}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."


def _joined(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


@cache
def _schema() -> Raw:
    return Experiment.model_json_schema()


def _walk(location: Location) -> tuple[str, Raw]:
    """A place as a person would write it, and the JSON schema of what belongs there."""
    where, node = "", _schema()
    for part in location:
        kinds = node.get("discriminator", {}).get("mapping", {})
        if part in FORMS and "oneOf" in node:
            # Nobody wrote this either.
            node = node["oneOf"][FORMS.index(part)]
        elif isinstance(part, int):
            where, node = f"{where}[{part}]", node.get("items", {})
        elif part in kinds:
            # pydantic names the kind that it chose; nobody wrote it there as a key.
            node = {"$ref": kinds[part]}
        else:
            where, node = _joined(where, part), node.get("properties", {}).get(part, {})
        if "$ref" in node:
            node = _schema()["$defs"][node["$ref"].rpartition("/")[2]]
    return where, node
