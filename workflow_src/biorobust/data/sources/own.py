"""A user's own source of images, from outside of the package; its mistakes are told in one line."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar, get_args

import numpy as np

from biorobust.data.sources.source import Family, Item, Source, Split
from biorobust.errors import UserError
from biorobust.extensions import load_extension, told

P = ParamSpec("P")
T = TypeVar("T")


def own_family(reference: str) -> Family:
    """The `Family` that a reference names (see `extensions`), guarded: what it opens is checked.

    Raises UserError where it is not found or is no Family. What its functions raise, and what
    they return that is no Source of images, becomes a UserError.
    """
    own = load_extension(reference)
    if not isinstance(own, Family):
        raise UserError(
            f"{reference} is no Family; make one from two functions: "
            "biorobust.data.sources.source.Family(open, files)"
        )

    def open_checked(path: Path | None, download_folder: Path | None) -> Source:
        return _checked(reference, _in_one_line(reference, own.open)(path, download_folder))

    def files_checked(path: Path | None) -> dict[str, Path]:
        files = _in_one_line(reference, own.files)(path)
        if not isinstance(files, dict):
            raise UserError(
                f"data source {reference}: files returned {type(files).__name__}; it must return "
                "{name: path} for each file, {} where the images come from code alone"
            )
        return {str(name): Path(file) for name, file in files.items()}

    return Family(open_checked, files_checked)


def _in_one_line(reference: str, function: Callable[P, T]) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"data source {reference}: {told(error)}") from error

    return call


def _checked(reference: str, source: Source) -> Source:
    what = f"data source {reference}"
    if not isinstance(source, Source):
        raise UserError(f"{what}: open returned {type(source).__name__}; it must return a Source")
    classes = list(source.classes)
    if len(set(classes)) < max(2, len(classes)) or not all(isinstance(c, str) for c in classes):
        raise UserError(f"{what}: classes are {classes}; it must name two or more, each once")
    if set(source.splits) != set(get_args(Split)):
        raise UserError(f"{what}: splits are {sorted(source.splits)}; it must have train and test")
    for split, items in source.splits.items():
        seen = set()
        for item in items:
            if not isinstance(item.id, str) or item.id in seen:
                raise UserError(f"{what}: the id {item.id!r} in {split} must be a text, used once")
            seen.add(item.id)
            if not 0 <= item.label < len(classes):
                raise UserError(
                    f"{what}: {item.id} has label {item.label}; it must be from 0 to "
                    f"{len(classes) - 1}, a position in classes"
                )
    return replace(
        source,
        splits={
            split: [replace(item, load=partial(_load, what, item)) for item in items]
            for split, items in source.splits.items()
        },
    )


def _load(what: str, item: Item) -> np.ndarray:
    try:
        image = item.load()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what}, image {item.id}: {told(error)}") from error
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        found = getattr(image, "dtype", type(image).__name__), list(getattr(image, "shape", []))
        raise UserError(
            f"{what}, image {item.id}: load() returned {found[0]} {found[1]}; "
            "it must return uint8 [H, W, 3], RGB"
        )
    return image
