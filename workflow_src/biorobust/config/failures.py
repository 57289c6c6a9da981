"""The last lines of a run that failed: which jobs, why, what to do next, and which log."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

# What Snakemake writes of a failed job, indented below its rule.
_BLOCK = re.compile(r"^Error in rule \w+:\n((?: {4}.*\n)+)", re.M)
_MOST = 5


class Failure(NamedTuple):
    """A job that failed: the log of it, and its last words, "" where it could say none."""

    log: Path
    words: str


def failures(snakemake_log: str) -> list[Failure]:
    """The jobs that failed for good, from the text of Snakemake's own log, as they came."""
    found = {}
    for (block,) in (match.groups() for match in _BLOCK.finditer(snakemake_log)):
        outputs, logs = _listed(block, "output"), _listed(block, "log")
        # Snakemake removes what a failed job wrote; a later try may have made it.
        if logs and not (outputs and all(map(Path.exists, outputs))):
            found[logs[0]] = Failure(logs[0], _last_words(logs[0]))
    return list(found.values())


def _listed(block: str, name: str) -> list[Path]:
    line = re.search(rf"^    {name}: (.*?)(?: \(check log file.*)?$", block, re.M)
    return [Path(text) for text in line[1].split(", ")] if line else []


def _last_words(log: Path) -> str:
    """The line with which a job ends that can still say why."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    said = re.match(r"biorobust [\w ]+\(log: .*?\): (.*)", lines[-1]) if lines else None
    return said[1] if said else ""


def failure_screen(snakemake_logs: Iterable[str], command: str) -> str:
    """What a person sees last; `command` starts the run again."""
    logs = [Path(path) for path in snakemake_logs]
    failed = failures("\n".join(path.read_text() for path in logs if path.is_file()))
    lines = [f"{len(failed)} job{'s' if len(failed) > 1 else ''} failed:"] if failed else []
    for failure in failed[:_MOST]:
        words = failure.words or (
            "ended without a word: killed, for memory or time perhaps, or not to be started"
        )
        lines += [f"  {words}", f"    log: {failure.log}"]
    if len(failed) > _MOST:
        lines.append(f"  ... and {len(failed) - _MOST} more")
    if not failed:
        lines += ["No job says why the run failed; see", *(f"    log: {path}" for path in logs)]
    lines.append(f"Next: mend that, then start again: {command}")
    lines.append("What is finished is kept.")
    return "\n".join(lines)
