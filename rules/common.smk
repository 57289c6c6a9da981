# Helpers for the rules: the experiment, the plans of its jobs, and their places. No rules here.
import atexit
import json
import math
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

SOURCE = Path(workflow.basedir) / "workflow_src"
sys.path.insert(0, str(SOURCE))

from biorobust import places, planning
from biorobust.config.cluster import (
    cap_polling,
    chooses_partitions,
    gpu_partition,
)
from biorobust.config.outline import make_outline, weights_path
from biorobust.config.reading import overlaid, read_experiment
from biorobust.config.strangers import (
    hollow_records,
    refuse_copies,
    refuse_strangers,
)
from biorobust.config.workflow import (
    COMMAND_VARIABLE,
    begin_run,
    claim_folder,
    clear_marks,
    forces_jobs,
    how_jobs_run,
    require_current_run,
    require_room,
    runs_elsewhere,
    runs_jobs,
    use_this_clone,
)
from biorobust.errors import UserError
from biorobust.files import canonical_json
from biorobust.stages import FIGURES


def plan_experiment():
    """The checked experiment and its outline; jobs take the outline of the run that started them."""
    experiment = read_experiment(
        overlaid(config, workflow.config_settings.overwrite_config)
    )
    inherited = os.environ.get(planning.OUTLINE_VARIABLE)
    if not workflow.is_main_process and inherited:
        return experiment, json.loads(inherited)
    outline = make_outline(experiment, cache=Path(".snakemake/source-hashes.json"))
    os.environ[planning.OUTLINE_VARIABLE] = canonical_json(outline)
    return experiment, outline


# Every job asks, and Snakemake takes milliseconds to read its options.
@cache
def command_line():
    """How to start this workflow again by hand, for messages that say what to type."""
    if not workflow.is_main_process and COMMAND_VARIABLE in os.environ:
        return os.environ[COMMAND_VARIABLE]
    words = ["snakemake", *how_jobs_run(sys.argv[1:])]
    if overlays := [str(path) for path in workflow.overwrite_configfiles]:
        words += ["--configfile", *overlays]
    if values := workflow.config_settings.config:
        words += ["--config", *(f"{key}={value}" for key, value in values.items())]
    os.environ[COMMAND_VARIABLE] = shlex.join(words)
    return os.environ[COMMAND_VARIABLE]


def model_resources():
    """What a job that runs a model asks for. A profile, or --set-resources, may say otherwise."""
    asked = {"gpu": 0 if experiment.execution.device == "cpu" else 1}
    if asked["gpu"] and ON_CLUSTER and not chooses_partitions(sys.argv[1:]):
        if partition := default_resource("gpu_partition") or gpu_partition():
            asked["slurm_partition"] = partition
    return asked


def default_resource(name):
    """The text that a profile's default-resources give to a resource, None where they don't."""
    resource = (workflow.resource_settings.default_resources or {}).get(name)
    return None if resource is None else resource.raw


def refuse_idle_gpus():
    """Raise UserError where a profile asks for GPUs that the jobs would not use."""
    if experiment.execution.device != "cpu":
        return
    for rule, asked in workflow.resource_settings.overwrite_resources.items():
        if "gpu" in asked:
            raise UserError(
                f"execution.device is cpu, but the profile asks for GPUs for {rule} "
                "(training_gpus in slurm/config.yaml): change one of them"
            )


# A finished job would wait up to three minutes to be noticed; half a minute asks no more of SLURM.
cap_polling(seconds=30)
try:
    use_this_clone(SOURCE)
    if workflow.is_main_process:
        # Kept in a variable, since the lock is held as long as the object lives.
        running = runs_jobs(sys.argv[1:])
        folder_lock = claim_folder(Path(".snakemake"), keep=running)
        if running:
            begin_run(Path(".snakemake"))
    else:
        require_current_run(Path(".snakemake"))
    experiment, outline = plan_experiment()
    if workflow.is_main_process:
        folder = Path("results", experiment.name)
        if running:
            require_room(folder, Path(".snakemake"))
            # Now for a run that was killed, at the end for this one.
            clear_marks(folder)
            atexit.register(clear_marks, folder)
        for record, fault in hollow_records(folder, outline).items():
            print(f"{fault}; a run makes it anew", file=sys.stderr)
            if running:
                record.unlink()
        if not forces_jobs(sys.argv[1:]):
            refuse_strangers(folder, outline, Path(".snakemake"), command_line())
        if experiment.data.on_duplicates == "stop":
            refuse_copies(folder, outline)
        refuse_idle_gpus()
except UserError as error:
    raise WorkflowError(str(error))

ON_CLUSTER = workflow.is_main_process and runs_elsewhere(sys.argv[1:])
if ON_CLUSTER:
    # Here, since only a cluster's runs need its executor, which takes a second to load.
    from biorobust.config.slurm_jobs import watch_slurm_jobs

    watch_slurm_jobs(patience_seconds=90)
# On a cluster a retry goes on where a time limit, a preemption or a lost node ended the last.
TRAIN_RETRIES, MODEL_RETRIES = (20, 8) if ON_CLUSTER else (None, None)
MODEL_RESOURCES = model_resources()
EPSILONS = {
    places.ball_label(epsilon["text"]): epsilon["text"]
    for attack in outline["attacks"]
    for epsilon in attack["epsilons"]
}
MODELS = [model["name"] for model in outline["models"]]
ATTACKS = [attack["name"] for attack in outline["attacks"]]


wildcard_constraints:
    experiment=re.escape(experiment.name),
    model="|".join(map(re.escape, MODELS)),
    attack="|".join(map(re.escape, ATTACKS)),
    ball="|".join(map(re.escape, EPSILONS)),
    seed=r"\d+",
    part=r"\d+",
    parts=r"\d+",


def shard_plan(wildcards):
    return canonical_json(planning.shard_plan(outline))


def train_plan(wildcards):
    return canonical_json(
        planning.train_plan(outline, wildcards.model, int(wildcards.seed))
    )


def attack_job(wildcards):
    return places.AttackJob(
        wildcards.model,
        int(wildcards.seed),
        wildcards.attack,
        EPSILONS[wildcards.ball],
    )


def attack_plan(wildcards):
    return canonical_json(planning.attack_plan(outline, attack_job(wildcards)))


def plan_of_attack_part(wildcards):
    whole = planning.attack_plan(outline, attack_job(wildcards))
    part, parts = int(wildcards.part), int(wildcards.parts)
    return canonical_json(planning.attack_part_plan(whole, part, parts))


def attack_parts(wildcards):
    """The records of an attack job's parts; none where it does all the work itself."""
    parts = experiment.execution.attack_shards
    record = Path("results", experiment.name) / places.attack_record(
        attack_job(wildcards)
    )
    if parts == 1:
        return []
    return [
        str(places.attack_part_record(record, part, parts)) for part in range(parts)
    ]


def collect_plan(wildcards):
    return canonical_json(planning.collect_plan(outline))


def report_plan(kind, name):
    # A function, since Snakemake takes braces in a text for wildcards.
    return lambda wildcards: canonical_json(planning.report_plan(outline, kind, name))


def report_records(kind, name):
    inputs = planning.report_inputs(outline, kind, name)
    return below_results(record for _, record, _ in inputs)


def report_inputs(kind, name):
    """By which name a job knows each of its inputs. Taking `input`: as for `execution`."""
    sources = outline[kind][name]["inputs"]
    return lambda wildcards, input: [
        f"{source}={place}" for source, place in zip(sources, input)
    ]


def jobs_at_once(threads):
    """How many jobs of so many threads may write to this terminal; None where none is to."""
    cores = workflow.resource_settings.cores
    quiet = {kind.name for kind in workflow.output_settings.quiet or ()}
    if not workflow.is_main_process or ON_CLUSTER or quiet & {"ALL", "PROGRESS"}:
        return None
    return math.ceil(cores / threads)


def execution_alone(wildcards, input, resources):
    """As `execution`, for a job beside which nothing can run, since all else waits for it."""
    return execution(wildcards, input, resources, workflow.resource_settings.cores)


def execution(wildcards, input, resources, threads):
    """How a job runs. Taking `input` keeps it out of what Snakemake compares between runs."""
    settings = experiment.execution.model_dump()
    settings["jobs_at_once"] = jobs_at_once(threads)
    settings["gpus"] = resources.get("gpu", 0)
    settings["runtime_minutes"] = resources.get("runtime")
    path = experiment.data.path
    settings["data_path"] = str(Path(path).expanduser()) if path else None
    settings["on_duplicates"] = experiment.data.on_duplicates
    settings["snakemake"] = command_line()
    entries = {entry.name: entry for entry in experiment.models}
    entry = entries.get(getattr(wildcards, "model", None))
    # The card of a model is of all its seeds, and needs no weights.
    if entry is not None and entry.weights is not None and hasattr(wildcards, "seed"):
        settings["weights"] = str(weights_path(entry.weights, int(wildcards.seed)))
    return canonical_json(settings)


def below_results(records):
    return [str(Path("results", experiment.name, record)) for record in records]


def attack_records(wildcards):
    return below_results(map(places.attack_record, places.attack_jobs(outline)))


def check_records(wildcards):
    return below_results(map(places.check_record, places.check_jobs(outline)))


def training_records(wildcards):
    return below_results(
        places.training_record(*job) for job in places.training_jobs(outline)
    )


def lost_records(wildcards):
    """Results that were deleted from a finished experiment: Snakemake alone would not miss them."""
    folder = Path("results", experiment.name)
    if not any(folder.glob("results.json")) and not any(folder.glob("tables/*.json")):
        return []
    # The second record of the shard job, which the list of jobs does not have.
    records = [Path("shards", "test", "manifest.json")]
    records += [record for _, record in places.job_records(outline)]
    return [
        str(folder / record) for record in records if not (folder / record).is_file()
    ]


def table_files(table, *endings):
    return [
        f"results/{{experiment}}/tables/{name}.{ending}"
        for name in planning.report_files(outline, table)
        for ending in endings
    ]
