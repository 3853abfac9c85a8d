"""What operations ask of engines about networks. A part of the `Containers` port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from andock.ports.sites import Listing
from andock.ports.uses import Use


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One network of one engine."""

    site: str
    id: str
    name: str
    driver: str
    environment: str
    subnets: tuple[str, ...] = ()  # `172.18.0.0/16 by 172.18.0.1`
    internal: bool = False  # no way out of it
    builtin: bool = False  # bridge, host and none: the engine's own
    labels: Mapping[str, str] = field(default_factory=dict)
    used_by: tuple[Use, ...] = ()


@dataclass(frozen=True, slots=True)
class Network(NetworkRow):
    """One network as `network info` shows it."""

    scope: str = ""
    ipv6: bool = False
    attachable: bool = False
    made_at: datetime | None = None
    options: tuple[str, ...] = ()  # key=value
    addresses: tuple[tuple[str, str], ...] = ()  # of running containers: name and address


class Networks(Protocol):
    """Networks of the engines. Raises as `Containers`; `TargetNotFoundError` when the network is gone."""

    def list_networks(self, site: str | None = None) -> Listing[NetworkRow]:
        """All networks of one engine or of all, by name, each with the containers that belong to it.

        Raises:
            UnknownSiteError: no engine has that name.
        """
        ...

    def read_network(self, site: str, network: str) -> Network:
        """Everything of the network with this id."""
        ...

    def remove_network(self, site: str, network: str) -> None:
        """Remove the network with this id; the engine refuses while a running container is in it."""
        ...
