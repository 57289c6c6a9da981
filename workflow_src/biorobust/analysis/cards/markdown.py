"""A robustness card as a page for readers, made from the card's JSON and nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any

from biorobust.analysis.cards.checks_page import examined, objections
from biorobust.analysis.cards.environment_schema import EnvironmentPart
from biorobust.analysis.cards.results_page import measured, share
from biorobust.analysis.cards.schema import Card
from biorobust.analysis.cards.tables import listed, number, setting, table
from biorobust.analysis.finding_marks import VERDICTS
from biorobust.analysis.typesetting import NORM_NAMES, escape_markdown

_NORMS = {**NORM_NAMES, "l0": "L0 (pixels changed)"}


def as_page(card: Card) -> str:
    """The card in Markdown, as GitHub shows it."""
    model = escape_markdown(card["model"]["name"])
    blocks = [
        f"# Robustness card: {model}",
        f"Made by biorobust from the card in [{card['model']['name']}.json]"
        f"({card['model']['name']}.json) (schema version {card['schema_version']}). Accuracies are "
        "of test images; perturbations, of pixel values in \\[0, 1\\].",
        *_in_short(card),
        "## Model",
        *_model(card),
        "## Data",
        *_data(card),
        "## Attacks",
        *_attacks(card),
        "## Results",
        *measured(card),
        "## Checks of the evaluation",
        *examined(card["checks"]),
        "## What was not tried",
        *_not_tried(card),
        "## Environment, and how to repeat it",
        *_environment(card["environment"]),
    ]
    return "\n\n".join(blocks) + "\n"


def _in_short(card: Card) -> Iterator[str]:
    results, checks = card["results"], card["checks"]
    seeds = len(results["clean"]["seeds"])
    lines = [
        f"Experiment {escape_markdown(card['experiment'])}, {seeds} "
        f"seed{'s' if seeds > 1 else ''}, {results['images']} test images of "
        f"{escape_markdown(card['data']['source'])}. Clean accuracy {share(results['clean'])}.",
    ]
    for attack in card["attacks"]:
        told = [each for each in results["adversarial"] if each["attack"] == attack["name"]]
        if told:
            at = "; ".join(f"{share(each)} at ε = {each['epsilon']}" for each in told)
            norm = _NORMS[attack["norm"]]
            lines.append(f"Accuracy under {escape_markdown(attack['name'])} ({norm}): {at}.")
    corrected = [each for each in results["adversarial"] if each["corrected_by"]]
    if corrected:
        lines.append(
            "Checks broke images that an attack had left standing; the numbers here count these, "
            "and those of the attack alone stand beside them below."
        )
    counts = ", ".join(f"{checks['counts'][verdict]} {verdict}" for verdict in reversed(VERDICTS))
    named = ", ".join(objections(checks["findings"]))
    lines.append(
        f"Checks of the evaluation, over all seeds: {counts}."
        + (f" Objections: {escape_markdown(named)}." if named else "")
    )
    if checks["counts"]["fail"]:
        lines.append("**A check fails: read what it says below before relying on these numbers.**")
    yield "\n".join(f"- {line}" for line in lines)


def _model(card: Card) -> Iterator[str]:
    model = card["model"]
    if model["description"]:
        yield escape_markdown(model["description"])
    if model["source"]:
        yield f"Source: {escape_markdown(model['source'])}"
    counts = model["parameters"]
    parameters = f"{counts['network']:,}"
    if counts["training_only"]:
        parameters += f", and {counts['training_only']:,} for training alone"
    rows = [
        ["kind", model["kind"]],
        ["options (none: the published value)", setting(model["options"])],
        ["parameters", parameters],
        ["training", setting(model["training"]) if model["training"] else "elsewhere"],
    ]
    yield table(["", ""], rows)
    header = ["seed", "training accuracy (%)", "training loss", "last epoch", "SHA-256 of weights"]
    trained = []
    for seed in model["seeds"]:
        last = seed["last_epoch"]
        cells = ["elsewhere", "", ""]
        if last:
            accuracy = last["accuracy"]
            percent = None if accuracy is None else 100 * accuracy
            # Counted from 0 in the JSON, as in the history.
            cells = [number(percent), number(last["loss"]), str(last["epoch"] + 1)]
        trained.append([str(seed["seed"]), *cells, seed["weights_sha256"]])
    yield table(header, trained)


def _data(card: Card) -> Iterator[str]:
    data = card["data"]
    rows = [
        ["source", data["source"]],
        ["settings", setting(data["settings"])],
        ["classes", listed(data["classes"])],
        ["image size", f"{data['image_size']} x {data['image_size']} pixels, colour"],
        ["fingerprint of the source's files", data["source_fingerprint"]],
    ]
    yield table(["", ""], rows)
    header = ["split", "images", "a class", "left out as damaged", "SHA-256 of the manifest"]
    splits = []
    for name, split in sorted(data["splits"].items(), reverse=True):
        least, most = split["smallest_class"], split["largest_class"]
        per_class = str(least) if least == most else f"{least}–{most}"
        cells = [name, str(split["images"]), per_class, str(split["left_out"])]
        splits.append([*cells, split["manifest_sha256"]])
    yield table(header, splits)
    yield (
        f"Of the test images, {data['test_copies_of_training']} are copies of training images, and "
        f"{data['test_near_copies_of_training']} nearly so."
    )
    if data["warnings"]:
        yield "\n".join(f"- Warning: {escape_markdown(each)}." for each in data["warnings"])


def _attacks(card: Card) -> Iterator[str]:
    protocol = card["protocol"]
    header = ["attack", "kind", "norm", "searches by", "settings"]
    yield table(
        header,
        [
            [a["name"], a["kind"], _NORMS[a["norm"]], a["method"], setting(a["options"])]
            for a in card["attacks"]
        ],
    )
    rows = [
        [
            attack["name"],
            epsilon["text"],
            number(epsilon["per_pixel"]),
            number(epsilon["per_pixel_8bit"]),
            number(epsilon["l2"]),
            number(epsilon["step"]),
        ]
        for attack in card["attacks"]
        for epsilon in attack["epsilons"]
    ]
    if rows:
        header = ["attack", "ε", "a pixel, of 1", "a pixel, of 255", "L2 length", "step"]
        yield table(header, rows)
        yield (
            "A pixel: the largest change of a channel (L∞), or the root-mean-square change (L2, "
            "root-mean-square). The step is in the attack's norm."
        )
    searching = [a["name"] for a in card["attacks"] if not a["epsilons"]]
    if searching:
        yield (
            f"Without ε, since they search for each image's smallest perturbation: "
            f"{escape_markdown(listed(searching))}."
        )
    attacked = [
        f"{count['attacked']} of {count['images']} (seed {count['seed']})"
        for count in card["results"]["clean"]["seeds"]
    ]
    passes = "; ".join(
        f"{name.replace('_', ' ')}: {listed(values) or 'unknown'}"
        for name, values in protocol["first_pass"].items()
    )
    alone = listed(protocol["batch_independence"]) or "not run"
    yield "\n".join(
        [
            f"- Attacked: {protocol['attacked']}: {', '.join(attacked)}.",
            f"- Broken: {protocol['broken']}.",
            f"- Decided in {protocol['decided_in']}. First pass, which only finds: {passes}.",
            "- Whether an image's result depends on the others of its batch (check "
            f"batch\\_independence, by seed): {alone}.",
        ]
    )


def _not_tried(card: Card) -> Iterator[str]:
    yield "Of each nothing is known here:"
    yield "\n".join(
        f"- {escape_markdown(each['topic'])}: {escape_markdown(each['sentence'])}"
        for each in card["not_tried"]
    )


def _environment(environment: EnvironmentPart) -> Iterator[str]:
    versions = [f"{name} {listed(found)}" for name, found in environment["versions"].items()]
    devices = [f"{stage} {listed(found)}" for stage, found in environment["devices"].items()]
    rows = [
        ["versions", ", ".join(versions) or "unknown"],
        ["platform", listed(environment["platforms"]) or "unknown"],
        ["devices", ", ".join(devices) or "unknown"],
        ["threads a job", listed(environment["threads"]) or "unknown"],
        ["commit (+: files differed)", listed(environment["commits"]) or "unknown"],
    ]
    if environment["reports_missing"]:
        rows.append(["jobs of which none of this is known", str(environment["reports_missing"])])
    yield table(["", ""], rows)
    yield table(["code of", "digest"], list(_digests(environment["code"])))
    if environment["accepted"]:
        yield "Edits of the code since then that somebody vouches for, and for which nothing reran:"
        yield table(
            ["files", "why no number changes", "date", "results of"],
            [
                [", ".join(edit["paths"]), edit["reason"], edit["date"], listed(edit["of"])]
                for edit in environment["accepted"]
            ],
        )
    yield f"The whole experiment again:\n\n```sh\n{environment['command']}\n```"
    yield "The verdict on each image: results.parquet; what checks added: corrections.parquet."


def _digests(code: Mapping[str, Any]) -> Iterator[list[str]]:
    for stage, digest in code.items():
        if isinstance(digest, Mapping):
            yield from ([f"{stage} {which}", str(each)] for which, each in digest.items())
        else:
            yield [stage, str(digest)]
