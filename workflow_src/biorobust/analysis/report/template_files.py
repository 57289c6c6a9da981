"""The templates of the page, as files of the package; light, since every plan asks for them."""

from pathlib import Path

from biorobust.files import sha256_of_file

TEMPLATES = Path(__file__).parent / "templates"


def template_sums() -> dict[str, str]:
    """SHA-256 of every template, style sheet and script of the page, by name.

    They are no Python, so the digest of the page's code says nothing of them.
    """
    return {path.name: sha256_of_file(path) for path in sorted(TEMPLATES.glob("[!.]*.*"))}
