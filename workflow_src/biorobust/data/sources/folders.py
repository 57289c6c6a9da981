"""Folders of image files, one folder a class: one's own images, ILSVRC2012, Imagenette."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from biorobust.data.images import decode
from biorobust.data.sources.downloads import default_download_folder, explained, staged
from biorobust.data.sources.source import Family, Item, Source, Split
from biorobust.errors import UserError

_EXTENSIONS = (".png", ".jpg", ".jpeg")

# Thesis 3.1, in its order; a label is a position here.
_IMAGENET10 = {
    "n01742172": "boa constrictor",
    "n02099712": "Labrador retriever",
    "n02123045": "tabby cat",
    "n01644373": "tree frog",
    "n01665541": "leatherback turtle",
    "n01855672": "goose",
    "n02510455": "giant panda",
    "n01484850": "great white shark",
    "n01981276": "king crab",
    "n02206856": "bee",
}
# The ten classes of github.com/fastai/imagenette, in the order of their synsets.
_IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
_IMAGENETTE_FOLDER = "imagenette2-320"


@dataclass(frozen=True)
class _Tree:
    """Image files under `root`: their names relative to it, and their labels, for each split.

    `ignored` counts what lies beside them, hidden files apart; a nested folder counts once.
    """

    root: Path
    classes: tuple[str, ...]
    names: dict[Split, list[tuple[str, int]]]
    ignored: Counter[Split]

    def source(self) -> Source:
        return Source(
            self.classes,
            {
                split: [
                    Item(name, label, partial(decode, self.root / name)) for name, label in names
                ]
                for split, names in self.names.items()
            },
            dict(self.ignored),
        )

    def files(self) -> dict[str, Path]:
        return {name: self.root / name for names in self.names.values() for name, _ in names}


def _visible(folder: Path, source: str, *, folders: bool) -> tuple[list[str], int]:
    """Sorted names of the folders, or else of the image files, in `folder`, and how many others.

    Hidden files and folders are neither named nor counted.
    """
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
            names = [
                entry.name
                for entry in visible
                # A dangling link counts as a file, so that its image is missed and not skipped.
                if entry.is_dir() == folders
                and (folders or entry.name.lower().endswith(_EXTENSIONS))
            ]
    except OSError as error:
        raise UserError(
            f"data source {source}: {folder} cannot be listed ({error.strerror}); "
            "check `path:` and its permissions"
        ) from error
    for name in names:
        if not name.isprintable():
            raise UserError(
                f"data source {source}: the name {name!r} in {folder} has a character that cannot "
                "be printed; rename it"
            )
    return sorted(names), len(visible) - len(names)


def _names(
    root: Path, source: str, folders: Sequence[str], splits: Mapping[Split, str]
) -> tuple[dict[Split, list[tuple[str, int]]], Counter[Split]]:
    names: dict[Split, list[tuple[str, int]]] = {}
    ignored: Counter[Split] = Counter()
    empty = []
    for split, split_folder in splits.items():
        names[split] = []
        for label, folder in enumerate(folders):
            relative = f"{split_folder}/{folder}"
            images, others = _visible(root / relative, source, folders=False)
            if not images:
                empty.append(relative)
            names[split] += [(f"{relative}/{name}", label) for name in images]
            ignored[split] += others
    if empty:
        raise UserError(
            f"data source {source}: no image (png, jpg, jpeg) under {root} in {', '.join(empty)}; "
            "add images or remove the class"
        )
    return names, ignored


def _required(path: Path | None, source: str, layout: str) -> Path:
    if path is None:
        raise UserError(f"data source {source} needs `path:`, a folder with {layout}")
    if not path.is_dir():
        raise UserError(
            f"data source {source}: {path} is not a folder; set `path:` to a folder with {layout}"
        )
    return path


def _image_folder(path: Path | None) -> _Tree:
    layout = "train/<class>/ and test/<class>/"
    root = _required(path, "imagefolder", layout)
    missing = [name for name in ("train", "test") if not (root / name).is_dir()]
    if missing:
        raise UserError(
            f"data source imagefolder: {root} has no {' and no '.join(missing)} folder; "
            f"it should hold {layout}"
        )
    train, loose_train = _visible(root / "train", "imagefolder", folders=True)
    test, loose_test = _visible(root / "test", "imagefolder", folders=True)
    if train != test:
        only = [f"train/{name}" for name in train if name not in test]
        only += [f"test/{name}" for name in test if name not in train]
        raise UserError(
            f"data source imagefolder: train and test under {root} differ in their classes: only "
            f"one of them has {', '.join(only)}; give both the same class folders"
        )
    if len(train) < 2:
        raise UserError(
            f"data source imagefolder: {root} has {len(train)} class folder(s); "
            "a classifier needs at least two"
        )
    names, ignored = _names(root, "imagefolder", train, {"train": "train", "test": "test"})
    ignored.update({"train": loose_train, "test": loose_test})
    return _Tree(root, tuple(train), names, ignored)


def _synset_tree(root: Path, source: str, synsets: Mapping[str, str]) -> _Tree:
    wanted = [f"{split}/{synset}" for split in ("train", "val") for synset in synsets]
    missing = [relative for relative in wanted if not (root / relative).is_dir()]
    if missing:
        raise UserError(
            f"data source {source}: {root} has no {', '.join(missing)}; it should hold "
            "train/<synset>/ and val/<synset>/ (ILSVRC2012's flat val must be sorted into class "
            "folders first)"
        )
    names, ignored = _names(root, source, list(synsets), {"train": "train", "test": "val"})
    return _Tree(root, tuple(synsets.values()), names, ignored)


def _imagenet10(path: Path | None) -> _Tree:
    root = _required(path, "imagenet10", "ILSVRC2012 as train/<synset>/ and val/<synset>/")
    return _synset_tree(root, "imagenet10", _IMAGENET10)


def _is_imagenette(path: Path | None) -> bool:
    """Whether `path` itself is laid out as Imagenette, rather than the place to download it to."""
    return path is not None and any((path / name).is_dir() for name in ("train", "val"))


def _open_imagenette(path: Path | None, download_folder: Path | None) -> Source:
    root = path or download_folder or default_download_folder()
    if not _is_imagenette(path):
        _require_no_other_size(path)
        root = _downloaded_imagenette(root)
    return _synset_tree(root, "imagenette", _IMAGENETTE).source()


def _require_no_other_size(path: Path | None) -> None:
    """Raises UserError where `path` is the folder above an unpacked Imagenette.

    Whoever names that hardly means to download the same images once more.
    """
    if path is None or (path / _IMAGENETTE_FOLDER).is_dir():
        return
    if found := [folder for folder in sorted(path.glob("imagenette*")) if _is_imagenette(folder)]:
        raise UserError(
            f"data source imagenette: {path} is the folder above {found[0].name}; set `path:` to "
            f"{found[0]} to use that, or to another folder to download to"
        )


def _downloaded_imagenette(root: Path) -> Path:
    folder = root / _IMAGENETTE_FOLDER
    if not folder.is_dir():
        advice = "go online once or set `path:` to an unpacked Imagenette (train/, val/)"
        with explained("imagenette", root, advice), staged(folder) as staging:
            from torchvision.datasets import Imagenette

            Imagenette(staging, size="320px", download=True)
    return folder


def _imagenette_files(path: Path | None) -> dict[str, Path] | None:
    if path is None or not _is_imagenette(path):
        _require_no_other_size(path)
        return None
    return _synset_tree(path, "imagenette", _IMAGENETTE).files()


IMAGE_FOLDER = Family(
    lambda path, _: _image_folder(path).source(), lambda path: _image_folder(path).files()
)
IMAGENET_10 = Family(
    lambda path, _: _imagenet10(path).source(), lambda path: _imagenet10(path).files()
)
IMAGENETTE = Family(_open_imagenette, _imagenette_files)
