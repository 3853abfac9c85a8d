"""Andock never stops itself: what it runs on is refused as a target."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from andock.operation import OWN_LABEL, Target
from andock.ports.containers import ContainerRow, Containers
from andock.refusals import ProtectedTargetError

_ID = re.compile(r"[0-9a-f]{12,64}")  # a container's, whole or as short as its host name
_PRUNE_BY_HAND = (
    "Prune it on its host, where you see what is Andock's; `--site` names another engine to prune from here."
)


@dataclass(frozen=True, slots=True)
class Protection:
    """What must not be touched: BIOS UUIDs of VMs, ids and names of containers, names of engines.

    Of a container's id its first 12 digits are enough. With an engine stands how it is known.
    """

    vms: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()
    engines: Mapping[str, str] = field(default_factory=dict)

    def __or__(self, other: Protection) -> Protection:
        """What either of them protects."""
        return Protection(
            vms=self.vms | other.vms,
            containers=self.containers | other.containers,
            engines={**other.engines, **self.engines},
        )

    def refuse_own(self, targets: Iterable[Target]) -> None:
        """Let a change go on only if none of its targets is Andock's own.

        Raises:
            ProtectedTargetError: names the target and how it was recognised.
        """
        for target in targets:
            if target.kind == "engine" and target.id in self.engines:
                raise ProtectedTargetError(target.name, self.engines[target.id], way_out=_PRUNE_BY_HAND)
            why = self._why_own(target)
            if why:
                raise ProtectedTargetError(target.name, why)

    def is_own(self, row: ContainerRow) -> bool:
        """Whether a container is one of these, or says by its label that it is Andock's."""
        return OWN_LABEL in row.labels or self._names(row.id, row.name)

    def _why_own(self, target: Target) -> str:
        if target.kind == "vm" and target.uuid and target.uuid.lower() in self.vms:
            return f"BIOS UUID {target.uuid}"
        if target.kind != "vm" and any(label.partition("=")[0] == OWN_LABEL for label in target.labels):
            return f"label {OWN_LABEL}"
        if target.kind == "container" and self._names(target.id, target.name):
            return f"container {target.id[:12]}"
        return ""

    def _names(self, container: str, name: str) -> bool:
        return any(
            own == name or (_ID.fullmatch(own) is not None and container.startswith(own))
            for own in self.containers
        )


class Surroundings(Protocol):
    """Finds what of Andock runs on engines: its containers, its Redis, and so which engines are its own."""

    def look(self, targets: Collection[Target], containers: Containers) -> Protection:
        """What of these targets it is now; Redis may have another container than a minute ago.

        Raises:
            BackendUnavailableError: one of their engines did not answer, and what it holds is not known.
        """
        ...
