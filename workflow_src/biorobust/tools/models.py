"""`biorobust models`: the kinds of models that a config can name, their options and sources.

One's own are told from their source; nothing of it is run.
"""

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from typing import Any

from biorobust.errors import UserError
from biorobust.extension_imports import parsed
from biorobust.extensions import is_reference, locate, split_reference
from biorobust.models.kinds import MODELS
from biorobust.tools.planned import add_config_arguments

_WIDTH = 100
# These belong to every entry of a config, whatever its kind.
_OF_ENTRIES = ("name", "kind", "weights", "published")
_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "List the kinds of models with their options and where they come from; with a config, "
        "those of your own that it names as well."
    )
    parser.epilog = (
        "Examples:\n  biorobust models\n  biorobust models multi_gaze\n"
        "  biorobust models my_front_end.py:CentreSurround\n"
        "  biorobust models --configfile my_front_end.yaml"
    )
    parser.add_argument(
        "kind",
        nargs="?",
        help=f"this kind alone, in full: {', '.join(MODELS)}, or FILE.py:NAME for one of your own",
    )
    add_config_arguments(parser)


def models(options: argparse.Namespace) -> int:
    """Print every kind, or one with all that its code says.

    Raises UserError for an unknown kind, and for a reference of which there is no such code.
    """
    if options.kind is None:
        print("\n\n".join(map(describe, [*MODELS, *_own_kinds(options)])))
        return 0
    if options.kind not in MODELS and not is_reference(options.kind):
        raise UserError(
            f"there is no model kind {options.kind!r}; the kinds are {', '.join(MODELS)}, "
            "or FILE.py:NAME for one of your own"
        )
    print("\n\n".join(filter(None, [describe(options.kind), *documentation(options.kind)])))
    return 0


def _own_kinds(options: argparse.Namespace) -> list[str]:
    """References to code among the models of the config, if the command names one."""
    if not (options.configfile or options.config):
        return []
    from biorobust.config.overlays import read_config
    from biorobust.config.reading import read_experiment

    experiment = read_experiment(
        read_config(Path("config.yaml"), options.configfile, options.config)
    )
    kinds = dict.fromkeys(entry.kind for entry in experiment.models)
    return list(filter(is_reference, kinds))


def describe(kind: str) -> str:
    """A kind in a few lines: what it is, its options with values and defaults, its source.

    Raises UserError for a reference of which there is no such code.
    """
    if is_reference(kind):
        return _describe_own(kind)
    from biorobust.config import models as entries

    # The entries of a config have the names of the classes behind the kinds.
    entry: Any = getattr(entries, MODELS[kind].split(":")[1])
    page, _ = documentation(kind)
    source = re.search(r"Source: (.+?)(?:\n\n|\Z)", page, re.S)
    lines = [f"{kind}: {inspect.cleandoc(entry.__doc__)}"]
    lines += [f"  {line}" for line in _options(entry.model_json_schema()["properties"])]
    if source:
        told = " ".join(f"Source: {source[1]}".split())
        lines.append(fill(told, _WIDTH, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def _describe_own(reference: str) -> str:
    from biorobust.config.own_kinds import UNKNOWN, read_outline

    try:
        options = read_outline(reference).options
    except ValueError as error:
        raise UserError(str(error)) from error
    page, family = documentation(reference)
    what, _, _ = (family or page or "a model of your own").partition("\n\n")
    lines = [f"{reference}: {' '.join(what.split())}"]
    if options is None:
        return f"{lines[0]}\n  (its source alone does not tell its options)"
    for name, (annotation, default) in options.items():
        if name in ("image_size", "classes"):
            continue
        shown = "" if default is ... else f" = {'computed' if default is UNKNOWN else default}"
        told = [annotation] * bool(annotation) + ["must be given"] * (default is ...)
        lines.append(f"  {name}{shown}" + (f"  ({'; '.join(told)})" if told else ""))
    return "\n".join(lines)


def documentation(kind: str) -> tuple[str, str]:
    """What stands at the head of a kind's file, and of its class; torch is not imported for it."""
    if is_reference(kind):
        module, name = split_reference(kind)
        tree = parsed(locate(module))
    else:
        module, name = MODELS[kind].split(":")
        found = find_spec(module)
        assert found is not None and found.origin is not None
        tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    # A name of one's own may stand for a class of another file, or be assigned.
    families = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    family = ast.get_docstring(families[0]) if families else None
    return ast.get_docstring(tree) or "", family or ""


def _options(properties: dict[str, Any]) -> Iterator[str]:
    for name, schema in properties.items():
        if name not in _OF_ENTRIES:
            default = schema["default"]
            # Without a value an option is what was published.
            shown = "as published" if default is None else str(default)
            if isinstance(default, bool):
                shown = shown.lower()
            yield f"{name} = {shown}  ({_values(schema)})"


def _values(schema: dict[str, Any]) -> str:
    """The values that an option may have, in words."""
    if "anyOf" in schema:
        (schema,) = (each for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if schema["type"] == "array":
        return f"list: {_values(schema['items'])}"
    return _TYPES[schema["type"]]
