"""The tour: all scenes in their order."""

from __future__ import annotations

from sandbox.demo.containers import CONTAINERS
from sandbox.demo.estate import ESTATE
from sandbox.demo.fleet import FLEET
from sandbox.demo.releases import RELEASES
from sandbox.demo.scenes import MACHINES, POLICY, RECORD, Scene


def list_scenes(*, fleet: bool) -> tuple[Scene, ...]:
    """With a fleet also what needs a registry and several engines; the record of all is verified last."""
    if fleet:
        return (*MACHINES, *ESTATE, *CONTAINERS, *FLEET, *POLICY, *RELEASES, *RECORD)
    return (*MACHINES, *ESTATE, *CONTAINERS, *POLICY, *RECORD)
