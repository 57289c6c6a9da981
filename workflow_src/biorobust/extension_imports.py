"""Which code an extension executes: its own modules, and those of the package that it imports.

Followed are import statements, anywhere in a file, to modules that are nobody's installed
package: beside the extension, in the folder in which snakemake runs, or on PYTHONPATH. Of an
installed extension its own package alone is followed. Not followed is what is imported by a text
that is put together when the code runs.
"""

import ast
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from biorobust.errors import UserError
from biorobust.extensions import Place, find, locate, require_own_name

_PACKAGE = "biorobust"
_SOURCE = Path(__file__).parent


def own_modules(module: str) -> tuple[list[Place], set[str]]:
    """What the module of a reference executes: places of its own modules, names of the package's.

    Raises UserError where the module is not found or a file is not Python.
    """
    entry = locate(module)
    seen: dict[str, Place] = {}
    package: set[str] = set()
    pending = [entry, *_parents(entry)]
    while pending:
        place = pending.pop()
        if place.name in seen:
            continue
        seen[place.name] = place
        if place.file is None or place.file.suffix != ".py":
            continue
        for name, imported in _imports(place):
            if name.partition(".")[0] == _PACKAGE:
                package |= _package_modules(name, imported, place)
                continue
            for candidate in (name, *(f"{name}.{part}" for part in imported)):
                found = find(candidate, place.root)
                if found is not None and _is_own(found, entry):
                    require_own_name(found)
                    pending += [found, *_parents(found)]
    return list(seen.values()), package


def _is_own(found: Place, entry: Place) -> bool:
    if found.is_installed:
        return found.name.partition(".")[0] == entry.name.partition(".")[0]
    return True


def _parents(place: Place) -> Iterator[Place]:
    name = place.name
    while "." in name:
        name = name.rpartition(".")[0]
        if parent := find(name, place.root):
            yield parent


def parsed(place: Place) -> ast.Module:
    """The syntax tree of a module. Raises UserError where it cannot be read or is not Python."""
    assert place.file is not None
    try:
        return ast.parse(place.file.read_bytes(), filename=str(place.file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{place.file}, line {line}" if line else str(place.file)
        raise UserError(f"{where}: {getattr(error, 'msg', error)}; mend it") from error
    except OSError as error:
        raise UserError(f"{place.file} cannot be read: {error.strerror}") from error


def _imports(place: Place) -> Iterator[tuple[str, list[str]]]:
    """Each imported module's absolute name, and the names that are taken from it."""
    assert place.file is not None
    package = place.name if place.file.name == "__init__.py" else place.name.rpartition(".")[0]
    for node in ast.walk(parsed(place)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                # Python itself will say that a lone file has nothing around it.
                around = package.split(".") if package else []
                above = around[: max(0, len(around) - node.level + 1)]
                base = ".".join([*above, *([base] if base else [])]) if above else ""
            if base:
                yield base, [alias.name for alias in node.names]


def _package_modules(name: str, imported: Iterable[str], importer: Place) -> set[str]:
    """Modules of the package behind an import of it, those behind lazily resolved names too."""
    base = _SOURCE.joinpath(*name.split(".")[1:])
    if not base.is_dir():
        if not base.with_suffix(".py").is_file():
            raise UserError(f"{importer.file} imports {name}, but there is no such module; mend it")
        return {name}
    # Packages hold tables of names alone, so importing them costs nothing.
    package = import_module(name)
    lazy: dict[str, str] = getattr(package, "_PUBLIC", {})
    found = {name}
    # Without names any of them may be used, as in `biorobust.sampling.retinal_warp`.
    for part in [*imported] or [*lazy, *getattr(package, "_PACKAGES", ())]:
        if part == "*":
            found |= set(lazy.values())
        elif part in lazy:
            found.add(lazy[part])
        else:
            found |= _package_modules(f"{name}.{part}", [], importer)
    return found
