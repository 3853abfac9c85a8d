"""The part of the port about networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from andock.ports.networks import Network, NetworkRow
from andock.ports.sites import Listing
from workers.containers.engines import EngineClient
from workers.containers.fleet import FleetCalls, Users, users_of
from workers.containers.inventory import read_time

_BUILTIN = frozenset({"bridge", "host", "none", "ingress"})


class NetworkCalls(FleetCalls):
    """Implements `Networks`."""

    def list_networks(self, site: str | None = None) -> Listing[NetworkRow]:
        """See `Networks`."""
        listing = self._each(site, self._list_networks)
        rows = sorted(listing.rows, key=lambda row: (row.name, row.site))
        return Listing(tuple(rows), listing.searched, listing.not_reached)

    def read_network(self, site: str, network: str) -> Network:
        """See `Networks`."""
        with self._asking_about(site, "network", network) as client:
            found = client.inspect_network(network)
            used = users_of(client.containers(all=True), _networks_of)
        row = self._network_row(site, found, used)
        return Network(
            site=row.site,
            id=row.id,
            name=row.name,
            driver=row.driver,
            environment=row.environment,
            subnets=row.subnets,
            internal=row.internal,
            builtin=row.builtin,
            labels=row.labels,
            used_by=row.used_by,
            scope=found.get("Scope", ""),
            ipv6=bool(found.get("EnableIPv6")),
            attachable=bool(found.get("Attachable")),
            made_at=read_time(found.get("Created", "")),
            options=tuple(f"{key}={value}" for key, value in sorted((found.get("Options") or {}).items())),
            addresses=tuple(sorted(_addresses(found.get("Containers") or {}))),
        )

    def remove_network(self, site: str, network: str) -> None:
        """See `Networks`."""
        with self._telling_about(site, "network", network) as client:
            client.remove_network(network)

    def _list_networks(self, client: EngineClient, site: str) -> tuple[NetworkRow, ...]:
        used = users_of(client.containers(all=True), _networks_of)
        return tuple(self._network_row(site, listed, used) for listed in client.networks())

    def _network_row(self, site: str, listed: Mapping[str, Any], used: Users) -> NetworkRow:
        labels = dict(listed.get("Labels") or {})
        return NetworkRow(
            site=site,
            id=listed["Id"],
            name=listed["Name"],
            driver=listed.get("Driver", ""),
            environment=self._environment(site, labels),
            subnets=tuple(_subnets((listed.get("IPAM") or {}).get("Config") or ())),
            internal=bool(listed.get("Internal")),
            builtin=listed["Name"] in _BUILTIN,
            labels=labels,
            # a container that never ran has its network's name, and not yet the id
            used_by=used.get(listed["Id"], ()) + used.get(listed["Name"], ()),
        )


def _networks_of(container: Mapping[str, Any]) -> Iterable[str]:
    for name, network in ((container.get("NetworkSettings") or {}).get("Networks") or {}).items():
        yield network.get("NetworkID") or name


def _subnets(configs: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for config in configs:
        gateway = f" by {config['Gateway']}" if config.get("Gateway") else ""
        yield f"{config.get('Subnet', '')}{gateway}"


def _addresses(containers: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for container in containers.values():
        address = container.get("IPv4Address") or container.get("IPv6Address") or ""
        yield container.get("Name", ""), address
