"""The part of the port about volumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from andock.ports.sites import Listing
from andock.ports.volumes import VolumeRow
from workers.containers.calls import ask
from workers.containers.engines import EngineClient
from workers.containers.fleet import FleetCalls, Users, users_of
from workers.containers.inventory import read_time

_COUNT_SECONDS = 25.0  # an engine walks through every volume to say how big it is


class VolumeCalls(FleetCalls):
    """Implements `Volumes`."""

    def list_volumes(self, site: str | None = None) -> Listing[VolumeRow]:
        """See `Volumes`."""
        listing = self._each(site, self._list_volumes, _COUNT_SECONDS)
        rows = sorted(listing.rows, key=lambda row: (row.name, row.site))
        return Listing(tuple(rows), listing.searched, listing.not_reached)

    def read_volume(self, site: str, volume: str) -> VolumeRow:
        """See `Volumes`."""
        with self._asking_about(site, "volume", volume) as client:
            found = ask(client, f"/volumes/{volume}")
            used = users_of(client.containers(all=True), _volumes_of)
        return self._volume_row(site, found, -1, used)

    def remove_volume(self, site: str, volume: str) -> None:
        """See `Volumes`."""
        with self._telling_about(site, "volume", volume) as client:
            client.remove_volume(volume)

    def _list_volumes(self, client: EngineClient, site: str) -> tuple[VolumeRow, ...]:
        used = users_of(client.containers(all=True), _volumes_of)
        sizes = {
            volume["Name"]: int((volume.get("UsageData") or {}).get("Size", -1))
            for volume in client.df().get("Volumes") or ()
        }
        return tuple(
            self._volume_row(site, listed, sizes.get(listed["Name"], -1), used)
            for listed in client.volumes().get("Volumes") or ()
        )

    def _volume_row(self, site: str, listed: Mapping[str, Any], size: int, used: Users) -> VolumeRow:
        labels = dict(listed.get("Labels") or {})
        return VolumeRow(
            site=site,
            name=listed["Name"],
            driver=listed.get("Driver", ""),
            environment=self._environment(site, labels),
            size=size,
            made_at=read_time(listed.get("CreatedAt", "")),
            labels=labels,
            used_by=used.get(listed["Name"], ()),
        )


def _volumes_of(container: Mapping[str, Any]) -> Iterable[str]:
    for mount in container.get("Mounts") or ():
        if mount.get("Type") == "volume" and mount.get("Name"):
            yield str(mount["Name"])
