"""Filters for system calls: an engine's profile → rules of the OCI runtime specification → what the kernel takes."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modulux.machine.tools import Tools


def rules(profile: Mapping[str, Any], capabilities: Sequence[str], architecture: str = "amd64") -> dict[str, Any]:
    """`linux.seccomp` from a profile as engines write it, whose rules may hold for some capabilities or architectures only.

    Rules that ask for a kernel's version hold: a machine's is newer than any that profiles name.
    """
    mine = {f"CAP_{name}" for name in capabilities}

    def holds(rule: Mapping[str, Any]) -> bool:
        wants, unless = rule.get("includes") or {}, rule.get("excludes") or {}
        arches = wants.get("arches")
        return (
            mine.issuperset(wants.get("caps") or ())
            and (not arches or architecture in arches)
            and mine.isdisjoint(unless.get("caps") or ())
            and architecture not in (unless.get("arches") or ())
        )

    kept = ("names", "action", "args", "errnoRet")
    holding = [{k: rule[k] for k in kept if rule.get(k) is not None} for rule in profile["syscalls"] if holds(rule)]
    first = profile.get("archMap") or []
    native = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[architecture]
    also = next((entry.get("subArchitectures") or [] for entry in first if entry["architecture"] == native), [])
    result = {"defaultAction": profile["defaultAction"], "architectures": [native, *also], "syscalls": holding}
    if profile.get("defaultErrnoRet") is not None:
        result["defaultErrnoRet"] = profile["defaultErrnoRet"]
    return result


def compiled(filters: Sequence[Mapping[str, Any]], tools: Tools) -> list[bytes]:
    """The program of each filter (`linux.seccomp`), as libseccomp makes it: instructions of the classic BPF, 8 bytes each."""
    texts = ["\n".join(lines(each)) + "\n" for each in filters]
    names = {text: str(number) for number, text in enumerate(dict.fromkeys(texts))}
    with tempfile.TemporaryDirectory(prefix="modulux-filters-") as name:
        folder = Path(name)
        for text, number in names.items():
            (folder / f"{number}.rules").write_text(text)
        tools.do("filter", folder, *names.values())
        return [(folder / f"{names[text]}.bpf").read_bytes() for text in texts]


def lines(seccomp: Mapping[str, Any]) -> Iterator[str]:
    """`linux.seccomp` as the tool `filter` reads it (modules/base/machine-tools/source/filter.c)."""
    yield f"default {_action(seccomp['defaultAction'], seccomp.get('defaultErrnoRet'))}"
    for architecture in seccomp.get("architectures") or ():
        yield f"arch {architecture.removeprefix('SCMP_ARCH_').lower()}"
    for rule in seccomp["syscalls"]:
        action = _action(rule["action"], rule.get("errnoRet"))
        if not rule.get("args"):
            yield f"rule {action} {' '.join(rule['names'])}"
            continue
        for conditions in _alternatives(rule["args"]):
            words = [f"{c['index']} {c['op']} {c['value']} {c.get('valueTwo', 0)}" for c in conditions]
            yield from (f"when {action} {name} {' '.join(words)}" for name in rule["names"])


def _action(name: str, code: int | None) -> str:
    return f"{name} {errno.EPERM if code is None else code}"


def _alternatives(arguments: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """All conditions of a rule must hold, unless two are of one argument: then each is a rule by itself, as in OCI runtimes."""
    several = len({a["index"] for a in arguments}) < len(arguments)
    return [[a] for a in arguments] if several else [list(arguments)]
