"""The nearest and the second nearest of many thumbnails, by brute force and so without a miss.

Cost: one multiplication of [n, 64] by [64, m], in tiles: about 10 s for 60,000 images against
themselves on one core, a tenth of a second for 5,000.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from biorobust.data.hygiene.fingerprints import Thumbnails

_TILE = (1024, 4096)
# Less than any correlation.
_NOTHING = np.float32(-2)


class Neighbours(NamedTuple):
    """Position of the nearest one [n], its distance [n] and that of the second nearest [n].

    A distance is 1 - correlation, in 0 to 2; it is 3 where there is no such neighbour.
    """

    nearest: npt.NDArray[np.int64]
    distance: Thumbnails
    second: Thumbnails


def nearest_two(queries: Thumbnails, pool: Thumbnails | None = None) -> Neighbours:
    """For each of `queries` [n, 64] its neighbours in `pool` [m, 64].

    Without a pool, among the other queries.
    """
    among_themselves = pool is None
    candidates = queries if pool is None else pool
    nearest = np.zeros(len(queries), np.int64)
    best = np.full(len(queries), _NOTHING)
    second = best.copy()
    for top in range(0, len(queries), _TILE[0]):
        part = slice(top, top + _TILE[0])
        rows = np.arange(len(queries[part]))
        for left in range(0, len(candidates), _TILE[1]):
            tile = queries[part] @ candidates[left : left + _TILE[1]].T
            if among_themselves:
                own = rows[(rows + top >= left) & (rows + top < left + tile.shape[1])]
                tile[own, own + top - left] = _NOTHING
            at = tile.argmax(axis=1)
            found = tile[rows, at]
            tile[rows, at] = _NOTHING
            nearer = found > best[part]
            # The second best of two lists: the loser of their firsts, or the winner's own second.
            losers = np.where(nearer, best[part], found)
            runners_up = np.where(nearer, tile.max(axis=1), second[part])
            second[part] = np.maximum(losers, runners_up)
            nearest[part] = np.where(nearer, at + left, nearest[part])
            best[part] = np.maximum(best[part], found)
    return Neighbours(nearest, 1 - best, 1 - second)
