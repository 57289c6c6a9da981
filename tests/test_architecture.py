"""The architecture page says what the code is."""

import re
import tomllib

from pipeline import ROOT, snakemake

PAGE = (ROOT / "docs/architecture.md").read_text()


def stage_of(rule: str) -> str:
    """The page's name of what a rule belongs to."""
    kind, _, name = rule.partition("_")
    if (kind, name) == ("table", "costs"):
        return "costs"
    return {"table": "tables", "figure": "figures", "card": "cards"}.get(kind, kind)


def test_the_picture_of_the_stages_is_that_of_the_workflow() -> None:
    drawn = set(re.findall(r"^  (\w+) --> (\w+)$", PAGE, re.M))
    done = snakemake(ROOT, "--rulegraph", "dot")
    assert done.returncode == 0, done.stderr
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', done.stdout))
    planned = {
        (stage_of(names[source]), stage_of(names[target]))
        for source, target in re.findall(r"(\d+) -> (\d+)", done.stdout)
        if names[target] != "all"
    }
    assert planned
    # A stage's own jobs may follow from each other.
    assert drawn == {edge for edge in planned if edge[0] != edge[1]}


def test_the_layers_are_those_that_the_linter_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    told = [re.split(r"  +", line.strip()) for line in PAGE.split("```")[-2].strip().splitlines()]
    assert told == [re.split(r" [|:] ", layer.replace("biorobust.", "")) for layer in layers]


def test_every_file_that_the_page_names_is_there() -> None:
    package = ROOT / "workflow_src/biorobust"
    for name in re.findall(r"`([\w/*]+\.py)`", PAGE):
        assert list(package.glob(name)), name
