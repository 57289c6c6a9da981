"""`biorobust completion`: a script with which a shell completes the command line."""

import argparse
from pathlib import Path

from biorobust.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = "Print a script with which bash or zsh completes commands and options."
    parser.epilog = (
        'Examples:\n  eval "$(biorobust completion bash)"   (in ~/.bashrc)\n'
        "  biorobust completion zsh > ~/.zfunc/_biorobust   (with ~/.zfunc in fpath)"
    )
    parser.add_argument("shell", choices=("bash", "zsh"))


def completion(shell: str, parser: argparse.ArgumentParser) -> int:
    """Print the script for the whole command line. Raises UserError where shtab is missing."""
    try:
        import shtab
    except ModuleNotFoundError:
        raise UserError(
            "shell completion needs the package shtab: pip install shtab, then try again"
        ) from None
    pending = [parser]
    while pending:
        for action in pending.pop()._actions:
            if isinstance(action, argparse._SubParsersAction):
                pending += action.choices.values()
            elif action.type is Path:
                # So shtab is told what to complete with.
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell))
    return 0
