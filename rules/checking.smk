# What the rules of checks are given. No rules here.
def check_job(wildcards, group):
    return places.CheckJob(wildcards.model, int(wildcards.seed), group)


def check_plan(group):
    return lambda wildcards: canonical_json(
        planning.check_plan(outline, check_job(wildcards, group))
    )


def check_records_read(group):
    return lambda wildcards: below_results(
        record
        for _, record, _ in planning.check_inputs(outline, check_job(wildcards, group))
    )


def check_inputs(group):
    """By which name a job knows each of its inputs. Taking `input`: as for `execution`."""
    return lambda wildcards, input: [
        f"{name}={place}"
        for (name, _, _), place in zip(
            planning.check_inputs(outline, check_job(wildcards, group)), input
        )
    ]
