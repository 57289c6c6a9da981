"""The config files and values of a command line, put together as Snakemake puts them together."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from biorobust.config.reading import Raw, overlaid
from biorobust.errors import UserError


def read_config(default: Path, overlays: Sequence[Path], values: Sequence[str]) -> Raw:
    """The raw config that `snakemake --configfile <overlays> --config <values>` works with.

    `values` are written KEY=VALUE. Maps are merged key by key, later ones over earlier ones;
    everything else is replaced. Raises UserError where a file is missing or is no YAML map, a
    value is not written so, or an overlay may not be laid over the default.
    """
    overlay: Raw = {}
    for path in overlays:
        overlay = merged(overlay, _read(path))
    overlay = merged(overlay, dict(map(_pair, values)))
    return overlaid(merged(_read(default), overlay), overlay)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Raw:
    """`above` laid over `below`, maps key by key at any depth; an empty map changes nothing."""
    result = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping):
            under = result.setdefault(key, {})
            if value:
                result[key] = merged(under if isinstance(under, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def _read(path: Path) -> Raw:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}; correct the path, or start in the folder "
            "of the Snakefile"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no `key: value` lines at its top level")
    return found


def _pair(text: str) -> tuple[str, Any]:
    """A key and its value: a number, True, False, nothing at all, or YAML with all else as text."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UserError(f"--config {text}: write KEY=VALUE")
    value = value.strip("'\"")
    words = {"": None, "True": True, "False": False}
    if value in words:
        return key, words[value]
    for number in (int, float):
        with suppress(ValueError):
            return key, number(value)
    try:
        return key, yaml.load(value, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        return key, value
