"""What `modulux module new` writes: the least that is a whole module of its role."""

from __future__ import annotations

from modulux.errors import UsageError
from modulux.model.module import Role

_BASE = {
    "module.yaml": """role: base
summary: {name}, built on Debian 13
base: base/debian-13
""",
    "Containerfile": """ARG BASE
FROM ${{BASE}}
USER 0
# RUN /usr/lib/modulux/install PACKAGE
COPY rootfs/ /
USER 1000:1000
""",
}

_PART = {
    "module.yaml": """# docs/contract.md explains every key.
role: {role}
summary: {name}, in a container of its own
base: base/graphics
{meets}
command: [{command}]
ready:
{ready}
  timeout: 30s
restart: {restart}
network: none            # none | desktop | internet
limits: {{memory: 512m, pids: 128}}
""",
    "Containerfile": """ARG BASE
FROM ${{BASE}}
USER 0
RUN /usr/lib/modulux/install {packages}
COPY rootfs/ /
USER 1000:1000
""",
}

_TEST = """#!/bin/sh
# Run inside the started module by `modulux module check`; exit 0 is a pass.
set -eu
{body}
"""

_ROLES: dict[Role, dict[str, str]] = {
    Role.APP: {
        "meets": "requires: [x11]\nuses: [session-bus, home]",
        "command": "xclock",
        "ready": "  windows: [XClock]",
        "restart": "on-failure",
        "packages": "x11-apps",
        "body": "grep -lx xclock /proc/[0-9]*/comm >/dev/null",
    },
    Role.SERVICE: {
        "meets": "provides: []",
        "command": 'sh, -c, "exec sleep infinity"',
        "ready": '  command: ["true"]',
        "restart": "always",
        "packages": "netcat-openbsd",
        "body": "grep -lx sleep /proc/[0-9]*/comm >/dev/null",
    },
    Role.SESSION: {
        "meets": "provides: [session-bus, home]\nrequires: [x11]",
        "command": "/usr/lib/modulux/{name}",
        "ready": "  drawn:\n    - {{area: [0, 0, 100%, 100%], colours: 2}}",
        "restart": "always",
        "packages": "icewm",
        "body": "test -S /run/modulux/session-bus/bus\ngrep -lx icewm /proc/[0-9]*/comm >/dev/null",
    },
}

_SESSION_START = """#!/bin/sh
# The session owns its bus: D-Bus starts services from the file system of whoever runs it.
set -eu
dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" &
exec icewm
"""


def skeleton(role: Role, name: str) -> dict[str, tuple[str, bool]]:
    """The files of a new module: relative path → (text, executable).

    Raises:
        UsageError: there is no skeleton for this role.
    """
    if role is Role.BASE:
        files = {path: (text.format(name=name), False) for path, text in _BASE.items()}
        return files | {"rootfs/.keep": ("", False)}
    if role not in _ROLES:
        like = {Role.DISPLAY: "xvfb", Role.VIEWER: "x11vnc", Role.GATEWAY: "web"}.get(role)
        hint = f"copy modules/{role}/{like} and change it" if like else "there is no module of this role yet to learn from"
        raise UsageError(f"there is no skeleton for the role {role}", hint=hint)
    words = {key: value.format(name=name) if key != "body" else value for key, value in _ROLES[role].items()}
    files = {path: (text.format(role=role, name=name, **words), False) for path, text in _PART.items()}
    files["tests/works"] = (_TEST.format(body=words["body"]), True)
    if role is Role.SESSION:
        files[f"rootfs/usr/lib/modulux/{name}"] = (_SESSION_START, True)
    else:
        files["rootfs/.keep"] = ("", False)
    return files
