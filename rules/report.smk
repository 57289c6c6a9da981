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


rule table:
    input:
        results="results/{experiment}/results.json",
    output:
        table_files("csv", "md", "tex", "txt"),
        tables="results/{experiment}/tables/adversarial_accuracy.json",
    log:
        "results/{experiment}/logs/tables/adversarial_accuracy.log",
    localrule: True
    conda:
        "../envs/biorobust.yaml"
    params:
        plan=table_plan,
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
        f"results/{experiment.name}/tables/adversarial_accuracy.json",


rule figures:
    input:
        lost_records,
        expand(
            "results/{experiment}/figures/{figure}.json",
            experiment=experiment.name,
            figure=outline["figures"],
        ),
