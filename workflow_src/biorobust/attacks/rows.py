"""Images on their way through an attack, and the line in which they wait for a place."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Attacked images, one a row, all tensors [n, ...].

    `epsilons` [n, K] are a row's ladder, ascending; fewer than K are followed by NaN. `rungs`
    tells where on it the row is, `attempts` which random start it is at and `steps` its iterate;
    `directions` are those at the originals, `clean` the predictions there. `led` marks rows whose
    next rung is already on its way.
    """

    numbers: Tensor
    originals: Tensor
    iterates: Tensor
    directions: Tensor
    labels: Tensor
    epsilons: Tensor
    rungs: Tensor
    attempts: Tensor
    steps: Tensor
    clean: Tensor
    led: Tensor

    def __len__(self) -> int:
        return len(self.numbers)

    def at(self, chosen: Tensor | slice) -> "Rows":
        """Some of the rows."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def changed(self, **values: Tensor) -> "Rows":
        """The same rows with other values."""
        return Rows(*(values.get(f.name, getattr(self, f.name)) for f in fields(self)))

    @property
    def radii(self) -> Tensor:
        """Each row's present epsilon: [n]."""
        return self.epsilons.gather(1, self.rungs[:, None])[:, 0]

    @property
    def may_climb(self) -> Tensor:
        """Which rows have a larger epsilon left: [n]."""
        return self.rungs + 1 < (~self.epsilons.isnan()).sum(1)

    def next_rung(self) -> "Rows":
        """The same rows back at their originals, for the next epsilon."""
        return self._from_the_start(
            rungs=self.rungs + 1,
            attempts=torch.zeros_like(self.rungs),
            led=torch.zeros_like(self.led),
        )

    def next_attempt(self) -> "Rows":
        """The same rows back at their originals, for another random start."""
        return self._from_the_start(attempts=self.attempts + 1)

    def _from_the_start(self, **values: Tensor) -> "Rows":
        return self.changed(
            **values,
            steps=torch.zeros_like(self.steps),
            iterates=self.originals,
        )


def joined(parts: list[Rows]) -> Rows:
    """The rows of one or more parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    return Rows(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Rows)))


def count(parts: list[Rows]) -> int:
    """How many rows there are."""
    return sum(map(len, parts))


def filled(parts: list[Rows]) -> list[Rows]:
    """The parts that hold any row."""
    return [part for part in parts if len(part)]


class Queue:
    """Hands out a stream's rows a few at a time, reading no further than it must."""

    def __init__(self, stretches: Iterator[Rows]) -> None:
        self._stretches = stretches
        self._left: list[Rows] = []

    def take(self, wanted: int) -> list[Rows]:
        """As many rows as wanted, or what is left."""
        taken: list[Rows] = []
        while wanted > 0:
            if not self._left:
                stretch = next(self._stretches, None)
                if stretch is None:
                    break
                self._left = filled([stretch])
                continue
            (part,) = self._left
            taken.append(part.at(slice(0, wanted)))
            self._left = filled([part.at(slice(wanted, None))])
            wanted -= len(taken[-1])
        return taken
