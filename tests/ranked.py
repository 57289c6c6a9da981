"""What tests do in the processes of several devices; these import it by name."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from biorobust.models.branches import BranchNorm2d
from biorobust.training.ranks import Ranks
from biorobust.training.synced_norm import sync_norms

# Python that is `python -m biorobust` for a train job, but has two devices, although they are no
# GPUs, and is killed without warning in mid-epoch, once the sixth step is done and saved.
KILLED_ON_TWO_DEVICES = """
import sys, ranked
from biorobust.__main__ import main
from biorobust.training import fitting, processes, stage
stage.device_count = lambda *_: 2
fitting.run_in_processes = lambda count, work, *arguments: (
    processes.run_in_processes(count, ranked.killing_rank, *arguments)
)
sys.exit(main(sys.argv[1:]))
"""

IMAGES, CHANNELS, BRANCHES = 5, 3, 2


def step_of(
    images: Tensor, labels: Tensor, prepare: Callable[[nn.Module], Any], share: float
) -> tuple[nn.Module, dict[str, Tensor]]:
    """One backward pass of a small network with both kinds of normalisation, in float64.

    Its images are folded branch by branch for the second, as a network with shared weights does.
    """
    torch.manual_seed(3)
    norms = [nn.BatchNorm2d(4, momentum=0.3), BranchNorm2d(nn.BatchNorm2d(4), BRANCHES)]
    net = nn.ModuleList([nn.Conv2d(CHANNELS, 4, 3), *norms, nn.Linear(4, 2)]).double()
    prepare(net)
    conv, norm, branch_norm, head = net
    hidden = torch.relu(norm(conv(images)))
    folded = branch_norm(torch.cat([hidden, hidden.square()]))
    features = folded.unflatten(0, (BRANCHES, -1)).sum(0).mean(dim=(2, 3))
    loss = cross_entropy(head(features), labels) + conv.weight.square().sum()
    (loss * share).backward()
    return net, {name: value.clone() for name, value in net.named_buffers()}


def made_up_batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(IMAGES, CHANNELS, 6, 6, generator=generator, dtype=torch.float64)
    return images, torch.arange(IMAGES) % 2


def gradients(rank: int, count: int, meeting: Path) -> list[dict[str, list[Any]]]:
    """Gradients and running statistics after a step on a share of a batch, and on all of it.

    The shares are unequal: 1 image, and 4.
    """
    torch.set_num_threads(1)
    ranks = Ranks.join(rank, count, meeting, torch.device("cpu"))
    images, labels = made_up_batch()
    found = []
    for part in (slice(0, 1) if rank == 0 else slice(1, None), slice(None)):
        own = images[part]

        def prepare(net: nn.Module, whole: bool = len(own) == IMAGES) -> None:
            for norm in sync_norms(net):
                norm.apart = whole

        net, values = step_of(own, labels[part], prepare, ranks.share(len(own), IMAGES))
        ranks.add_gradients(net.parameters())
        values |= {
            name: each.grad for name, each in net.named_parameters() if each.grad is not None
        }
        found.append({name: value.tolist() for name, value in values.items()})
    return found


def recorded_rank(rank: int, count: int, meeting: Path, *arguments: Any) -> tuple[Any, list[Any]]:
    """`fit_rank`, and for each step the positions, labels and first augmentation draws it used."""
    from biorobust.data import augmentation
    from biorobust.training import module
    from biorobust.training.fitting import fit_rank

    steps: list[Any] = []
    step, augment = module.TrainingModule.training_step, augmentation.augment

    def noted_step(self: Any, batch: Any, index: int) -> Any:
        steps.append([batch.positions.tolist(), batch.labels.tolist()])
        return step(self, batch, index)

    def noted_augment(images: Tensor, draws: Tensor) -> Tensor:
        steps[-1].append(draws[:, 0].tolist())
        return augment(images, draws)

    module.TrainingModule.training_step = noted_step
    module.augment = noted_augment
    return fit_rank(rank, count, meeting, *arguments), steps


def killing_rank(rank: int, count: int, meeting: Path, *arguments: Any) -> None:
    """`fit_rank`, but the process that started it is killed after the sixth step."""
    from biorobust.training.fitting import fit_rank
    from biorobust.training.saving import Saving

    end_of_batch = Saving.on_train_batch_end

    def noted(self: Saving, trainer: Any, *others: Any) -> None:
        end_of_batch(self, trainer, *others)
        if trainer.global_step == 6:
            print("ranks", rank, os.getpid(), flush=True)
            if rank == 0:
                os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)  # until it is ended

    Saving.on_train_batch_end = noted
    fit_rank(rank, count, meeting, *arguments)
