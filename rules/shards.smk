rule shard:
    output:
        train="results/{experiment}/shards/train/manifest.json",
        test="results/{experiment}/shards/test/manifest.json",
    log:
        "results/{experiment}/logs/shard.log",
    conda:
        "../envs/biorobust.yaml"
    params:
        plan=shard_plan,
        execution=execution_alone,
    shell:
        "python -m biorobust shard --plan {params.plan:q} --execution {params.execution:q}"
        " --records train={output.train:q} test={output.test:q} --log {log:q}"


rule shards:
    input:
        expand(
            "results/{experiment}/shards/{split}/manifest.json",
            experiment=experiment.name,
            split=["train", "test"],
        ),
