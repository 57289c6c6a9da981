"""`biorobust compare`: two models, or the models of two experiments, on the same test images."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from biorobust.errors import UserError
from biorobust.files import canonical_json, read_json
from biorobust.places import Outline, attack_jobs, attack_record
from biorobust.provenance import require_whole

if TYPE_CHECKING:
    import pandas as pd

    from biorobust.analysis.differences import Comparison
    from biorobust.analysis.finding_marks import Finding
    from biorobust.analysis.summary import Grid

_FORMATS = {"text": "txt", "md": "md", "tex": "tex", "csv": "csv", "html": "html"}
_WHICH = "give two models, results/<experiment>/models/<model>, or two experiments' folders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Compare two models on the same test images: the paired difference of their accuracies, "
        "clean and at each epsilon, with its 95% interval and tests. Of two experiments the models "
        "of the same name are compared, under the attacks that both have."
    )
    parser.epilog = (
        "Examples:\n"
        "  biorobust compare results/digits/models/cortical results/digits/models/standard\n"
        "  biorobust compare results/digits results/mine --format csv"
    )
    parser.add_argument("first", type=Path, help="a model's folder, or an experiment's")
    parser.add_argument("second", type=Path, help="likewise; differences are the first's less its")
    parser.add_argument("--format", choices=list(_FORMATS), default="text")


class Side(NamedTuple):
    """One of the two: an experiment's results folder, and a model of it or None for all."""

    folder: Path
    model: str | None


class Joint(NamedTuple):
    """The rows of both sides, with the grid that they share, and what sets them apart.

    `names`: by side, how each model is called here. `notes`: sentences for the reader.
    """

    rows: "pd.DataFrame"
    grid: "Grid"
    findings: "list[Finding]"
    names: tuple[dict[str, str], dict[str, str]]
    notes: list[str]


def compare(options: argparse.Namespace) -> int:
    """Print the table. Raises UserError where two sides cannot be compared image by image."""
    from biorobust.analysis import differences
    from biorobust.analysis.differences_table import render
    from biorobust.analysis.summary import check_agreement
    from biorobust.analysis.verdicts import per_image

    joint, wanted = joined(_side(options.first), _side(options.second))
    check_agreement(joint.rows)
    lines = differences.compare(per_image(joint.rows), joint.grid, wanted)
    for note in joint.notes:
        print(f"note: {note}", file=sys.stderr)
    print(render(lines, joint.findings)[_FORMATS[options.format]], end="")
    return 0


def joined(first: Side, second: Side) -> "tuple[Joint, list[Comparison]]":
    """What two sides have in common, and the comparisons to make of it.

    Raises UserError where that is nothing, or a folder holds no whole results.
    """
    if (first.model is None) != (second.model is None):
        raise UserError(f"{first.folder} and {second.folder} are not of one sort; {_WHICH}")
    if first == second:
        raise UserError(f"both sides are the same; {_WHICH}")
    joint = _joined(first.folder, second.folder)
    mine, theirs = joint.names
    if first.model is not None and second.model is not None:
        pairs = [(mine[first.model], theirs[second.model])]
    else:
        pairs = [(mine[name], theirs[name]) for name in mine if name in theirs]
    if not pairs:
        raise UserError(
            f"{first.folder} and {second.folder} have no model of the same name; name two models"
        )
    return joint, _comparisons(joint.grid, pairs)


def _side(path: Path) -> Side:
    if (path / "results.json").is_file():
        return Side(path, None)
    folder = path.parent.parent
    if path.parent.name != "models" or not (folder / "results.json").is_file():
        raise UserError(f"{path} is no model's and no experiment's folder with results; {_WHICH}")
    record = read_json(folder / "results.json")
    names = [model["name"] for model in record["grid"]["models"]]
    if path.name not in names:
        raise UserError(f"{folder} has no results of {path.name!r}, but of {', '.join(names)}")
    return Side(folder, path.name)


def _joined(first: Path, second: Path) -> Joint:
    import pandas as pd

    from biorobust.analysis.finding_marks import read_findings
    from biorobust.analysis.summary import read_results

    alike = first.resolve() == second.resolve()
    rows, grids, findings = [], [], []
    names: list[dict[str, str]] = []
    for folder in (first,) if alike else (first, second):
        record = folder / "results.json"
        require_whole(record, read_json(record), f"snakemake --cores 1 --force {record}")
        results = read_results(folder)
        called = folder.name if first.name != second.name else str(folder)
        own = {
            model["name"]: model["name"] if alike else f"{called}/{model['name']}"
            for model in results.grid["models"]
        }
        names.append(own)
        grids.append(results.grid)
        rows.append(results.rows.assign(model=results.rows["model"].map(own)))
        findings += [{**found, "model": own[found["model"]]} for found in read_findings(folder)]
    grid: Grid = {
        "models": [
            {**model, "name": own[model["name"]]}
            for own, each in zip(names, grids, strict=True)
            for model in each["models"]
        ],
        "attacks": _shared(grids[0], grids[-1]),
        "checks": [],
    }
    notes = [] if alike else list(_notes(first, second, grids[0], grids[-1], grid))
    return Joint(pd.concat(rows, ignore_index=True), grid, findings, (names[0], names[-1]), notes)


def _shared(mine: "Grid", theirs: "Grid") -> Any:
    """The attacks of the same name and norm, with the epsilons that both have."""
    others = {(attack["name"], attack["norm"]): attack for attack in theirs["attacks"]}
    return [
        {
            **attack,
            "epsilons": [
                epsilon
                for epsilon in attack["epsilons"]
                if epsilon in others[attack["name"], attack["norm"]]["epsilons"]
            ],
        }
        for attack in mine["attacks"]
        if (attack["name"], attack["norm"]) in others
    ]


def _comparisons(grid: "Grid", pairs: list[tuple[str, str]]) -> "list[Comparison]":
    """Each pair clean, then at each attack's epsilons, falling."""
    from biorobust.analysis.differences import Comparison
    from biorobust.analysis.summary import CLEAN, budgets

    places = [("", CLEAN)]
    for attack in grid["attacks"]:
        texts = sorted(budgets(attack).items(), key=lambda epsilon: -epsilon[1])
        places += [(attack["name"], text) for text, _ in texts]
    return [Comparison(*pair, *place) for place in places for pair in pairs]


def _notes(first: Path, second: Path, mine: "Grid", theirs: "Grid", shared: "Grid") -> list[str]:
    """What a reader of a comparison between two experiments must know of them."""
    notes = []
    common = {attack["name"] for attack in shared["attacks"] if attack["epsilons"]}
    every = [attack["name"] for grid in (mine, theirs) for attack in grid["attacks"]]
    if left := [name for name in dict.fromkeys(every) if name not in common]:
        notes.append(f"left out, since not both have them: attacks {', '.join(left)}")
    for name in sorted(common):
        settings = [_attack_settings(*side, name) for side in ((first, mine), (second, theirs))]
        if all(settings) and settings[0] != settings[1]:
            notes.append(f"attack {name} is another: {_unlike(*settings)}")
    data = [_data_settings(folder) for folder in (first, second)]
    if all(data) and data[0] != data[1]:
        notes.append(f"the test images are others: {_unlike(*data)}")
    return notes


def _attack_settings(folder: Path, grid: "Grid", name: str) -> dict[str, Any]:
    """An attack's options, as the record of a job tells them; none where there is no record."""
    outline: Outline = dict(grid)
    for job in attack_jobs(outline):
        path = folder / attack_record(job)
        if job.attack == name and path.is_file():
            told: dict[str, Any] = read_json(path).get("config", {})
            return {key: told[key] for key in told if key not in ("epsilon", "seed")}
    return {}


def _data_settings(folder: Path) -> dict[str, Any]:
    """What the test images were made from and how; nothing where there is no record."""
    path = folder / "shards" / "test" / "manifest.json"
    if not path.is_file():
        return {}
    record = read_json(path)
    return {**record.get("config", {}), "files": record.get("inputs", {}).get("source")}


def _unlike(mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
    return ", ".join(
        key
        if key == "files"
        else f"{key} {canonical_json(mine.get(key))} and {canonical_json(theirs.get(key))}"
        for key in keys
    )
