"""Where the page's numbers come from: data, settings, code, software and records, as tables."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from biorobust.analysis.html_table import as_html
from biorobust.analysis.typesetting import NORM_NAMES, Body
from biorobust.errors import UserError
from biorobust.files import read_json
from biorobust.places import MINIMAL, Outline, attack_jobs, attack_record, training_jobs
from biorobust.places import training_record as trained
from biorobust.provenance import Record, run_report

_DIGEST = 16
"""Hexadecimal digits of a SHA-256 that are shown; more tell nothing apart here."""


def data_facts(outline: Outline, manifest: Record) -> str:
    """HTML of what the images are; `manifest` is the record of the test split."""
    settings = outline["shard"]["config"]
    facts = {
        "source": settings["source"],
        "image size": f"{manifest['image_size']} × {manifest['image_size']} pixels",
        "classes": f"{len(manifest['classes'])}: {', '.join(manifest['classes'])}",
        "test images": f"{manifest['images']:,}",
        "all settings": _told({k: v for k, v in settings.items() if k != "source"}),
        "digest of the source": str(outline["shard"]["source"])[:_DIGEST],
        "digest of the test images' record": manifest["digest"][:_DIGEST],
    }
    return as_html(["Data", ""], {name: [[value]] for name, value in facts.items()}, [])


def model_facts(outline: Outline) -> str:
    """HTML of every model's kind, seeds, options and training, and of every attack's."""
    models: Body = {}
    for model in outline["models"]:
        config = model["train_config"]
        options = {key: value for key, value in config["model"].items() if key != "kind"}
        training = config.get("training", "weights trained elsewhere")
        seeds = ", ".join(map(str, model["seeds"]))
        models[model["name"]] = [[model["kind"]], [seeds], [_told(options)], [_told(training)]]
    attacks: Body = {}
    for attack in outline["attacks"]:
        epsilons = [e["text"] for e in attack["epsilons"] if e["text"] != MINIMAL]
        kept = {k: v for k, v in attack["config"].items() if k not in ("kind", "norm")}
        shown = ", ".join(epsilons) or "none: it searches for the smallest perturbation"
        norm = NORM_NAMES[attack["norm"]]
        attacks[attack["name"]] = [[attack["kind"]], [norm], [shown], [_told(kept)]]
    return "\n".join(
        [
            as_html(["Model", "kind", "seeds", "options", "training"], models, []),
            as_html(["Attack", "kind", "norm", "ε", "options"], attacks, []),
        ]
    )


def code_facts(outline: Outline) -> str:
    """HTML of the digest of the code that each stage can reach."""
    body: Body = {"shard": [[outline["shard"]["code"][:_DIGEST]]]}
    for model in outline["models"]:
        name = model["name"]
        body[f"train {name}"] = [[model["train_code"][:_DIGEST]]]
        for what in ("attack", "check"):
            for kind, digest in sorted(model[f"{what}_code"].items()):
                body[f"{what} {name}, {kind}"] = [[digest[:_DIGEST]]]
    body["collect"] = [[outline["collect"]["code"][:_DIGEST]]]
    return as_html(["Stage", "code"], body, [])


def accepted_facts(edits: Iterable[Mapping[str, Any]]) -> str:
    """HTML of the accepted edits (see `config.accepted_edits`); empty if there is none."""
    body: Body = {
        f"{number}. {', '.join(edit['paths'])}": [
            [edit["reason"]],
            [edit["date"]],
            [", ".join(" ".join(what).strip() for what in edit["of"])],
        ]
        for number, edit in enumerate(edits, start=1)
    }
    headings = ["Files", "why no number changes", "date", "results of"]
    return as_html(headings, body, []) if body else ""


def record_facts(inputs: dict[str, Record]) -> str:
    """HTML of the plan's digest, and the files' SHA-256, of each record that the page is of."""
    body: Body = {
        name: [
            [record["digest"][:_DIGEST]],
            [f"{file} {total[:_DIGEST]}" for file, total in sorted(record["outputs"].items())]
            or [""],
        ]
        for name, record in inputs.items()
    }
    return as_html(["Record", "plan", "files, SHA-256"], body, [])


def software_facts(directory: Path, outline: Outline) -> str:
    """HTML of versions, devices and the like, from the run reports of training and attack jobs."""
    found: dict[str, set[str]] = {}
    lost = 0
    for record in _records(directory, outline):
        try:
            told = list(_circumstances(read_json(run_report(record))))
        except (UserError, KeyError, TypeError, AttributeError):
            lost += 1
            continue
        for what, value in told:
            found.setdefault(what, set()).add(value)
    body: Body = {what: [[", ".join(sorted(values))]] for what, values in found.items()}
    caption = [f"{lost} job(s) left no usable run report and are not in it."] if lost else []
    return as_html(["Software", ""], body, caption)


def _records(directory: Path, outline: Outline) -> Iterator[Path]:
    for model, seed in training_jobs(outline):
        yield directory / trained(model, seed)
    for job in attack_jobs(outline):
        yield directory / attack_record(job)


def _circumstances(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from report["versions"].items()
    yield "platform", report["platform"]
    yield "device", str(report.get("device", "unknown"))
    yield "threads of a job", str(report["execution"]["threads"])
    yield "commit of the code", str(report["git_commit"] or "unknown: not run from a git clone")


def _told(settings: Any) -> str:
    """Settings as a person may read them: YAML's short form, keys sorted."""
    text = json.dumps(settings, ensure_ascii=False, sort_keys=True)
    return text.replace('"', "").removeprefix("{").removesuffix("}")
