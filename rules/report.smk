rule collect:
    input:
        attack_records,
    output:
        results="results/{experiment}/results.json",
        rows="results/{experiment}/results.parquet",
    log:
        "results/{experiment}/logs/collect.log",
    localrule: True
    conda:
        "../envs/biorobust.yaml"
    params:
        plan=collect_plan,
        execution=execution,
    shell:
        "python -m biorobust collect --plan {params.plan:q} --execution {params.execution:q}"
        " --records results={output.results:q} --log {log:q}"


# A rule each, since what a table writes depends on the experiment in its own way.
for table in outline["tables"]:

    rule:
        name:
            f"table_{table}"
        input:
            results="results/{experiment}/results.json",
        output:
            table_files(table, "csv", "md", "tex", "txt"),
            tables=f"results/{{experiment}}/tables/{table}.json",
        log:
            f"results/{{experiment}}/logs/tables/{table}.log",
        localrule: True
        conda:
            "../envs/biorobust.yaml"
        params:
            plan=table_plan(table),
            execution=execution,
        shell:
            "python -m biorobust tables --plan {params.plan:q} --execution {params.execution:q}"
            " --inputs results={input.results:q} --records tables={output.tables:q} --log {log:q}"


rule figure:
    input:
        results="results/{experiment}/results.json",
    output:
        "results/{experiment}/figures/{figure}.png",
        "results/{experiment}/figures/{figure}.pdf",
        figures="results/{experiment}/figures/{figure}.json",
    log:
        "results/{experiment}/logs/figures/{figure}.log",
    localrule: True
    conda:
        "../envs/biorobust.yaml"
    params:
        plan=figure_plan,
        execution=execution,
    shell:
        "python -m biorobust figures --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs results={input.results:q} --records figures={output.figures:q} --log {log:q}"


rule tables:
    input:
        lost_records,
        expand(
            "results/{experiment}/tables/{table}.json",
            experiment=experiment.name,
            table=outline["tables"],
        ),


rule figures:
    input:
        lost_records,
        expand(
            "results/{experiment}/figures/{figure}.json",
            experiment=experiment.name,
            figure=outline["figures"],
        ),
