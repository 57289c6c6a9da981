"""A guide in docs/ as what it tells its reader to do: files to write, edits, commands, outputs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
CHANGE = re.compile(r"In\s+`([^`]+)`,\s+change\s+`([^`]+)`\s+to\s+`([^`]+)`")
FILE = re.compile(r"`([\w/.-]+\.(?:py|yaml))`")


@dataclass
class Write:
    """Put `text` into the file."""

    file: str
    text: str


@dataclass
class Change:
    """Replace text in the file."""

    file: str
    old: str
    new: str


@dataclass
class Run:
    """Type a command; each of the patterns is found in a line of what it says."""

    command: str
    says: list[str] = field(default_factory=list)


def steps(guide: Path) -> Iterator[Write | Change | Run]:
    """What a reader of the guide does, in its order."""
    text = guide.read_text()
    found: list[Write | Change | Run] = []
    end = 0
    for fence in FENCE.finditer(text):
        prose, end = text[end : fence.start()], fence.end()
        found += [Change(*change.groups()) for change in CHANGE.finditer(prose)]
        language, block = fence.groups()
        if language in ("python", "yaml"):
            # The sentence just before a file's text names the file.
            if names := FILE.findall(prose.strip().rpartition("\n\n")[2]):
                found.append(Write(names[0], block))
        elif language == "sh":
            found += [Run(command) for command in block.splitlines()]
        else:
            assert language == "text" and isinstance(found[-1], Run)
            found[-1].says = [
                r"\s+".join(re.escape(part) if part != "…" else ".*" for part in line.split())
                for line in block.splitlines()
            ]
    yield from found
