"""Events of vCenters that may be told in a channel: their kinds, and one as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BAD, GOOD, NEUTRAL = "🔴", "🟢", "🔵"


@dataclass(frozen=True, slots=True)
class EventKind:
    """What people want to hear of under one name, and vCenter's types of it; those with dots are extended."""

    light: str
    types: tuple[str, ...]
    usual: bool = True  # told unless sites.yaml chooses


KINDS: Mapping[str, EventKind] = {
    "host-lost": EventKind(BAD, ("HostConnectionLostEvent", "HostDisconnectedEvent", "HostShutdownEvent")),
    "host-back": EventKind(GOOD, ("HostConnectedEvent",)),
    "host-maintenance": EventKind(
        NEUTRAL, ("EnteredMaintenanceModeEvent", "ExitMaintenanceModeEvent"), usual=False
    ),
    "ha-failover": EventKind(
        BAD,
        (
            "DasHostFailedEvent",
            "com.vmware.vc.HA.DasHostFailedEvent",
            "DasHostIsolatedEvent",
            "com.vmware.vc.HA.DasHostIsolatedEvent",
            "VmFailoverFailed",
            "VmMaxRestartCountReached",
        ),
    ),
    "ha-restart": EventKind(
        BAD,
        (
            "VmRestartedOnAlternateHostEvent",
            "com.vmware.vc.ha.VmRestartedByHAEvent",
            "VmDasBeingResetEvent",
            "VmDasBeingResetWithScreenshotEvent",
            "VmDasResetFailedEvent",
        ),
    ),
    "datastore-lost": EventKind(
        BAD,
        (
            "esx.problem.storage.apd.start",
            "esx.problem.storage.connectivity.lost",
            "esx.problem.scsi.device.state.permanentloss",
            "esx.problem.vmfs.heartbeat.timedout",
            "esx.problem.vmfs.nfs.server.disconnect",
        ),
    ),
    "datastore-back": EventKind(
        GOOD,
        (
            "esx.clear.storage.apd.exit",
            "esx.clear.storage.connectivity.restored",
            "esx.problem.vmfs.heartbeat.recovered",
            "esx.problem.vmfs.nfs.server.restored",
        ),
    ),
    "migration-failed": EventKind(BAD, ("VmFailedMigrateEvent", "VmRelocateFailedEvent")),
    "vm-off": EventKind(BAD, ("VmPoweredOffEvent",)),
    "vm-start-failed": EventKind(BAD, ("VmFailedToPowerOnEvent",)),
    "vm-removed": EventKind(NEUTRAL, ("VmRemovedEvent",), usual=False),
    "note": EventKind(NEUTRAL, ("GeneralUserEvent",), usual=False),
}
USUAL = tuple(name for name, kind in KINDS.items() if kind.usual)
# vCenter itself writes ids now like this and now like that: com.vmware.vc.HA, com.vmware.vc.ha
_KIND_OF = {type_.casefold(): name for name, kind in KINDS.items() for type_ in kind.types}


def kind_of(type_: str) -> str:
    """The kind that a type of vCenter's belongs to; empty for one that is never told."""
    return _KIND_OF.get(type_.casefold(), "")


@dataclass(frozen=True, slots=True)
class SiteEvent:
    """One event of a vCenter."""

    site: str
    key: int  # vCenter counts its events
    at: float  # by vCenter's clock, seconds since the epoch
    name: str  # one of KINDS
    entity: str  # the name of what it happened to
    entity_id: str
    text: str
    user: str = ""  # who did it, if somebody did
