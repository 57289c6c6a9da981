"""From a kind of attack, as a config names it, to the attack."""

from importlib import import_module
from inspect import signature
from typing import Any, cast

from biorobust.attacks.base import ImageAttack
from biorobust.attacks.kinds import ATTACKS
from biorobust.errors import UserError


def attack_class(kind: str) -> type[ImageAttack]:
    """The class behind a kind; imports its module alone. Raises UserError for an unknown kind."""
    if kind not in ATTACKS:
        raise UserError(f"there is no attack kind {kind!r}; the kinds are {', '.join(ATTACKS)}")
    module, name = ATTACKS[kind].split(":")
    return cast(type[ImageAttack], getattr(import_module(module), name))


def build_attack(kind: str, **options: Any) -> ImageAttack:
    """An attack of a kind, with the kind's options; those left out have their defaults.

    Raises UserError for an unknown kind or option, or for an impossible value.
    """
    family = attack_class(kind)
    known = list(signature(family).parameters)
    for option in options:
        if option not in known:
            raise UserError(
                f"attack kind {kind} has no option {option!r}; "
                f"its options are {', '.join(known) or 'none'}"
            )
    try:
        return family(**options)
    except ValueError as error:
        raise UserError(f"attack kind {kind}: {error}") from error
