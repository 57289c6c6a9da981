"""What a user's own model or attack takes, told from its source alone.

Nothing of it is run here, since planning does without torch: constructors are read from syntax
trees. What these do not tell (a base class in another file) is left to the job.
"""

import ast
import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Discriminator, Tag, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from biorobust.config.values import Section, as_integer, as_number, as_switch
from biorobust.errors import UserError
from biorobust.extension_imports import parsed
from biorobust.extensions import is_reference, locate, split_reference

FORMS = ("built in", "own")
"""The two forms of an entry, in the order of their union."""

_READERS: dict[str, Callable[[Any], Any]] = {
    "float": as_number,
    "int": as_integer,
    "bool": as_switch,
}
_BASES = {"BudgetAttack": False, "MinimalAttack": True}
UNKNOWN: Any = object()


Fault = tuple[str, str, Any]
"""(option, message, value): where it is, what is allowed, what is there."""


@dataclass(frozen=True)
class ClassOutline:
    """What a class's source tells of it.

    `options`: annotation and default (UNKNOWN where it is no literal, `...` where there is none)
    of each of the constructor's options, None where the constructor cannot be told. `constants`:
    literals that its body assigns. `minimal`: for an attack, whether it has no epsilon, None where
    that cannot be told.
    """

    options: dict[str, tuple[str, Any]] | None = None
    constants: dict[str, Any] = field(default_factory=dict)
    minimal: bool | None = None

    @property
    def norm(self) -> str | None:
        """Of an attack, the norm that its class or its constructor's default says, if it does."""
        told = self.constants.get("norm", (self.options or {}).get("norm", ("", None))[1])
        return told if isinstance(told, str) else None


def form_of(entry: Any) -> str:
    """Which form an entry has: that of a built-in kind, or of a user's own."""
    kind = entry.get("kind") if isinstance(entry, dict) else getattr(entry, "kind", None)
    return FORMS[isinstance(kind, str) and is_reference(kind)]


BUILT_IN, OWN = map(Tag, FORMS)
BY_FORM = Discriminator(form_of)


class OwnEntry(Section):
    """A user's own class, by reference; all other keys are options of its constructor."""

    model_config = ConfigDict(extra="allow")
    no_options: ClassVar[tuple[str, ...]]
    """Parameters of the constructor that no config gives as options."""

    kind: str

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        outline, faults = outline_or_faults(self.kind)
        known = outline.options
        if known is not None:
            known = {name: known[name] for name in known if name not in self.no_options}
        options, more = read_options(self.model_extra or {}, known, type(self).model_fields)
        raise_faults(type(self).__name__, faults or [*more, *self.faults_beside_options(outline)])
        return self.model_copy(update=options | self.told_by(outline))

    def faults_beside_options(self, outline: ClassOutline) -> Iterable[Fault]:
        """What of the entry's own keys does not fit the class."""
        return ()

    def told_by(self, outline: ClassOutline) -> dict[str, Any]:
        """Values of the entry's own keys that the class says where the config does not."""
        return {}


def outline_or_faults(kind: str) -> tuple[ClassOutline, list[Fault]]:
    """The outline of an entry's class; an empty one where it is not there, and the fault."""
    try:
        return read_outline(kind), []
    except ValueError as error:
        return ClassOutline(), [("kind", str(error), kind)]


def read_outline(reference: str) -> ClassOutline:
    """The outline of the class that a reference names.

    Raises ValueError where its module is not found or is not Python, or has no such name.
    """
    try:
        module, name = split_reference(reference)
        place = locate(module)
        tree = parsed(place)
    except UserError as error:
        raise ValueError(str(error)) from error
    names: dict[str, ast.stmt | None] = {}
    anything = False
    for node in _top_level(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                anything |= alias.name == "*"
                names[alias.asname or alias.name] = None
        else:
            stored = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
            names |= dict.fromkeys(stored, None)
    if name not in names and not anything:
        raise ValueError(f"{place.file} has no {name}; correct the name in {reference}")
    return _outline(names.get(name), names)


def _top_level(tree: ast.AST) -> Iterator[ast.stmt]:
    for node in getattr(tree, "body", []) + getattr(tree, "orelse", []):
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from _top_level(node)
        else:
            yield node


def _outline(node: ast.stmt | None, names: dict[str, ast.stmt | None]) -> ClassOutline:
    if not isinstance(node, ast.ClassDef):
        return ClassOutline()
    constants = {}
    options = None
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                constants[target] = _literal(value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                constants[target] = _literal(value)
            case ast.FunctionDef(name="__init__", args=arguments):
                options = _options(arguments)
    minimal = constants.get("minimal")
    for base in node.bases:
        spelled = ast.unparse(base).rpartition(".")[2]
        if spelled in _BASES:
            minimal = _BASES[spelled] if minimal is None else minimal
        elif isinstance(names.get(spelled), ast.ClassDef) and names[spelled] is not node:
            above = _outline(names[spelled], {**names, node.name: None})
            options = above.options if options is None else options
            constants = {**above.constants, **constants}
            minimal = above.minimal if minimal is None else minimal
    if options is None and minimal is not None and set(map(ast.unparse, node.bases)) & set(_BASES):
        # Neither base has a constructor.
        options = {}
    return ClassOutline(options, constants, minimal)


def _options(arguments: ast.arguments) -> dict[str, tuple[str, Any]] | None:
    if arguments.kwarg:
        # The rest goes to another constructor.
        return None
    plain = [*arguments.posonlyargs, *arguments.args][1:]
    defaults = [*[None] * len(plain), *arguments.defaults][-len(plain) :] if plain else []
    pairs = [*zip(plain, defaults, strict=True)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {
        argument.arg: (
            ast.unparse(argument.annotation) if argument.annotation else "",
            ... if default is None else _literal(default),
        )
        for argument, default in pairs
    }


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


def read_options(
    given: Mapping[str, Any], known: Mapping[str, tuple[str, Any]] | None, besides: Iterable[str]
) -> tuple[dict[str, Any], list[Fault]]:
    """The options as the constructor's annotations want them, and what is wrong with them.

    `known` are those of a `ClassOutline`; `besides` are keys of an entry that are no options.
    """
    read: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in given.items():
        if known is not None and name not in known:
            allowed = sorted({*known, *besides})
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            faults.append((name, f"unknown key{hint}; allowed: {', '.join(allowed)}", value))
            continue
        try:
            read[name] = _as_annotated(value, known[name][0] if known else "")
        except ValueError as error:
            faults.append((name, str(error), value))
    for name, (_, default) in (known or {}).items():
        if default is ... and name not in given:
            faults.append((name, "missing; it must be given", None))
    return read, faults


def _as_annotated(value: Any, annotation: str) -> Any:
    kinds = annotation.strip("\"'").split(" | ")
    if value is None and "None" in kinds:
        return None
    for kind in kinds:
        if kind in _READERS:
            return _READERS[kind](value)
    if kinds == ["str"] and not isinstance(value, str):
        raise ValueError("must be text, in quotes where it looks like something else")
    if not _is_plain(value):
        raise ValueError("must be made of numbers, texts, true, false, lists and sections")
    return value


def _is_plain(value: Any) -> bool:
    """Whether JSON can spell the value."""
    match value:
        case dict():
            return all(isinstance(key, str) and _is_plain(value[key]) for key in value)
        case list():
            return all(map(_is_plain, value))
        case float():
            return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)


def raise_faults(what: str, faults: list[Fault]) -> None:
    """Raise pydantic's error with each fault at its own place, if there are any."""
    if faults:
        details = [
            InitErrorDetails(
                # Braces in a message would be taken for places to fill.
                type=PydanticCustomError("own", "{told}", {"told": message}),
                loc=(option,),
                input=value,
            )
            for option, message, value in faults
        ]
        raise ValidationError.from_exception_data(what, details)
