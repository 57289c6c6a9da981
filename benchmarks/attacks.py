"""The attack against its peers: time, passes and verdicts, on one trained model, in one run.

    pip install --constraint requirements.lock --editable '.[bench]'
    pip install --no-deps torchattacks==3.5.1
    python benchmarks/attacks.py

Without a model's folder it takes the standard model of experiments/fashion_mnist.yaml, and trains
it where there is none. Every attack is the thesis's: L-infinity PGD, 20 steps of epsilon/3, no
random start, all images, all epsilons. Peers that are not installed are left out. Rounds go
through the attacks in turn, so that a busy machine troubles all of them; what counts is the ratio
within a round. Passes are counted at the model: images that went forward, and backward.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import foolbox
import numpy as np
import torch
from peers import STEPS, Setting, attacks, stock_ever_wrong
from torch import Tensor

from biorobust import load_model
from biorobust.attacks import PGD
from biorobust.attacks.engine import Images
from biorobust.data.batches import to_pixels
from biorobust.data.shards import open_shards

TRAINED = Path("results/fashion_mnist/models/standard/seed-0")
# On these the standard model's accuracy falls as the thesis's does on ImageNet10.
EPSILONS = [0.003, 0.02, 0.035, 0.06, 0.1]


def read_setting(options: argparse.Namespace) -> Setting:
    """The model and images that the command line names."""
    shards = open_shards(options.shards or options.model.parents[2] / "shards/test")
    count = min(options.images, len(shards))
    device = torch.device(options.device)
    return Setting(
        load_model(options.model, device=options.device),
        to_pixels(torch.from_numpy(shards.read(np.arange(count))).to(device)),
        torch.from_numpy(shards.labels[:count]).to(device),
        sorted(options.epsilons),
        options.batch_size,
    )


def lower_bounds(setting: Setting) -> dict[str, tuple[float, float]]:
    """Forward and backward passes an image that no attack of this kind can do without.

    An image must fail once at its last robust epsilon (all steps) and be broken once above it (the
    steps that this takes). In the plain cost model each such step is a pass both ways, and each
    image is classified once. The tighter one also lets the two runs share the gradient at the
    original.
    """
    victim = foolbox.PyTorchModel(setting.model, bounds=(0, 1), device=setting.device)
    attack = PGD("linf", steps=STEPS, batch_size=setting.batch_size)
    count = len(setting.labels)
    numbers = torch.arange(count, device=setting.device)
    epsilons = torch.tensor(sorted(setting.epsilons), device=setting.device)
    whole = Images(numbers, setting.images, setting.labels, epsilons.expand(count, -1))
    first_broken = torch.full((count,), len(epsilons), device=setting.device)
    steps = torch.zeros(count, device=setting.device)
    for part in attack.stream(victim, iter([whole]), batch_size=setting.batch_size):
        lower = part.broken & (part.rungs < first_broken[part.numbers])
        first_broken[part.numbers[lower]] = part.rungs[lower]
        steps[part.numbers[lower]] = part.steps[lower].to(steps.dtype)
    attacked = ~setting.wrong(setting.images)
    survived = attacked & (first_broken > 0)
    work = STEPS * int(survived.sum()) + float(steps.sum())
    shared = int((survived & (first_broken < len(epsilons))).sum())
    return {
        "cost model": (work / count + 1, work / count),
        "with shared gradients": (work / count + 1, (work - shared) / count),
    }


def explanation(setting: Setting, found: Tensor, stock: Tensor) -> str:
    """Why verdicts differ from stock Foolbox's at the same epsilon, image by image."""
    lost = int((stock & ~found).sum())
    nested = earlier = unexplained = 0
    for place, epsilon in enumerate(setting.epsilons):
        more = found[place] & ~stock[place]
        below = stock[:place].any(0) if place else torch.zeros_like(more)
        nested += int((more & below).sum())
        more &= ~below
        if more.any():
            ever = stock_ever_wrong(setting, epsilon)
            earlier += int((more & ever).sum())
            unexplained += int((more & ~ever).sum())
    return (
        f"against stock Foolbox: {lost} lost; gained: {nested} broken by it at a smaller epsilon, "
        f"{earlier} that an earlier iterate of its own breaks, {unexplained} unexplained"
    )


def compare(setting: Setting, rounds: int) -> None:
    """Run every attack in turn, round by round, and print the table."""
    seconds: dict[str, list[float]] = {}
    verdicts: dict[str, Tensor] = {}
    passes: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, attack in attacks().items():
            setting.reset()
            started = time.perf_counter()
            verdicts[name] = attack(setting).cpu()
            seconds.setdefault(name, []).append(time.perf_counter() - started)
            passes[name] = setting.passes()
    for name, (forward, backward) in lower_bounds(setting).items():
        ratios = [p / b for p, b in zip(passes["biorobust"], (forward, backward), strict=True)]
        print(
            f"lower bound, {name}: {forward:.2f} forward, {backward:.2f} backward an image; "
            f"ours is {ratios[0]:.3f} and {ratios[1]:.3f} times that"
        )
    closed = {name: found.cummax(0).values for name, found in verdicts.items()}
    print("attack | median s | ratio (range) | forward | backward | broken | differing")
    for name, times in seconds.items():
        ratios = [t / o for t, o in zip(times, seconds["biorobust"], strict=True)]
        differing = (closed[name] != closed["biorobust"]).sum(1).tolist()
        print(
            f"{name} | {statistics.median(times):.2f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f}) | {passes[name][0]:.1f} | "
            f"{passes[name][1]:.1f} | {verdicts[name].sum(1).tolist()} | {differing}"
        )
    print(explanation(setting, verdicts["biorobust"], verdicts["foolbox 3.3.4"]))


def compare_processes(options: argparse.Namespace) -> None:
    """Time a process for each attack and epsilon, as jobs on a cluster are."""
    total: dict[str, float] = {}
    for name in attacks():
        if name in ("biorobust, channels last", "biorobust, call per epsilon"):
            continue
        for epsilon in options.epsilons:
            command = [sys.executable, __file__, str(options.model), "--only", name]
            command += ["--epsilons", str(epsilon), "--images", str(options.images)]
            command += ["--batch-size", str(options.batch_size), "--device", options.device]
            command += ["--threads", str(options.threads)]
            command += ["--shards", str(options.shards)] if options.shards else []
            started = time.perf_counter()
            subprocess.run(command, check=True)
            total[name] = total.get(name, 0) + time.perf_counter() - started
    print("attack | s with a process for each epsilon | ratio")
    for name, spent in total.items():
        print(f"{name} | {spent:.1f} | {spent / total['biorobust']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=TRAINED)
    parser.add_argument("--shards", type=Path, help="default: those of the model's experiment")
    parser.add_argument("--epsilons", type=float, nargs="+", default=EPSILONS)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", action="store_true", help="also with process start")
    parser.add_argument("--only", choices=list(attacks()), help="run one attack, print nothing")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.model == TRAINED and not TRAINED.is_dir():
        experiment = ["--configfile", "experiments/fashion_mnist.yaml"]
        record = str(TRAINED / "training.json")
        subprocess.run(["snakemake", record, "--cores", "1", *experiment], check=True)
    setting = read_setting(options)
    if options.only:
        attacks()[options.only](setting)
        return
    clean = 1 - setting.wrong(setting.images).double().mean().item()
    print(
        f"{options.model}: {len(setting.labels)} images, clean accuracy {clean:.3f}, "
        f"batches of {setting.batch_size}, {options.device}"
    )
    compare(setting, options.rounds)
    if options.processes:
        compare_processes(options)


if __name__ == "__main__":
    main()
