"""Several devices that train one model together: what they tell one another.

Each device is driven by a process of its own, its rank. All do the same steps on their shares of
each batch; this is where they meet. With one device nothing is exchanged, and no value changes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor


class Ranks:
    """One rank among `count`, and the exchanges between them.

    Every rank must call the same methods in the same order. Sums are the same bits on every rank,
    so ranks that start alike stay alike.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count
        # Facts on the host go by a way of their own: a GPU need not be waited for.
        if count > 1:
            self._host: Any = distributed.new_group(backend="gloo")

    @classmethod
    def join(cls, rank: int, count: int, meeting: Path, device: torch.device) -> "Ranks":
        """Meet the other processes over a file that does not exist yet; they must all come."""
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=f"file://{meeting}",
            rank=rank,
            world_size=count,
        )
        return cls(rank, count)

    def share(self, images: int, size: int) -> float:
        """The weight of this rank's mean loss over `images` in that of a batch of `size` images.

        A batch that each rank has whole counts in equal parts.
        """
        return 1 / self.count if images == size else images / size

    def decided(self, choice: int) -> int:
        """What rank 0 chose, since clocks differ."""
        if self.count == 1:
            return choice
        told = torch.tensor([choice])
        distributed.broadcast(told, 0, group=self._host)
        return int(told)

    def gathered(self, value: Tensor) -> Tensor:
        """The values of all ranks, of one shape and type: [...] -> [count, ...] in main memory."""
        value = value.detach().cpu()
        if self.count == 1:
            return value[None]
        values = [torch.empty_like(value) for _ in range(self.count)]
        distributed.all_gather(values, value.contiguous(), group=self._host)
        return torch.stack(values)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its sum over the ranks.

        In one exchange after the backward pass. DistributedDataParallel would overlap the two,
        but adds in another order in the first step of a process than in the others, so that a
        run that was resumed would end with other last digits.
        """
        if self.count == 1:
            return
        gradients = [each.grad for each in parameters if each.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [each.numel() for each in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
