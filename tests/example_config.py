"""A small config as YAML text, and what becomes of it with other text at a place."""

from typing import Any

import yaml

CONFIG = """
name: pets
seeds: [0, 1]
data: {source: digits, image_size: 32}
training: {epochs: 3}
models:
  - {name: plain, kind: standard}
  - {name: eye, kind: retinal_fixations}
attacks:
  - {name: pgd, kind: pgd, epsilons: [0.01, 8/255]}
checks: {groups: [rows, cheap]}
execution: {threads: 2}
"""


def at(config: Any, place: str) -> Any:
    for part in filter(None, place.split(".")):
        config = config[int(part) if part.isdigit() else part]
    return config


def config_with(**changes: Any) -> dict[str, Any]:
    """The config above with YAML text at each place: `models.0.width="16"`."""
    config = yaml.safe_load(CONFIG)
    for place, text in changes.items():
        parent, _, key = place.rpartition(".")
        at(config, parent)[int(key) if key.isdigit() else key] = yaml.safe_load(text)
    return config
