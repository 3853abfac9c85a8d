"""A bridge of its own for each engine, so that the machine's networks and firewall stay as they are."""

from __future__ import annotations

import ipaddress
import json
import subprocess

SUBNETS = ipaddress.IPv4Network("10.213.0.0/16")


class BridgeError(RuntimeError):
    """The bridge cannot be made; the sentence has what `ip` said."""


def make_bridge(name: str) -> None:
    """Make the bridge with a free /24 subnet; one of this name, left by a run that was killed, is replaced.

    Raises:
        BridgeError: not allowed (needs root), or no free subnet.
    """
    remove_bridge(name)
    gateway = _free_gateway()
    _ip("link", "add", name, "type", "bridge")
    try:
        _ip("addr", "add", gateway, "dev", name)
        _ip("link", "set", name, "up")
    except BridgeError:
        remove_bridge(name)
        raise


def remove_bridge(name: str) -> None:
    """Remove the bridge if it is there."""
    subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


def _free_gateway() -> str:
    """The first address of a subnet that overlaps none of the machine's own."""
    used = [
        ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}").network
        for link in json.loads(_ip("-json", "-4", "addr"))
        for address in link.get("addr_info", ())
        if "local" in address
    ]
    for subnet in SUBNETS.subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in used if isinstance(other, ipaddress.IPv4Network)):
            return f"{subnet[1]}/24"
    raise BridgeError(f"no free subnet in {SUBNETS}")


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    except OSError as error:
        raise BridgeError(f"ip cannot be run: {error}") from error
    if done.returncode != 0:
        raise BridgeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
