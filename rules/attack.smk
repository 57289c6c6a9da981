rule attack:
    input:
        training="results/{experiment}/models/{model}/seed-{seed}/training.json",
        shards="results/{experiment}/shards/test/manifest.json",
        parts=attack_parts,
    output:
        attack="results/{experiment}/models/{model}/seed-{seed}/attacks/{attack}/{ball}.json",
    log:
        "results/{experiment}/logs/attack/{model}/seed-{seed}/{attack}/{ball}.log",
    retries: MODEL_RETRIES
    conda:
        "../envs/biorobust.yaml"
    threads: experiment.execution.threads
    resources:
        **MODEL_RESOURCES,
    params:
        plan=attack_plan,
        execution=execution,
    shell:
        "python -m biorobust attack --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs training={input.training:q} shards={input.shards:q}"
        " --records attack={output.attack:q} --log {log:q}"


# Only where execution.attack_shards splits the test set; the attack job takes these rows.
rule attack_part:
    input:
        training="results/{experiment}/models/{model}/seed-{seed}/training.json",
        shards="results/{experiment}/shards/test/manifest.json",
    output:
        attack=temp(
            "results/{experiment}/models/{model}/seed-{seed}/attacks/{attack}/{ball}.parts/"
            "{part}-of-{parts}.json"
        ),
    log:
        "results/{experiment}/logs/attack/{model}/seed-{seed}/{attack}/{ball}-{part}-of-{parts}.log",
    retries: MODEL_RETRIES
    conda:
        "../envs/biorobust.yaml"
    threads: experiment.execution.threads
    resources:
        **MODEL_RESOURCES,
    params:
        plan=plan_of_attack_part,
        execution=execution,
    shell:
        "python -m biorobust attack --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs training={input.training:q} shards={input.shards:q}"
        " --records attack={output.attack:q} --log {log:q}"


rule attacks:
    input:
        attack_records,
