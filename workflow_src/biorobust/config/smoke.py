"""A whole experiment made so small that it runs in minutes: does every part of it work?"""

from typing import Any

IMAGES = 20
IMAGE_SIZE = 64
_WIDTH = 4


def slimmed(experiment: dict[str, Any]) -> dict[str, Any]:
    """A checked experiment (as JSON-ready values) with every size lowered, and nothing else.

    Its first seed, 20 training and 20 test images of at most 64 x 64 pixels, one epoch, networks
    four channels wide: what it trains knows nothing. Models, options, attacks and epsilons are
    all there. Models with `weights` of their own stay as wide as those are. Results go to
    `results/<name>-smoke/`.
    """
    data, training = experiment["data"], experiment["training"]
    return {
        **experiment,
        "name": f"{experiment['name']}-smoke",
        "smoke": False,
        "seeds": experiment["seeds"][:1],
        "data": {
            **data,
            "image_size": min(data["image_size"], IMAGE_SIZE),
            "train_limit": min(data["train_limit"] or IMAGES, IMAGES),
            "test_limit": min(data["test_limit"] or IMAGES, IMAGES),
        },
        "training": {
            **training,
            "epochs": 1,
            "batch_size": min(training["batch_size"], IMAGES // 2),
        },
        "models": [
            entry if entry["weights"] else {**entry, **_slim_widths(entry)}
            for entry in experiment["models"]
        ],
    }


def _slim_widths(entry: dict[str, Any]) -> dict[str, int]:
    """Widths of every network that the model has; only ResNet-18 has a stem of its own width."""
    widths = {}
    for prefix in ("", "localiser_"):
        if f"{prefix}backbone" in entry:
            widths[f"{prefix}width"] = _WIDTH
            if entry[f"{prefix}backbone"] == "resnet18":
                widths[f"{prefix}stem_width"] = _WIDTH
    return widths
