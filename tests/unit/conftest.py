"""A small world of modules on disk, to resolve desktops in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

INTERFACES = {
    "x11": "summary: x\nvolume: /tmp/.X11-unix\nsocket: /tmp/.X11-unix/X0\nipc: true\nenv: {DISPLAY: ':0'}\n",
    "rfb": "summary: r\nvolume: /run/modulux/rfb\nshared: true\nsocket: '/run/modulux/rfb/{session}.{module}.sock'\nmany: true\n",
    "home": "summary: h\nvolume: /home/user\nclients: read-write\nkept: true\nmany: true\n",
    "web": "summary: w\nport: 6080\n",
    "window-manager": "summary: w\n",
    "fonts": "summary: f\nvolume: /usr/local/share/fonts\n",
    "ping": "summary: p\nvolume: /run/ping\n",
    "pong": "summary: p\nvolume: /run/pong\n",
}

MODULES = {
    "base/debian": "role: base\nsummary: b\nbootstrap: {suite: trixie}\n",
    "display/xvfb": "role: display\nsummary: d\nbase: base/debian\nprovides: [x11]\ncommand: [Xvfb, '{screen}']\nshm: 64m\n"
    "viewer: x11vnc\nnested: xephyr\nlargest-screen: 4096x4096\n",
    "display/xother": "role: display\nsummary: d\nbase: base/debian\nprovides: [x11]\ncommand: [X]\n",
    "display/xephyr": "role: display\nsummary: d\nbase: base/debian\nprovides: [x11]\nrequires: [x11]\ncommand: [Xephyr]\n",
    "viewer/x11vnc": "role: viewer\nsummary: v\nbase: base/debian\nprovides: [rfb]\nrequires: [x11]\ncommand: [x11vnc, '{param.wait}']\n"
    "params: {wait: {type: integer, default: 5}}\n",
    "session/xfce": "role: session\nsummary: s\nbase: base/debian\nprovides: [home, window-manager]\nrequires: [x11]\ncommand: [xfce]\n"
    "uses: [fonts]\nedges: [top]\n",
    "session/other": "role: session\nsummary: s\nbase: base/debian\nprovides: [home]\nrequires: [x11]\ncommand: [other]\n",
    "session/guest": "role: session\nsummary: s\nbase: base/debian\nprovides: [home, window-manager]\nrequires: [x11]\ncommand: [g]\n"
    "arrange: [shared, nested, separate]\nedges: [top, bottom]\nguest: {requires: [x11, window-manager], command: [panel]}\n",
    "session/waycomp": "role: session\nsummary: s\nbase: base/debian\nprovides: [x11, home]\ncommand: [w]\nviewer: x11vnc\n",
    "service/font": "role: service\nsummary: f\nbase: base/debian\nprovides: [fonts]\ncommand: [f]\n",
    "app/terminal": "role: app\nsummary: a\nbase: base/debian\nrequires: [x11]\nuses: [home]\ncommand: [term]\nrestart: on-failure\n",
    "app/browser": "role: app\nsummary: a\nbase: base/debian\nrequires: [x11]\ncommand: [b]\nnetwork: internet\nshm: 512m\n",
    "app/ping": "role: app\nsummary: a\nbase: base/debian\nprovides: [ping]\nrequires: [pong]\ncommand: [a]\n",
    "app/pong": "role: app\nsummary: a\nbase: base/debian\nprovides: [pong]\nrequires: [ping]\ncommand: [a]\n",
    "app/needy": "role: app\nsummary: a\nbase: base/debian\nrequires: [ping]\ncommand: [a]\n",
    "service/x11too": "role: service\nsummary: a\nbase: base/debian\nprovides: [x11]\ncommand: [a]\n",
    "gateway/web": "role: gateway\nsummary: g\nbase: base/debian\nprovides: [web]\nrequires: [rfb]\ncommand: [g]\nnetwork: internet\n",
}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder of modules and interfaces."""
    root = tmp_path / "modules"
    for name, text in INTERFACES.items():
        file = root / "interfaces" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for id, text in MODULES.items():
        folder = root / id
        folder.mkdir(parents=True)
        (folder / "module.yaml").write_text(text)
        (folder / "Containerfile").write_text("FROM scratch\n" if id == "base/debian" else "ARG BASE\nFROM ${BASE}\n")
    return root


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a desktop file."""

    def to_disk(text: str) -> Path:
        path = tmp_path / "desktop.yaml"
        path.write_text(text)
        return path

    return to_disk
