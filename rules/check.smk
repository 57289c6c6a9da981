# A rule each, since only those that run no model are for the machine that snakemake runs on.
for group in outline["checks"]:

    rule:
        name:
            f"check_{group['name']}"
        input:
            check_records_read(group["name"]),
        output:
            check=(
                "results/{experiment}/models/{model}/seed-{seed}/checks/"
                f"{group['name']}.json"
            ),
        log:
            "results/{experiment}/logs/check/{model}/seed-{seed}/"
            f"{group['name']}.log",
        retries: MODEL_RETRIES if group["runs_model"] else None
        localrule: not group["runs_model"]
        conda:
            "../envs/biorobust.yaml"
        threads: experiment.execution.threads if group["runs_model"] else 1
        resources:
            **(MODEL_RESOURCES if group["runs_model"] else {}),
        params:
            plan=check_plan(group["name"]),
            inputs=check_inputs(group["name"]),
            execution=execution,
        shell:
            "python -m biorobust check --plan {params.plan:q} --execution {params.execution:q}"
            " --inputs {params.inputs:q} --records check={output.check:q} --log {log:q}"


rule checks:
    input:
        check_records,
