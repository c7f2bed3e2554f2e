"""Manifests, Compose projects and units: held against their schemas, and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML
from tests.carry.conftest import DESKTOP, NAME, There
from tests.support.cli import Cli

from modulux import rfb
from modulux.carry import kubernetes, quadlet
from modulux.carry.forms import Form, files
from modulux.carry.kubernetes import Cluster
from modulux.host.limits import engine_workarounds
from modulux.machine.running import free_port
from modulux.model.desktop import Desktop
from modulux.model.plan import DrawnArea, Plan
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve

CATALOG = Catalog([shipped("modules")])
READY_MADE = sorted(shipped("desktops").glob("*.yaml"))
KUBERNETES = "1.37"


def plan_of(path: Path) -> Plan:
    return resolve(load(path, Desktop), CATALOG, HostFacts())


@pytest.mark.parametrize("path", READY_MADE, ids=lambda path: path.stem)
def test_every_ready_made_desktop_fits_the_schema(path: Path) -> None:
    plan = plan_of(path)
    documents = kubernetes.manifests(plan, Cluster("registry.example.org/team", storage_class="fast"))
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    kinds = [document["kind"] for document in documents]
    assert {"PersistentVolumeClaim", "Secret", "Deployment", "Service", "NetworkPolicy"} <= set(kinds)
    assert kinds.count("Deployment") == 1
    pod = documents[kinds.index("Deployment")]["spec"]["template"]["spec"]
    names = [volume["name"] for volume in pod["volumes"]]
    assert len(names) == len(set(names))
    assert all(len(name) < 64 for name in names)
    mounted = {m["name"] for c in [*pod["containers"], *pod["initContainers"]] for m in c["volumeMounts"]}
    assert mounted <= set(names)
    assert len(pod["containers"]) == len(plan.containers)


@pytest.mark.parametrize("path", READY_MADE, ids=lambda path: path.stem)
def test_the_floor_holds_in_every_form(path: Path) -> None:
    plan = plan_of(path)
    (deployment,) = [d for d in kubernetes.manifests(plan, Cluster()) if d["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "privileged"} & set(pod)
    assert pod["automountServiceAccountToken"] is False
    for container in [*pod["containers"], *pod["initContainers"]]:
        security = container["securityContext"]
        assert security["runAsUser"] == security["runAsGroup"] == 1000
        assert security["runAsNonRoot"] is security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is security["privileged"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert security["seccompProfile"]["type"] in {"RuntimeDefault", "Localhost"}
        assert {"cpu", "memory"} == set(container["resources"]["limits"])
    assert not any("hostPath" in volume for volume in pod["volumes"])
    limits = {"nofile": 1024}
    project = YAML(typ="safe").load(files(Form.COMPOSE, plan, cluster=Cluster(), ulimits=limits, name="x")["x"])
    for service in project["services"].values():
        assert service["user"] == "1000:1000"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["mem_limit"] > 0
        assert service["pids_limit"] > 0
        assert "privileged" not in service
    units = {
        name: text.splitlines() for name, text in quadlet.units(plan, limits, "/etc").items() if name.endswith(".container")
    }
    assert len(units) == len(plan.containers)
    for lines in units.values():
        assert {"User=1000", "Group=1000", "ReadOnly=true", "NoNewPrivileges=true", "DropCapability=all"} <= set(lines)
        assert any(line.startswith("PidsLimit=") for line in lines)


def test_what_a_cluster_cannot_have(here: Cli, tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(DESKTOP + f"shares: {{x: {{path: ~/x, host: {tmp_path}}}}}\n")
    assert "which no Pod has" in here.run("export", str(path), "--kubernetes", "-o", "-", status=2).stderr
    here.run("export", str(path), "--kubernetes", "--compose", "-o", "-", status=2)
    here.run("export", str(path), "--quadlet", "-o", "-", status=2)


def test_the_secret_is_a_link_that_the_gateway_takes(tmp_path: Path) -> None:
    """Podman 4.3 reads no variable from a Secret, so this is tried without it."""
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "FIRST_LINK": "abcdefgh"}
    argv = ["sh", "-c", kubernetes.FIRST_LINK, "sh", "sh", "-c", "test -z ${FIRST_LINK:-} && echo served"]
    assert subprocess.run(argv, env=env, capture_output=True, check=True).stdout == b"served\n"
    (link,) = (tmp_path / "gateway/links").iterdir()
    assert (link.name, link.stat().st_mode & 0o777) == ("abcdefgh", 0o600)


# -- run -----------------------------------------------------------------------------------------------------------------


def podman_environment(folder: Path) -> dict[str, str]:
    """What `podman` by itself must be told on hosts whose limits cannot be raised, or that have no systemd."""
    found = engine_workarounds("podman")
    ulimits = ", ".join(f'"{name}={value}:{value}"' for name, value in found.ulimits.items())
    text = f'[containers]\ndefault_ulimits = [{ulimits}]\nlog_driver = "k8s-file"\n'
    text += f'[engine]\nruntime = "{found.runtime}"\n' if found.runtime else ""
    (folder / "containers.conf").write_text(text)
    return {**os.environ, **found.environment, "CONTAINERS_CONF": str(folder / "containers.conf"), "DISABLE_HC_SYSTEMD": "true"}


def drawn(argv: list[str], areas: list[DrawnArea], shot: Path) -> None:
    with rfb.Client(rfb.open_pipe(argv), timeout=120) as client:
        rfb.wait_drawn(client, areas, 240)
        client.frame().save(shot)


def on_free_ports(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Podman 4.3 publishes a Pod's ports under their own numbers, which somebody else of this host may have, 5900 above all."""
    (deployment,) = [d for d in documents if d["kind"] == "Deployment"]
    for port in (p for c in deployment["spec"]["template"]["spec"]["containers"] for p in c.get("ports", [])):
        port |= {"hostIP": "127.0.0.1", "hostPort": free_port()}
    return documents


class Pod:
    """A desktop under `podman kube play`."""

    def __init__(self, cli: Cli, desktop: Path, folder: Path) -> None:
        self.plan = plan_of(desktop)
        self.file = folder / "kube.yaml"
        self.environment = podman_environment(folder)
        cli.run("build", "--desktop", str(desktop), "--yes", timeout=3000)
        cli.run("export", str(desktop), "--kubernetes", "-o", str(self.file))
        self.documents: list[dict[str, Any]] = list(YAML(typ="safe").load_all(self.file))
        self.write(on_free_ports(self.documents))

    def podman(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(["podman", *words], env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def play(self) -> None:
        self.podman("kube", "play", str(self.file))

    def write(self, documents: list[dict[str, Any]]) -> None:
        with self.file.open("w") as file:
            YAML().dump_all(documents, file)

    def without_claims(self) -> None:
        """Podman 4.3 makes no claim that is there already."""
        self.write([d for d in self.documents if d["kind"] != "PersistentVolumeClaim"])

    def container(self, short: str) -> str:
        names = self.podman("ps", "--format", "{{.Names}}").split()
        return next(n for n in names if re.fullmatch(rf"{self.plan.desktop}-pod(-\d+)?-{short}", n))

    def ready(self) -> None:
        """Every module's own conditions hold, as `up` waits for them."""
        for c in self.plan.containers:
            self.podman("exec", self.container(c.short), "/usr/lib/modulux/ready", "240", *c.ready.conditions)

    def picture(self, shot: Path) -> None:
        viewer = next(c for c in self.plan.containers if "rfb" in c.sockets)
        script = 'until nc -zU "$0" 2>/dev/null; do sleep 0.05; done; exec nc -N -U "$0"'
        areas = [area for c in self.plan.containers for area in c.ready.drawn if c.screen == viewer.screen]
        inside = ["podman", "exec", "-i", self.container(viewer.short), "sh", "-c", script, viewer.sockets["rfb"]]
        drawn(inside, areas, shot)

    def end(self) -> None:
        """Podman 4.3 now and then finds the Pod's /dev/shm busy, and removes it when it is told again."""
        for _ in range(5):
            done = subprocess.run(
                ["podman", "kube", "down", str(self.file)], env=self.environment, capture_output=True, check=False
            )
            if not done.returncode:
                return
            time.sleep(1)
        raise AssertionError(done.stderr.decode())

    def down(self) -> None:
        self.podman("kube", "down", str(self.file), check=False)
        for document in self.documents:
            kind = {"PersistentVolumeClaim": "volume", "Secret": "secret"}.get(document["kind"])
            if kind:
                self.podman(kind, "rm", document["metadata"]["name"], check=False)
        left = self.podman("ps", "--all", "--format", "{{.Names}}").split()
        assert not [name for name in left if name.startswith(f"{self.plan.desktop}-")]


@pytest.fixture
def small(here: Cli, tmp_path: Path) -> Iterator[Pod]:
    path = tmp_path / "desktop.yaml"
    path.write_text(DESKTOP.replace("t-carry", "t-kube"))
    pod = Pod(here, path, tmp_path)
    yield pod
    pod.down()


def test_a_pod_shows_a_desktop(small: Pod, tmp_path: Path) -> None:
    small.play()
    small.ready()
    small.picture(tmp_path / "kube.png")
    for c in small.plan.containers:
        status = small.podman("exec", small.container(c.short), "cat", "/proc/self/status")
        held = dict(line.split(":", 1) for line in status.splitlines())
        assert held["Uid"].split()[0] == "1000"
        assert int(held["CapBnd"], 16) == int(held["CapEff"], 16) == 0
        assert held["NoNewPrivs"].strip() == "1"
        assert held["Seccomp"].strip() == "2"
        small.podman("exec", small.container(c.short), "sh", "-c", "! touch /x 2>/dev/null && touch /tmp/x /run/x")
    small.podman("exec", small.container("terminal"), "sh", "-c", "test -f ~/.bashrc && echo kept >~/Documents/kept")
    small.end()
    small.without_claims()
    small.play()
    assert small.podman("exec", small.container("openbox"), "sh", "-c", "cat ~/Documents/kept") == "kept\n"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_worlds_in_a_pod(here: Cli, tmp_path: Path) -> None:
    path = tmp_path / "two-worlds.yaml"
    path.write_text((shipped("desktops") / "two-worlds.yaml").read_text().replace("name: two-worlds", "name: t-kube-two"))
    pod = Pod(here, path, tmp_path)
    try:
        pod.play()
        pod.ready()
        pod.picture(tmp_path / "two-worlds.png")
    finally:
        pod.down()


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="this host lacks docker-compose")
def test_compose_runs_a_desktop(docker: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the data that is there: volumes have the names that they have under `up`."""
    there = docker.machine
    there.run("down", NAME, status=None)
    project = tmp_path / "project"
    there.run("export", NAME, "--compose", "-o", str(project / "compose.yaml"))
    compose = there.command(["docker-compose", "--project-directory", str(project), "-f", str(project / "compose.yaml")])
    up = subprocess.run([*compose, "up", "-d"], env=there.environment(), capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stderr
    plan = resolve(Desktop.model_validate(YAML(typ="safe").load(DESKTOP)), CATALOG, HostFacts())
    viewer = next(c for c in plan.containers if "rfb" in c.sockets)
    script = 'until nc -zU "$0" 2>/dev/null; do sleep 0.05; done; exec nc -N -U "$0"'
    monkeypatch.setenv("DOCKER_HOST", there.env["DOCKER_HOST"])
    inside = there.command(["docker", "exec", "-i", viewer.name, "sh", "-c", script, viewer.sockets["rfb"]])
    drawn(inside, [area for c in plan.containers for area in c.ready.drawn], tmp_path / "compose.png")
    assert there.inside(NAME, "terminal", "cat ~/Documents/letter.txt") == "a letter\n"
    assert len(there.json("ps", NAME)) == len(plan.containers)
    for item in json.loads(there.native("inspect", *(c.name for c in plan.containers))):
        host = item["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
    subprocess.run([*compose, "down"], env=there.environment(), capture_output=True, check=True)
    assert there.json("ps") == []
