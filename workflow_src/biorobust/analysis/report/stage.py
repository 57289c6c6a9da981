"""The report stage: one HTML page of everything that an experiment found, for people to read.

In: the records of the collected rows, the test images, and of every table and figure. Out:
`report.html`, which holds its figures, style and script, and loads nothing. The same inputs give
the same bytes; of what it shows, only costs differ from run to run.
"""

import jinja2
import pandas as pd
from markupsafe import Markup

from biorobust.analysis.finding_marks import read_findings
from biorobust.analysis.report import origins
from biorobust.analysis.report.against_plain import compare_with_plain, tables_against_plain
from biorobust.analysis.report.answer import answer, claims_told
from biorobust.analysis.report.sections import sections_of
from biorobust.analysis.report.stage_graph import draw, stage_graph
from biorobust.analysis.report.template_files import TEMPLATES, template_sums
from biorobust.analysis.summary import check_agreement, read_results
from biorobust.analysis.verdicts import per_image
from biorobust.errors import UserError
from biorobust.files import write_text
from biorobust.jobs import Inputs, Job, Result, files_written


def run(job: Job, inputs: Inputs) -> Result:
    """Write the page beside the job's record.

    Raises UserError where a template is not the one that was planned, or an input cannot be read.
    """
    if template_sums() != job.plan["templates"]:
        raise UserError(
            "the templates of the report were edited after this job was planned; nothing was "
            "written; start snakemake again, and it will plan with the templates as they are now"
        )
    path = job.record.with_suffix(".html")
    write_text(path, write_page(job, inputs))
    return files_written("report", [path])


def write_page(job: Job, inputs: Inputs) -> str:
    """The page's HTML."""
    directory, outline = job.inputs["results"].parent, job.plan["outline"]
    results, findings = read_results(directory), read_findings(directory)
    check_agreement(results.rows)
    lines = compare_with_plain(per_image(results.rows), results.grid)
    models = [model["name"] for model in results.grid["models"]]
    graph = stage_graph(outline, job.plan["sources"], job.inputs)
    return (
        _templates()
        .get_template("page.html")
        .render(
            experiment=results.experiment,
            answer=answer(lines, results.grid, findings),
            claims=_claims(job),
            compared=Markup(tables_against_plain(lines)) if len(lines) else "",
            warnings=inputs["results"]["warnings"],
            sections=sections_of(job, inputs, models),
            cards=[name.partition(":")[2] for name in inputs if name.startswith("cards:")],
            graph=draw(*graph),
            data=Markup(origins.data_facts(outline, inputs["shards"])),
            settings=Markup(origins.model_facts(outline)),
            software=Markup(origins.software_facts(directory, outline)),
            code=Markup(origins.code_facts(outline)),
            accepted=Markup(origins.accepted_facts(job.plan["accepted"])),
            records=Markup(origins.record_facts(inputs)),
        )
    )


def _claims(job: Job) -> str:
    if "tables:claims" not in job.inputs:
        return ""
    return claims_told(pd.read_csv(job.inputs["tables:claims"].with_name("claims.csv")))


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        # Not by file name: whatever is put into the page is escaped unless it says otherwise.
        autoescape=True,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
