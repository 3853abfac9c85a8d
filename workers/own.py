"""What this machine is, so that Andock never stops itself: the VM's BIOS UUID and the container's id."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from andock.protection import Protection
from config.sites import OwnMachines

_CONTAINER = re.compile(r"[0-9a-f]{64}")
_PLACES = (Path("/proc/self/cgroup"), Path("/proc/self/mountinfo"))
_UUID = Path("/sys/class/dmi/id/product_uuid")


def find_own(declared: OwnMachines) -> Protection:
    """What sites.yaml declares, and what this process can see of what it runs on."""
    return Protection(
        vms=frozenset(uuid.lower() for uuid in (*declared.vms, *_bios_uuids())),
        containers=frozenset((*declared.containers, *_container_ids())),
    )


def _bios_uuids() -> tuple[str, ...]:
    """This machine's BIOS UUID, as DMI writes it and with the first three groups the other way round.

    SMBIOS before 2.6 stored them big-endian; vCenter shows the little-endian reading.
    """
    try:
        text = _UUID.read_text(encoding="ascii").strip().lower()
    except OSError:
        return ()
    groups = text.split("-")
    turned = ["".join(reversed(re.findall("..", group))) for group in groups[:3]] + groups[3:]
    return (text, "-".join(turned))


def _container_ids() -> tuple[str, ...]:
    """The ids of containers that this process' cgroup and mounts name, and a host name that is one."""
    found: set[str] = set()
    for place in _PLACES:
        try:
            text = place.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # a mount table also names other containers' layers, so only lines about our own root files count
        lines = [line for line in text.splitlines() if place.name == "cgroup" or "/etc/hostname" in line]
        found.update(_CONTAINER.findall("\n".join(lines)))
    host = socket.gethostname()
    if re.fullmatch(r"[0-9a-f]{12}", host):
        found.add(host)
    return tuple(sorted(found))
