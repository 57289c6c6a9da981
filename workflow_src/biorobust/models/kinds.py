"""Which class stands behind each kind of model that a config can name."""

MODELS: dict[str, str] = {
    "coarse_fixations": "biorobust.models.coarse_fixations:CoarseFixations",
    "cortical_fixations": "biorobust.models.cortical_fixations:CorticalFixations",
    "retinal_fixations": "biorobust.models.retinal_fixations:RetinalFixations",
    "standard": "biorobust.models.standard:Standard",
}
