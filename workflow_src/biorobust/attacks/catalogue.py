"""From a kind of attack, as a config names it, to the attack."""

from inspect import signature
from typing import Any, cast

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.kinds import ATTACKS
from biorobust.errors import UserError
from biorobust.extensions import construct, is_reference, kind_class


def attack_class(kind: str) -> type[ImageAttack]:
    """The class behind a kind, or behind a reference to a user's own; imports its module alone.

    Raises UserError for an unknown kind, and for an own class that is no `ImageAttack`.
    """
    advice = (
        "derive it from BudgetAttack or MinimalAttack in biorobust.attacks.base, which say what an "
        "attack must keep"
    )
    return cast(type[ImageAttack], kind_class("attack", kind, ATTACKS, ImageAttack, advice))


def build_attack(kind: str, **options: Any) -> ImageAttack:
    """An attack of a kind, with the kind's options; those left out have their defaults.

    Of a user's own kind, `norm` may be given although its constructor takes none: it must then be
    the norm that the attack has.

    Raises UserError for an unknown kind or option, or for an impossible value.
    """
    family = attack_class(kind)
    wanted = None
    if is_reference(kind) and "norm" not in signature(family).parameters:
        wanted = options.pop("norm", None)
    attack = construct(f"attack kind {kind}", family, options)
    if wanted not in (None, attack.norm):
        raise UserError(
            f"attack kind {kind} is of norm {attack.norm}, and the config says {wanted}; "
            "correct the config"
        )
    return attack
