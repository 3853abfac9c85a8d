"""Andock never stops itself: what it runs on is refused as a target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from andock.operation import OWN_LABEL, Target
from andock.refusals import ProtectedTargetError


@dataclass(frozen=True, slots=True)
class Protection:
    """What must not be touched: BIOS UUIDs of VMs, ids (or their beginnings) and names of containers."""

    vms: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()

    def refuse_own(self, targets: Iterable[Target]) -> None:
        """Let a change go on only if none of its targets is Andock's own.

        Raises:
            ProtectedTargetError: names the target and how it was recognised.
        """
        for target in targets:
            why = self._why_own(target)
            if why:
                raise ProtectedTargetError(target.name, why)

    def _why_own(self, target: Target) -> str:
        if target.kind == "vm" and target.uuid and target.uuid.lower() in self.vms:
            return f"BIOS UUID {target.uuid}"
        if target.kind != "vm" and any(label.partition("=")[0] == OWN_LABEL for label in target.labels):
            return f"label {OWN_LABEL}"
        if target.kind != "container":
            return ""
        if any(target.name == own or target.id.startswith(own) for own in self.containers):
            return f"container {target.id[:12]}"
        return ""
