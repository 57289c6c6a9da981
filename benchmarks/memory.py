"""Peak memory of the attack against the size of the test set and the number of epsilons.

    python benchmarks/memory.py

Each run is a process of its own, which attacks made-up images, drawn as the attack asks for them,
on a small untrained network. Prints each one's peak and its ratio to the smallest run's.
"""

import argparse
import subprocess
import sys

CASES = [(500, 1), (500, 10), (5_000, 1), (20_000, 1), (20_000, 10)]


def attack(images: int, epsilons: int) -> None:
    """Attack so many images under so many epsilons, and print the process's peak in MB."""
    import resource
    from collections.abc import Iterator

    import torch

    from biorobust import build_model
    from biorobust.attacks import PGD
    from biorobust.attacks.engine import Images

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model("standard", image_size=32, classes=10, width=2, stem_width=2)
    model.requires_grad_(False)
    ladder = torch.linspace(1e-7, 1e-6, epsilons)

    def stretches() -> Iterator[Images]:
        for start in range(0, images, 64):
            numbers = torch.arange(start, min(start + 64, images))
            pixels = torch.rand(len(numbers), 3, 32, 32)
            with torch.no_grad():
                labels = model(pixels).argmax(1)
            yield Images(numbers, pixels, labels, ladder.expand(len(numbers), -1))

    for _ in PGD(steps=1).stream(model, stretches(), batch_size=64):
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", type=int, nargs=2, metavar=("IMAGES", "EPSILONS"))
    options = parser.parse_args()
    if options.case:
        attack(*options.case)
        return
    print("images | epsilons | peak MB | ratio")
    first = None
    for images, epsilons in CASES:
        command = [sys.executable, __file__, "--case", str(images), str(epsilons)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peak = float(done.stdout)
        first = first or peak
        print(f"{images} | {epsilons} | {peak:.0f} | {peak / first:.2f}", flush=True)


if __name__ == "__main__":
    main()
