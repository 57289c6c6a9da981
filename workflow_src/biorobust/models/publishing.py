"""A trained model as one file for others: weights, how to build the model, and what it is worth.

The file is safetensors, which holds tensors and texts and nothing that runs. Its metadata are
"biorobust", JSON with the model's kind, options, image size and class names, the record of its
training and its digest; and "card", the robustness card in Markdown, where there is one.
"""

from pathlib import Path

from safetensors.torch import save

from biorobust.errors import UserError
from biorobust.files import canonical_json, read_json, write_bytes
from biorobust.models.registry import METADATA, SUFFIX, load_model, published_metadata

_TOLD = ("config", "digest", "image_size", "classes", "class_names", "parameters")


def publish_model(
    directory: str | Path, file: str | Path, *, card: str | Path | None = None
) -> None:
    """Write the trained model of a `seed-<s>` folder to one safetensors file.

    card: a Markdown file about its robustness; by default `cards/<model>.md` of its experiment,
    where it stands. Raises UserError where the model's folder is not whole, a given card is not
    there, or the file cannot be written or does not end in .safetensors.
    """
    folder, file = Path(directory), Path(file)
    if file.suffix != SUFFIX:
        raise UserError(f"{file} must end in {SUFFIX}, by which it is recognised")
    # Whoever publishes damaged weights should learn of it before others do.
    state = load_model(folder).state_dict()
    record = read_json(folder / "training.json")
    metadata = {
        "format": "pt",
        METADATA: canonical_json({key: record[key] for key in _TOLD if key in record}),
    }
    # results/<experiment>/models/<model>/seed-<s>
    place = folder.resolve()
    wanted = Path(card) if card else place.parents[2] / "cards" / f"{place.parent.name}.md"
    if wanted.is_file():
        metadata["card"] = wanted.read_text(encoding="utf-8")
    elif card:
        raise UserError(f"there is no card {wanted}; correct the path, or leave it out")
    write_bytes(file, save({name: value.clone() for name, value in state.items()}, metadata))


def read_card(file: str | Path) -> str | None:
    """The robustness card in a published file, in Markdown; None where it has none.

    Raises UserError where the file is missing or damaged.
    """
    return published_metadata(Path(file)).get("card")
