rule attack:
    input:
        training="results/{experiment}/models/{model}/seed-{seed}/training.json",
        shards="results/{experiment}/shards/test/manifest.json",
    output:
        attack="results/{experiment}/models/{model}/seed-{seed}/attacks/{attack}/{ball}.json",
    log:
        "results/{experiment}/logs/attack/{model}/seed-{seed}/{attack}/{ball}.log",
    conda:
        "../envs/biorobust.yaml"
    threads: experiment.execution.threads
    params:
        plan=attack_plan,
        execution=execution,
    shell:
        "python -m biorobust attack --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs training={input.training:q} shards={input.shards:q}"
        " --records attack={output.attack:q} --log {log:q}"


rule attacks:
    input:
        attack_records,
