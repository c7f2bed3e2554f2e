"""User namespaces and the ids that a user may give to containers."""

from __future__ import annotations

from modulux.host.finding import Finding, Status, System

ENOUGH_IDS = 65_536


def check(system: System) -> list[Finding]:
    """Whether user namespaces can be made, and, without root, whether there are ids to fill them."""
    found = [_namespaces(system)]
    if system.rootless:
        found += [_ids(system, "subuid"), _ids(system, "subgid")]
    return found


def _namespaces(system: System) -> Finding:
    name = "user namespaces"
    bad = Status.FAIL if system.rootless else Status.WARN
    lost = "containers without root cannot start" if system.rootless else "the sandbox of browsers cannot start"
    if system.number("proc/sys/user/max_user_namespaces") == 0:
        return Finding(name, bad, f"user.max_user_namespaces is 0: {lost}", "sysctl user.max_user_namespaces=15000")
    if system.number("proc/sys/kernel/unprivileged_userns_clone") == 0:
        return Finding(name, bad, f"kernel.unprivileged_userns_clone is 0: {lost}", "sysctl kernel.unprivileged_userns_clone=1")
    if system.number("proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1:
        mend = "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        return Finding(name, Status.WARN, f"AppArmor restricts them: {lost} where no profile allows it", mend)
    unshare = system.which("unshare")
    if system.rootless and system.execute and unshare and not system.execute([unshare, "--user", "true"]).ok:
        mend = "the kernel refuses them to this process; inside a chroot it always does: leave it, or run Modulux as root"
        return Finding(name, bad, f"one could not be made: {lost}", mend)
    return Finding(name, Status.OK, "can be made")


def _ids(system: System, kind: str) -> Finding:
    lines = [line.split(":") for line in (system.text(f"etc/{kind}") or "").splitlines()]
    counts = [
        int(line[2]) for line in lines if len(line) == 3 and line[0] in {system.user, str(system.uid)} and line[2].isdigit()
    ]
    mend = f"as root: usermod --add-{kind}s 100000-165535 {system.user}, then podman system migrate"
    if sum(counts) < ENOUGH_IDS:
        return Finding(f"/etc/{kind}", Status.FAIL, f"{system.user} has {sum(counts)} ids, and {ENOUGH_IDS} are needed", mend)
    return Finding(f"/etc/{kind}", Status.OK, f"{sum(counts)} ids")
