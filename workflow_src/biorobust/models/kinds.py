"""Which class stands behind each kind of model that a config can name."""

MODELS: dict[str, str] = {
    "retinal_fixations": "biorobust.models.retinal_fixations:RetinalFixations",
    "standard": "biorobust.models.standard:Standard",
}
