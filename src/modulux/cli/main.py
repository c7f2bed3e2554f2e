"""The edge: the verbs, and the one handler for errors."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Collection
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
        "stop": "Take an app away from a running desktop.",
        "swap": "Change parts of a running desktop.",
        "resize": "Change the size of a running desktop's screen.",
    },
    "Modules and plans": {
        "plan": "Show what a desktop file comes to, without touching anything.",
        "build": "Build module images.",
        "modules": "List the modules there are.",
        "module": "Make a module (new), or judge one (check).",
    },
    "Keep and carry": {
        "backup": "Keep a desktop: its file, its data and its picture, encrypted.",
        "snapshots": "List what is kept.",
        "restore": "Bring a desktop back, whole or some of its files.",
        "forget": "Let go of snapshots, by name or by rules.",
        "verify": "Prove a snapshot: its structure, every byte, or that it starts and looks as it did.",
        "clone": "Copy a desktop under another name.",
        "rollback": "Take a desktop, or one module's image, back to what it was.",
        "upgrade": "Rebuild a desktop from the archive of today; back by itself if it is not drawn.",
        "storage": "Move an engine's images, containers and volumes to another disk, or show where they lie.",
        "export": "Write a desktop, with its data and images, into one file.",
        "import": "Take a desktop from such a file.",
        "push": "Put a desktop and its modules' images into a registry.",
        "pull": "Take a desktop from a registry.",
    },
    "Machines of containers": {
        "machine": "A computer that boots into containers.",
    },
    "This machine": {
        "doctor": "Find what stops the engines here, and how to mend it.",
        "matrix": "Try out every display, session and viewer that fit together.",
        "bench": "Measure speed, memory and size beside what you would use instead.",
        "show-config": "Show every setting and where it comes from.",
        "completion": "Print the completion script for a shell.",
    },
}
"""Each verb's group and one line about it; the verb itself is imported only when it is called."""

NESTED = {
    "module": {
        "new": "Write a new module that builds and passes its own test.",
        "check": "Judge a module: contract, build, start, tests.",
    },
    "storage": {
        "show": "Show where the engines keep their data, and which disk has room for them.",
        "move": "Move all data of an engine to another disk.",
        "commit": "Remove the old data of an engine that was moved.",
        "undo": "Put everything back as it was before a move.",
    },
    "machine": {
        "build": "Build a machine: kernel, system, store of modules.",
        "run": "Boot a machine in QEMU, with screen, sound, network and a disk.",
        "install": "Write a machine to a disk, erasing what is on it.",
        "list": "List the ready-made machines, and those that run.",
        "open": "Fresh ways into a machine that runs.",
        "show": "Bring another desktop of a machine to the front of its screen.",
        "eject": "Take a memory stick of a machine off, so that it may be pulled out.",
        "storage": "Show a machine's disks, and take all that it keeps to a bigger one.",
        "console": "Talk to a machine by its serial line, as to its installer.",
        "screenshot": "What a machine's graphics card shows.",
        "log": "What a machine, or one of its containers, said.",
        "do": "Back up, restore, export or import what a machine's desktops hold.",
        "start": "Start a desktop of a machine that rests.",
        "stop": "End a machine that runs, as its power button would; or one desktop of it.",
        "describe": "The file that describes a machine that runs, asked of itself; it builds the same machine.",
        "bench": "How long a machine takes to boot, beside Debian, and where its seconds go.",
        "upgrade": "Put the machine of today into the other slot; back by itself if its desktop does not get ready.",
        "update": "Replace one module of a machine that runs, without a new start; back by itself if it does not get ready.",
        "rollback": "Start a machine from its other slot; or take one module's update back.",
        "kernel": "Choose the kernel of a machine (list, set, test).",
    },
    "machine kernel": {
        "list": "List the kernels there are.",
        "set": "Put another kernel into a machine file, if it has what the machine needs.",
        "test": "Hold a kernel against what a machine needs.",
    },
}
"""Verbs of verbs, each in a file of all its words."""

FILES = {"import": "import_"}
"""Files whose verb is a word that Python keeps for itself."""

FUNCTIONS = {"exec": "execute", "import": "import_desktop", "export": "export_desktop", "open": "open_way", "run": "run_app"}
FUNCTIONS |= {"machine run": "run_machine", "machine open": "open_machine", "machine list": "list_machines"}
FUNCTIONS |= {"machine show": "show_desktop", "machine eject": "eject_stick", "machine bench": "bench_machine"}
FUNCTIONS |= {"machine kernel list": "list_kernels", "machine kernel set": "set_kernel", "machine kernel test": "try_kernel"}
"""Functions whose verb is a word that Python keeps for itself."""


def command_line(called: Collection[str] = ()) -> App:
    """The whole command line, its verbs not yet imported.

    Args:
        called: words of the command line. A verb among them explains itself by its docstring; the others, not imported, by
            their one line.
    """

    def lazy(target: App, verb: str, function: str, line: str, group: str | None = None) -> None:
        target.command(f"modulux.cli.{function}", name=verb, group=group, help=None if verb in called else line)

    app = App(
        name="modulux",
        help=HELP,
        version=__version__,
        default_parameter=Parameter(negative=(), show_default=False),
        exit_on_error=False,
        print_error=False,
        help_format="markdown",
        suppress_keyboard_interrupt=False,
    )

    def nested(target: App, words: str, line: str, group: str | None = None) -> None:
        inner = App(name=words.rpartition(" ")[2], help=line, group=group)
        for word, its in NESTED[words].items():
            whole = f"{words} {word}"
            if whole in NESTED:
                nested(inner, whole, its)
            else:
                lazy(inner, word, f"{whole.replace(' ', '_')}:{FUNCTIONS.get(whole, word)}", its)
        target.command(inner)

    for group, verbs in VERBS.items():
        for verb, line in verbs.items():
            if verb in NESTED:
                nested(app, verb, line, group)
            else:
                file = FILES.get(verb, verb.replace("-", "_"))
                lazy(app, verb, f"{file}:{FUNCTIONS.get(verb, file)}", line, group)
    return app


def main(argv: list[str] | None = None) -> None:
    """Run the command line and end the process with the error's own exit code."""
    tokens = sys.argv[1:] if argv is None else argv
    ours = tokens[: tokens.index("--")] if "--" in tokens else tokens
    debug = "--debug" in ours
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(relativeCreated)6d ms  %(message)s", stream=sys.stderr
    )
    signal.signal(signal.SIGTERM, _terminated)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _terminated)
    try:
        command_line(ours)(tokens or ["--help"], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(str(error), " ".join(["modulux", *(error.command_chain or ()), "--help"]), 2)
    except ModuluxError as error:
        if debug:
            raise
        _fail(str(error), error.hint, error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", None, 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if debug:
            raise
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), "--debug shows where", 5)


def _terminated(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def _fail(message: str, hint: str | None, code: int) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    console.print("[bold red]modulux:[/] ", end="")
    console.print(message, markup=False)
    if hint:
        console.print("[bold]hint:[/] ", end="")
        console.print(hint, markup=False)
    sys.exit(code)
