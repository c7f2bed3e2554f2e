"""`modulux completion`: a script for your shell."""

from __future__ import annotations

import sys
from typing import Literal

from modulux.cli.common import Common


def completion(shell: Literal["bash", "zsh", "fish"] = "bash", *, common: Common | None = None) -> None:
    """Print the completion script for a shell.

    Save it where the shell looks:

    - `modulux completion bash > ~/.local/share/bash-completion/completions/modulux`
    - `modulux completion zsh > ~/.zfunc/_modulux`, with `fpath+=~/.zfunc` before `compinit` in `~/.zshrc`
    - `modulux completion fish > ~/.config/fish/completions/modulux.fish`

    Parameters
    ----------
    shell
        bash, zsh or fish
    """
    from modulux.cli.main import command_line

    script = command_line().generate_completion(shell=shell)
    (common or Common()).result({"shell": shell, "script": script}, lambda _: print_raw(script))


def print_raw(text: str) -> None:
    """To stdout as it is, without colours or wrapping."""
    sys.stdout.write(text)
