"""A plan as units for systemd, by Podman's generator (quadlet): each container, volume and network is a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from modulux.carry.compose import profile
from modulux.engine.commandline import PROCESSORS, TMPFS
from modulux.model.plan import Container, Network, Plan, Volume

Lines = Iterable[tuple[str, str]]


def units(plan: Plan, ulimits: Mapping[str, int], folder: str) -> dict[str, str]:
    """Every unit, by its file's name.

    Args:
        ulimits: what this host allows, by name.
        folder: where the files will lie.
    """
    files = {f"{stem(v.name)}.volume": unit_file({"Volume": _volume(v)}) for v in plan.volumes}
    files |= {f"{stem(n.name)}.network": unit_file({"Network": _network(n)}) for n in plan.networks}
    named = {v.name for v in plan.volumes}
    for c in plan.containers:
        files[f"{stem(c.name)}.container"] = unit_file(
            {
                "Unit": _unit(c),
                "Container": _container(c, named, ulimits, folder),
                "Service": [("Restart", "on-failure"), ("TimeoutStopSec", "15")],
                "Install": [("WantedBy", "default.target")],
            }
        )
    return files


def stem(name: str) -> str:
    """The unit's name for a container, volume or network: systemd makes much of dots."""
    return name.replace(".", "-")


def unit_file(sections: Mapping[str, Lines]) -> str:
    """The text of a unit, from the lines of each section."""
    return "\n".join(f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines) for name, lines in sections.items())


def quoted(word: str) -> str:
    """The word as systemd reads it back."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{plain}"'


def _pairs(key: str, values: Mapping[str, str]) -> Lines:
    return [(key, quoted(f"{name}={value}")) for name, value in values.items()]


def _unit(c: Container) -> Lines:
    yield "Description", f"{c.module} of the desktop {c.hostname}"
    for name in (*c.needs, *c.after):
        yield "After", f"{stem(name)}.service"
    for name in c.needs:  # its namespaces are joined: they go together
        yield "Requires", f"{stem(name)}.service"
        yield "PartOf", f"{stem(name)}.service"


def _volume(volume: Volume) -> Lines:
    return [("VolumeName", volume.name), *_pairs("Label", volume.labels)]


def _network(network: Network) -> Lines:
    internal = [("Internal", "true")] if network.internal else []
    return [("NetworkName", network.name), ("Options", "isolate=true"), *internal, *_pairs("Label", network.labels)]


def _container(c: Container, named: set[str], ulimits: Mapping[str, int], folder: str) -> Lines:
    yield "ContainerName", c.name
    yield "HostName", c.hostname
    yield "Image", c.image
    yield "Pull", "never"
    if c.command:
        yield "Exec", " ".join(quoted(word.replace("$", "$$")) for word in c.command)
    yield "User", "1000"
    yield "Group", "1000"
    yield "ReadOnly", "true"
    yield "NoNewPrivileges", "true"
    yield "DropCapability", "all"
    for capability in c.capabilities:
        yield "AddCapability", capability
    for device in c.devices:
        yield "AddDevice", device
    if c.seccomp:
        yield "SeccompProfile", f"{folder}/{profile(c)}".replace("%", "%%")
    for path, size in TMPFS.items():
        yield "Tmpfs", f"{path}:rw,nosuid,nodev,mode=1777,size={size}"
    for mount in c.mounts:
        source = f"{stem(mount.source)}.volume" if mount.source in named else mount.source
        yield "Volume", f"{source}:{mount.target}{':ro' if mount.read_only else ''}"
    for network in c.networks:
        yield "Network", f"{stem(network)}.network"
    if not c.networks:
        yield "Network", "none"
    for publish in c.publish:
        yield "PublishPort", f"{publish.address}:{publish.host_port or ''}:{publish.port}"
    yield "PidsLimit", str(c.pids)
    yield from (("Ulimit", f"{name}={value}:{value}") for name, value in ulimits.items())
    yield from _arguments(c)
    yield from _pairs("Environment", c.env)
    yield from _pairs("Label", c.labels)


def _arguments(c: Container) -> Lines:
    """What has no key of its own in every Podman that has the generator."""
    own = c.ipc in ("private", "shareable")
    yield "PodmanArgs", f"--ipc={c.ipc if own else f'container:{c.ipc}'}"
    if own:
        yield "ShmSize", str(c.shm)
    yield "PodmanArgs", f"--memory={c.memory} --memory-swap={c.memory} --cpus={min(c.cpus, PROCESSORS):g} --stop-timeout=5"
