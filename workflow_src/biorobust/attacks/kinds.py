"""Which class stands behind each kind of attack that a config can name."""

ATTACKS: dict[str, str] = {
    "bim": "biorobust.attacks.iterative:BasicIterative",
    "fgsm": "biorobust.attacks.iterative:FastGradientSign",
    "pgd": "biorobust.attacks.iterative:ProjectedGradientDescent",
}
