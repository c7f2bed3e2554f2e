"""The fat container that Modulux is compared with: the same packages in one image, started as most desktop images are."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux import run
from modulux.bench import engine as eng
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import BuildError, EngineError
from modulux.paths import lock, shipped

HERE = Path(__file__).parent / "fat"
REPOSITORY = "localhost/modulux-bench"
PARTS = ("base/graphics", "display/xvfb", "viewer/x11vnc", "session/xfce")
FULL = ("xvfb", "x11vnc", "xfce4", "dbus-x11")  # what most recipes say, recommended packages and all
WEB = ("websockify", "novnc")  # today's images carry them where Modulux has its gateway


@dataclass(frozen=True)
class Fat:
    """An image of one container with everything in it, and the socket inside at which its picture is served."""

    name: str
    image: str
    socket: str


def packages(modules: Path) -> tuple[str, ...]:
    """What the modules' Containerfiles install.

    Raises:
        BuildError: one of them installs nothing that can be read here.
    """
    found: list[str] = []
    for part in PARTS:
        text = (modules / part / "Containerfile").read_text().replace("\\\n", " ")
        lines = re.findall(r"/usr/lib/modulux/install((?:\s+[a-z0-9][a-z0-9.+-]+)+)", text)
        if not lines:
            raise BuildError(f"bench does not find the packages of {part} in its Containerfile")
        found += [word for line in lines for word in line.split()]
    return tuple(dict.fromkeys(found))


def build(engine: CommandLineEngine, plan: dict[str, Any], say: Callable[[str], None]) -> tuple[Fat, Fat, Fat]:
    """Build those that are not there: the same packages as it is done today, the same with our tuning, and Debian's whole Xfce.

    Args:
        plan: what `modulux plan --json` says about the desktop that they are compared with.
        say: told when another build has to be waited for.
    """
    base = next(image["reference"] for image in plan["images"] if image["module"] == "base/debian-13")
    same = {"BASE": base, "PACKAGES": " ".join((*packages(shipped("modules")), *WEB))}
    full = {"BASE": base, "PACKAGES": " ".join((*FULL, *WEB)), "RECOMMENDS": "--install-recommends"}
    recipe = "".join(path.read_text() for path in sorted(HERE.iterdir()))
    fat, whole = (f"{REPOSITORY}/{name}:{_hash(recipe + repr(a))}" for name, a in (("fat", same), ("fat-full", full)))
    references = [image["reference"] for image in plan["images"]]
    tuned = f"{REPOSITORY}/fat-tuned:{_hash(recipe + repr(references) + _script(plan))}"
    # Other builds sweep up what they find half-made, unless they know of it by this lock.
    with lock("build", lambda: say("another modulux is building; waiting for it")) as fd:
        run.HELD.add(fd)
        try:
            have = engine.ours(REPOSITORY)
            for reference, arguments in ((fat, same), (whole, full)):
                if reference not in have:
                    _build(engine, reference, arguments, _context)
            if tuned not in have:
                _build(engine, tuned, {"FAT": fat}, lambda folder: _tuned_context(folder, plan))
            # Those of before: never another's, for the repository is bench's own.
            _forget(
                engine, [image for image in have if image.startswith(f"{REPOSITORY}/") and image not in (fat, whole, tuned)]
            )
        finally:
            run.HELD.discard(fd)
    return (
        Fat("one fat container", fat, "/tmp/rfb.sock"),
        Fat("fat, with our tuning", tuned, "/run/modulux/rfb/xfce.x11vnc.sock"),
        Fat("fat, all that Debian recommends", whole, "/tmp/rfb.sock"),
    )


def _build(engine: CommandLineEngine, reference: str, arguments: dict[str, str], fill: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="modulux-bench.") as folder:
        fill(Path(folder))
        eng.build(engine, Path(folder), reference, arguments)


def _forget(engine: CommandLineEngine, images: Sequence[str]) -> None:
    for image in images:
        with contextlib.suppress(EngineError):  # a container of another bench may use it still
            engine.remove("image", [image])


def _context(folder: Path) -> None:
    shutil.copy(HERE / "start", folder)
    shutil.copy(HERE / "Containerfile", folder / "Dockerfile")  # the one name that both engines look for by themselves


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _tuned_context(folder: Path, plan: dict[str, Any]) -> None:
    modules = shipped("modules")
    for part in PARTS:
        if (modules / part / "rootfs").is_dir():
            shutil.copytree(modules / part / "rootfs", folder / "rootfs", symlinks=True, dirs_exist_ok=True)
    shutil.copy(HERE / "Containerfile.tuned", folder / "Dockerfile")
    start = folder / "start"
    start.write_text(_script(plan))
    start.chmod(0o755)


def _script(plan: dict[str, Any]) -> str:
    """Starts the modules' own commands, with their own environment, next to each other."""
    roles: Sequence[str] = ("display", "viewer", "session")
    lines = ["#!/bin/sh"]
    for container in plan["containers"]:
        if container["role"] in roles:
            words = [f"{key}={value}" for key, value in container["env"].items() if key != "XDG_RUNTIME_DIR"]
            lines.append(f"{shlex.join(['env', *words, '/usr/lib/modulux/enter', *container['command']])} &")
    socket = "/run/modulux/rfb/xfce.x11vnc.sock"
    lines.append(f"websockify --web /usr/share/novnc 127.0.0.1:6080 --unix-target={socket} >/tmp/websockify.log 2>&1 &")
    return "\n".join([*lines, "wait", ""])
