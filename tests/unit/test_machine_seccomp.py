"""An engine's profile for system calls, and what is made of it for a machine."""

from __future__ import annotations

from modulux.machine.seccomp import lines, rules


def test_rules_of_seccomp_hold_for_their_capabilities_and_architectures() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [], "includes": {}, "excludes": {}, "comment": "all"},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["sync_file_range2"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["ppc64le"]}},
            {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        ],
    }
    none = rules(profile, [])
    assert [rule["names"][0] for rule in none["syscalls"]] == ["read", "unshare", "arch_prctl"]
    assert none["syscalls"][0] == {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": []}
    assert none["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert none["defaultErrnoRet"] == 38
    assert [r["names"][0] for r in rules(profile, ["SYS_ADMIN"])["syscalls"]] == ["read", "mount", "arch_prctl"]


def test_lines_say_what_oci_runtimes_make_of_the_rules() -> None:
    equal = {"op": "SCMP_CMP_EQ", "valueTwo": 0}
    seccomp = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": []},
            {"names": ["bdflush"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 9, "op": "SCMP_CMP_MASKED_EQ"}]},
            {
                "names": ["socket"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 1} | equal, {"index": 2, "value": 3} | equal],
            },
            {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": v} | equal for v in (0, 8)]},
        ],
    }
    assert list(lines(seccomp)) == [
        "default SCMP_ACT_ERRNO 38",
        "arch x86_64",
        "arch x86",
        "rule SCMP_ACT_ALLOW 1 read write",
        "rule SCMP_ACT_ERRNO 1 bdflush",
        "when SCMP_ACT_ALLOW 1 clone 0 SCMP_CMP_MASKED_EQ 9 0",
        "when SCMP_ACT_ALLOW 1 socket 0 SCMP_CMP_EQ 1 0 2 SCMP_CMP_EQ 3 0",
        "when SCMP_ACT_ALLOW 1 personality 0 SCMP_CMP_EQ 0 0",
        "when SCMP_ACT_ALLOW 1 personality 0 SCMP_CMP_EQ 8 0",
    ]
