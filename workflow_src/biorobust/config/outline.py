"""From an experiment to its outline: what every job's plan is made from (see `planning`)."""

from pathlib import Path
from typing import Any

from biorobust.accepted import noting
from biorobust.analysis.report.template_files import template_sums
from biorobust.attacks.kinds import ATTACKS
from biorobust.checks.kinds import GROUPS_OF, RUNS_MODEL, TRANSFERS, checks_of
from biorobust.code_digest import code_digest
from biorobust.config.accepted_edits import accepted_edits
from biorobust.config.cards import catalogue
from biorobust.config.claims import planned_claim
from biorobust.config.experiment import Experiment
from biorobust.config.published import published_comparison
from biorobust.config.values import as_number
from biorobust.data.sources.catalogue import source_fingerprint
from biorobust.errors import UserError
from biorobust.extensions import is_reference
from biorobust.files import sha256_of_file
from biorobust.models.kinds import MODELS
from biorobust.places import MINIMAL, PAGE, Outline
from biorobust.planning import COSTS
from biorobust.stages import CARDS, FIGURES, STAGES, TABLES, Figure
from biorobust.stages import PAGE as PAGE_MODULE


def make_outline(experiment: Experiment, cache: Path) -> Outline:
    """Everything that the experiment's results depend on, as JSON-ready values.

    `cache` is a file that remembers the hashes of the data source's files. Raises UserError with
    one line for each thing that is missing: the data source's folder or files, weights files.
    """
    with noting() as noted:
        outline = _outline(experiment, cache)
        outline |= {PAGE: {PAGE: _page(outline)}}
    return {**outline, "accepted": accepted_edits(outline, noted)}


def _outline(experiment: Experiment, cache: Path) -> Outline:
    """The outline without what tells of the whole of it."""
    path = Path(experiment.data.path).expanduser() if experiment.data.path else None
    missing = _missing_weights(experiment)
    try:
        source = source_fingerprint(experiment.data.source, path=path, cache=cache)
    except UserError as error:
        missing = [str(error), *missing]
    if missing:
        raise UserError("\n".join(missing))
    comparison = published_comparison(experiment)
    groups = [group for asked in experiment.checks.groups for group in GROUPS_OF[asked]]
    checks = [_checks(experiment, group) for group in groups]
    models = [_model(experiment, entry, checks) for entry in experiment.models]
    attacks = [_attack(entry) for entry in experiment.attacks]
    figures = {
        name: planned
        for name, figure in FIGURES.items()
        if (planned := _figure(figure, models, attacks))
    }
    tables = _tables(experiment, attacks)
    if not comparison["models"]:
        # There is nothing to set beside.
        del tables["published"]
    cards = {model["name"]: _card(model) for model in models}
    # What a run took is known once all else is there.
    tables[COSTS]["inputs"] += [f"tables:{name}" for name in tables if name != COSTS]
    tables[COSTS]["inputs"] += [f"figures:{name}" for name in figures]
    tables[COSTS]["inputs"] += [f"cards:{name}" for name in cards]
    return {
        "experiment": experiment.name,
        "shard": {
            "code": code_digest(STAGES["shard"], *_own_source(experiment.data.source)),
            # Whether copies are allowed decides if there is a result, and changes none.
            "config": experiment.data.model_dump(exclude={"path", "on_duplicates"}),
            "source": source,
        },
        "models": models,
        "attacks": attacks,
        "checks": checks,
        "collect": {"code": code_digest(STAGES["collect"])},
        "tables": tables,
        "figures": figures,
        "cards": cards,
        "catalogue": catalogue(),
        "published": comparison,
    }


def _model(experiment: Experiment, entry: Any, checks: list[dict[str, Any]]) -> dict[str, Any]:
    implementation = MODELS.get(entry.kind, entry.kind)
    module = _module(implementation)
    config: dict[str, Any] = {
        "model": entry.model_dump(exclude={"name", "weights", "published"}),
        "image_size": experiment.data.image_size,
    }
    seeds = _seeds(experiment, entry)
    if entry.weights is None:
        config["training"] = experiment.training.model_dump(mode="json")
    else:
        config["weights_sha256"] = {
            str(seed): sha256_of_file(weights_path(entry.weights, seed)) for seed in seeds
        }
    return {
        "name": entry.name,
        "kind": entry.kind,
        "implementation": implementation,
        "seeds": seeds,
        "train_config": config,
        "train_code": code_digest(STAGES["train"], module),
        "attack_code": {
            kind: code_digest(STAGES["attack"], module, _module(ATTACKS.get(kind, kind)))
            for kind in sorted({attack.kind for attack in experiment.attacks})
        },
        "check_code": {
            group["name"]: code_digest(
                STAGES["check"],
                *([module] if group["runs_model"] else []),
                *map(_module, group["implementations"]),
            )
            for group in checks
        },
    }


def _card(model: dict[str, Any]) -> dict[str, Any]:
    """What a model's card is made from; `planning.card_config` adds what it tells."""
    trainings = [f"training:{model['name']}:{seed}" for seed in model["seeds"]]
    return {"code": code_digest(CARDS), "inputs": ["results", "shards", *trainings]}


def _checks(experiment: Experiment, group: str) -> dict[str, Any]:
    """What the plans of one group of checks are made from."""
    chosen = checks_of(group)
    implementations = {check.module for check in chosen.values()}
    transfer_from = None
    if group in RUNS_MODEL:
        implementations |= {ATTACKS.get(a.kind, a.kind) for a in experiment.attacks}
    if group in TRANSFERS:
        plain = [entry.name for entry in experiment.models if entry.kind == "standard"]
        if plain:
            transfer_from = plain[0]
            implementations.add(MODELS["standard"])
    return {
        "name": group,
        "checks": [
            {
                "name": name,
                "thresholds": {**check.thresholds, **experiment.checks.thresholds.get(name, {})},
            }
            for name, check in chosen.items()
        ],
        "implementations": sorted(implementations),
        "runs_model": group in RUNS_MODEL,
        "transfer_from": transfer_from,
    }


def _own_source(source: str) -> list[str]:
    """The module of a user's own data set; the others' are the stage's own."""
    return [_module(source)] if is_reference(source) else []


def _module(implementation: str) -> str:
    return implementation.split(":")[0]


def weights_path(template: str, seed: int) -> Path:
    """The weights file that a model entry names for a seed."""
    return Path(template.replace("{seed}", str(seed))).expanduser()


def _seeds(experiment: Experiment, entry: Any) -> list[int]:
    if entry.weights is None or "{seed}" in entry.weights:
        return list(experiment.seeds)
    # The same weights under several seeds would pass for independent runs.
    return [experiment.seeds[0]]


def _missing_weights(experiment: Experiment) -> list[str]:
    return [
        f"models[{position}].weights: there is no file {path} (model {entry.name!r}, seed {seed}); "
        "put it there, correct the path, or leave `weights` out to train the model"
        for position, entry in enumerate(experiment.models)
        if entry.weights is not None
        for seed in _seeds(experiment, entry)
        if not (path := weights_path(entry.weights, seed)).is_file()
    ]


def _attack(entry: Any) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "implementation": ATTACKS.get(entry.kind, entry.kind),
        "norm": entry.norm,
        "config": entry.model_dump(exclude={"name", "epsilons"}),
        "epsilons": _epsilons(entry),
    }


def _epsilons(entry: Any) -> list[dict[str, Any]]:
    if getattr(entry, "epsilons", None) is None:
        return [{"text": MINIMAL, "value": None}]
    texts = sorted(entry.epsilons, key=as_number)
    return [{"text": text, "value": as_number(text)} for text in texts]


def _tables(experiment: Experiment, attacks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each table's plan is made from; without claims there is no table of them."""
    tables: dict[str, dict[str, Any]] = {
        name: {"code": code_digest(module), "inputs": ["shards" if name == "data" else "results"]}
        for name, module in TABLES.items()
    }
    epsilons = {
        attack["name"]: [epsilon["text"] for epsilon in attack["epsilons"]]
        for attack in attacks
        if attack["epsilons"][0]["text"] != MINIMAL
    }
    claims = [planned_claim(claim, epsilons) for claim in experiment.claims]
    compared = [comparison for claim in claims for comparison in claim["comparisons"]]
    tables["claims"]["config"], tables["differences"]["config"] = claims, compared
    if not claims:
        del tables["claims"]
        if len(experiment.models) == 1:
            # There is nothing to compare.
            del tables["differences"]
    return tables


def _page(outline: Outline) -> dict[str, Any]:
    """What the plan of the page is made from, which shows everything else.

    `sources` are the kinds of inputs that each kind of report has, for the graph of stages.
    """
    kinds = {kind: outline[kind] for kind in ("tables", "figures", "cards")}
    shown = [f"{kind}:{name}" for kind, entries in kinds.items() for name in entries]
    return {
        "code": code_digest(PAGE_MODULE),
        "templates": template_sums(),
        "inputs": ["results", "shards", *shown],
        "sources": {
            kind: sorted(
                {
                    source.partition(":")[0]
                    for name, entry in entries.items()
                    if name != COSTS
                    for source in entry["inputs"]
                }
            )
            for kind, entries in kinds.items()
        },
    }


def _figure(
    figure: Figure, models: list[dict[str, Any]], attacks: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """What the figure's plan is made from; None where the experiment has nothing that it shows."""
    shown = [model for model in models if not figure.kinds or model["kind"] in figure.kinds]
    if "trainings" in figure.inputs:
        shown = [model for model in shown if "training" in model["train_config"]]
    shown = shown[: figure.most]
    if not shown:
        return None
    facts: dict[str, Any] = {
        "inputs": [name for name in figure.inputs if name in ("results", "shards")]
    }
    used: set[str] = set()
    if "trainings" in figure.inputs:
        facts["inputs"] += [f"training:{m['name']}:{seed}" for m in shown for seed in m["seeds"]]
    if "models" in figure.inputs:
        facts["inputs"] += [f"training:{m['name']}:{m['seeds'][0]}" for m in shown]
        used |= {model["implementation"] for model in shown}
    if figure.attack:
        under_budget = [a for a in attacks if a["epsilons"][0]["text"] != MINIMAL]
        if not under_budget:
            return None
        facts["config"] = {"attack": under_budget[0]}
        used.add(under_budget[0]["implementation"])
    if used:
        facts["implementations"] = sorted(used)
    return {"code": code_digest(figure.module, *map(_module, sorted(used))), **facts}
