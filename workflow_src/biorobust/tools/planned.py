"""What the commands share that hold results against a config: its options, and its outline."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from biorobust.places import Outline

RESULTS = Path("results")
STATE = Path(".snakemake")


class Planned(NamedTuple):
    """An experiment as the config in the present folder has it: its raw config and outline."""

    raw: dict[str, Any]
    outline: Outline

    @property
    def folder(self) -> Path:
        """Where the experiment's results stand."""
        return RESULTS / str(self.outline["experiment"])


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which config, as Snakemake has them."""
    parser.add_argument(
        *("--configfile", "--configfiles"), type=Path, nargs="+", default=[], help="as snakemake's"
    )
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE", help="likewise")


def read_planned(options: argparse.Namespace) -> Planned:
    """The experiment that snakemake would run with these options.

    Raises UserError for a config that snakemake would refuse, and where the data is not there.
    """
    from biorobust.config.outline import make_outline
    from biorobust.config.overlays import read_config
    from biorobust.config.reading import read_experiment

    raw = read_config(Path("config.yaml"), options.configfile, options.config)
    return Planned(raw, make_outline(read_experiment(raw), STATE / "source-hashes.json"))
