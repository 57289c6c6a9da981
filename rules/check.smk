rule check:
    input:
        check_inputs,
    output:
        check="results/{experiment}/models/{model}/seed-{seed}/checks/{group}.json",
    log:
        "results/{experiment}/logs/check/{model}/seed-{seed}/{group}.log",
    conda:
        "../envs/biorobust.yaml"
    threads: experiment.execution.threads
    params:
        plan=check_plan,
        inputs=places_of_check_inputs,
        execution=execution,
    shell:
        "python -m biorobust check --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs {params.inputs:q} --records check={output.check:q} --log {log:q}"


rule checks:
    input:
        check_records,
