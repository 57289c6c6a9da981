"""Which class stands behind each kind of attack that a config can name."""

ATTACKS: dict[str, str] = {
    "adam_pgd": "biorobust.attacks.adam_pgd:AdamPgd",
    "additive_uniform_noise": "biorobust.attacks.noise:AdditiveUniformNoise",
    "auto_attack": "biorobust.attacks.auto_attack:AutoAttack",
    "bim": "biorobust.attacks.iterative:BasicIterative",
    "boundary": "biorobust.attacks.decision_based:Boundary",
    "carlini_wagner": "biorobust.attacks.carlini_wagner:CarliniWagner",
    "contrast_reduction": "biorobust.attacks.degradations:ContrastReduction",
    "ddn": "biorobust.attacks.minimum_norm:DecoupledDirectionNorm",
    "deepfool": "biorobust.attacks.deepfool:DeepFool",
    "fgsm": "biorobust.attacks.iterative:FastGradientSign",
    "fmn": "biorobust.attacks.minimum_norm:FastMinimumNorm",
    "gaussian_blur": "biorobust.attacks.degradations:GaussianBlur",
    "hop_skip_jump": "biorobust.attacks.decision_based:HopSkipJump",
    "local_search": "biorobust.attacks.pixels:LocalSearch",
    "pgd": "biorobust.attacks.iterative:ProjectedGradientDescent",
    "salt_and_pepper": "biorobust.attacks.noise:SaltAndPepper",
    "single_pixel": "biorobust.attacks.pixels:SinglePixel",
    "square": "biorobust.attacks.square:Square",
}
