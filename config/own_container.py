"""Which container this process runs in, as its kernel tells."""

from __future__ import annotations

import re
import socket
from pathlib import Path

_CONTAINER = re.compile(r"[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{12}")
_ROOT, _MOUNT_POINT = 3, 4  # columns of a mount table
_PROC = Path("/proc/self")


def find_container_ids(proc: Path = _PROC, host_name: str | None = None) -> tuple[str, ...]:
    """The ids of containers that this process' cgroup and mounts name, and a host name that is one.

    Args:
        proc: where the kernel tells about this process.
        host_name: instead of this machine's.
    """
    found = set(_CONTAINER.findall(_read(proc / "cgroup")))
    for line in _read(proc / "mountinfo").splitlines():
        fields = line.split()
        # the table also names other containers' layers; an engine lends each container one file of host names
        if fields[_MOUNT_POINT : _MOUNT_POINT + 1] == ["/etc/hostname"]:
            found.update(_CONTAINER.findall(fields[_ROOT]))
    host = socket.gethostname() if host_name is None else host_name
    if _SHORT.fullmatch(host):
        found.add(host)
    return tuple(sorted(found))


def _read(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
