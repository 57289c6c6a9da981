"""`biorobust table`: a finished experiment's tables, as the workflow wrote them."""

import argparse
from pathlib import Path

from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.provenance import require_whole
from biorobust.stages import TABLES

_ENDINGS = {"text": "txt", "md": "md", "tex": "tex", "csv": "csv", "html": "html"}
# The thesis's Table 1, a file for each attack, named by it.
_MAIN = "adversarial_accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = "Print a table of an experiment's results, checked against its record."
    parser.epilog = (
        "Examples:\n  biorobust table results/digits\n"
        "  biorobust table results/digits differences --format tex"
    )
    parser.add_argument("results", type=Path, help="the experiment's folder, e.g. results/digits")
    parser.add_argument(
        "name",
        nargs="?",
        default=_MAIN,
        help=f"{', '.join(TABLES)}, or an attack's name for that attack's accuracies alone; "
        f"{_MAIN} unless given",
    )
    parser.add_argument("--format", choices=list(_ENDINGS), default="text")


def table(options: argparse.Namespace) -> int:
    """Print the table. Raises UserError where there is none of this name, or it is damaged."""
    files = table_files(options.results, options.name, _ENDINGS[options.format])
    if options.format in ("csv", "html") and len(files) > 1:
        attacks = ", ".join(path.stem for path in files)
        raise UserError(f"{options.name} is several tables, one an attack: name one of {attacks}")
    print("\n".join(path.read_text(encoding="utf-8") for path in files), end="")
    return 0


def table_files(results: Path, name: str, ending: str) -> list[Path]:
    """The files of a table, by its own name or an attack's, in the order of their names.

    Raises UserError where there is no such table, or a file is not what its record vouches for.
    """
    if not results.is_dir():
        raise UserError(f"{results} is not a folder; give an experiment's, such as results/digits")
    folder = results / "tables"
    records = [path for path in sorted(folder.glob("*.json")) if path.stem in TABLES]
    if not records:
        raise UserError(f"{results} has no tables yet; make them with: snakemake --cores 1 tables")
    made = {path: read_json(path) for path in records}
    stems: dict[str, list[Path]] = {}
    for record, told in made.items():
        files = [record.with_name(file) for file in sorted(told["outputs"])]
        for file in (file for file in files if file.suffix == f".{ending}"):
            stems.setdefault(record.stem, []).append(file)
            if file.stem != record.stem:
                stems.setdefault(file.stem, []).append(file)
    if name not in stems:
        raise UserError(f"{results} has no table {name!r}; there are {', '.join(sorted(stems))}")
    for record, told in made.items():
        if {file.name for file in stems[name]} & set(told["outputs"]):
            require_whole(record, told, f"snakemake --cores 1 --force {record}")
    return stems[name]
