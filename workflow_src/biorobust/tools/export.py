"""`biorobust export`: a finished experiment in one file, for a paper's archive."""

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from biorobust.errors import UserError
from biorobust.extension_imports import own_modules
from biorobust.extensions import Place, is_reference, split_reference
from biorobust.files import read_json, sha256_of_file, sha256_of_text, whole_file
from biorobust.provenance import require_whole
from biorobust.tools.planned import Planned, add_config_arguments, read_planned

SUMS = "SHA256SUMS"
CONFIG = "config.yaml"
CODE = "code"

# Rows by image are in the collected table; what a run took differs each time and names hosts.
_LEFT_OUT = ("attack", "check")
_CHUNK = 1 << 20
# The earliest that a ZIP file can tell: the same files give the same bytes, whenever packed.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Pack one finished experiment: collected rows, tables, figures, cards, weights and config, "
        f"and below {CODE}/ your own source files that it names, with the SHA-256 of each file "
        f"(check with: sha256sum -c {SUMS}). Images of the data set stay out. The same files give "
        "the same archive, byte for byte."
    )
    parser.epilog = "Example: biorobust export results/digits digits.zip"
    parser.add_argument("results", type=Path, help="the experiment's folder, e.g. results/digits")
    parser.add_argument("output", type=Path, metavar="OUT.zip")
    add_config_arguments(parser)


def export(options: argparse.Namespace) -> int:
    """Write the archive. Raises UserError unless all results are there, planned and whole."""
    import yaml

    planned = read_planned(options)
    if options.results.resolve() != planned.folder.resolve():
        raise UserError(
            f"the config is of {planned.folder}, not of {options.results}; name the config that "
            "made these results with --configfile, and start in the folder of the Snakefile"
        )
    config = yaml.safe_dump(planned.raw, allow_unicode=True)
    files = dict(sorted((exported_files(planned) | own_code(planned)).items()))
    sums = {name: sha256_of_file(path) for name, path in files.items()}
    sums[CONFIG] = sha256_of_text(config)
    listed = "".join(f"{total}  {name}\n" for name, total in sorted(sums.items()))
    top = planned.outline["experiment"]
    with whole_file(options.output) as file:
        # ZIP files can be written front to back; of a file it then takes no more than this.
        stream: Any = SimpleNamespace(write=file.write, flush=lambda: None)
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, text in ((SUMS, listed), (CONFIG, config)):
                archive.writestr(_entry(f"{top}/{name}"), text)
            for name, path in files.items():
                _pack(archive, _entry(f"{top}/{name}"), path)
    size = options.output.stat().st_size
    print(f"wrote {options.output}: {len(sums)} files, {size / 1e6:.1f} MB; SHA-256 {file.sha256}")
    return 0


def exported_files(planned: Planned) -> dict[str, Path]:
    """By their place in the archive, the files that go into it, each checked against its record.

    Raises UserError, with the first fault and how many there are, where a result of the experiment
    is missing, was made otherwise than the config says, or is damaged.
    """
    found: dict[str, Path] = {}
    faults = []
    for name, path, fault in _files_or_faults(planned):
        if fault:
            faults.append(fault)
        found[name] = path
    if faults:
        more = f" (and {len(faults) - 1} more such results)" if faults[1:] else ""
        raise UserError(f"{faults[0]}{more}; finish the run with snakemake first")
    return found


def own_code(planned: Planned) -> dict[str, Path]:
    """By their place in the archive, the user's source files that the config's entries execute.

    Those in the present folder keep their place in it, so that the archive's config names them
    from within `code`; others stand as they are imported. Raises UserError where two would have
    one place.
    """
    outline = planned.outline
    named = [entry["kind"] for section in ("models", "attacks") for entry in outline[section]]
    references = filter(is_reference, [outline["shard"]["config"]["source"], *named])
    found: dict[str, Path] = {}
    for module in sorted({split_reference(reference)[0] for reference in references}):
        for place in own_modules(module)[0]:
            if place.file is None or place.is_installed:
                continue
            name = f"{CODE}/{_code_place(place.file, place)}"
            if found.setdefault(name, place.file) != place.file:
                raise UserError(
                    f"{found[name]} and {place.file} would both be {name} in the archive; "
                    "rename one of them"
                )
    return found


def _code_place(file: Path, place: Place) -> str:
    here = Path.cwd()
    return file.relative_to(here if file.is_relative_to(here) else place.root).as_posix()


def _files_or_faults(planned: Planned) -> Iterator[tuple[str, Path, str]]:
    from biorobust.config.strangers import is_planned
    from biorobust.planning import planned_records

    for place, plan in planned_records(planned.outline):
        path = planned.folder / place
        fault = "" if path.is_file() else f"{path} is missing"
        if not fault and not is_planned(path, plan):
            fault = f"{path} was made by other code, config or data than the config has now"
        if fault or plan["stage"] not in _LEFT_OUT:
            yield str(place), path, fault
        if fault or plan["stage"] in ("shard", *_LEFT_OUT):
            continue
        record = read_json(path)
        try:
            require_whole(path, record, f"snakemake --cores 1 --force {path}")
        except UserError as error:
            yield str(place), path, str(error)
        for name in record["outputs"]:
            yield str(place.parent / name), path.with_name(name), ""


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    # A plain file that all may read, whichever system packs it.
    entry.create_system, entry.external_attr = 3, 0o100644 << 16
    return entry


def _pack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    entry.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(entry, "w") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
