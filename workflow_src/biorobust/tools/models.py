"""`biorobust models`: the kinds of models that a config can name, their options and sources."""

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
from biorobust.models.kinds import MODELS

_WIDTH = 100
# These belong to every entry of a config, whatever its kind.
_OF_ENTRIES = ("name", "kind", "weights", "published")
_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = "List the kinds of models with their options and where they come from."
    parser.epilog = "Examples:\n  biorobust models\n  biorobust models multi_gaze"
    parser.add_argument("kind", nargs="?", help=f"this kind alone, in full: {', '.join(MODELS)}")


def models(options: argparse.Namespace) -> int:
    """Print every kind, or one with all that its code says. Raises UserError for an unknown one."""
    if options.kind is None:
        print("\n\n".join(map(describe, MODELS)))
        return 0
    if options.kind not in MODELS:
        raise UserError(
            f"there is no model kind {options.kind!r}; the kinds are {', '.join(MODELS)}"
        )
    page, family = documentation(options.kind)
    print(f"{describe(options.kind)}\n\n{page}\n\n{family}")
    return 0


def describe(kind: str) -> str:
    """A kind in a few lines: what it is, its options with values and defaults, its source."""
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


def documentation(kind: str) -> tuple[str, str]:
    """What stands at the head of a kind's file, and of its class; torch is not imported for it."""
    module, name = MODELS[kind].split(":")
    found = find_spec(module)
    assert found is not None and found.origin is not None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    (family,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return ast.get_docstring(tree) or "", ast.get_docstring(family) or ""


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
