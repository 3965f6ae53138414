"""What control groups leave a process, read from trees as Linux shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from midfill_engine.exec.cgroup import cpu_quota, memory_left

MB = 2**20
PODMAN = "/user.slice/libpod-1"


def machine(tmp_path: Path, groups: str, mounts: str, files: Mapping[str, str]) -> Path:
    """Writes what Linux tells; in `mounts` a mount is `root point kind options`."""
    for name, text in files.items():
        path = tmp_path / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    lines = ["22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"]
    for mount in mounts.splitlines():
        root, point, kind, options = mount.split()
        at = tmp_path / "sys" / point
        lines.append(f"31 22 0:28 {root} {at} rw,nosuid shared:9 - {kind} {kind} {options}")
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "cgroup").write_text(groups, encoding="utf-8")
    (proc / "mountinfo").write_text("\n".join(lines), encoding="utf-8")
    return proc


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"app/cpu.max": "max 100000"}, None),
        ({"app/cpu.max": "200000 100000"}, 2),
        ({"app/cpu.max": "150000 100000"}, 2),
        ({"app/cpu.max": "20000 100000"}, 1),
        ({"app/cpu.max": "max 100000", "cpu.max": "300000 100000"}, 3),
        ({"app/cpu.max": "800000 100000", "cpu.max": "300000 100000"}, 3),
        ({"other/cpu.max": "100000 100000"}, None),
    ],
)
def test_the_least_of_a_group_and_those_around_it(
    tmp_path: Path, files: Mapping[str, str], expected: int | None
) -> None:
    mounts = "/ cgroup cgroup2 rw,nsdelegate"
    inside = {f"cgroup/{name}": text for name, text in files.items()}
    assert cpu_quota(machine(tmp_path, "0::/app\n", mounts, inside)) == expected


@pytest.mark.parametrize("odd", ["\u2028", "\x0c", "\x85", "\r"])
def test_a_mount_point_may_hold_other_line_ends(tmp_path: Path, odd: str) -> None:
    """The kernel escapes blanks alone: half a line was an error at every start."""
    proc = machine(
        tmp_path, "0::/app\n", "/ cgroup cgroup2 rw", {"cgroup/app/cpu.max": "200000 100000"}
    )
    mounts = proc / "mountinfo"
    told = mounts.read_bytes().decode()
    line = f"30 22 0:27 / /mnt/a{odd}b rw shared:8 - tmpfs tmpfs rw\n"
    mounts.write_bytes(f"{line}cut\n{told}".encode())
    assert cpu_quota(proc) == 2


@pytest.mark.parametrize(("quota", "expected"), [("-1", None), ("250000", 3)])
def test_version_1_beside_an_empty_version_2(
    tmp_path: Path, quota: str, expected: int | None
) -> None:
    proc = machine(
        tmp_path,
        "4:memory:/app\n3:cpu,cpuacct:/app\n1:name=systemd:/\n0::/\n",
        "/ cpu cgroup rw,cpu,cpuacct\n/ memory cgroup rw,memory\n/ unified cgroup2 rw",
        {
            "cpu/app/cpu.cfs_quota_us": quota,
            "cpu/app/cpu.cfs_period_us": "100000",
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/app/memory.limit_in_bytes": str(500 * MB),
            "memory/app/memory.usage_in_bytes": str(300 * MB),
            "memory/app/memory.stat": f"inactive_file 1\ntotal_inactive_file {100 * MB}",
            "memory/memory.limit_in_bytes": "9223372036854771712",
            "memory/memory.usage_in_bytes": str(900 * MB),
        },
    )
    assert cpu_quota(proc) == expected
    assert memory_left(proc) == 300 * MB


@pytest.mark.parametrize("root", [PODMAN, "/"])
def test_a_container_may_see_its_own_group_alone(tmp_path: Path, root: str) -> None:
    """The process's group is named as the machine sees it, or as the container does."""
    group = PODMAN if root == PODMAN else "/"
    files = {"cgroup/cpu.max": "100000 100000"}
    proc = machine(tmp_path, f"0::{group}\n", f"{root} cgroup cgroup2 rw", files)
    assert cpu_quota(proc) == 1


def test_a_group_outside_of_what_is_mounted(tmp_path: Path) -> None:
    files = {"cgroup/cpu.max": "100000 100000", "other/cpu.max": "400000 100000"}
    proc = machine(tmp_path, "0::/../other\n", f"{PODMAN} cgroup cgroup2 rw", files)
    assert cpu_quota(proc) == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"memory.max": "max", "memory.current": "5"}, None),
        ({"memory.max": str(100 * MB), "memory.current": str(30 * MB)}, 70 * MB),
        (
            {
                "memory.max": str(100 * MB),
                "memory.current": str(90 * MB),
                "memory.stat": f"anon {30 * MB}\ninactive_file {50 * MB}\nactive_file 7",
            },
            60 * MB,
        ),
        (
            {
                "memory.max": str(100 * MB),
                "memory.high": str(80 * MB),
                "memory.current": str(30 * MB),
            },
            50 * MB,
        ),
        ({"memory.max": str(10 * MB), "memory.current": str(30 * MB)}, 0),
    ],
)
def test_memory(tmp_path: Path, files: Mapping[str, str], expected: int | None) -> None:
    inside = {f"cgroup/app/{name}": text for name, text in files.items()}
    proc = machine(tmp_path, "0::/app\n", "/ cgroup cgroup2 rw", inside)
    assert memory_left(proc) == expected


def test_without_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "absent") is None
    assert memory_left(tmp_path / "absent") is None
    assert cpu_quota(machine(tmp_path, "", "", {})) is None
