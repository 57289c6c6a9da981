"""What this program could have tried: cards tell what of it an experiment did not."""

from typing import Any, get_args

from biorobust.attacks.kinds import ATTACKS
from biorobust.checks.kinds import GROUPS_OF, checks_of
from biorobust.checks.recorded import AttackEntry as RecordedAttack
from biorobust.checks.witnesses import method_of
from biorobust.config.attacks import BuiltInAttack, Pgd


def catalogue() -> dict[str, Any]:
    """Every kind of attack, every loss and every check, as JSON-ready values.

    - `attacks`, by kind: `norms` that it may be given, `method` ("many steps", "single step",
      "black box" or "noise"), `minimal` (it searches for the smallest perturbation);
    - `losses` of PGD;
    - `checks`, by the word with which a config asks for them: what each costs, in passes of an
      image through the model, by check.
    """
    entries = {_kind(entry): entry for entry in get_args(get_args(BuiltInAttack)[0])}
    return {
        "attacks": {kind: _attack(kind, entries[kind]) for kind in ATTACKS},
        "losses": list(get_args(Pgd.model_fields["loss"].annotation)),
        "checks": {
            asked: {
                name: check.cost for group in groups for name, check in checks_of(group).items()
            }
            for asked, groups in GROUPS_OF.items()
        },
    }


def _kind(entry: Any) -> str:
    return str(get_args(entry.model_fields["kind"].annotation)[0])


def _attack(kind: str, entry: Any) -> dict[str, Any]:
    field = entry.model_fields.get("norm")
    # What knows a single norm has it as a constant.
    norms = list(get_args(field.annotation)) if field else [entry.norm]
    return {
        "norms": norms,
        "method": method_of(RecordedAttack(kind, kind, norms[0], {}, ())),
        "minimal": "epsilons" not in entry.model_fields,
    }
