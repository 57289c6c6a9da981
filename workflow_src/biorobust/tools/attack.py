"""`biorobust attack`: a trained model against one image of one's own, as a picture."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from biorobust.errors import UserError
from biorobust.files import read_json, write_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from biorobust.models.base import ImageClassifier

_RESIZES = ("thesis", "short_side")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Attack a trained model with PGD on one image. Writes a picture (PNG and PDF) of the clean "
        "image, the adversarial one and their difference, and the adversarial image by itself "
        "(PNG, as the model sees it), and prints predictions and the perturbation's sizes."
    )
    parser.epilog = (
        "Example:\n  biorobust attack results/digits/models/standard/seed-0 --image my.jpg "
        "--epsilon 8/255"
    )
    parser.add_argument("weights", type=Path, help="a model's seed-<s> folder, or a published file")
    parser.add_argument("--image", type=Path, required=True, help="a PNG or JPEG file")
    parser.add_argument("--kind", help="of a published model of one's own: which code it is")
    parser.add_argument("--label", help="the true class; what the model says unless given")
    parser.add_argument(
        "--epsilon", default="8/255", help="size of the ball (default: %(default)s)"
    )
    parser.add_argument("--norm", choices=("linf", "l2", "rms"), default="linf")
    parser.add_argument("--steps", type=int, default=20, help="default: %(default)s")
    parser.add_argument(
        "--resize", choices=_RESIZES, help="as data.resize; that of the experiment unless given"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--output", type=Path, help="the picture's PNG file; <image>.attack.png here unless given"
    )


class Attacked(NamedTuple):
    """An image before and after an attack, [3, N, N] in [0, 1], and the logits on both.

    saved, saved_logits: the adversarial image as its file holds it, in steps of 1/255.
    """

    clean: "Tensor"
    adversarial: "Tensor"
    saved: "Tensor"
    clean_logits: "Tensor"
    adversarial_logits: "Tensor"
    saved_logits: "Tensor"


def attack(options: argparse.Namespace) -> int:
    """Write the pictures and print what they show.

    Raises UserError for a folder without a trained model, an image that cannot be read, and
    impossible options.
    """
    from biorobust.config.values import as_number
    from biorobust.data.images import decode, fit
    from biorobust.devices import prepare_torch
    from biorobust.models.registry import load_model

    try:
        epsilon = as_number(options.epsilon)
    except ValueError as error:
        raise UserError(f"--epsilon {options.epsilon}: {error}") from error
    device = prepare_torch({"device": options.device, "threads": 1})
    model = load_model(options.weights, device, kind=options.kind)
    classes = _class_names(options.weights)
    resize = options.resize or _resize_of(options.weights)
    if options.label not in (None, *classes):
        raise UserError(f"--label {options.label}: the classes are {', '.join(classes)}")
    pixels = fit(decode(options.image), model.image_size, resize)
    label = None if options.label is None else classes.index(options.label)
    attacked = attack_image(
        model, pixels, label, epsilon=epsilon, norm=options.norm, steps=options.steps
    )
    told = list(_told(attacked, classes, label, options))
    print("\n".join([*told, *(f"wrote {path}" for path in _write(attacked, classes, options))]))
    return 0


def attack_image(
    model: "ImageClassifier",
    pixels: "npt.NDArray[np.uint8]",
    label: int | None,
    *,
    epsilon: float,
    norm: str,
    steps: int,
) -> Attacked:
    """Attack an image, uint8 [N, N, 3], with PGD; `label` None stands for the model's own verdict.

    An image that the model gets wrong stays as it is. Raises UserError where the model cannot be
    attacked, and for options that are none of PGD's.
    """
    import foolbox
    import torch

    from biorobust.attacks import PGD
    from biorobust.data.batches import to_pixels

    device = next(model.parameters()).device
    clean = to_pixels(torch.from_numpy(pixels[None]).to(device))
    with torch.inference_mode():
        verdict = model(clean).argmax(1)
    labels = verdict.clone() if label is None else torch.full_like(verdict, label)
    try:
        _, adversarial, _ = PGD(norm, steps=steps)(
            foolbox.PyTorchModel(model, bounds=(0, 1), device=device),
            clean,
            foolbox.criteria.Misclassification(labels),
            epsilons=epsilon,
        )
    except ValueError as error:
        raise UserError(f"the attack cannot be carried out: {error}") from error
    levels = (adversarial - clean) * 255
    # Rounded towards the clean image, so that what is saved stays in the ball too; the margin is
    # for float32, in which 8/255 may be a little less.
    saved = (clean * 255).round() + (levels + 1e-4 * levels.sign()).trunc()
    saved = saved.clamp(0, 255) / 255
    with torch.inference_mode():
        images = torch.cat([clean, adversarial, saved])
        logits = model(images)
    return Attacked(*images, *logits)


def _class_names(weights: Path) -> list[str]:
    from biorobust.models.registry import METADATA, SUFFIX, published_metadata

    if weights.suffix == SUFFIX:
        # `load_model` has read it before.
        return list(json.loads(published_metadata(weights)[METADATA])["class_names"])
    return list(read_json(weights / "training.json")["class_names"])


def _resize_of(weights: Path) -> Any:
    """How the images that a model was trained on were made to fit."""
    manifest = (weights.resolve() / "../../../shards/test/manifest.json").resolve()
    if manifest.is_file():
        try:
            return read_json(manifest)["config"]["resize"]
        except (KeyError, TypeError) as error:
            raise UserError(f"{manifest} is no record of shards; give --resize") from error
    raise UserError(
        f"how to fit the image is not known ({manifest} is missing); "
        f"give --resize {' or '.join(_RESIZES)}"
    )


def _told(
    attacked: Attacked, classes: list[str], label: int | None, options: argparse.Namespace
) -> list[str]:
    from biorobust.analysis.adversarial_example import verdict

    found = int(attacked.clean_logits.argmax())
    fooled = int(attacked.adversarial_logits.argmax()) != found
    lines = [f"clean: {verdict(attacked.clean_logits, classes)}"]
    if label not in (None, found):
        return [*lines, f"which is wrong ({classes[label or 0]}): there is nothing to attack"]
    ball = f"epsilon {options.epsilon} ({options.norm}), {options.steps} steps"
    lines += [
        f"adversarial: {verdict(attacked.adversarial_logits, classes)}; "
        f"{'fooled' if fooled else 'not fooled'} by PGD, {ball}",
        f"saved in 8 bits: {verdict(attacked.saved_logits, classes)}",
    ]
    for name, image in (("adversarial", attacked.adversarial), ("saved", attacked.saved)):
        sizes = ", ".join(f"{norm} {size:.6g}" for norm, size in _sizes(image - attacked.clean))
        lines.append(f"perturbation, {name}: {sizes}")
    return lines


def _sizes(difference: "Tensor") -> list[tuple[str, float]]:
    exact = difference.double()
    return [
        ("linf", float(exact.abs().max())),
        ("l2", float(exact.square().sum().sqrt())),
        ("rms", float(exact.square().mean().sqrt())),
    ]


def _write(attacked: Attacked, classes: list[str], options: argparse.Namespace) -> list[Path]:
    from io import BytesIO

    from PIL import Image

    from biorobust.analysis.adversarial_example import Example, adversarial_example
    from biorobust.analysis.figure_style import write_figure

    output: Path = options.output or Path(f"{options.image.stem}.attack.png")
    name = output.name.removesuffix(".png")
    example = Example(
        attacked.clean,
        attacked.adversarial,
        attacked.clean_logits,
        attacked.adversarial_logits,
        options.epsilon,
    )
    note = f"{options.image.name}; PGD, {options.norm}, {options.steps} steps; softmax confidence"
    weights = options.weights.resolve()
    shown = {weights.parent.name if weights.is_dir() else weights.stem: example}
    paths = write_figure(lambda: adversarial_example(shown, classes, note), output.parent, name)
    buffer = BytesIO()
    levels = (attacked.saved * 255).round().byte().permute(1, 2, 0)
    Image.fromarray(levels.cpu().numpy()).save(buffer, format="png")
    paths.append(output.parent / f"{name}.adversarial.png")
    write_bytes(paths[-1], buffer.getvalue())
    return paths
