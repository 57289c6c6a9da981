rule train:
    input:
        shards="results/{experiment}/shards/train/manifest.json",
    output:
        training="results/{experiment}/models/{model}/seed-{seed}/training.json",
    log:
        "results/{experiment}/logs/train/{model}/seed-{seed}.log",
    retries: TRAIN_RETRIES
    conda:
        "../envs/biorobust.yaml"
    threads: experiment.execution.threads
    resources:
        **MODEL_RESOURCES,
    params:
        plan=train_plan,
        execution=execution,
    shell:
        "python -m biorobust train --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs shards={input.shards:q} --records training={output.training:q} --log {log:q}"


rule models:
    input:
        training_records,
