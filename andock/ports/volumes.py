"""What operations ask of engines about volumes. A part of the `Containers` port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from andock.ports.sites import Listing
from andock.ports.uses import Use


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """One volume of one engine."""

    site: str
    name: str
    driver: str
    environment: str
    size: int = -1  # bytes, or -1 where the engine does not say
    made_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    used_by: tuple[Use, ...] = ()

    @property
    def id(self) -> str:
        """What names it; made anew under the same name it is another one by `made_at`."""
        return self.name


class Volumes(Protocol):
    """Volumes of the engines. Raises as `Containers`; `TargetNotFoundError` when the volume is gone."""

    def list_volumes(self, site: str | None = None) -> Listing[VolumeRow]:
        """All volumes of one engine or of all, by name, with sizes and the containers that use them.

        Raises:
            UnknownSiteError: no engine has that name.
        """
        ...

    def read_volume(self, site: str, volume: str) -> VolumeRow:
        """The volume of this name, without its size, which takes an engine long to count."""
        ...

    def remove_volume(self, site: str, volume: str) -> None:
        """Remove the volume and what is in it; the engine refuses while a container uses it."""
        ...
