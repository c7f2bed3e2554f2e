"""A plan as manifests of Kubernetes: one Pod for the desktop, its data in claims, one way in.

A Deployment of one replica keeps the Pod; scaled to none it is a desktop that is down. `notes` tells what a Pod cannot say.
The same manifests run under `podman kube play`, which passes over what it does not know (Service, NetworkPolicy).
"""

from __future__ import annotations

import base64
import json
import math
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.engine.commandline import TMPFS
from modulux.errors import UsageError
from modulux.model.module import Role
from modulux.model.plan import FILE, OWNER, Container, Mount, Plan
from modulux.model.units import parse_size
from modulux.resolve.catalog import REPOSITORY
from modulux.resolve.plan import container_name

USER = 1000
NAMED = "app.kubernetes.io/name"
PART = "app.kubernetes.io/part-of"
ACCESS = "modulux.io/access"
"""A label of Pods that may reach the gateway: those of an ingress controller, say."""

SOCKETS = 16 * 1024**2
"""Bytes for a volume that holds sockets; those with content get as much as /tmp."""

PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]
"""Where a cluster's own addresses lie, and those of the machines that it runs on."""

PODMAN = {"io.podman.annotations.init.container.type": "always"}
"""Podman 4.3, which reads it here, otherwise removes those containers as soon as they end, and now and then sooner."""

FIRST = "first-link"
"""The key of the Secret."""
FIRST_LINK = (
    'umask 077; links=${XDG_RUNTIME_DIR:-/run/user/1000}/gateway/links; mkdir -p "$links"; '
    '[ -z "${FIRST_LINK:-}" ] || : >"$links/$FIRST_LINK"; unset FIRST_LINK; exec "$@"'
)
"""What the gateway's command is started by: the link of the Secret can be opened once, in the first minutes."""


@dataclass(frozen=True)
class Cluster:
    """What the manifests cannot take from the plan.

    registry: where images were pushed to, `HOST[:PORT][/PREFIX]`; without, the nodes have them under the names they have here.
    storage: the size of each claim. storage_class: the cluster's default without.
    """

    registry: str | None = None
    storage: int = 10 * 1024**3
    storage_class: str | None = None


def manifests(plan: Plan, cluster: Cluster) -> list[dict[str, Any]]:
    """Every document.

    Raises:
        UsageError: the desktop needs something of the host that a Pod on any node cannot have.
    """
    _possible(plan)
    kept = {volume.name for volume in plan.volumes if volume.kept}
    documents = [_claim(plan, name, cluster) for name in sorted(kept & _mounted(plan))]
    documents.append(_secret(plan))
    if profiles := {_profile(c): c.seccomp for c in plan.containers if c.seccomp}:
        documents.append(_config_map(plan, profiles))
    documents += [_deployment(plan, cluster, kept), _service(plan), _policy(plan)]
    return documents


def _possible(plan: Plan) -> None:
    for c in plan.containers:
        for mount in c.mounts:
            if mount.source.startswith("/"):
                raise UsageError(
                    f"the desktop shares {mount.source}, a folder of this machine, which no Pod has",
                    hint="leave out `host:` in the desktop file: the share is a volume then",
                )
        if c.devices:
            raise UsageError(f"{c.module} needs {c.devices[0]}, which a Pod gets by a device plugin of the cluster alone")


def notes(plan: Plan) -> list[str]:
    """What is different from the same desktop under an engine, for a person."""
    said = ["all modules of a Pod share one network: `network: none` holds for the Pod only if it holds for every module"]
    if any(c.ipc == "private" and c.role == Role.APP for c in plan.containers):
        said.append("`trust: none` is weaker in a Pod: the app shares its network and IPC namespace, if no files")
    if any(c.seccomp for c in plan.containers):
        said.append("seccomp profiles: copy them from the ConfigMap to /var/lib/kubelet/seccomp/ on each node")
    said.append("the number of processes is limited by the kubelet alone (podPidsLimit)")
    return said


# -- names ---------------------------------------------------------------------------------------------------------------


def _mounted(plan: Plan) -> set[str]:
    return {mount.source for c in plan.containers for mount in c.mounts}


def short(plan: Plan, volume: str) -> str:
    """The volume's name inside the Pod: a DNS label."""
    name = re.sub(r"[^a-z0-9]+", "-", volume.removeprefix(container_name(plan.desktop, "")).lower()).strip("-")
    return name[:50].rstrip("-")


def claim(plan: Plan, volume: str) -> str:
    """The name of the claim that holds the volume."""
    return f"{plan.desktop}-{short(plan, volume)}"


def _labels(plan: Plan) -> dict[str, str]:
    return {NAMED: plan.desktop, PART: "modulux"}


def _meta(plan: Plan, name: str) -> dict[str, Any]:
    return {"name": name, "labels": _labels(plan)}


def image(reference: str, cluster: Cluster) -> str:
    """Where a node gets the image from."""
    return f"{cluster.registry}{reference.removeprefix(REPOSITORY)}" if cluster.registry else reference


def _profile(c: Container) -> str:
    return f"{c.module.replace('/', '-')}.json"


def _quantity(size: int) -> str:
    return f"{math.ceil(size / 1024**2)}Mi"


# -- documents -----------------------------------------------------------------------------------------------------------


def _claim(plan: Plan, volume: str, cluster: Cluster) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": _quantity(cluster.storage)}},
    }
    if cluster.storage_class is not None:
        spec["storageClassName"] = cluster.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _meta(plan, claim(plan, volume)), "spec": spec}


def _secret(plan: Plan) -> dict[str, Any]:
    token = base64.b64encode(secrets.token_urlsafe(24).encode()).decode()
    meta = _meta(plan, f"{plan.desktop}-access")
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": {FIRST: token}}


def _config_map(plan: Plan, profiles: Mapping[str, str | None]) -> dict[str, Any]:
    data = {name: json.dumps(json.loads(Path(file).read_text())) for name, file in profiles.items() if file}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(plan, f"{plan.desktop}-seccomp"), "data": data}


def _service(plan: Plan) -> dict[str, Any]:
    ports = [{"name": p.interface, "port": p.port, "targetPort": p.interface} for c in plan.containers for p in c.publish]
    spec: dict[str, Any] = {"selector": _labels(plan), "type": "ClusterIP"}
    spec |= {"ports": ports} if ports else {"clusterIP": "None"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(plan, plan.desktop), "spec": spec}


def _policy(plan: Plan) -> dict[str, Any]:
    """In: the gateway's ports, for Pods labelled `modulux.io/access`. Out: nothing, or the internet without the cluster."""
    ports = [{"protocol": "TCP", "port": p.port} for c in plan.containers for p in c.publish]
    who = {"namespaceSelector": {}, "podSelector": {"matchLabels": {ACCESS: "true"}}}
    out: list[dict[str, Any]] = []
    if any(network.endswith(".internet") for c in plan.containers if c.role != Role.GATEWAY for network in c.networks):
        names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
        out = [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": PRIVATE}}]}, {"ports": names}]
    spec = {
        "podSelector": {"matchLabels": _labels(plan)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [who], "ports": ports}] if ports else [],
        "egress": out,
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _meta(plan, plan.desktop), "spec": spec}


def _deployment(plan: Plan, cluster: Cluster, kept: set[str]) -> dict[str, Any]:
    volumes = [_volume(plan, name, kept) for name in sorted(_mounted(plan))]
    shm = max(c.shm for c in plan.containers if c.ipc in ("private", "shareable"))
    volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": _quantity(shm)}})
    for c in plan.containers:
        volumes += [
            {"name": _temporary(c, path), "emptyDir": {"medium": "Memory", "sizeLimit": _quantity(parse_size(size))}}
            for path, size in TMPFS.items()
        ]
    pod = {
        "hostname": plan.desktop,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": _seeds(plan, cluster, kept),
        "containers": [_container(plan, c, cluster) for c in plan.containers],
        "volumes": volumes,
        "restartPolicy": "Always",
    }
    file = next((v.labels[FILE] for v in plan.volumes if FILE in v.labels), "")
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # two must not write into one home
        "selector": {"matchLabels": _labels(plan)},
        "template": {"metadata": {"labels": _labels(plan)}, "spec": pod},
    }
    meta = {**_meta(plan, plan.desktop), "annotations": {FILE: file, OWNER: "modulux"} | PODMAN}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _volume(plan: Plan, name: str, kept: set[str]) -> dict[str, Any]:
    if name in kept:
        return {"name": short(plan, name), "persistentVolumeClaim": {"claimName": claim(plan, name)}}
    size = parse_size(TMPFS["/tmp"]) if name in _contents(plan) or name.endswith(".home") else SOCKETS
    return {"name": short(plan, name), "emptyDir": {"sizeLimit": _quantity(size)}}


def _contents(plan: Plan) -> set[str]:
    """Volumes that are of use for what their provider's image puts into them."""
    writers = {c.name: {m.source for m in c.mounts if not m.read_only} for c in plan.containers}
    return {m.source for c in plan.containers for m in c.mounts for other in c.after if m.source in writers.get(other, ())}


def _seeds(plan: Plan, cluster: Cluster, kept: set[str]) -> list[dict[str, Any]]:
    """Engines fill a new volume from the image of who mounts it first; here a container of that image does so beforehand."""
    done: set[str] = set()
    found = []
    for c in plan.containers:
        mounts = [m for m in c.mounts if m.source in kept | _contents(plan) and not m.read_only and m.source not in done]
        if not mounts:
            continue
        done |= {m.source for m in mounts}
        pairs = [(m, f"/seed/{short(plan, m.source)}") for m in mounts]
        script = "; ".join(f"cp -rnp {m.target}/. {at}/ 2>/dev/null" for m, at in pairs) + "; true"
        found.append(
            {
                "name": f"seed-{c.short}",
                "image": image(c.image, cluster),
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", script],
                "securityContext": _security(c) | {"seccompProfile": {"type": "RuntimeDefault"}},
                "resources": {"limits": {"cpu": "1", "memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "16Mi"}},
                "volumeMounts": [{"name": short(plan, m.source), "mountPath": at} for m, at in pairs],
            }
        )
    return found


def _security(c: Container) -> dict[str, Any]:
    seccomp: dict[str, str] = {"type": "RuntimeDefault"}
    if c.seccomp:
        seccomp = {"type": "Localhost", "localhostProfile": f"modulux/{_profile(c)}"}
    capabilities: dict[str, list[str]] = {"drop": ["ALL"]}
    if c.capabilities:
        capabilities["add"] = list(c.capabilities)
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": capabilities,
        "seccompProfile": seccomp,
    }


def _container(plan: Plan, c: Container, cluster: Cluster) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": c.short,
        "image": image(c.image, cluster),
        "imagePullPolicy": "IfNotPresent",
        "args": list(c.command),
        "env": [{"name": k, "value": v} for k, v in c.env.items()],
        "securityContext": _security(c),
        "resources": {
            "limits": {"cpu": f"{math.ceil(c.cpus * 1000)}m", "memory": _quantity(c.memory)},
            "requests": {"cpu": "20m", "memory": _quantity(c.memory // 8)},
        },
        "volumeMounts": list(_mounts(plan, c)),
        **_probes(c),
    }
    if c.publish:
        made["ports"] = [{"name": p.interface, "containerPort": p.port, "protocol": "TCP"} for p in c.publish]
    if c.role == Role.GATEWAY:
        made["args"] = ["/bin/sh", "-c", FIRST_LINK, "sh", *c.command]
        source = {"secretKeyRef": {"name": f"{plan.desktop}-access", "key": FIRST, "optional": True}}
        made["env"].append({"name": "FIRST_LINK", "valueFrom": source})
    return made


def _temporary(c: Container, path: str) -> str:
    return f"{c.short}{path.replace('/', '-')}"


def _mounts(plan: Plan, c: Container) -> Iterable[dict[str, Any]]:
    own = [Mount(_temporary(c, path), path, read_only=False) for path in TMPFS] + [Mount("shm", "/dev/shm", read_only=False)]
    shared = [Mount(short(plan, m.source), m.target, m.read_only) for m in c.mounts]
    for mount in sorted([*own, *shared], key=lambda m: m.target):
        yield {"name": mount.source, "mountPath": mount.target} | ({"readOnly": True} if mount.read_only else {})


def _probes(c: Container) -> dict[str, Any]:
    """Ready: the module's own conditions. Alive: its supervisor, which starts the command again by itself, has not given up."""
    ready = {"exec": {"command": ["/usr/lib/modulux/ready", "2", *c.ready.conditions]}, "timeoutSeconds": 5}
    alive = {"exec": {"command": ["/bin/sh", "-c", 'read -r phase _ </run/modulux.state && [ "$phase" != ended ]']}}
    probes = {
        "startupProbe": {**ready, "periodSeconds": 2, "failureThreshold": math.ceil(c.ready.timeout)},
        "livenessProbe": {**alive, "periodSeconds": 30, "timeoutSeconds": 10, "failureThreshold": 3},
    }
    if c.role == Role.GATEWAY:  # of others it would close the way in whenever a person closes a window
        probes["readinessProbe"] = {**ready, "periodSeconds": 20, "failureThreshold": 3}
    return probes
