"""The edge: the verbs, and the one handler for errors."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError
from rich.console import Console

from modulux import __version__
from modulux.errors import ModuluxError

HELP = """A whole Linux in containers: display, viewer, desktop environment and every application each in one of its own.

`modulux up` builds what is missing, starts the desktop `xfce` and prints how to see it."""

VERBS = {
    "Desktops": {
        "up": "Start a desktop, or make a running one match its file.",
        "down": "Stop a desktop; its data stays.",
        "ps": "List the running desktops and their modules.",
        "open": "Print a fresh link for the browser, and a password for a VNC client.",
        "screenshot": "Save a desktop's picture as a PNG file.",
        "logs": "Show what a desktop's modules have printed.",
        "exec": "Run a command inside a module.",
        "run": "Start an app more on a running desktop.",
    },
    "Modules and plans": {
        "plan": "Show what a desktop file comes to, without touching anything.",
        "build": "Build module images.",
        "modules": "List the modules there are.",
        "module": "Make a module (new), or judge one (check).",
    },
    "This machine": {
        "doctor": "Find what stops the engines here, and how to mend it.",
        "bench": "Measure speed, memory and size beside what you would use instead.",
        "show-config": "Show every setting and where it comes from.",
        "completion": "Print the completion script for a shell.",
    },
}
"""Each verb's group and one line about it; the verb itself is imported only when it is called."""

FUNCTIONS = {"exec": "execute", "open": "open_way", "run": "run_app"}
"""Functions whose verb is a word that Python keeps for itself."""


def command_line() -> App:
    """The whole command line, its verbs not yet imported."""
    app = App(
        name="modulux",
        help=HELP,
        version=__version__,
        default_parameter=Parameter(negative=(), show_default=False),
        exit_on_error=False,
        print_error=False,
        help_format="markdown",
    )
    for group, verbs in VERBS.items():
        for verb, line in verbs.items():
            if verb == "module":
                module = App(name="module", help=line, group=group)
                module.command(
                    "modulux.cli.module_new:new", name="new", help="Write a new module that builds and passes its own test."
                )
                module.command(
                    "modulux.cli.module_check:check", name="check", help="Judge a module: contract, build, start, tests."
                )
                app.command(module)
            else:
                file = verb.replace("-", "_")
                app.command(f"modulux.cli.{file}:{FUNCTIONS.get(verb, file)}", name=verb, group=group, help=line)
    return app


def main(argv: list[str] | None = None) -> None:
    """Run the command line and end the process with the error's own exit code."""
    tokens = sys.argv[1:] if argv is None else argv
    debug = "--debug" in tokens
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(relativeCreated)6d ms  %(message)s", stream=sys.stderr
    )
    signal.signal(signal.SIGTERM, _terminated)
    try:
        command_line()(tokens or ["--help"], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(str(error), "modulux --help", 2)
    except ModuluxError as error:
        if debug:
            raise
        _fail(str(error), error.hint, error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", None, 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _terminated(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def _fail(message: str, hint: str | None, code: int) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]modulux:[/] ", end="")
    console.print(message, markup=False)
    if hint:
        console.print("[bold]hint:[/] ", end="")
        console.print(hint, markup=False)
    sys.exit(code)
