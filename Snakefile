# From a data set to a table of adversarial accuracies. What each stage hands on: README.md.
# Try `snakemake --cores 2`, `snakemake --cores 2 tables`, `snakemake -n`.
from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/shards.smk"
include: "rules/train.smk"
include: "rules/attack.smk"
include: "rules/checking.smk"
include: "rules/check.smk"
include: "rules/report.smk"
include: "rules/ending.smk"


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.cards.input,
        rules.costs.input,
        rules.report.output,


onsuccess:
    show_tables()


onerror:
    show_partial_tables(log)
