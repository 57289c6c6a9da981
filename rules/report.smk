rule collect:
    input:
        attack_records,
        check_records,
    output:
        results="results/{experiment}/results.json",
        rows="results/{experiment}/results.parquet",
        corrections="results/{experiment}/corrections.parquet",
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
            report_records("tables", table),
        output:
            table_files(table, "csv", "html", "md", "tex", "txt"),
            tables=f"results/{{experiment}}/tables/{table}.json",
        log:
            f"results/{{experiment}}/logs/tables/{table}.log",
        localrule: True
        conda:
            "../envs/biorobust.yaml"
        params:
            plan=report_plan("tables", table),
            inputs=report_inputs("tables", table),
            execution=execution,
        shell:
            "python -m biorobust tables --plan {params.plan:q} --execution {params.execution:q}"
            " --inputs {params.inputs:q} --records tables={output.tables:q} --log {log:q}"


# A rule each, since only those that run no model are for the machine that snakemake runs on.
for figure in outline["figures"]:

    rule:
        name:
            f"figure_{figure}"
        input:
            report_records("figures", figure),
        output:
            f"results/{{experiment}}/figures/{figure}.png",
            f"results/{{experiment}}/figures/{figure}.pdf",
            f"results/{{experiment}}/figures/{figure}.svg",
            figures=f"results/{{experiment}}/figures/{figure}.json",
        log:
            f"results/{{experiment}}/logs/figures/{figure}.log",
        localrule: not FIGURES[figure].runs_model
        conda:
            "../envs/biorobust.yaml"
        threads: experiment.execution.threads if FIGURES[figure].runs_model else 1
        resources:
            **(MODEL_RESOURCES if FIGURES[figure].runs_model else {}),
        params:
            plan=report_plan("figures", figure),
            inputs=report_inputs("figures", figure),
            execution=execution,
        shell:
            "python -m biorobust figures --plan {params.plan:q} --execution {params.execution:q}"
            " --inputs {params.inputs:q} --records figures={output.figures:q} --log {log:q}"


rule card:
    input:
        lambda wildcards: report_records("cards", wildcards.model),
    output:
        "results/{experiment}/cards/{model}.md",
        cards="results/{experiment}/cards/{model}.json",
    log:
        "results/{experiment}/logs/cards/{model}.log",
    localrule: True
    conda:
        "../envs/biorobust.yaml"
    params:
        plan=lambda wildcards: report_plan("cards", wildcards.model)(wildcards),
        inputs=lambda wildcards, input: report_inputs("cards", wildcards.model)(
            wildcards, input
        ),
        execution=execution,
    shell:
        "python -m biorobust cards --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs {params.inputs:q} --records cards={output.cards:q} --log {log:q}"


rule tables:
    input:
        lost_records,
        expand(
            "results/{experiment}/tables/{table}.json",
            experiment=experiment.name,
            table=[table for table in outline["tables"] if table != planning.COSTS],
        ),


rule figures:
    input:
        lost_records,
        expand(
            "results/{experiment}/figures/{figure}.json",
            experiment=experiment.name,
            figure=outline["figures"],
        ),


rule cards:
    input:
        lost_records,
        expand(
            "results/{experiment}/cards/{model}.json",
            experiment=experiment.name,
            model=outline["cards"],
        ),


# Beside `tables`, since this one waits for the figures and cards.
rule costs:
    input:
        lost_records,
        f"results/{experiment.name}/tables/{planning.COSTS}.json",


# Everything on one page, for people.
rule report:
    input:
        report_records(places.PAGE, places.PAGE),
    output:
        f"results/{experiment.name}/report.html",
        report=f"results/{experiment.name}/report.json",
    log:
        f"results/{experiment.name}/logs/report.log",
    localrule: True
    conda:
        "../envs/biorobust.yaml"
    params:
        plan=report_plan(places.PAGE, places.PAGE),
        inputs=report_inputs(places.PAGE, places.PAGE),
        execution=execution,
    shell:
        "python -m biorobust report --plan {params.plan:q} --execution {params.execution:q}"
        " --inputs {params.inputs:q} --records report={output.report:q} --log {log:q}"
