"""The sources of images by name: open one, take a part of it, fingerprint its content."""

from pathlib import Path

from biorobust.data.sources.cifar10 import CIFAR_10
from biorobust.data.sources.digits import DIGITS
from biorobust.data.sources.fashion_mnist import FASHION_MNIST
from biorobust.data.sources.folders import IMAGE_FOLDER, IMAGENET_10, IMAGENETTE
from biorobust.data.sources.hash_cache import sha256_of_files
from biorobust.data.sources.own import own_family
from biorobust.data.sources.source import Family, Item, Source, Split, select
from biorobust.errors import UserError
from biorobust.extensions import SPELLINGS, is_reference
from biorobust.files import canonical_json, sha256_of_text

__all__ = [
    "SOURCES",
    "Item",
    "Source",
    "Split",
    "needs_download",
    "open_source",
    "select",
    "source_fingerprint",
]

_FAMILIES = {
    "digits": DIGITS,
    "fashion_mnist": FASHION_MNIST,
    "cifar10": CIFAR_10,
    "imagenette": IMAGENETTE,
    "imagefolder": IMAGE_FOLDER,
    "imagenet10": IMAGENET_10,
}
SOURCES = tuple(_FAMILIES)


def _family(source: str) -> Family:
    if is_reference(source):
        return own_family(source)
    if source not in _FAMILIES:
        raise UserError(
            f"there is no data source {source!r}; choose one of {', '.join(SOURCES)}, "
            f"or your own as {SPELLINGS}"
        )
    return _FAMILIES[source]


def open_source(
    source: str, *, path: Path | None = None, download_folder: Path | None = None
) -> Source:
    """The images and classes of a named source; see SOURCES for the names.

    - `digits`: bundled with scikit-learn, 8 x 8; every fifth image of a class is a test image.
    - `fashion_mnist`: IDX files in `path`, else as Debian's dataset-fashion-mnist installs them,
      else downloaded.
    - `cifar10`, `imagenette` (320 px): found in `path` or downloaded to it; `path` may also be
      an unpacked Imagenette itself.
    - `imagefolder`: `path`/{train,test}/<class>/*, png, jpg or jpeg; classes sorted by name.
    - `imagenet10`: the thesis's ten synsets (3.1) out of an ILSVRC2012 tree,
      `path`/{train,val}/<synset>/*.
    - FILE.py:NAME or PACKAGE.MODULE:NAME: a user's own `Family`.

    Downloads go to `download_folder`, by default `biorobust/datasets` in the XDG cache folder,
    where no `path` says otherwise. Images are decoded by each item's `load()`, not here.

    Raises UserError for an unknown name, a missing `path` or missing, empty or damaged files,
    and where a download fails.
    """
    return _family(source).open(path, download_folder)


def needs_download(source: str, *, path: Path | None = None) -> bool:
    """Whether torchvision fetches this source's files, into `path` or a cache, when it is opened.

    Raises UserError as `open_source` does.
    """
    return _family(source).files(path) is None


def source_fingerprint(source: str, *, path: Path | None = None, cache: Path | None = None) -> str:
    """SHA-256 (hex) of what a source holds: the names of its files and their bytes.

    Where the folder lies and when its files were written make no difference, nor do files that
    the source ignores. A source that torchvision downloads, and checks by MD5, has a constant
    fingerprint, the same before and after its download. Nothing is decoded, and neither torch,
    torchvision nor scikit-learn is imported.

    `cache` is a JSON file that remembers each file's hash by its size and modification time, so
    that the next call need not read what has not changed.

    Raises the UserError that `open_source` raises where the name is unknown or files are missing.
    """
    files = _family(source).files(path)
    if files is None:
        return sha256_of_text(canonical_json([source, "download"]))
    hashes = sha256_of_files(files.values(), cache)
    content = sorted((name, hashes[file]) for name, file in files.items())
    return sha256_of_text(canonical_json([source, content]))
