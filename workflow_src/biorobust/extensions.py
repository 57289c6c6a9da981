"""Code from outside of the package, which a config names: a user's own model, data set or attack.

In: a reference, FILE.py:NAME (a path, relative to the folder in which snakemake runs) or
PACKAGE.MODULE:NAME (found there too, else where Python finds its packages). Out: where the code
stands, without running it, or the object itself. A file is imported as `python FILE.py` would:
its own folder is the first in which its imports are looked up.
"""

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, TypeVar

from biorobust.errors import UserError

T = TypeVar("T")

SPELLINGS = "FILE.py:NAME or PACKAGE.MODULE:NAME"


@dataclass(frozen=True)
class Place:
    """Where a module stands: its name, its file (None for a folder of modules) and `root`.

    `root` is the folder in which its top-level package is looked up.
    """

    name: str
    file: Path | None
    root: Path

    @property
    def is_installed(self) -> bool:
        """Whether it came with Python or was installed, so that it is nobody's own."""
        around = {self.root, *self.root.parents}
        return bool({"site-packages", "dist-packages"} & set(self.root.parts)) or any(
            Path(sysconfig.get_path(path)) in around for path in ("stdlib", "platstdlib")
        )


def is_reference(text: str) -> bool:
    """Whether a config's text names code outside of the package, as no built-in name does."""
    return ":" in text


def split_reference(reference: str) -> tuple[str, str]:
    """(module, name) of a reference. Raises UserError where it is not spelled as one."""
    module, _, name = reference.rpartition(":")
    dotted = all(part.isidentifier() for part in module.split("."))
    if not name.isidentifier() or not (dotted or (module.endswith(".py") and ":" not in module)):
        raise UserError(f"{reference!r} names no code; write {SPELLINGS}")
    return module, name


def locate(module: str) -> Place:
    """Where the module of a reference stands: FILE.py, or dotted. Runs nothing of it.

    Raises UserError where there is no such file or module, or where its name is taken.
    """
    if not module.endswith(".py"):
        found = find(module, Path.cwd())
        if found is None or found.file is None:
            raise UserError(
                f"there is no module {module}, neither in {Path.cwd()} nor among the installed "
                "packages; correct the name, install the package, or write FILE.py:NAME"
            )
        return found
    file = Path(module).expanduser().absolute()
    if not file.is_file():
        raise UserError(
            f"there is no file {file}; put it there, or correct the path "
            "(a relative one is from the folder in which snakemake runs)"
        )
    if not file.stem.isidentifier():
        raise UserError(f"{file} cannot be imported by its name; use letters, digits and _ only")
    place = Place(file.stem, file, file.parent)
    require_own_name(place)
    return place


def require_own_name(place: Place) -> None:
    """Raise UserError for a file with the name of an installed module: either would be taken."""
    if place.is_installed:
        return
    top = place.name.partition(".")[0]
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if top in sys.stdlib_module_names or PathFinder.find_spec(top, installed):
        raise UserError(
            f"{place.file} has the name of the installed module {top}; give it another name"
        )


def find(name: str, root: Path) -> Place | None:
    """Where Python finds a module (dotted name) for code in the folder `root`; None if nowhere."""
    # Folders are remembered by their times, which miss a file that was just written.
    importlib.invalidate_caches()
    top, *inner = name.split(".")
    spec = PathFinder.find_spec(top, [str(root), str(Path.cwd()), *sys.path])
    if spec is None:
        # Packages under development may have a finder of their own.
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            return None
    if spec is None or not (spec.has_location or spec.submodule_search_locations):
        # What is built into Python stands nowhere.
        return None
    folder = _folder(spec)
    for part in inner:
        # By its last name alone: a longer one would need its parents imported.
        spec = PathFinder.find_spec(part, _searched(spec))
        if spec is None:
            return None
    file = Path(spec.origin).absolute() if spec.has_location and spec.origin else None
    return Place(name, file, folder)


def _searched(spec: ModuleSpec) -> Sequence[str]:
    return list(spec.submodule_search_locations or [])


def _folder(spec: ModuleSpec) -> Path:
    """The folder in which a top-level module or package lies."""
    if spec.submodule_search_locations:
        return Path(_searched(spec)[0]).absolute().parent
    return Path(str(spec.origin)).absolute().parent


def load_extension(reference: str) -> Any:
    """The object that a reference names.

    Raises UserError where it is not found or where its module cannot be imported, with the line.
    """
    module_name, name = split_reference(reference)
    place = locate(module_name)
    root = str(place.root)
    if not place.is_installed and root not in sys.path[:1]:
        sys.path.insert(0, root)
    try:
        module = importlib.import_module(place.name)
    except Exception as error:
        raise UserError(f"{reference} cannot be imported: {told(error)}") from error
    if module.__file__ is None or not Path(module.__file__).samefile(str(place.file)):
        raise UserError(
            f"{place.file} cannot be imported, since {module.__file__} has the same name; "
            "rename one of them"
        )
    if not hasattr(module, name):
        raise UserError(f"{place.file} has no {name}; correct the name in {reference}")
    return getattr(module, name)


def kind_class(what: str, kind: str, built_in: Mapping[str, str], base: type, advice: str) -> type:
    """The class behind a kind of `what`, or behind a reference to a user's own.

    built_in: MODULE:NAME of each kind, of which the chosen one's module alone is imported; advice:
    how a class comes to be a `base`. Raises UserError for an unknown kind, and for an own class
    that is no `base`.
    """
    if is_reference(kind):
        own = load_extension(kind)
        if not (isinstance(own, type) and issubclass(own, base)):
            raise UserError(f"{kind} is no {base.__name__}; {advice}")
        return own
    if kind not in built_in:
        raise UserError(
            f"there is no {what} kind {kind!r}; the kinds are {', '.join(built_in)}, "
            f"or your own as {SPELLINGS}"
        )
    module, name = built_in[kind].split(":")
    found: type = getattr(importlib.import_module(module), name)
    return found


def construct(what: str, family: Callable[..., T], options: Mapping[str, Any], **fixed: Any) -> T:
    """`family(**fixed, **options)`; `what` names it in messages ("model kind standard").

    Raises UserError for an option that the constructor does not take, lacks, or refuses.
    """
    parameters = signature(family).parameters
    known = [name for name in parameters if name not in fixed]
    takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in known and not takes_any:
            raise UserError(
                f"{what} has no option {option!r}; its options are {', '.join(known) or 'none'}"
            )
    try:
        signature(family).bind(**fixed, **options)
    except TypeError as error:
        raise UserError(f"{what}: {error}") from error
    try:
        return family(**fixed, **options)
    except ValueError as error:
        raise UserError(f"{what}: {error}") from error


def told(error: BaseException) -> str:
    """An error of somebody else's code in one line: what it is and where it was raised."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and Path(frame.filename) != Path(__file__)
    ]
    own = [
        frame
        for frame in frames
        if not Place("", None, Path(frame.filename).parent).is_installed
        and Path(__file__).parent not in Path(frame.filename).parents
    ]
    last = (own or frames)[-1:]
    where = "".join(f" ({frame.filename}, line {frame.lineno})" for frame in last)
    if isinstance(error, SyntaxError):
        # Its text has the place already.
        where = ""
    if isinstance(error, ImportError) and "relative import" in str(error):
        where += "; name it as PACKAGE.MODULE:NAME, or import what stands beside it by its name"
    return what + where
