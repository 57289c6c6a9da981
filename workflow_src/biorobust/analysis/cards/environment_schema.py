"""The keys of a card's part on what its numbers were made with (the others: `schema`)."""

from typing import Any, TypedDict


class AcceptedEdit(TypedDict):
    """An edit of the code since results were made, of which somebody says it changes no number."""

    date: str
    paths: list[str]
    reason: str
    of: list[str]
    """The stages whose results were not made anew."""


class EnvironmentPart(TypedDict):
    """With what and on what it was made. Several values: jobs differed."""

    versions: dict[str, list[str]]
    platforms: list[str]
    devices: dict[str, list[str]]
    """By stage."""
    threads: list[str]
    commits: list[str]
    """Of the code, "+" where files differed from it; empty: no git there."""
    reports_missing: int
    """Jobs of which none of this is known."""
    code: dict[str, Any]
    """Digests of the code of each stage; of attacks and checks by kind and group."""
    accepted: list[AcceptedEdit]
    command: str
    """Makes the experiment again, from the folder of its config."""
