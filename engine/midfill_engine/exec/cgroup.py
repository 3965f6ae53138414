"""What the control groups of Linux leave a process: a share of the processors, and of the memory.

Containers and systemd set them. Versions 1 and 2, read by each: a group's bound holds for those in
it, so that the least of a process's group and those around it counts. Knows no torch; called by
`threads` and `memory`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc/self")


def cpu_quota(proc: Path = _PROC) -> int | None:
    """Returns how many processors' time this process may take, rounded up; None without a bound.

    Args:
        proc: where Linux tells of the process.
    """
    shares = [share for group in _groups(proc, "cpu") if (share := _share(group)) is not None]
    return math.ceil(min(shares)) if shares else None


def memory_left(proc: Path = _PROC) -> int | None:
    """Returns the bytes that this process may still take; None where its groups have no bound.

    What they have of files that were not used lately can be taken back, so it counts as free.

    Args:
        proc: where Linux tells of the process.
    """
    left = [room for group in _groups(proc, "memory") if (room := _room(group)) is not None]
    return min(left, default=None)


def _share(group: Path) -> float | None:
    """Returns how many processors a group's time makes; None without a bound."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    time, every = _number(quota), _number(period)
    return time / every if time and every else None


def _room(group: Path) -> int | None:
    """Returns a group's bytes up to its bound, or to where it is slowed down."""
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    bounds = [bound for name in names if (bound := _number(_read(group / name))) is not None]
    used = _number(_read(group / "memory.current") or _read(group / "memory.usage_in_bytes"))
    if not bounds or used is None:
        return None
    return max(0, min(bounds) - max(0, used - _idle(_read(group / "memory.stat"))))


def _idle(table: str) -> int:
    """Returns the bytes of files not used lately; version 1 tells those of inner groups apart."""
    names = ("inactive_file", "total_inactive_file")
    lines = (line.partition(" ") for line in table.splitlines())
    return max((_number(number) or 0 for name, _, number in lines if name in names), default=0)


def _groups(proc: Path, controller: str) -> Iterator[Path]:
    """Yields the folders of the process's groups for a controller, and of those around them."""
    places = _places(proc, controller)
    for line in _read(proc / "cgroup").split("\n"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        version = 1 if controllers else 2
        if (controllers and controller not in controllers.split(",")) or version not in places:
            continue
        root, top = places[version]
        # A container may see its own group alone, mounted as if it were the outermost.
        below = path.removeprefix(root.rstrip("/")) if _is_within(path, root) else ""
        group = top.joinpath(*(part for part in below.split("/") if part not in ("", "..")))
        yield group
        yield from (around for around in group.parents if around == top or top in around.parents)


def _is_within(path: str, root: str) -> bool:
    return f"{path}/".startswith(f"{root.rstrip('/')}/")


def _places(proc: Path, controller: str) -> dict[int, tuple[str, Path]]:
    """Returns, by version, which group is mounted for a controller, and where."""
    places: dict[int, tuple[str, Path]] = {}
    for line in _read(proc / "mountinfo").split("\n"):  # names may hold all other line ends
        mount, _, source = line.partition(" - ")
        kind, _, options = [*source.split(" ", 2), "", ""][:3]
        root, top = [*mount.split(" ")[3:5], "", ""][:2]
        if kind == "cgroup2":
            places.setdefault(2, (root, Path(top)))
        elif kind == "cgroup" and controller in options.split(","):
            places.setdefault(1, (root, Path(top)))
    return places


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""


def _number(told: str) -> int | None:
    """Returns a number; None of `max`, of anything else, and of -1, which is no bound either."""
    return int(told) if told.isdecimal() else None
