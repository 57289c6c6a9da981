"""What code a stage can reach, as one digest.

In: a stage's module and, where the stage runs a model or an attack, their modules, which may be a
user's own. Out: a SHA-256 over the syntax trees of every first-party module that they import, at
any depth, without comments, docstrings and layout, the same on every Python version that we
support. A change that could change a number changes the digest; a reformat does not.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

import grimp

from biorobust.accepted import counted_as
from biorobust.errors import UserError
from biorobust.extension_imports import own_modules, parsed
from biorobust.extensions import Place
from biorobust.files import sha256_of_file

PACKAGE = "biorobust"

# These describe, guard or report a run and never touch a number, so an edit of theirs makes
# nothing stale. What only they import is left out with them. The `kinds` map names to modules:
# the entries that a job uses are part of its plan.
LEFT_OUT = frozenset(
    {
        "biorobust.accepted",
        "biorobust.attacks.kinds",
        "biorobust.checks.kinds",
        "biorobust.code_digest",
        "biorobust.environment",
        "biorobust.errors",
        "biorobust.extension_imports",
        "biorobust.extensions",
        "biorobust.gpus",
        "biorobust.jobs",
        "biorobust.models.kinds",
        "biorobust.planning",
        "biorobust.progress",
        "biorobust.progress_bar",
        "biorobust.provenance",
        "biorobust.terminal",
        "biorobust.training.time_limit",
    }
)


@lru_cache(maxsize=1)
def _import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=None, exclude_type_checking_imports=True)


def reachable_modules(entries: Iterable[str]) -> list[str]:
    """Names of the first-party modules that `entries` execute, themselves included, sorted.

    Importing `a.b.c` executes `a` and `a.b` as well, so parent packages count, with what they
    import. Raises ValueError for a module that the package does not have.
    """
    graph = _import_graph()
    seen: set[str] = set()
    pending = list(entries)
    while pending:
        module = pending.pop()
        if module in seen or module in LEFT_OUT:
            continue
        if module not in graph.modules:
            raise ValueError(f"the package has no module {module!r}")
        seen.add(module)
        pending.extend(graph.find_modules_directly_imported_by(module))
        pending.extend(_parents(module))
    return sorted(seen)


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def code_digest(*entries: str) -> str:
    """SHA-256 in hex over the code that `entries` can reach, or what `accept` lets it count as.

    Entries and errors are those of `code_modules`.
    """
    return counted_as(digest_of_modules(code_modules(*entries)))


def digest_of_modules(modules: Mapping[str, str]) -> str:
    """SHA-256 in hex that stands for modules' names and digests, in this order."""
    digest = hashlib.sha256()
    for module, total in modules.items():
        digest.update(f"{module}\n{total}\n".encode())
    return digest.hexdigest()


def code_modules(*entries: str) -> dict[str, str]:
    """By module that `entries` can reach: SHA-256 in hex of its code. Extensions come last.

    An entry is a dotted module name of the package, or the module of an extension's reference:
    FILE.py, or dotted. Raises UserError where an extension's module is not there or not Python, or
    two that are used together have one name.
    """
    own: dict[str, Place] = {}
    package = {entry for entry in entries if entry.partition(".")[0] == PACKAGE}
    for entry in sorted(set(entries) - package):
        places, used = own_modules(entry)
        package |= used
        for place in places:
            other = own.setdefault(place.name, place)
            if other.file != place.file:
                raise UserError(
                    f"{other.file} and {place.file} have one name and would be used together; "
                    "rename one of them"
                )
    return {module: _module_digest(module) for module in reachable_modules(package)} | {
        name: _own_digest(place) for name, place in sorted(own.items())
    }


def _own_digest(place: Place) -> str:
    if place.file is None:
        return ""
    # Compiled modules have no syntax tree.
    return tree_digest(parsed(place)) if place.file.suffix == ".py" else sha256_of_file(place.file)


@cache
def _module_digest(module: str) -> str:
    return source_digest(_source_file(module).read_text(encoding="utf-8"))


def _source_file(module: str) -> Path:
    base = Path(__file__).parent.joinpath(*module.split(".")[1:])
    package = base / "__init__.py"
    return package if package.is_file() else base.with_suffix(".py")


def source_digest(source: str) -> str:
    """SHA-256 in hex of Python source, blind to comments, docstrings and layout.

    Raises SyntaxError where the source is not Python.
    """
    return tree_digest(ast.parse(source))


def tree_digest(tree: ast.Module) -> str:
    """SHA-256 in hex of a syntax tree, as `source_digest` has it."""
    return hashlib.sha256("".join(_spell(tree)).encode()).hexdigest()


def _spell(node: object) -> Iterator[str]:
    """The tree as text; unlike `ast.dump`, the same in every Python version.

    Empty fields are left out, since newer versions add fields that older ones lack.
    """
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name in sorted(node._fields):
            value = getattr(node, name, None)
            if name == "body" and isinstance(node, _DOCUMENTED):
                value = _without_docstring(node.body)
            if name == "values" and isinstance(node, ast.JoinedStr):
                # Python 3.12 puts empty pieces into some f-strings.
                value = [part for part in node.values if not _is_empty_text(part)]
            if name == "kind" or value is None or value == []:
                continue
            yield f" {name}="
            yield from _spell(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _spell(item)
        yield "]"
    else:
        yield f"{type(node).__name__}:{node!a}"


def _is_empty_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body
