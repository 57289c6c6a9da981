"""Which class stands behind each kind of model that a config can name."""

MODELS: dict[str, str] = {
    "coarse_fixations": "biorobust.models.coarse_fixations:CoarseFixations",
    "cortical_fixations": "biorobust.models.cortical_fixations:CorticalFixations",
    "multi_gaze": "biorobust.models.multi_gaze:MultiGaze",
    "parallel_transformers": "biorobust.models.parallel_transformers:ParallelTransformers",
    "retinal_fixations": "biorobust.models.retinal_fixations:RetinalFixations",
    "standard": "biorobust.models.standard:Standard",
}
