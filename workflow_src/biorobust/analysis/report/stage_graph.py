"""The graph of an experiment's stages, from its outline: which hands what to which, how often."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from biorobust.places import Outline, attack_jobs, check_jobs, training_jobs
from biorobust.planning import attack_plan, check_inputs

Edge = tuple[str, str]

# What the inputs of a stage are called, and which stage made them.
_MADE_BY = {
    "shards": "shard",
    "training": "train",
    "transfer_from": "train",
    "attack": "attack",
    "results": "collect",
}
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 116, 44, 132, 72


class Node(NamedTuple):
    """A stage, how many jobs it has, and the top left corner of its box in pixels."""

    stage: str
    jobs: int
    left: float
    top: float


class Arrow(NamedTuple):
    """From the middle of one box's lower edge to the middle of another's upper edge, in pixels."""

    from_left: float
    from_top: float
    to_left: float
    to_top: float


class Drawing(NamedTuple):
    """Boxes and arrows in a frame of this size; all boxes are of one size."""

    nodes: list[Node]
    arrows: list[Arrow]
    width: float
    height: float
    box: tuple[float, float]


def stage_graph(
    outline: Outline, sources: dict[str, list[str]], inputs: Iterable[str]
) -> tuple[dict[str, int], set[Edge]]:
    """How many jobs each stage has, in the order in which they run, and who waits for whom.

    `outline` is that of the rows, `sources` the kinds of inputs of each kind of report, `inputs`
    what the page itself is made from. Arrows that follow from others are left out.
    """
    edges: set[Edge] = {("shard", "train")}
    for attack in attack_jobs(outline):
        edges |= _edges("attack", attack_plan(outline, attack)["inputs"])
    for checks in check_jobs(outline):
        edges |= _edges("check", (name for name, _, _ in check_inputs(outline, checks)))
    edges |= {("attack", "collect"), ("check", "collect")}
    reports = Counter(name.partition(":")[0] for name in inputs if ":" in name)
    for kind in reports:
        edges |= {*_edges(kind, sources[kind]), (kind, "report")}
    jobs = {
        "shard": 1,
        "train": sum(1 for _ in training_jobs(outline)),
        "attack": sum(1 for _ in attack_jobs(outline)),
        "check": sum(1 for _ in check_jobs(outline)),
        "collect": 1,
        **reports,
        "report": 1,
    }
    jobs = {stage: count for stage, count in jobs.items() if count}
    return jobs, _reduced({edge for edge in edges if set(edge) <= jobs.keys()})


def _edges(stage: str, inputs: Iterable[str]) -> set[Edge]:
    names = (name.partition(":")[0] for name in inputs)
    return {(_MADE_BY.get(name, name), stage) for name in names}


def _reduced(edges: set[Edge]) -> set[Edge]:
    """Without the arrows between stages that longer ways join too."""

    def reaches(start: str, end: str) -> bool:
        return start == end or any(reaches(b, end) for a, b in edges if a == start)

    return {
        (start, end)
        for start, end in edges
        if not any(reaches(b, end) for a, b in edges if a == start and b != end)
    }


def draw(jobs: dict[str, int], edges: set[Edge]) -> Drawing:
    """Place the stages: each a row below the last of those that it waits for."""
    depth: dict[str, int] = {}
    for stage in jobs:
        depth[stage] = 1 + max((depth[a] for a, b in edges if b == stage), default=-1)
    rows: dict[int, list[str]] = {}
    for stage, row in depth.items():
        rows.setdefault(row, []).append(stage)
    across = max(map(len, rows.values()))
    width = across * _ACROSS
    placed: dict[str, Node] = {}
    for row, stages in rows.items():
        start = (width - len(stages) * _ACROSS + _ACROSS - _WIDTH) / 2
        for column, stage in enumerate(stages):
            placed[stage] = Node(stage, jobs[stage], start + column * _ACROSS, 4 + row * _DOWN)
    arrows = [
        Arrow(
            placed[a].left + _WIDTH / 2,
            placed[a].top + _HEIGHT,
            placed[b].left + _WIDTH / 2,
            placed[b].top,
        )
        for a, b in sorted(edges)
    ]
    height = len(rows) * _DOWN - (_DOWN - _HEIGHT) + 8
    return Drawing(list(placed.values()), arrows, width, height, (_WIDTH, _HEIGHT))
