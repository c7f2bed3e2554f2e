"""`modulux completion`: a script for your shell."""

from __future__ import annotations

import sys
from typing import Literal

from modulux.cli.common import Common


def completion(shell: Literal["bash", "zsh", "fish"] = "bash", *, common: Common | None = None) -> None:
    """Print the completion script for a shell: `modulux completion bash > ~/.local/share/bash-completion/completions/modulux`.

    Parameters
    ----------
    shell
        bash, zsh or fish
    """
    from modulux.cli.main import command_line

    script = command_line().generate_completion(shell=shell)
    if common is not None and common.json:
        common.result({"shell": shell, "script": script}, lambda console: None)
    else:
        sys.stdout.write(script)
