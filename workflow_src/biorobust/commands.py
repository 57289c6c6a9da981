"""Tools beside the stages; each looks at a folder and returns an exit status."""

import argparse
import json
import os
from pathlib import Path

from biorobust.errors import UserError
from biorobust.provenance import verify_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one argument that both commands take."""
    parser.epilog = f"Example: {parser.prog} results/digits"
    parser.add_argument("directory", type=Path, help="e.g. results/digits, or a folder in it")


def verify(options: argparse.Namespace) -> int:
    """Print one line for each damaged file below a folder; 1 if there is any.

    Raises UserError where nothing there can be checked.
    """
    directory = options.directory
    if not directory.is_dir():
        raise UserError(f"{directory} is not a folder")
    faults = verify_folder(directory)
    print("\n".join(faults) or f"every recorded file below {directory} is whole")
    return 1 if faults else 0


def partial(options: argparse.Namespace) -> int:
    """Write tables of what an unfinished run has so far, missing entries marked, and print them.

    They stand in `partial/`, so that nobody takes them for the experiment's result. The outline
    comes from the environment, where the workflow puts it. Raises UserError where there is none,
    or not one result.
    """
    from biorobust.analysis.collect import facts_of, gather, write_rows
    from biorobust.analysis.robustness_table import write_robustness
    from biorobust.analysis.tables import write_tables
    from biorobust.files import write_json
    from biorobust.planning import OUTLINE_VARIABLE

    if OUTLINE_VARIABLE not in os.environ:
        raise UserError("partial tables are made by the workflow, when a run ends with errors")
    outline = json.loads(os.environ[OUTLINE_VARIABLE])
    directory: Path = options.directory
    collected = gather(directory, outline, "snakemake --cores 1", partial=True)
    folder = directory / "partial"
    sums = write_rows(folder, collected)
    write_json(folder / "results.json", {**facts_of(outline, collected), "outputs": sums})
    for path in write_tables(folder, folder / "tables"):
        if path.suffix == ".txt":
            print(path.read_text())
    write_robustness(folder, folder / "tables")
    return 0
