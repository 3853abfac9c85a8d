"""Choosing VMs by what they are like: the options that listings share, and whether a row fits them."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from fnmatch import translate
from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from andock.operation import Params
from andock.ports.vsphere import PowerState, VmName, VmRow

Fits: TypeAlias = Callable[[VmRow], bool]
_V4 = 4


class FilterParams(Params):
    """Options that choose among VMs; all that are given must fit."""

    power: PowerState | None = Field(default=None, description="Only VMs in this power state.")
    folder: str = Field(
        default="",
        max_length=300,
        description="Only VMs below a folder of this name or path; a pattern such as `*/prod*` too.",
    )
    host: str = Field(default="", max_length=200, description="Only VMs on this host; a pattern too.")
    tag: tuple[str, ...] = Field(
        default=(),
        max_length=10,
        description="Only VMs with this tag: `category=tag`, or a category alone; several must all be there.",
        json_schema_extra={"positional": False},
    )
    ip: str = Field(
        default="",
        max_length=50,
        description="Only VMs with this address; a pattern (`10.0.*`) or a network (`10.0.0.0/24`) too.",
    )
    tools: Literal["running", "stopped", "old", "none"] | None = Field(
        default=None,
        description="Only VMs whose VMware Tools run, stand still although it is on, are old, or missing.",
    )
    snapshot_older: timedelta | None = Field(
        default=None, description="Only VMs with a snapshot that is older than this, such as `3d`."
    )

    @property
    def is_choosy(self) -> bool:
        """Whether any of these options was given."""
        return any(getattr(self, name) != field.default for name, field in FilterParams.model_fields.items())

    @field_validator("ip")
    @classmethod
    def _network(cls, ip: str) -> str:
        if "/" in ip:
            try:
                ipaddress.ip_network(ip, strict=False)
            except ValueError:
                raise ValueError("is no network; write it like `10.0.0.0/24`") from None
        return ip


def chooser(params: FilterParams, now: datetime) -> Fits:
    """Whether a row fits all options that were given; `now` is aware."""
    checks: list[Fits] = []
    if params.power is not None:
        checks.append(lambda row: row.power is params.power)
    if params.folder:
        checks.append(_below(params.folder))
    if params.host:
        is_host = _like(params.host)
        checks.append(lambda row: is_host(row.host))
    checks.extend(_tagged(tag) for tag in params.tag)
    if params.ip:
        checks.append(_at(params.ip))
    if params.tools is not None:
        checks.append(_TOOLS[params.tools])
    if params.snapshot_older is not None:
        oldest = now - params.snapshot_older
        checks.append(lambda row: row.oldest_snapshot is not None and row.oldest_snapshot < oldest)
    return checks[0] if len(checks) == 1 else lambda row: all(check(row) for check in checks)


def is_pattern(text: str) -> bool:
    """Whether it has a sign that stands for others."""
    return any(sign in text for sign in "*?[")


def by_name(pattern: str) -> Callable[[VmRow | VmName], bool]:
    """Whether a pattern fits name or path; text without signs is a part of the name."""
    folded = pattern.casefold()
    if not is_pattern(folded):
        return lambda row: folded in row.name.casefold()
    is_like = _like(folded)
    return lambda row: is_like(row.name) or is_like(row.path)


def by_anything(text: str) -> Fits:
    """Whether a pattern fits anything that a VM can be known by; text without signs is a part of it."""
    folded = text.casefold()
    if not is_pattern(folded):
        return lambda row: folded in "\n".join(_known_by(row)).casefold()
    is_like = _like(folded)
    return lambda row: any(is_like(one) for one in _known_by(row))


def _known_by(row: VmRow) -> tuple[str, ...]:
    return (row.name, row.path, row.id, row.ip, row.uuid, row.host, *row.labels)


def _like(wanted: str) -> Callable[[str], bool]:
    """Whether a text is this, or fits it as a pattern; names in vCenter know no case."""
    folded = wanted.casefold()
    if not is_pattern(folded):
        return lambda text: text.casefold() == folded
    fits = re.compile(translate(folded)).match

    def is_like(text: str) -> bool:
        low = text.casefold()
        return fits(low) is not None or low == folded

    return is_like


def _below(folder: str) -> Fits:
    folded = folder.casefold().rstrip("/")
    if is_pattern(folded):
        is_like = _like(folded)
        return lambda row: is_like(row.folder)
    if "/" in folded:
        return lambda row: f"{row.folder.casefold()}/".startswith(f"{folded}/")
    return lambda row: folded in row.folder.casefold().split("/")


def _tagged(tag: str) -> Fits:
    is_like = _like(tag)
    if "=" in tag:
        return lambda row: any(is_like(label) for label in row.labels)
    return lambda row: any(is_like(label.partition("=")[0]) for label in row.labels)


def _at(ip: str) -> Fits:
    if "/" not in ip:
        is_like = _like(ip)
        return lambda row: is_like(row.ip)
    network = ipaddress.ip_network(ip, strict=False)
    family = socket.AF_INET if network.version == _V4 else socket.AF_INET6
    first, last = network.network_address.packed, network.broadcast_address.packed

    def is_in(row: VmRow) -> bool:
        # as bytes: an object for each of ten thousand addresses takes longer than all the rest
        try:
            return first <= socket.inet_pton(family, row.ip) <= last
        except OSError:  # none, or one of the other family
            return False

    return is_in


_TOOLS: dict[str, Fits] = {
    "running": lambda row: row.tools_running,
    "stopped": lambda row: (
        row.power is PowerState.ON and not row.tools_running and row.tools_version != "none"
    ),
    "old": lambda row: row.tools_version == "old",
    "none": lambda row: row.tools_version == "none",
}
